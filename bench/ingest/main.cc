// The ingest stage alone: raw log → processed log, with a person store that holds a population.
//
//   bench_ingest_mix populate DIR PERSONS [POSTGRES_URL]
//   bench_ingest_mix run DIR PERSONS EVENTS SEED [POSTGRES_URL] [--dedup-only] [--partitions=N]
//
// `populate` makes DIR/persons (or fills the database); `run` writes EVENTS raw records, then lets
// Ingest decide them all on a real log, and prints one line of JSON: CPU of the whole process by
// event, by thread, after a first fifth that warms caches. With --dedup-only the ledger keeps what
// dedup needs and nothing else: the difference is what counts, ranges, traces and quarantine cost.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <thread>

#include "base/hash.h"
#include "bench/ingest/mix.h"
#include "event/lane.h"
#include "ingest/ingest.h"
#include "kv/key_value.h"
#include "ledger/ledger.h"
#include "log/embedded_log.h"
#include "persons/person_store.h"
#include "persons/postgres_store.h"
#include "runtime/real_runtime.h"

namespace penstock::bench {
namespace {

constexpr uint64_t kStateCacheBytes = 64U << 20;  // the default of `state.cache_bytes`

[[noreturn]] void die(std::string_view what, const Error& error) {
  fmt::print(stderr, "bench_ingest_mix: {}: {}\n", what, error.message);
  std::_Exit(1);
}
void must(std::string_view what, const Status& status) {
  if (!status) die(what, status.error());
}

std::unique_ptr<kv::KeyValue> open_kv(const std::string& path, bool large_values) {
  auto opened = kv::open_rocks_kv(
      {.path = path, .cache_bytes = kStateCacheBytes, .large_values = large_values});
  if (!opened) die(path, opened.error());
  return std::move(*opened);
}

std::unique_ptr<persons::PersonStore> open_persons(const std::string& dir, const std::string& url) {
  if (!url.empty()) return persons::make_postgres_person_store({.url = url, .source = dir});
  return persons::make_person_store(open_kv(dir + "/persons", true));
}

double state_threads_cpu_s();

/// What compaction a population left over is no part of what is measured.
void settle() {
  for (double before = -1, now = 0; now - before > 0.05;) {
    before = now;
    std::this_thread::sleep_for(std::chrono::seconds(2));
    now = state_threads_cpu_s();
  }
}

int populate(const std::string& dir, uint64_t persons, const std::string& url) {
  const auto store = open_persons(dir, url);
  constexpr uint64_t kGroup = 5000;
  for (uint64_t at = 0; at < persons; at += kGroup) {
    const Group group = make_persons(at, std::min(persons, at + kGroup));
    must("populate", store->apply(group.updates, {}));
  }
  settle();
  return 0;
}

/// Lets every loop's and the databases' threads be told apart.
std::map<std::string, double> thread_cpu_s() {
  std::map<std::string, double> out;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name, line;
    std::getline(std::ifstream(task.path() / "comm"), name);
    std::ifstream in(task.path() / "stat");
    std::getline(in, line);
    std::istringstream rest(line.substr(line.rfind(')') + 2));
    std::string skip;
    for (int i = 0; i < 11; i++) rest >> skip;
    double user = 0, kernel = 0;
    rest >> user >> kernel;
    out[name] += (user + kernel) / ticks;
  }
  return out;
}

double state_threads_cpu_s() {
  double out = 0;
  for (const auto& [name, s] : thread_cpu_s()) {
    if (name.starts_with("rocksdb")) out += s;
  }
  return out;
}

double process_cpu_s() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

class Bench {
 public:
  Bench(std::string dir, uint64_t persons, uint64_t events, uint64_t seed, std::string url,
        bool books, int32_t partitions)
      : dir_(std::move(dir)),
        url_(std::move(url)),
        books_(books),
        partitions_(partitions),
        persons_(persons),
        events_(events),
        seed_(seed) {}

  int run() {
    log_thread_.start();
    pipeline_.start();
    open_log();
    fill();
    catalog_ = catalog::make_memory_catalog(*runtime_);
    if (const auto p = catalog_->create_project({}, "bench", std::string(kToken)); !p) {
      die("project", p.error());
    }
    store_ = open_persons(dir_, url_);
    ledger_ = ledger::make_ledger(open_kv(dir_ + "/ledger", false), {.books = books_});
    wait("ledger", [&](auto done) { ledger_->recover(*log_, pipeline_.loop(), std::move(done)); });
    wait("persons", [&](auto done) { store_->recover(*log_, pipeline_.loop(), std::move(done)); });
    measure();
    std::promise<void> stopped;
    pipeline_.loop().post([&] { ingest_->stop([&] { stopped.set_value(); }); });
    stopped.get_future().wait();
    std::promise<void> gone;
    pipeline_.loop().post([&] {
      ingest_.reset();
      gone.set_value();
    });
    gone.get_future().wait();
    store_.reset();
    ledger_.reset();
    log_->stop();
    return 0;
  }

