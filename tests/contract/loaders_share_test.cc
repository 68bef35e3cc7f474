// Several loaders that share the partitions of one log and one store: whoever dies, whoever thinks
// it has what another one has, each event is a row once.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "event/lane.h"
#include "event/processed_record.h"
#include "kv/key_value.h"
#include "ledger/ledger.h"
#include "load/loader.h"
#include "log/forwarding_log.h"
#include "log/memory_log.h"
#include "log/testing/batch.h"
#include "runtime/sim_runtime.h"
#include "store/memory_store.h"

namespace penstock::load {
namespace {

using std::chrono::milliseconds;

constexpr int32_t kPartitions = 3;
constexpr char kTopic[] = "load_intents";

Uuid uuid_of(int64_t n) {
  Uuid out;
  for (size_t i = 0; i < 8; i++) out.bytes[i] = static_cast<uint8_t>(n >> (8 * i));
  return out;
}

/// A store whose answers take a while, as a server's do.
class SlowStore : public store::MemoryStore {
 public:
  explicit SlowStore(runtime::Loop& loop) : loop_(loop) {}
  void insert(std::shared_ptr<const store::InsertBatch> batch, store::InsertDone done) override {
    loop_.after(milliseconds(wait_ms), [this, batch, done = std::move(done)]() mutable {
      store::MemoryStore::insert(batch, std::move(done));
    });
  }
  int64_t wait_ms = 5;

 private:
  runtime::Loop& loop_;
};

/// A log that may lose what was committed last, as in a power loss: here all of it.
class ForgetfulLog : public log::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  std::vector<log::Position> committed(const std::string& group,
                                       const std::string& topic) const override {
    return forgets ? std::vector<log::Position>{} : ForwardingLog::committed(group, topic);
  }
  bool forgets = false;
};

/// What a process sees of a log of which it looks at some partitions of `processed`.
class PartOfLog : public log::ForwardingLog {
 public:
  PartOfLog(const std::shared_ptr<log::Log>& whole, std::set<int32_t> seen)
      : ForwardingLog(whole), seen_(std::move(seen)) {}

  Result<std::vector<log::PartitionBounds>> bounds(const std::string& topic) const override {
    auto out = ForwardingLog::bounds(topic);
    if (out) std::erase_if(*out, [&](const auto& b) { return unseen(topic, b.partition); });
    return out;
  }
  void ends(runtime::Loop& home, std::string topic, EndsDone done) override {
    ForwardingLog::ends(home, topic, [this, topic, done = std::move(done)](auto ends) mutable {
      if (ends) std::erase_if(*ends, [&](const auto& p) { return unseen(topic, p.partition); });
      done(std::move(ends));
    });
  }
  void fetch(runtime::Loop& home, log::FetchRequest request, log::FetchDone done) override {
    for (const log::Position& p : request.positions) {
      if (!unseen(request.topic, p.partition)) continue;
      return home.post([done = std::move(done)]() mutable {
        done(fail(Code::kInvalid, "this process does not look at this partition"));
      });
    }
    ForwardingLog::fetch(home, std::move(request), std::move(done));
  }
  Status commit(const std::string& group, const std::string& topic,
                std::vector<log::Position> positions) override {
    for (const log::Position& p : positions) {
      EXPECT_FALSE(unseen(topic, p.partition)) << "that is for others to say";
    }
    return ForwardingLog::commit(group, topic, std::move(positions));
  }
  std::vector<log::Position> committed(const std::string& group,
                                       const std::string& topic) const override {
    auto out = ForwardingLog::committed(group, topic);
    std::erase_if(out, [&](const auto& p) { return unseen(topic, p.partition); });
    return out;
  }

 private:
  bool unseen(const std::string& topic, Partition p) const {
    return topic == event::kTopicProcessed && !seen_.contains(p.value);
  }
  std::set<int32_t> seen_;
};

class LoadersShareTest : public ::testing::TestWithParam<int> {
 protected:
  LoadersShareTest()
      : disk_(std::make_shared<runtime::SimDisk>(1)),
        runtime_(static_cast<uint64_t>(GetParam()), disk_) {
    EXPECT_TRUE(disk_->create_directories("/d").has_value());
    log_ = std::make_shared<ForgetfulLog>(log::make_memory_log(runtime_));
    log::TopicSpec processed, intents;
    processed.name = event::kTopicProcessed;
    processed.partitions = kPartitions;
    intents.name = kTopic;
    EXPECT_TRUE(log_->start({processed, intents}).has_value());
    ledger_ = ledger::make_ledger(kv::make_memory_kv(), {});
  }

