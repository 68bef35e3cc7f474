// What queries cost while merged persons wait for the squash, what inserting them costs, and what
// the squash takes.
//
//   bench_overrides DIR [ROWS]
//
// Fills an event store in DIR (fresh, on a disk that is not precious) with ROWS rows (default:
// three million) of three projects, two rows for each distinct id, then asks the same queries of
// one of them raw, and through the view while more and more distinct ids have an override. Prints
// JSON, one line each. CPU is the engine's process, medians of seven.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "tests/contract/event_store_world.h"

namespace penstock::bench {
namespace {

using store::testing::World;

constexpr uint64_t kProjects = 3, kRowsPerId = 2, kBatch = 20'000, kChanges = 2000;
constexpr int64_t kBegin = 1'785'585'600'000, kDay = 86'400'000;
constexpr int kRepeats = 7;

std::string id_of(uint64_t n) { return fmt::format("0198c0de-7aee-7d03-{:016x}", n * 0x9e3779b9U); }
Uuid random_uuid(std::mt19937_64& random) {
  Uuid out;
  for (size_t i = 0; i < 16; i++) out.bytes[i] = static_cast<uint8_t>(random() >> 11);
  return out;
}

/// Of the engine's process, in ms; it is this program's only child.
double cpu_ms() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream in(task.path() / "children");
    for (int pid = 0; in >> pid;) {
      double all = 0;
      // Threads come and go: the sum over tasks would lose those that ended.
      std::ifstream line(fmt::format("/proc/{}/stat", pid));
      std::string text;
      std::getline(line, text);
      std::istringstream fields(text.substr(text.rfind(')') + 2));
      std::string field;
      for (int i = 0; i < 13 && fields >> field; i++) {
        if (i >= 11) all += std::stod(field) * 10;
      }
      return all;
    }
  }
  return 0;
}

uint64_t disk_bytes(const std::string& directory) {
  uint64_t out = 0;
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(directory, error);
       it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    if (error) break;
    // A hard link is the same bytes.
    if (!it->is_regular_file(error) || error) continue;
    const auto links = std::max<uintmax_t>(it->hard_link_count(error), 1);
    const auto size = it->file_size(error);
    if (!error) out += size / links;
  }
  return out;
}

void fill(World& world, uint64_t rows) {
  std::mt19937_64 random(1);
  const std::string properties =
      R"({"$current_url":"https://example.com/page","$browser":"Firefox","plan":"pro"})";
  constexpr std::array<std::string_view, 4> kEvents{"$pageview", "$autocapture", "paid", "seen"};
  for (uint64_t at = 0; at < rows; at += kBatch) {
    auto batch = std::make_shared<store::InsertBatch>();
    batch->id = fmt::format("rows-{}", at);
    auto ids = std::make_shared<std::vector<std::string>>();
    ids->reserve(kBatch);
    for (uint64_t n = at; n < at + kBatch; n++) {
      const uint64_t id = n % (rows / kRowsPerId);
      store::InsertBatch::EventEntry e;
      e.project = {static_cast<int64_t>(1 + id % kProjects)};
      e.uuid = random_uuid(random);
      e.row.event = kEvents[random() % kEvents.size()];
      e.row.properties = properties;
      e.row.timestamp_ms = kBegin + static_cast<int64_t>(random() % 90) * kDay;
      e.row.distinct_id = ids->emplace_back(id_of(id));
      e.row.created_at_ms = e.row.timestamp_ms;
      e.row.person_properties = "{}";
      std::mt19937_64 of_id(id);
      e.row.person_id = random_uuid(of_id);
      batch->events.push_back(e);
    }
    batch->owner = ids;
    if (const Status s = world.insert(batch); !s) {
      fmt::print(stderr, "bench_overrides: {}\n", s.error().message);
      std::exit(1);
    }
  }
}

/// Distinct ids `from` to `to` go to other persons; ms of CPU for each insert of kChanges.
double merge(World& world, uint64_t from, uint64_t to) {
  std::mt19937_64 random(from + 2);
  const double before = cpu_ms();
  for (uint64_t at = from; at < to; at += kChanges) {
    std::vector<std::string> ids;
    std::vector<event::DistinctIdChange> changes;
    for (uint64_t n = at; n < at + kChanges; n++) ids.push_back(id_of(n));
    for (uint64_t n = at; n < at + kChanges; n++) {
      changes.push_back(
          {{static_cast<int64_t>(1 + n % kProjects)}, ids[n - at], random_uuid(random), false, 1});
    }
    if (!world.insert_mappings(fmt::format("m-{}", at), changes)) std::exit(1);
  }
  return (cpu_ms() - before) / (static_cast<double>(to - from) / static_cast<double>(kChanges));
}

