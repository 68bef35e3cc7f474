// Squash: when it runs, what it waits for, and that rows still on their way are covered.
#include "load/squash.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/sim_runtime.h"
#include "store/memory_store.h"

namespace penstock::load {
namespace {

using std::chrono::milliseconds;

Uuid person(uint8_t n) {
  Uuid out;
  out.bytes[0] = n;
  return out;
}

/// The test says when everything is stored.
class HeldLoader : public Loader {
 public:
  Status start() override { return {}; }
  void stop(int64_t, runtime::Task done) override { done(); }
  LoaderStats stats() const override { return {}; }
  void when_all_stored(Stored done) override { held = std::move(done); }

  Stored held;
};

class SquashTest : public ::testing::Test {
 protected:
  SquashTest() : disk_(std::make_shared<runtime::SimDisk>(1)), runtime_(1, disk_) {
    options_.state_path = "/squash";
    options_.interval_ms = 100'000;
    options_.overrides_max = 3;
    options_.overrides_early = 0;
    options_.look_ms = 100;
    options_.retry_ms = 2000;
    EXPECT_TRUE(disk_->create_directories("/").has_value());
  }

  void make() {
    squash_ = Squash::make(loop_, runtime_, store_, loader_, options_);
    loop_.post([this] { squash_->start(); });
    run(10);
  }

  void run(int64_t ms) { (void)runtime_.run_for(milliseconds(ms)); }

  void insert(const std::string& id, const std::vector<std::string>& distinct_ids, uint8_t of) {
    auto batch = std::make_shared<store::InsertBatch>();
    batch->id = id;
    for (const std::string& d : distinct_ids) {
      store::InsertBatch::EventEntry e;
      e.project = {1};
      e.row.distinct_id = d;
      e.row.person_id = person(of);
      batch->events.push_back(e);
    }
    store_.insert(batch, [](const Status& s) { EXPECT_TRUE(s.has_value()); });
  }

  void override_to(const std::string& distinct_id, uint8_t to, int64_t version) {
    auto batch = std::make_shared<store::InsertBatch>();
    batch->id = distinct_id + std::to_string(version);
    batch->distinct_ids.push_back({{1}, distinct_id, person(to), false, version});
    store_.insert(batch, [](const Status& s) { EXPECT_TRUE(s.has_value()); });
  }

  std::shared_ptr<runtime::SimDisk> disk_;
  runtime::SimRuntime runtime_;
  runtime::Loop& loop_ = runtime_.make_loop();
  store::MemoryStore store_;
  HeldLoader loader_;
  SquashOptions options_;
  std::unique_ptr<Squash> squash_;
};

TEST_F(SquashTest, ItWaitsForRowsOnTheirWayAndThenLeavesNoneBehind) {
  make();
  insert("early", {"a", "b"}, 1);
  override_to("a", 2, 1);
  squash_->run_now();
  run(10);
  EXPECT_EQ(squash_->status().phase, "waiting for rows");
  ASSERT_TRUE(loader_.held);
  EXPECT_EQ(store_.overrides().size(), 1U);
  insert("late", {"a"}, 1);  // decided before the merge, stored after it
  override_to("b", 3, 1);    // merged after the freezing
  loader_.held(Status{});
  run(10);
  const SquashStatus s = squash_->status();
  EXPECT_FALSE(s.running);
  EXPECT_EQ(s.last_error, "");
  EXPECT_EQ(s.run.overrides, 1U);
  EXPECT_EQ(s.overrides, 1U) << "the one that came meanwhile";
  for (const auto& row : store_.events()) {
    EXPECT_EQ(row.person_id, person(row.distinct_id == "a" ? 2 : 3));
  }
}

TEST_F(SquashTest, ItRunsByTheClockAndEarlierWhenOverridesAreMany) {
  make();
  run(150'000);
  EXPECT_EQ(squash_->status().attempts, 0U) << "there is nothing to do";
  override_to("a", 2, 1);
  run(200);
  EXPECT_EQ(squash_->status().attempts, 1U) << "the interval was over";
  loader_.held(Status{});
  run(10);
  override_to("a", 3, 2);
  run(50'000);
  EXPECT_EQ(squash_->status().attempts, 1U);
  override_to("b", 3, 1);
  override_to("c", 3, 1);
  run(200);
  EXPECT_EQ(squash_->status().attempts, 2U) << "three wait";
  squash_->run_now();
  run(10);
  EXPECT_EQ(squash_->status().attempts, 2U) << "one at a time";
}

TEST_F(SquashTest, AFewAreWrittenDownEarlyWhereRunsAreShort) {
  options_.overrides_max = 1000;
  options_.overrides_early = 2;
  options_.early_ms_min = 10'000;
  options_.interval_ms = 1'000'000'000;
  make();
  override_to("a", 2, 1);
  run(50'000);
  EXPECT_EQ(squash_->status().attempts, 0U) << "one is not worth it";
  override_to("b", 2, 1);
  run(200);
  EXPECT_EQ(squash_->status().attempts, 1U);
  run(5000);  // this run takes five seconds
  loader_.held(Status{});
  run(10);
  ASSERT_FALSE(squash_->status().running);
  override_to("c", 2, 1);
  override_to("d", 2, 1);
  run(400'000);
  EXPECT_EQ(squash_->status().attempts, 1U) << "it rests a hundred times as long";
  run(150'000);
  EXPECT_EQ(squash_->status().attempts, 2U);
}

TEST_F(SquashTest, ARunThatFailsIsRepeatedAndTheLastOneIsRememberedOverARestart) {
  make();
  override_to("a", 2, 1);
  override_to("b", 2, 1);
  override_to("c", 2, 1);
  run(200);
  loader_.held(fail(Code::kCancelled, "the loader has stopped"));
  run(10);
  EXPECT_EQ(squash_->status().last_error, "the loader has stopped");
  run(1000);
  EXPECT_EQ(squash_->status().attempts, 1U);
  run(2000);
  EXPECT_EQ(squash_->status().attempts, 2U);
  loader_.held(Status{});
  run(100);
  const SquashStatus before = squash_->status();
  EXPECT_GT(before.last_ended_ms, 0);
  squash_.reset();
  make();
  EXPECT_EQ(squash_->status().last_ended_ms, before.last_ended_ms);
  EXPECT_EQ(squash_->status().run.overrides, 3U);
}

}  // namespace
}  // namespace penstock::load