  ~LoadersShareTest() override { loaders_.clear(); }

  std::unique_ptr<Loader> make(const std::string& file, const std::string& topic = kTopic) {
    return make_on(*log_, file, topic, false);
  }

  /// One that looks at some partitions.
  std::unique_ptr<Loader> make_some(int who, const std::set<int32_t>& seen,
                                    const std::string& topic = kTopic) {
    loaders_.erase(who);
    parts_[who] = std::make_unique<PartOfLog>(log_, seen);
    return make_on(*parts_[who], "/d/" + std::to_string(who), topic, true);
  }

  std::unique_ptr<Loader> make_on(log::Log& log, const std::string& file, const std::string& topic,
                                  bool some) {
    LoaderOptions options;
    options.some = some;
    options.state_path = file;
    options.intents_topic = topic;
    options.partitions = kPartitions;
    options.linger_ms = 20;
    options.rows_per_batch_max = 40;
    options.retry_ms_max = 200;
    options.adopt_ms = 100;
    auto out = Loader::make(loop_, runtime_, log, store_, *ledger_, options);
    EXPECT_TRUE(out->start().has_value());
    return out;
  }

  void append(int64_t events) {
    for (int64_t i = 0; i < events; i++) {
      event::Outcome o;
      o.project = o.received_for = {1};
      o.uuid = uuid_of(next_);
      o.row.event = "e";
      o.row.distinct_id = "d";
      std::string record;
      event::encode(o, record);
      const auto partition = static_cast<int32_t>(next_ % kPartitions);
      next_++;
      log_->append(loop_, std::string(event::kTopicProcessed), {log::batch_of(partition, {record})},
                   [](const auto& r) { EXPECT_TRUE(r.has_value()); });
    }
  }

  bool all_stored() const {
    std::set<Uuid> seen;
    for (const auto& row : store_.events()) seen.insert(row.uuid);
    return seen.size() == static_cast<size_t>(next_);
  }

  void expect_each_once() {
    (void)runtime_.run_until([this] { return all_stored(); }, std::chrono::minutes(5));
    (void)runtime_.run_for(std::chrono::seconds(5));  // for what comes twice
    EXPECT_EQ(store_.events().size(), static_cast<size_t>(next_));
    EXPECT_TRUE(all_stored());
  }

  static std::vector<Partition> all() { return {{0}, {1}, {2}}; }

