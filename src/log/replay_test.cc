// A store that follows a topic goes on where it was, within what the log has.
#include "log/replay.h"

#include <gtest/gtest.h>

#include "log/memory_log.h"
#include "log/testing/batch.h"
#include "runtime/sim_runtime.h"

namespace penstock::log {
namespace {

class Replay : public ::testing::Test {
 protected:
  Replay() {
    EXPECT_TRUE(log_->start({{"topic", 2, 0, 0, {}}}));
    append(0, {"a0", "a1", "a2"});
    append(1, {"b0"});
  }
  void append(int32_t partition, const std::vector<std::string>& records) {
    log_->append(loop_, "topic", {batch_of(partition, records)}, [](auto) {});
    runtime_.run_for(std::chrono::seconds(1));
  }
  Status run(const std::string& topic = "topic") {
    Status out = fail(Code::kBug, "did not end");
    replay(*log_, loop_, topic,
           {.name = "test",
            .mutex = mutex_,
            .applied = applied_,
            .keep = [this]() -> Status {
              kept_ = applied_;
              return keeps_ ? Status{} : fail(Code::kUnavailable, "no");
            },
            .apply = [this](const auto& records, const auto& next) -> Status {
              for (std::string_view r : records) read_.emplace_back(r);
              for (const Position& p : next) applied_[p.partition.value] = p.next.value;
              return {};
            }},
           [&](Status s) { out = std::move(s); });
    runtime_.run_for(std::chrono::seconds(1));
    return out;
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  std::unique_ptr<Log> log_ = make_memory_log(runtime_);
  std::mutex mutex_;
  Positions applied_, kept_;
  std::vector<std::string> read_;
  bool keeps_ = true;
};

TEST_F(Replay, ReadsWhatIsNotAppliedYet) {
  applied_ = {{0, 1}};
  ASSERT_TRUE(run());
  EXPECT_EQ(read_, (std::vector<std::string>{"a1", "a2", "b0"}));
  EXPECT_EQ(applied_, (Positions{{0, 3}, {1, 1}}));
  EXPECT_TRUE(kept_.empty()) << "nothing was taken back";
}

TEST_F(Replay, APositionBeyondTheLogIsTakenBackAndKept) {
  applied_ = {{0, 100}, {1, 0}};
  ASSERT_TRUE(run());
  EXPECT_EQ(read_, std::vector<std::string>{"b0"});
  EXPECT_EQ(kept_, (Positions{{0, 3}, {1, 0}})) << "before anything was read";
  append(0, {"a3"});
  read_.clear();
  ASSERT_TRUE(run());
  EXPECT_EQ(read_, std::vector<std::string>{"a3"});
}

TEST_F(Replay, WhatCannotBeKeptIsNotReadEither) {
  applied_ = {{0, 100}};
  keeps_ = false;
  EXPECT_EQ(run().error().code, Code::kUnavailable);
  EXPECT_EQ(applied_, (Positions{{0, 100}}));
  EXPECT_TRUE(read_.empty());
}

TEST_F(Replay, ATopicThatIsMissingIsAnError) {
  EXPECT_EQ(run("other").error().code, Code::kNotFound);
}

}  // namespace
}  // namespace penstock::log
