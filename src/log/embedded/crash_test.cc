// The embedded log on a disk that dies: killed at every I/O, by power failure and by process death,
// with writes and syncs that fail, with segments that are recycled. Method: clients append until
// they are acknowledged, over several lives of one simulated disk; after every start all of the log
// is read and compared with what clients and readers were told before. One seed is one run.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "log/embedded_log.h"
#include "runtime/sim_runtime.h"

namespace penstock::log {
namespace {

constexpr int32_t kPartitions = 2;
constexpr size_t kClients = 5;
constexpr char kLane[] = "lane";
constexpr char kReader[] = "reader";

struct Plan {
  uint64_t seed = 1;
  int64_t appends = 12;  // of every client
  bool retention = false;
  size_t bytes_max = 12'000;  // of a record
};

/// What a client or a reader knows across lives.
struct World {
  explicit World(const Plan& p)
      : plan(p), random(p.seed), disk(std::make_shared<runtime::SimDisk>(p.seed)) {
    EXPECT_TRUE(disk->create_directories("/data"));
  }
  struct Client {
    int64_t next = 1;  // number of the append under way
    bool waiting = false;
    bool retried = false;
  };

  Plan plan;
  std::mt19937_64 random;
  std::shared_ptr<runtime::SimDisk> disk;
  std::vector<Client> clients{kClients};
  std::map<std::pair<int32_t, int64_t>, std::string> told;  // partition, offset: record
  std::set<std::string> acknowledged;                       // "client number"
  uint64_t life = 0, maybes = 0, duplicates = 0;
  std::string where() const { return fmt::format("seed {} life {}", plan.seed, life); }
};

std::string name_of(size_t client, int64_t number) { return fmt::format("{} {}", client, number); }

/// Without a producer nothing tells a repetition: such a client never repeats.
bool repeats(size_t client) { return client != 0; }

class Life {
 public:
  explicit Life(World& w)
      : w_(w),
        runtime_(w.plan.seed * 1000 + ++w.life, w.disk),
        loop_(runtime_.make_loop()),
        log_(open_embedded_log(runtime_, loop_, options())) {}
  ~Life() {
    *alive_ = false;
    log_->stop();
  }

  /// False: killed on the way.
  bool start() {
    TopicSpec spec;
    spec.name = kLane;
    spec.partitions = kPartitions;
    if (w_.plan.retention) {
      spec.retention_bytes = 1;
      spec.required_groups = {kReader};
    }
    const Status started = log_->start({spec});
    if (!started) {
      EXPECT_TRUE(excused(started.error())) << w_.where() << ": " << started.error().message;
      return false;
    }
    return verify();
  }

  /// Clients append until all are done. False: killed.
  bool run() {
    for (size_t c = 0; c < kClients; c++) {
      World::Client& client = w_.clients[c];
      if (client.waiting && !repeats(c)) client.next++;
      client.waiting = false;
      send(c);
    }
    read_along();
    const auto end =
        runtime_.run_until([this] { return done_ == kClients; }, std::chrono::minutes(10));
    if (end == runtime::SimEnd::kKilled) return false;
    EXPECT_EQ(end, runtime::SimEnd::kDone) << w_.where();
    return verify();
  }

 private:
  static EmbeddedLogOptions options() {
    EmbeddedLogOptions o;
    o.directory = "/data/log";
    o.segment_bytes = 160U << 10;
    o.free_reserve_bytes = 0;
    o.housekeeping_ms = 3;
    o.tail_cache_bytes = 40'000;
    o.block_bytes_max = 50'000;
    return o;
  }

  /// Killed, or met an error that the plan made.
  bool excused(const Error& error) const {
    return w_.disk->killed() || error.message.find("simulated") != std::string::npos;
  }

  std::string record(size_t client, int64_t number) const {
    const std::string name = name_of(client, number);
    const size_t size = std::hash<std::string>{}(name) % w_.plan.bytes_max;
    return name + "|" + std::string(size, static_cast<char>('a' + number % 26));
  }

  void send(size_t c) {
    World::Client& client = w_.clients[c];
    if (client.next > w_.plan.appends) {
      done_++;
      return;
    }
    std::vector<Batch> batches(kPartitions);
    for (int32_t p = 0; p < kPartitions; p++) {
      Batch& b = batches[static_cast<size_t>(p)];
      b.partition = {p};
      b.count = 1;
      encode_record(b.data, record(c, client.next));
      b.producer = repeats(c) ? c : 0;
      b.sequence = client.next;
    }
    client.waiting = true;
    log_->append(loop_, kLane, std::move(batches),
                 [this, alive = alive_, c](Result<std::vector<Appended>> got) {
                   if (*alive) answered(c, got);
                 });
  }