  std::shared_ptr<runtime::SimDisk> disk_;
  runtime::SimRuntime runtime_;
  runtime::Loop& loop_ = runtime_.make_loop();
  std::shared_ptr<ForgetfulLog> log_;
  std::unique_ptr<ledger::Ledger> ledger_;
  SlowStore store_{loop_};
  std::map<int, std::unique_ptr<PartOfLog>> parts_;
  std::map<int, std::unique_ptr<Loader>> loaders_;
  int64_t next_ = 0;
};

TEST_P(LoadersShareTest, EachHasItsPartitionsAndTheyChangeHands) {
  loaders_[0] = make("/d/a");
  loaders_[1] = make("/d/b");
  loaders_[0]->share({{0}, {1}});
  loaders_[1]->share({{2}});
  append(200);
  (void)runtime_.run_for(milliseconds(200));
  EXPECT_GT(loaders_[0]->stats().rows, 0U);
  EXPECT_GT(loaders_[1]->stats().rows, 0U);
  append(200);
  (void)runtime_.run_for(milliseconds(15));
  loaders_[0]->share({{0}});
  loaders_[1]->share({{1}, {2}});
  append(200);
  expect_each_once();
  for (const log::Position& p :
       log_->committed(std::string(event::kGroupLoad), std::string(event::kTopicProcessed))) {
    EXPECT_EQ(p.next.value, next_ / kPartitions);
  }
  for (auto& [n, loader] : loaders_) EXPECT_EQ(loader->stats().lag_records, 0U);
}

TEST_P(LoadersShareTest, WhoeverDiesOrThinksItHasWhatAnotherHasDoublesNothing) {
  std::mt19937 dice(static_cast<unsigned>(GetParam()));
  const auto roll = [&](int n) { return static_cast<int>(dice() % static_cast<unsigned>(n)); };
  for (int step = 0; step < 60; step++) {
    const int who = roll(3);
    switch (roll(5)) {
      case 0: loaders_.erase(who); break;  // killed, whatever it was doing
      case 1:
        if (roll(3) == 0) {
          store_.fail_next({Code::kMaybe, "the answer was lost"}, roll(2) == 0);
        }
        break;
      default: break;
    }
    if (!loaders_.contains(who)) loaders_[who] = make("/d/" + std::to_string(who));
    if (roll(2) == 0) {
      std::vector<Partition> mine;
      for (const Partition& p : all()) {
        if (roll(3) > 0) mine.push_back(p);  // not by turns: some are two's, some nobody's
      }
      loaders_[who]->share(mine);
    }
    store_.wait_ms = roll(4) == 0 ? 150 : 5;
    append(roll(60));
    (void)runtime_.run_for(milliseconds(roll(120)));
  }
  if (!loaders_.contains(0)) loaders_[0] = make("/d/0");
  loaders_[0]->share(all());
  expect_each_once();
}

TEST_P(LoadersShareTest, WhatALoneLoaderLeftIsTakenAlong) {
  loaders_[0] = make("/d/alone", "");
  append(300);
  store_.wait_ms = 400;
  (void)runtime_.run_for(milliseconds(60 + 10 * GetParam()));
  ASSERT_TRUE(disk_->exists("/d/alone"));
  loaders_.clear();  // in the middle of a batch
  store_.wait_ms = 5;
  append(30);
  loaders_[0] = make("/d/alone");
  loaders_[0]->share(all());
  expect_each_once();
  EXPECT_FALSE(disk_->exists("/d/alone"));
}

/// Found by the simulation (seed 95): others began at positions from before the power loss.
TEST_P(LoadersShareTest, WhatALoneLoaderKnewIsKnownToAll) {
  loaders_[0] = make("/d/alone", "");
  append(300);
  (void)runtime_.run_for(milliseconds(60 + 10 * GetParam()));
  ASSERT_TRUE(disk_->exists("/d/alone"));
  loaders_.clear();
  log_->forgets = true;
  loaders_[0] = make("/d/alone");
  (void)runtime_.run_until([this] { return !disk_->exists("/d/alone"); });
  loaders_.clear();
  append(30);
  loaders_[1] = make("/d/another");
  loaders_[1]->share(all());
  expect_each_once();
}

TEST_P(LoadersShareTest, AStopInOrderLeavesNothingOpen) {
  loaders_[0] = make("/d/a");
  loaders_[0]->share(all());
  append(100);
  (void)runtime_.run_for(milliseconds(40));
  bool stopped = false;
  loaders_[0]->stop(5000, [&] { stopped = true; });
  (void)runtime_.run_until([&] { return stopped; });
  const size_t rows = store_.events().size();
  loaders_[0] = make("/d/a");
  (void)runtime_.run_for(std::chrono::seconds(3));
  EXPECT_EQ(store_.events().size(), rows);
  loaders_[0]->share(all());
  expect_each_once();
}

/// Two have partitions 0 and 1, one has 2 and squashes: it waits for what the others have to store.
TEST_P(LoadersShareTest, WhoLooksAtSomePartitionsWaitsForAllWithoutReadingThem) {
  std::mt19937 dice(static_cast<unsigned>(GetParam()));
  const auto roll = [&](int n) { return static_cast<int>(dice() % static_cast<unsigned>(n)); };
  const std::vector<std::set<int32_t>> seen{{0, 1}, {0, 1}, {2}};
  const auto begin = [&](int who) {
    loaders_[who] = make_some(who, seen[static_cast<size_t>(who)]);
    std::vector<Partition> mine;
    if (who == 2) mine = {{2}};
    if (who == 0) mine = {{0}, {1}};
    loaders_[who]->share(mine);
  };
  for (int who : {0, 1, 2}) begin(who);
  int asked = 0, answered = 0, cancelled = 0;
  for (int step = 0; step < 40; step++) {
    append(roll(60));
    store_.wait_ms = roll(4) == 0 ? 150 : 5;
    if (roll(6) == 0) begin(roll(2));
    if (roll(12) == 0) begin(2);
    if (roll(3) == 0) {
      asked++;
      const int64_t by_now = next_;
      loaders_[2]->when_all_stored([&, by_now](const Status& s) {
        if (!s) return void(cancelled++);
        answered++;
        std::set<Uuid> rows;
        for (const auto& row : store_.events()) rows.insert(row.uuid);
        for (int64_t n = 0; n < by_now; n++) EXPECT_TRUE(rows.contains(uuid_of(n))) << n;
      });
    }
    (void)runtime_.run_for(milliseconds(roll(120)));
  }
  expect_each_once();
  (void)runtime_.run_until([&] { return answered + cancelled == asked; }, std::chrono::minutes(1));
  EXPECT_EQ(answered + cancelled, asked) << "each is told";
  EXPECT_GT(answered, 0);
}

/// Nobody answers for partition 2: whoever waits for all waits, and goes on when somebody is there.
TEST_P(LoadersShareTest, WhoWaitsForAllWaitsForThoseThatAreAway) {
  loaders_[0] = make_some(0, {0, 1});
  loaders_[0]->share({{0}, {1}});
  append(30);
  bool told = false;
  loaders_[0]->when_all_stored([&](const Status& s) { told = s.has_value(); });
  (void)runtime_.run_for(std::chrono::seconds(20));
  EXPECT_FALSE(told);
  loaders_[2] = make_some(2, {2});
  loaders_[2]->share({{2}});
  (void)runtime_.run_until([&] { return told; }, std::chrono::minutes(1));
  EXPECT_TRUE(told);
  EXPECT_TRUE(all_stored());
}

/// A batch over partitions that now are different processes' is nobody's to repeat until somebody
/// reads all of it, and that is said.
TEST_P(LoadersShareTest, ABatchOverOthersPartitionsWaitsForWhoReadsAllOfIt) {
  append(30);
  loaders_[0] = make("/d/all");
  loaders_[0]->share(all());
  store_.wait_ms = 400;
  (void)runtime_.run_for(milliseconds(100 + GetParam()));
  loaders_.clear();  // in the middle of a batch
  store_.fail_next({Code::kMaybe, "the answer was lost"}, GetParam() % 2 == 0);
  store_.wait_ms = 5;
  loaders_[0] = make_some(0, {0, 1});
  loaders_[0]->share({{0}, {1}});
  append(30);
  (void)runtime_.run_for(std::chrono::seconds(10));
  EXPECT_NE(loaders_[0]->stats().last_error.find("lies in partition 2"), std::string::npos)
      << loaders_[0]->stats().last_error;
  loaders_[1] = make("/d/again");
  loaders_[1]->share({{2}});
  expect_each_once();
  EXPECT_EQ(loaders_[0]->stats().last_error, "");
}

/// Each fills a store of its own: nothing is shared, and each has its partitions alone.
TEST_P(LoadersShareTest, OneThatIsAloneWithSomePartitionsLeavesTheOthers) {
  loaders_[0] = make_some(0, {0, 1}, "");
  append(90);
  bool told = false;
  loaders_[0]->when_all_stored([&](const Status& s) { told = s.has_value(); });
  (void)runtime_.run_until([&] { return told; }, std::chrono::minutes(1));
  EXPECT_TRUE(told);
  EXPECT_EQ(store_.events().size(), 60U);
  loaders_.clear();
  append(90);
  loaders_[0] = make_some(0, {0, 1}, "");
  (void)runtime_.run_until([&] { return store_.events().size() >= 120; }, std::chrono::minutes(1));
  (void)runtime_.run_for(std::chrono::seconds(5));
  EXPECT_EQ(store_.events().size(), 120U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, LoadersShareTest, ::testing::Range(1, 25));

}  // namespace
}  // namespace penstock::load