/// Until background merges rest: what they use is not a query's.
void settle() {
  for (double last = -1; last != cpu_ms();) {
    last = cpu_ms();
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    if (cpu_ms() - last < 30) return;
  }
}

double ask(World& world, const std::string& sql) {
  std::vector<double> all;
  for (int i = 0; i < kRepeats; i++) {
    const double before = cpu_ms();
    // Several in a row: the kernel counts in steps of 10 ms.
    for (int k = 0; k < 5; k++) {
      if (const auto answer = world.query(sql, 1); !answer) {
        fmt::print(stderr, "bench_overrides: {}: {}\n", sql, answer.error().message);
        std::exit(1);
      }
    }
    all.push_back((cpu_ms() - before) / 5);
  }
  std::ranges::sort(all);
  return all[kRepeats / 2];
}

void measure(World& world, std::string_view label, std::string_view table) {
  settle();
  std::mt19937_64 of_id(3);
  const std::string person = random_uuid(of_id).text();
  const std::array<std::pair<std::string_view, std::string>, 7> queries{{
      {"count of an event's name", "SELECT count() FROM {} WHERE event = 'paid'"},
      {"count by day and name", "SELECT toDate(timestamp) d, event, count() FROM {} GROUP BY 1, 2"},
      {"count by a property",
       "SELECT JSONExtractString(properties, '$browser') b, count() FROM {} GROUP BY 1"},
      {"distinct ids", "SELECT uniq(distinct_id) FROM {}"},
      {"persons", "SELECT uniq(person_id) FROM {}"},
      {"persons by day", "SELECT toDate(timestamp) d, uniq(person_id) FROM {} GROUP BY 1"},
      {"rows of one person", "SELECT count() FROM {} WHERE person_id = '" + person + "'"},
  }};
  for (const auto& [name, sql] : queries) {
    const double ms = ask(world, fmt::format(fmt::runtime(sql), table));
    fmt::print("{{\"overrides\": \"{}\", \"query\": \"{}\", \"cpu_ms\": {:.1f}}}\n", label, name,
               ms);
    std::fflush(stdout);
  }
}

void squash(World& world) {
  const uint64_t disk_before = disk_bytes(world.directory());
  const double before = cpu_ms();
  uint64_t most = 0;
  (void)world.freeze();
  auto running = world.start_squash();
  while (running.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    most = std::max(most, disk_bytes(world.directory()));
  }
  const auto done = running.get();
  if (!done) {
    fmt::print(stderr, "bench_overrides: {}\n", done.error().message);
    std::exit(1);
  }
  fmt::print(
      "{{\"squash\": {}, \"rows\": {}, \"cpu_ms\": {:.0f}, \"disk_mb_before\": {}, "
      "\"disk_mb_most\": {}, \"disk_mb_after\": {}}}\n",
      done->overrides, done->rows_rewritten, cpu_ms() - before, disk_before >> 20, most >> 20,
      disk_bytes(world.directory()) >> 20);
  std::fflush(stdout);
}

int run(int argc, char** argv) {
  if (argc < 2) return 2;
  const uint64_t rows = argc > 2 ? std::stoull(argv[2]) : 3'000'000;
  World world("engine", argv[1]);
  world.keep_directory();
  if (!world.wait_ready()) return 1;
  const double begun = cpu_ms();
  fill(world, rows);
  settle();
  fmt::print("{{\"rows\": {}, \"cpu_us_per_row\": {:.1f}, \"disk_mb\": {}}}\n", rows,
             (cpu_ms() - begun) * 1000 / static_cast<double>(rows),
             disk_bytes(world.directory()) >> 20);
  measure(world, "raw", "sharded_events");
  measure(world, "0", "events");
  uint64_t at = 0;
  for (const uint64_t n : {uint64_t{10'000}, uint64_t{300'000}}) {
    const uint64_t to = n * rows / 3'000'000 / kChanges * kChanges;
    const double first = merge(world, at, std::min(at + 5 * kChanges, to));
    const double rest =
        to > at + 10 * kChanges ? merge(world, at + 5 * kChanges, to - 5 * kChanges) : 0;
    const double last = to > at + 10 * kChanges ? merge(world, to - 5 * kChanges, to) : first;
    fmt::print(
        "{{\"overrides\": {}, \"insert_cpu_ms_first\": {:.1f}, \"insert_cpu_ms_mean\": {:.1f}, "
        "\"insert_cpu_ms_last\": {:.1f}}}\n",
        to, first, rest, last);
    at = to;
    measure(world, std::to_string(to), "events");
  }
  squash(world);
  measure(world, "squashed", "events");
  return 0;
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::run(argc, argv); }
