// Goal: a follower hands over each record once and in order, whatever fails, ends too early, was
// deleted or skipped. Method: a log in memory that can be told to refuse, to have lost its oldest
// records, and to have offsets without a record.
#include "log/follow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "log/forwarding_log.h"
#include "log/memory_log.h"
#include "log/testing/batch.h"
#include "runtime/sim_runtime.h"

namespace penstock::log {
namespace {

class Trying : public ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) override {
    fetches++;
    asked = request.positions;
    const auto end = [&home, &done](Result<FetchResult> answer) {
      home.post([done = std::move(done), answer = std::move(answer)]() mutable {
        done(std::move(answer));
      });
    };
    if (refuse > 0) {
      refuse--;
      return end(fail(Code::kBusy, "not now"));
    }
    const bool lost = std::ranges::any_of(request.positions, [this](const Position& p) {
      return p.partition.value == 0 && p.next.value < start_of_0;
    });
    if (lost) return end(fail(Code::kNotFound, "deleted"));
    if (jump) {
      FetchResult nothing;
      for (const Position& p : request.positions) {
        nothing.next.push_back({p.partition, p.partition.value == 0 ? Offset{*jump} : p.next});
      }
      jump.reset();
      return end(std::move(nothing));
    }
    ForwardingLog::fetch(home, std::move(request), std::move(done));
  }
  Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const override {
    auto out = ForwardingLog::bounds(topic);
    if (out) out->front().start.value = std::max(out->front().start.value, start_of_0);
    return out;
  }
  int refuse = 0, fetches = 0;
  int64_t start_of_0 = 0;
  std::optional<int64_t> jump;  // of partition 0, over offsets that have no record
  std::vector<Position> asked;
};