  void answered(size_t c, const Result<std::vector<Appended>>& got) {
    World::Client& client = w_.clients[c];
    if (!got) {
      if (got.error().code == Code::kMaybe) w_.maybes++;
      if (!repeats(c)) client.next++;
      client.retried = true;
      loop_.after(std::chrono::milliseconds(2), [this, alive = alive_, c] {
        if (*alive) send(c);
      });
      return;
    }
    for (const Appended& a : *got) {
      if (a.duplicate) {
        EXPECT_TRUE(repeats(c));
        w_.duplicates++;
      } else {
        tell(a.partition.value, a.base.value, record(c, client.next));
      }
    }
    w_.acknowledged.insert(name_of(c, client.next));
    client.next++;
    client.waiting = false;
    send(c);
  }

  void tell(int32_t partition, int64_t offset, const std::string& record) {
    const auto [known, fresh] = w_.told.try_emplace({partition, offset}, record);
    EXPECT_TRUE(known->second == record)
        << w_.where() << ": partition " << partition << " offset " << offset << " was "
        << known->second.substr(0, 10) << " and is " << record.substr(0, 10);
  }

  /// A reader that tails, and commits what it saw.
  void read_along() {
    FetchRequest request;
    request.topic = kLane;
    const auto bounds = log_->bounds(kLane);
    for (int32_t p = 0; p < kPartitions; p++) {
      request.positions.push_back({{p}, (*bounds)[static_cast<size_t>(p)].start});
    }
    for (const Position& at : log_->committed(kReader, kLane)) {
      request.positions[static_cast<size_t>(at.partition.value)].next =
          std::max(at.next, request.positions[static_cast<size_t>(at.partition.value)].next);
    }
    follow(std::move(request));
  }
  void follow(FetchRequest request) {
    request.wait_ms = 20;
    request.bytes_max = 20'000;
    log_->fetch(loop_, request, [this, alive = alive_](Result<FetchResult> got) {
      if (!*alive) return;
      if (!got) {
        EXPECT_TRUE(w_.disk->killed()) << w_.where() << ": " << got.error().message;
        return;
      }
      for (const ReadBatch& b : got->batches) {
        for (size_t i = 0; i < b.records.size(); i++) {
          tell(b.partition.value, b.base.value + static_cast<int64_t>(i),
               std::string(b.records[i]));
        }
      }
      EXPECT_TRUE(log_->commit(kReader, kLane, got->next));
      FetchRequest next;
      next.topic = kLane;
      next.positions = got->next;
      follow(std::move(next));
    });
  }

  /// Reads everything and compares. False: killed on the way.
  bool verify() {
    const auto bounds = log_->bounds(kLane);
    std::vector<std::set<std::string>> names(kPartitions);
    for (const PartitionBounds& b : *bounds) {
      if (!read_partition(b, names[static_cast<size_t>(b.partition.value)])) return false;
      for (const auto& [at, record] : w_.told) {
        if (at.first != b.partition.value) continue;
        EXPECT_LT(at.second, b.end.value) << w_.where() << ": lost " << record.substr(0, 10);
      }
    }
    if (w_.plan.retention) return true;
    EXPECT_EQ(names[0], names[1]) << w_.where() << ": half an append";
    for (const std::string& name : w_.acknowledged) {
      EXPECT_TRUE(names[0].contains(name)) << w_.where() << ": lost " << name;
    }
    return true;
  }

