// Goal: a project that sends too much is told so, and nobody else notices. Method: the arithmetic
// alone, then a whole capture shard on simulated time before a log of a given speed.
#include "capture/admit/fair_share.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "capture/capture.h"
#include "capture/testing/append_only_log.h"
#include "runtime/sim_runtime.h"

namespace penstock::capture {
namespace {

constexpr ProjectId kNoisy{1}, kQuiet{2}, kOther{3};
constexpr int64_t kMs = 1'000'000;

/// Holds as much as is admitted, in requests of a size.
size_t fill(FairShare& share, ProjectId who, uint32_t weight, size_t each) {
  size_t held = 0;
  while (share.admits(who, weight, each, 0)) {
    share.hold(who, weight, each);
    held += each;
  }
  return held;
}

TEST(FairShare, OneAloneStopsAtHalfAndLeavesTheRest) {
  FairShare share(1'000'000, 1'000'000);
  EXPECT_NEAR(static_cast<double>(fill(share, kNoisy, 1, 1000)), 500'000, 2000);
  const size_t quiet = fill(share, kQuiet, 1, 1000);
  EXPECT_GT(quiet, 120'000U);
  const size_t other = fill(share, kOther, 1, 1000);
  EXPECT_GT(other, 80'000U);
  EXPECT_LT(share.held_bytes(), 1'000'000U);
}

TEST(FairShare, WeightsDivideWhatIsLeft) {
  FairShare share(1'000'000, 1'000'000);
  share.hold(kNoisy, 3, 1);
  share.hold(kQuiet, 1, 1);
  size_t heavy = 0, light = 0;
  for (int i = 0; i < 2000; i++) {
    if (share.admits(kNoisy, 3, 1000, 0)) share.hold(kNoisy, 3, 1000), heavy += 1000;
    if (share.admits(kQuiet, 1, 1000, 0)) share.hold(kQuiet, 1, 1000), light += 1000;
  }
  EXPECT_GT(heavy, light);
  EXPECT_FALSE(share.admits(kNoisy, 3, 1000, 0));
  EXPECT_TRUE(share.admits(kNoisy, 1000, 1000, 0)) << "the weight may be raised at any time";
}

TEST(FairShare, RequestsAreSharedAsBytesAre) {
  FairShare share(1U << 30, 1000);
  EXPECT_NEAR(static_cast<double>(fill(share, kNoisy, 1, 1)), 500, 2);
  EXPECT_GT(fill(share, kQuiet, 1, 1), 100U);
}

TEST(FairShare, WhatIsReleasedIsFreeAgain) {
  FairShare share(1'000'000, 1000);
  const size_t first = fill(share, kNoisy, 1, 10'000);
  for (size_t i = 0; i < first / 10'000; i++) share.release(kNoisy, 10'000);
  EXPECT_EQ(share.held_bytes(), 0U);
  EXPECT_EQ(fill(share, kNoisy, 1, 10'000), first);
}

TEST(FairShare, ASlowLogMakesTheRoomSmallerAndAFastOneWhole) {
  FairShare share(64U << 20, 1000);
  EXPECT_EQ(share.room_bytes(0), 64U << 20);
  auto small = share.sent(1000, 0);
  share.landed(small, 5 * kMs);  // at its best: 5 ms
  auto large = share.sent(4U << 20, 10 * kMs);
  EXPECT_EQ(share.room_bytes(800 * kMs), 64U << 20) << "disks pause now and then";
  EXPECT_LT(share.room_bytes(2009 * kMs), 3U << 20) << "4 MiB have not landed in two seconds";
  share.landed(large, 2010 * kMs);
  large = share.sent(1U << 20, 2010 * kMs);
  share.landed(large, 2510 * kMs);  // 2 MiB/s: so much in the second that is fair
  EXPECT_NEAR(static_cast<double>(share.room_bytes(2510 * kMs)), 2 << 20, 80 << 10);
  small = share.sent(1000, 2520 * kMs);
  share.landed(small, 2526 * kMs);
  EXPECT_EQ(share.room_bytes(2530 * kMs), 64U << 20) << "it keeps up again";
}

TEST(FairShare, WhoIsAloneMayWaitLonger) {
  FairShare share(64U << 20, 1000);
  share.landed(share.sent(1000, 0), 5 * kMs);
  for (int i = 0; i < 4; i++) share.hold(kNoisy, 1, 1U << 20);
  share.sent(4U << 20, 10 * kMs);
  EXPECT_TRUE(share.admits(kNoisy, 1, 1U << 20, 2009 * kMs)) << "nobody waits behind it";
  share.hold(kQuiet, 1, 1000);
  EXPECT_FALSE(share.admits(kNoisy, 1, 1U << 20, 2009 * kMs));
  share.release(kQuiet, 1000);
  EXPECT_FALSE(share.admits(kNoisy, 1, 1U << 20, 12'009 * kMs)) << "but not without end";
}

TEST(FairShare, ADiskThatIsAlwaysSlowIsNotBlamed) {
  FairShare share(64U << 20, 1000);
  for (int64_t i = 0; i < 10; i++)
    share.landed(share.sent(1000, i * 1000 * kMs), (i * 1000 + 400) * kMs);
  EXPECT_EQ(share.room_bytes(10'000 * kMs), 64U << 20);
}

/// A log that takes so many bytes a second, one append after the other, and a while for each.
class SlowLog : public AppendOnlyLog {
 public:
  SlowLog(runtime::Loop& loop, runtime::Runtime& runtime)
      : AppendOnlyLog(1), loop_(loop), runtime_(runtime) {}
  double bytes_per_second = 1e9;
  int64_t append_us = 1000;
  size_t pending_max = 0;

  void append(runtime::Loop&, std::string, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    size_t bytes = 0;
    for (const log::Batch& b : batches) bytes += b.data.size();
    waiting_ += bytes;
    pending_max = std::max(pending_max, waiting_);
    const int64_t now = runtime_.clock().wall_us();
    free_at_us_ = std::max(free_at_us_, now) + append_us +
                  static_cast<int64_t>(static_cast<double>(bytes) * 1e6 / bytes_per_second);
    loop_.after(std::chrono::microseconds(free_at_us_ - now),
                [this, bytes, n = batches.size(), done = std::move(done)]() mutable {
                  waiting_ -= bytes;
                  done(std::vector<log::Appended>(n));
                });
  }

 private:
  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  int64_t free_at_us_ = 0;
  size_t waiting_ = 0;
};

class FairnessTest : public ::testing::Test {
 protected:
  struct Seen {
    uint64_t ok = 0, refused = 0;
    int64_t wait_us_max = 0;
  };
  class Target : public wire::Responder::Target {
   public:
    Target(Seen& seen, runtime::Clock& clock)
        : seen_(seen), clock_(clock), began_us_(clock.wall_us()) {}
    void send(wire::Response response) override {
      (response.status == 200 ? seen_.ok : seen_.refused)++;
    }
    void send_raw(std::string_view, bool) override {
      seen_.ok++;
      seen_.wait_us_max = std::max(seen_.wait_us_max, clock_.wall_us() - began_us_);
    }
    std::shared_ptr<wire::BodyStream> stream(wire::Response) override { return nullptr; }
    void abandon() override {}

   private:
    Seen& seen_;
    runtime::Clock& clock_;
    int64_t began_us_;
  };

  void SetUp() override {
    const catalog::Principal by{std::nullopt, "test", ProjectId{}};
    for (const char* token : {"phc_noisy", "phc_quiet"}) {
      ASSERT_TRUE(catalog_->create_project(by, token, token));
    }
    CaptureOptions options;
    options.bytes_waiting_max = 16U << 20;
    service_ = CaptureService::make(loop_, runtime_, log_, *catalog_, nullptr,
                                    std::make_shared<usage::Usage>(1), options);
    service_->set_ready(true);
  }
  void post(const std::string& token, size_t bytes) {
    body_.clear();
    body_.append(R"({"api_key":")" + token +
                 R"(","event":"e","distinct_id":"d","properties":{"p":")" +
                 std::string(bytes, 'x') + "\"}}");
    wire::Request request;
    request.method = "POST";
    request.target = request.path = "/batch/";
    request.body = &body_;
    request.received_us = runtime_.clock().wall_us();
    service_->handle(request,
                     wire::Responder(std::make_shared<Target>(seen_[token], runtime_.clock())));
  }
  /// The noisy one sends as much as it can, the quiet one a little now and then.
  void run(int seconds, int noisy_per_ms, size_t noisy_bytes) {
    for (int ms = 0; ms < seconds * 1000; ms++) {
      for (int i = 0; i < noisy_per_ms; i++) post("phc_noisy", noisy_bytes);
      if (ms % 50 == 0) post("phc_quiet", 500);
      runtime_.run_for(std::chrono::milliseconds(1));
    }
    runtime_.run_for(std::chrono::seconds(60));
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  SlowLog log_{loop_, runtime_};
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::unique_ptr<CaptureService> service_;
  std::map<std::string, Seen> seen_;
  PaddedBuffer body_;
};

TEST_F(FairnessTest, ANoisyProjectBeforeASlowLogHarmsOnlyItself) {
  log_.bytes_per_second = 4e6;  // a twelfth of what the noisy one sends
  run(20, 1, 50'000);
  EXPECT_EQ(seen_["phc_quiet"].refused, 0U);
  EXPECT_EQ(seen_["phc_quiet"].ok, 400U);
  // A second is what a pause of a disk may cost; the log needs that long for its queue and once
  // more.
  EXPECT_LT(seen_["phc_quiet"].wait_us_max, 4 * 1'000'000);
  EXPECT_GT(seen_["phc_noisy"].refused, 10'000U);
  // The offender still gets what the disk can do.
  EXPECT_GT(static_cast<double>(seen_["phc_noisy"].ok) * 50'000 / 20, 0.9 * 4e6);
}

TEST_F(FairnessTest, ManySmallRequestsAreNoWayAround) {
  log_.bytes_per_second = 1e6;
  run(20, 20, 300);
  EXPECT_EQ(seen_["phc_quiet"].refused, 0U);
  EXPECT_EQ(seen_["phc_quiet"].ok, 400U);
  EXPECT_LT(seen_["phc_quiet"].wait_us_max, 4 * 1'000'000);
  EXPECT_GT(seen_["phc_noisy"].refused, 1000U);
}

TEST_F(FairnessTest, AFastLogTakesABurstWhole) {
  log_.bytes_per_second = 200e6;
  for (int i = 0; i < 100; i++) post("phc_noisy", 50'000);
  runtime_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(seen_["phc_noisy"].ok, 100U);
}

TEST_F(FairnessTest, ALogThatStandsStillForSecondsKeepsTheQuietOnesWaitingOnly) {
  log_.append_us = 3'000'000;
  log_.bytes_per_second = 100e6;
  run(6, 1, 50'000);
  EXPECT_EQ(seen_["phc_quiet"].refused, 0U);
  EXPECT_GT(seen_["phc_noisy"].refused, 0U);
  EXPECT_LE(log_.pending_max, 16U << 20);
}

}  // namespace
}  // namespace penstock::capture