class Follow : public testing::Test {
 protected:
  Follow() : log_(make_memory_log(runtime_)) {
    EXPECT_TRUE(log_.start({{"topic", 2, 0, 0, {}}}));
    append(0, {"a0", "a1", "a2"});
    append(1, {"b0"});
  }
  void append(int32_t partition, const std::vector<std::string>& records) {
    bool done = false;
    log_.append(loop_, "topic", {batch_of(partition, records)}, [&](auto) { done = true; });
    runtime_.run_until([&] { return done; });
  }
  FollowHooks hooks() {
    FollowHooks out;
    out.take = [this](const Followed& came, FollowHooks::Taken taken) {
      if (const auto how = take_badly_ > 0 ? std::optional(--take_badly_) : std::nullopt; how) {
        return taken(fail(Code::kUnavailable, "cannot take it"));
      }
      for (const ScanSlice& slice : came) {
        EXPECT_FALSE(slice.records.empty());
        for (size_t i = 0; i < slice.records.size(); i++) {
          const int64_t at = slice.base.value + static_cast<int64_t>(i);
          EXPECT_EQ(slice.records[i].substr(1), std::to_string(at)) << "its offset";
          read_.emplace_back(slice.records[i]);
        }
      }
      if (!hold_) return taken({});
      held_ = std::move(taken);
    };
    out.lost = [this](Partition p, Offset from, Offset to) {
      lost_ += "p" + std::to_string(p.value) + " " + std::to_string(from.value) + "-" +
               std::to_string(to.value) + ";";
    };
    out.failed = [this](const Error& e) { failures_.push_back(e.message); };
    out.wanted = [this] { return wanted_; };
    return out;
  }
  Status start(const std::vector<Position>& known = {}) {
    FollowOptions options{.topic = "topic"};
    options.pause_ms = 50;
    follower_ = std::make_unique<Follower>(loop_, log_, options, hooks());
    return follower_->start(known);
  }
  /// What was read, in no order between partitions.
  std::string read() {
    runtime_.run_for(std::chrono::seconds(5));
    std::ranges::sort(read_);
    std::string out;
    for (const std::string& r : read_) out += r + " ";
    return out;
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  Trying log_;
  std::unique_ptr<Follower> follower_;
  std::vector<std::string> read_, failures_;
  std::string lost_;
  int take_badly_ = 0;
  bool hold_ = false, wanted_ = true;
  FollowHooks::Taken held_;
};

TEST_F(Follow, ReadsWhatIsThereAndWhatComes) {
  ASSERT_TRUE(start());
  EXPECT_EQ(read(), "a0 a1 a2 b0 ");
  EXPECT_EQ(follower_->lag_records(), 0U);
  append(1, {"b1", "b2"});
  EXPECT_EQ(read(), "a0 a1 a2 b0 b1 b2 ");
  EXPECT_EQ(follower_->positions(), (Positions{{0, 3}, {1, 3}}));
}

TEST_F(Follow, GoesOnWhereItsOwnerStandsInTheMiddleOfABatch) {
  ASSERT_TRUE(start({{{0}, {2}}, {{1}, {1}}, {{7}, {9}}}));
  EXPECT_EQ(follower_->lag_records(), 1U);
  EXPECT_EQ(read(), "a2 ");
  EXPECT_EQ(follower_->positions(), (Positions{{0, 3}, {1, 1}}));
}

TEST_F(Follow, NothingIsReadBeforeTheLastWasTaken) {
  hold_ = true;
  ASSERT_TRUE(start());
  EXPECT_EQ(read(), "a0 a1 a2 b0 ");
  append(0, {"a3"});
  EXPECT_EQ(read(), "a0 a1 a2 b0 ");
  EXPECT_EQ(log_.fetches, 1);
  EXPECT_EQ(follower_->positions(), (Positions{{0, 0}, {1, 0}}));
  EXPECT_EQ(follower_->lag_records(), 5U);
  hold_ = false;
  held_({});
  EXPECT_EQ(read(), "a0 a1 a2 a3 b0 ");
}

TEST_F(Follow, WhatFailsIsTriedAgainAndTold) {
  log_.refuse = 2;
  take_badly_ = 2;
  ASSERT_TRUE(start());
  EXPECT_EQ(read(), "a0 a1 a2 b0 ");
  EXPECT_EQ(failures_,
            (std::vector<std::string>{"not now", "not now", "cannot take it", "cannot take it"}));
}

TEST_F(Follow, WaitsLongerAfterEachFailureAndNotAfterASuccess) {
  log_.refuse = 1000;
  ASSERT_TRUE(start());
  runtime_.run_for(std::chrono::seconds(3));  // 0.1 + 0.2 + 0.4 + 0.8 + 1.6
  EXPECT_EQ(log_.fetches, 5);
  runtime_.run_for(std::chrono::seconds(60));
  EXPECT_LT(log_.fetches, 14);
  log_.refuse = 0;
  runtime_.run_for(std::chrono::seconds(11));
  log_.refuse = 1;
  append(0, {"a3"});
  EXPECT_EQ(read(), "a0 a1 a2 a3 b0 ");
}

TEST_F(Follow, WhatRetentionDeletedIsToldAndPassedOver) {
  log_.start_of_0 = 1;
  ASSERT_TRUE(start({{{0}, {0}}}));
  EXPECT_EQ(read(), "a1 a2 b0 ");
  EXPECT_EQ(lost_, "p0 0-1;");
  hold_ = true;
  append(0, {"a3"});
  (void)read();
  log_.start_of_0 = 4;  // while it stood still
  hold_ = false;
  held_(fail(Code::kUnavailable, "not taken"));
  append(0, {"a4"});
  EXPECT_EQ(read(), "a1 a2 a3 a4 b0 ");
  EXPECT_EQ(lost_, "p0 0-1;p0 3-4;");
}

TEST_F(Follow, OffsetsWithoutARecordArePassed) {
  log_.jump = 2;
  ASSERT_TRUE(start());
  EXPECT_EQ(read(), "a2 b0 ");
  EXPECT_EQ(lost_, "");
  EXPECT_EQ(follower_->lag_records(), 0U);
}

TEST_F(Follow, WhatNobodyWantsIsPassedOver) {
  wanted_ = false;
  ASSERT_TRUE(start());
  EXPECT_EQ(read(), "");
  EXPECT_EQ(log_.fetches, 0);
  EXPECT_EQ(follower_->lag_records(), 0U);
  wanted_ = true;
  append(0, {"a3"});
  EXPECT_EQ(read(), "a3 ");
}

TEST_F(Follow, AfterAStopNoHookRuns) {
  hold_ = true;
  ASSERT_TRUE(start());
  (void)read();
  follower_->stop();
  held_(fail(Code::kUnavailable, "too late"));
  EXPECT_EQ(failures_, std::vector<std::string>{});
  append(0, {"a3"});
  EXPECT_EQ(read(), "a0 a1 a2 b0 ");
  ASSERT_TRUE(start());
  follower_.reset();  // with a fetch under way
  (void)read();
  EXPECT_EQ(read_.size(), 4U);
}

TEST_F(Follow, AnUnknownTopicIsAnError) {
  follower_ = std::make_unique<Follower>(loop_, log_, FollowOptions{.topic = "nope"}, hooks());
  EXPECT_FALSE(follower_->start({}));
}

}  // namespace
}  // namespace penstock::log