  bool read_partition(const PartitionBounds& b, std::set<std::string>& names) {
    Position at{b.partition, b.start};
    std::map<size_t, int64_t> last;
    while (at.next < b.end) {
      std::optional<Result<FetchResult>> got;
      log_->fetch(loop_, {kLane, {at}, 30'000, 0},
                  [&got](Result<FetchResult> r) { got.emplace(std::move(r)); });
      if (runtime_.run_until([&] { return got.has_value(); }) != runtime::SimEnd::kDone) {
        return false;
      }
      if (!*got) {
        if (w_.plan.retention && got->error().code == Code::kNotFound) {
          at.next = (*log_->bounds(kLane))[static_cast<size_t>(b.partition.value)].start;
          continue;
        }
        EXPECT_TRUE(w_.disk->killed()) << w_.where() << ": " << got->error().message;
        return false;
      }
      for (const ReadBatch& batch : (*got)->batches) {
        for (size_t i = 0; i < batch.records.size(); i++) {
          const Offset offset{batch.base.value + static_cast<int64_t>(i)};
          if (offset < at.next) continue;
          EXPECT_EQ(offset, at.next) << w_.where() << ": a gap";
          at.next.value = offset.value + 1;
          const std::string record(batch.records[i]);
          tell(b.partition.value, offset.value, record);
          check_order(record, names, last);
        }
      }
      if ((*got)->batches.empty()) {
        ADD_FAILURE() << w_.where() << ": no progress at " << at.next.value;
        return false;
      }
    }
    return true;
  }

  void check_order(const std::string& record, std::set<std::string>& names,
                   std::map<size_t, int64_t>& last) {
    const std::string name = record.substr(0, record.find('|'));
    EXPECT_TRUE(names.insert(name).second) << w_.where() << ": twice " << name;
    const size_t client = std::stoul(name);
    const int64_t number = std::stoll(name.substr(name.find(' ')));
    EXPECT_GT(number, last[client]) << w_.where() << ": out of order";
    last[client] = number;
  }

  World& w_;
  runtime::SimRuntime runtime_;
  runtime::Loop& loop_;
  std::unique_ptr<Log> log_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  size_t done_ = 0;
};

void end_life(World& w, bool power_fails) {
  if (power_fails) {
    w.disk->crash();
  } else {
    w.disk->restart();
  }
}

/// One undisturbed life at the end: everything must get there.
void finish(World& w) {
  Life life(w);
  ASSERT_TRUE(life.start()) << w.where();
  ASSERT_TRUE(life.run()) << w.where();
  for (size_t c = 1; c < kClients; c++) {
    EXPECT_TRUE(w.acknowledged.contains(name_of(c, w.plan.appends)));
  }
}

/// Kills one run at its first, second, … I/O until it survives.
void kill_at_every_io(Plan plan, bool power_fails) {
  for (uint64_t io = 1;; io++) {
    World w(plan);
    w.disk->set_faults({.kill_at_io = io});
    bool survived = false;
    {
      Life life(w);
      survived = life.start() && life.run();
    }
    if (survived && !w.disk->killed()) {
      EXPECT_GT(io, 40U);
      return;
    }
    end_life(w, power_fails);
    finish(w);
    if (testing::Test::HasFailure()) FAIL() << "killed at I/O " << io;
  }
}

/// How many seeds a case runs; PENSTOCK_SIM_SEEDS=5000 makes it a night's run.
uint64_t seeds(uint64_t otherwise) {
  const char* asked = std::getenv("PENSTOCK_SIM_SEEDS");
  return asked == nullptr ? otherwise : std::strtoull(asked, nullptr, 10);
}
/// Every I/O of one run is a hundred runs.
uint64_t whole_runs() { return 1 + seeds(0) / 100; }

TEST(EmbeddedLogCrash, killed_at_every_io_by_power_failure) {
  for (uint64_t i = 0; i < whole_runs(); i++) kill_at_every_io({.seed = 1 + i, .appends = 8}, true);
}

TEST(EmbeddedLogCrash, killed_at_every_io_by_process_death) {
  for (uint64_t i = 0; i < whole_runs(); i++)
    kill_at_every_io({.seed = 11 + i, .appends = 8}, false);
}

TEST(EmbeddedLogCrash, killed_at_every_io_while_segments_are_recycled) {
  for (uint64_t i = 0; i < whole_runs(); i++) {
    kill_at_every_io({.seed = 21 + i, .appends = 8, .retention = true, .bytes_max = 40'000}, true);
  }
}

/// Many lives of one disk, every one ended at a random I/O, some with an error before.
void many_lives(uint64_t seed, World& w) {
  for (int life = 0; life < 12; life++) {
    const uint64_t ios = w.disk->io_count();
    const uint64_t syncs = w.disk->sync_count();
    runtime::SimFaults faults;
    faults.kill_at_io = ios + 1 + w.random() % 120;
    if (w.random() % 2 == 0) faults.sync_error_at = syncs + 1 + w.random() % 20;
    if (w.random() % 4 == 0) faults.write_error_at = 1 + w.random() % 200;
    w.disk->set_faults(faults);
    {
      Life one(w);
      if (one.start()) one.run();
    }
    end_life(w, w.random() % 3 != 0);
    if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
  finish(w);
}

TEST(EmbeddedLogCrash, many_lives_with_failing_writes_and_syncs) {
  uint64_t maybes = 0, duplicates = 0;
  for (uint64_t seed = 100; seed < 100 + seeds(15); seed++) {
    World w({.seed = seed, .appends = 80});
    many_lives(seed, w);
    if (HasFailure()) return;
    maybes += w.maybes;
    duplicates += w.duplicates;
  }
  EXPECT_GT(maybes, 5U);  // the faults were met, and repetitions told
  EXPECT_GT(duplicates, 5U);
}

TEST(EmbeddedLogCrash, many_lives_while_segments_are_recycled) {
  for (uint64_t seed = 300; seed < 300 + seeds(8); seed++) {
    World w({.seed = seed, .appends = 60, .retention = true, .bytes_max = 30'000});
    many_lives(seed, w);
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace penstock::log
