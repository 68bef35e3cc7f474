// How long a trace's look-up takes as the event index grows.
//
//   bench_trace DIR EVENTS [STEP]
//
// Fills a ledger in DIR with EVENTS accepted events, as ingest does it, and after every STEP of
// them (default: a tenth) asks for uuids that are there, uuids that are not, and times of requests,
// in random order. Prints one line of JSON each: events, microseconds at the median and the 99th
// percentile, by the clock and of the thread's own time (which a busy machine does not lengthen),
// bytes on disk.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <random>

#include "event/processed_record.h"
#include "kv/key_value.h"
#include "ledger/ledger.h"

namespace penstock::bench {
namespace {

constexpr uint64_t kEventsPerCycle = 2000, kPartitions = 8, kAsked = 3000;
constexpr int64_t kBegin = 1'785'585'600'000, kEventsPerMs = 15;

Uuid uuid_of(uint64_t n) {
  // A client's uuids say nothing about when they come.
  std::mt19937_64 random(n);
  Uuid out;
  for (size_t i = 0; i < 16; i += 8) {
    const uint64_t v = random();
    for (size_t b = 0; b < 8; b++) out.bytes[i + b] = static_cast<uint8_t>(v >> (8 * b));
  }
  return out;
}

int64_t time_of(uint64_t n) { return kBegin + static_cast<int64_t>(n) / kEventsPerMs; }

double thread_us() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_nsec) / 1e3;
}

double of(std::vector<double>& all, double share) {
  std::ranges::sort(all);
  return all.at(static_cast<size_t>(share * static_cast<double>(all.size() - 1)));
}

struct Timed {
  std::vector<double> us, cpu_us;
  template <typename Call>
  void take(Call call) {
    const auto begun = std::chrono::steady_clock::now();
    const double cpu = thread_us();
    call();
    cpu_us.push_back(thread_us() - cpu);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begun;
    us.push_back(took.count());
  }
  double at(double share) { return of(us, share); }
  double cpu_at(double share) { return of(cpu_us, share); }
};

void measure(const ledger::Ledger& ledger, const kv::KeyValue& kv, uint64_t events) {
  std::mt19937_64 random(events);
  Timed there, absent, request;
  uint64_t found = 0, ranges = 0;
  for (uint64_t i = 0; i < kAsked; i++) {
    const uint64_t n = random() % events;
    there.take([&] { found += ledger.trace(uuid_of(n))->size(); });
    absent.take([&] { found += ledger.trace(uuid_of(n + (1ULL << 40)))->size(); });
    if (i % 10 != 0) continue;
    const int64_t at = time_of(n), minute = ledger::minute_of(at);
    request.take([&] {
      (void)ledger.visit_decided(minute, minute + 1, std::nullopt,
                                 [&](const ledger::DecidedRange& r) {
                                   ranges += r.first_ms <= at && at <= r.last_ms ? 1 : 0;
                                   return true;
                                 });
    });
  }
  fmt::print(
      "{{\"events\": {}, \"found\": {}, \"trace_us_p50\": {:.1f}, \"trace_us_p99\": {:.1f}, "
      "\"absent_us_p50\": {:.1f}, \"request_us_p50\": {:.0f}, \"request_us_p99\": {:.0f}, "
      "\"ranges_per_request\": {:.1f}, \"trace_cpu_us_p50\": {:.1f}, "
      "\"trace_cpu_us_p99\": {:.1f}, \"request_cpu_us_p50\": {:.0f}, "
      "\"request_cpu_us_p99\": {:.0f}, \"disk_mb\": {}}}\n",
      events, found, there.at(0.5), there.at(0.99), absent.at(0.5), request.at(0.5),
      request.at(0.99), static_cast<double>(ranges) / static_cast<double>(kAsked) * 10,
      there.cpu_at(0.5), there.cpu_at(0.99), request.cpu_at(0.5), request.cpu_at(0.99),
      kv.disk_bytes() >> 20);
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  if (argc < 3) return 2;
  const uint64_t events = std::stoull(argv[2]);
  const uint64_t step = argc > 3 ? std::stoull(argv[3]) : events / 10;
  auto opened = kv::open_rocks_kv({.path = std::string(argv[1]) + "/ledger"});
  if (!opened) {
    fmt::print(stderr, "bench_trace: {}\n", opened.error().message);
    return 1;
  }
  const kv::KeyValue& kv = **opened;
  const auto ledger = ledger::make_ledger(std::move(*opened), {});
  std::array<int64_t, kPartitions> next{};
  for (uint64_t at = 0; at < events; at += kEventsPerCycle) {
    std::array<std::vector<std::string>, kPartitions> records;
    for (uint64_t n = at; n < at + kEventsPerCycle; n++) {
      const uint64_t p = n * 0x9e3779b97f4a7c15ULL >> 61;
      event::Outcome o;
      o.project = o.received_for = {1};
      o.uuid = uuid_of(n);
      o.content_hash = n + 1;
      o.received_ms = time_of(n);
      o.source = {event::Lane::kMain,
                  {static_cast<int32_t>(p)},
                  {next[p] + static_cast<int64_t>(records[p].size())}};
      o.request = static_cast<uint32_t>(n / 10 + 1);
      o.row.event = "$pageview";
      o.row.distinct_id = "0198c0de-user-of-the-bench";
      o.row.properties = o.row.person_properties = "{}";
      event::encode(o, records[p].emplace_back());
    }
    std::vector<std::vector<std::string_view>> views(kPartitions);
    std::vector<ledger::ProcessedSlice> slices;
    for (size_t p = 0; p < kPartitions; p++) {
      views[p].assign(records[p].begin(), records[p].end());
      slices.push_back({{static_cast<int32_t>(p)}, {next[p]}, &views[p]});
      next[p] += static_cast<int64_t>(records[p].size());
    }
    if (!ledger->apply_processed_many(slices)) return 1;
    if ((at + kEventsPerCycle) % step == 0) measure(*ledger, kv, at + kEventsPerCycle);
  }
  return 0;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::run(argc, argv); }