 private:
  void open_log() {
    log::EmbeddedLogOptions options;
    options.directory = dir_ + "/log";
    log_ = log::open_embedded_log(*runtime_, log_thread_.loop(), options);
    std::vector<log::TopicSpec> topics;
    for (const event::Lane lane : event::kLanes) {
      topics.push_back({std::string(event::lane_topic(lane)), partitions_, 0, 0, {}});
    }
    topics.push_back({std::string(event::kTopicProcessed), partitions_, 0, 0, {}});
    topics.push_back({std::string(event::kTopicRefused), 1, 0, 0, {}});
    topics.push_back({std::string(event::kTopicRefusalCounts), 1, 0, 0, {}});
    must("log", log_->start(std::move(topics)));
  }

  void fill() {
    Mix mix(persons_, seed_);
    std::string record, key;
    constexpr uint64_t kGroup = 2000;
    for (uint64_t at = 0; at < events_; at += kGroup) {
      std::vector<log::Batch> batches(static_cast<size_t>(partitions_));
      for (uint64_t i = at; i < std::min(events_, at + kGroup); i++) {
        mix.next(record, key);
        log::Batch& b = batches[hash64(key) % batches.size()];
        b.count++;
        log::encode_record(b.data, record);
        raw_bytes_ += record.size();
      }
      for (int32_t p = 0; p < partitions_; p++) batches[static_cast<size_t>(p)].partition = {p};
      std::erase_if(batches, [](const log::Batch& b) { return b.count == 0; });
      std::promise<Status> done;
      pipeline_.loop().post([&] {
        log_->append(pipeline_.loop(), std::string(event::kTopicMain), std::move(batches),
                     [&](Result<std::vector<log::Appended>> got) {
                       done.set_value(got ? Status{} : std::unexpected(got.error()));
                     });
      });
      must("append", done.get_future().get());
    }
  }

  template <typename Call>
  void wait(std::string_view what, Call call) {
    std::promise<Status> done;
    pipeline_.loop().post([&] { call([&](Status status) { done.set_value(std::move(status)); }); });
    must(what, done.get_future().get());
  }

  void until(uint64_t decided) {
    while (ingest_->stats().events < decided) {
      if (const std::string e = ingest_->stats().last_error; !e.empty()) {
        fmt::print(stderr, "{}\n", e);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  void measure() {
    std::promise<void> started;
    pipeline_.loop().post([&] {
      ingest_ =
          ingest::Ingest::make(pipeline_.loop(), *runtime_, *log_, *catalog_, *store_, *ledger_,
                               {.partitions = partitions_, .persons_block = !url_.empty()});
      must("ingest", ingest_->start());
      started.set_value();
    });
    started.get_future().wait();
    until(events_ / 5);
    const ingest::IngestStats before = ingest_->stats();
    const auto threads_before = thread_cpu_s();
    const double cpu_before = process_cpu_s();
    const auto wall_before = std::chrono::steady_clock::now();
    until(events_);
    const double cpu = process_cpu_s() - cpu_before;
    const auto threads = thread_cpu_s();
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - wall_before;
    const ingest::IngestStats after = ingest_->stats();
    const auto n = static_cast<double>(after.events - before.events);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::string by_thread;
    for (const auto& [name, s] : threads) {
      const auto it = threads_before.find(name);
      const double used = s - (it == threads_before.end() ? 0 : it->second);
      if (used * 1e9 / n < 50) continue;
      by_thread +=
          fmt::format("{}\"{}\": {:.0f}", by_thread.empty() ? "" : ", ", name, used * 1e9 / n);
    }
    fmt::print(
        "{{\"persons\": {}, \"events\": {:.0f}, \"accepted\": {}, \"raw_bytes\": {}, "
        "\"cpu_ns\": {:.0f}, \"events_per_cpu_s\": {:.0f}, \"events_per_s\": {:.0f}, "
        "\"decide_ns\": {:.0f}, \"peak_rss_mb\": {}, \"threads_ns\": {{{}}}}}\n",
        persons_, n, after.accepted, raw_bytes_ / events_, cpu * 1e9 / n, n / cpu, n / wall.count(),
        static_cast<double>(after.cpu_ns - before.cpu_ns) / n, usage.ru_maxrss / 1024, by_thread);
  }

  std::string dir_, url_;
  bool books_;
  int32_t partitions_;
  uint64_t persons_, events_, seed_, raw_bytes_ = 0;
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime();
  runtime::LoopThread log_thread_{"log"}, pipeline_{"pipeline"};
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<persons::PersonStore> store_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<ingest::Ingest> ingest_;
};

int run(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  const bool books = std::erase(args, "--dedup-only") == 0;
  int32_t partitions = 8;
  std::erase_if(args, [&](const std::string& arg) {
    constexpr std::string_view kName = "--partitions=";
    if (!arg.starts_with(kName)) return false;
    partitions = std::stoi(arg.substr(kName.size()));
    return true;
  });
  const auto text = [&](size_t i) { return i < args.size() ? args[i] : std::string(); };
  if (args.size() >= 3 && args[0] == "populate") {
    return populate(args[1], std::stoull(args[2]), text(3));
  }
  if (args.size() >= 5 && args[0] == "run") {
    return Bench(args[1], std::stoull(args[2]), std::stoull(args[3]), std::stoull(args[4]), text(5),
                 books, partitions)
        .run();
  }
  fmt::print(stderr, "usage: see the head of bench/ingest/main.cc\n");
  return 2;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::run(argc, argv); }
