// Goal: a project that takes more than its part of the main lane beside others goes by the overflow
// lane, whole and for a while; nobody else does, and who is alone takes what there is.
#include <gtest/gtest.h>

#include <map>

#include "capture/admit/admission.h"
#include "runtime/sim_runtime.h"

namespace penstock::capture {
namespace {

using event::Lane;

class FloodTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.overflow_events_per_second = 0;  // of distinct ids: another test's business
    options_.flood_events_per_second = 1000;
    for (const char* token : {"phc_loud", "phc_quiet"}) {
      ASSERT_TRUE(catalog_->create_project({}, token, token));
    }
  }
  Admission& admission() {
    if (!admission_) admission_ = std::make_unique<Admission>(options_, usage_);
    return *admission_;
  }
  Lane send(std::string_view token, size_t bytes = 200) {
    event::RawRecord r;
    r.uuid.bytes[0] = 1;
    r.now_ms = r.timestamp_ms = now_ms_;
    r.token = token;
    r.distinct_id = "u1";
    r.event = "seen";
    data_.resize(bytes, 'x');
    r.data = data_;
    snapshot_ = catalog_->snapshot();
    return admission().admit(snapshot_->find_token(token), r).lane;
  }
  /// `per_second` of the loud one and ten of the quiet one, by the clock; how many of each went by
  /// the overflow lane in the last second.
  std::map<std::string, int> run(int seconds, int per_second, bool with_quiet = true,
                                 size_t bytes = 200, std::string_view loud = "phc_loud") {
    std::map<std::string, int> over;
    for (int s = 0; s < seconds; s++) {
      over.clear();
      for (int tenth = 0; tenth < 10; tenth++, now_ms_ += 100) {
        if (with_quiet && send("phc_quiet") == Lane::kOverflow) over["quiet"]++;
        for (int i = 0; i < per_second / 10; i++) {
          if (send(loud, bytes) == Lane::kOverflow) over["loud"]++;
        }
      }
    }
    return over;
  }

  runtime::SimRuntime runtime_{1};
  CaptureOptions options_;
  std::shared_ptr<usage::Usage> usage_ = std::make_shared<usage::Usage>(1);
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::shared_ptr<const catalog::Snapshot> snapshot_;
  std::unique_ptr<Admission> admission_;
  std::string data_;
  int64_t now_ms_ = 1'795'000'000'000;
};

TEST_F(FloodTest, WhoTakesMoreThanItsPartBesideOthersGoesRoundThem) {
  const auto over = run(5, 3000);
  EXPECT_EQ(over.at("loud"), 3000);
  EXPECT_FALSE(over.contains("quiet"));
}

TEST_F(FloodTest, WhoIsAloneTakesWhatThereIs) {
  EXPECT_TRUE(run(10, 5000, false).empty());
  EXPECT_FALSE(run(3, 5000).empty());  // until somebody comes
}

TEST_F(FloodTest, ABurstAndTheRateItselfAreEverybodysDue) {
  EXPECT_TRUE(run(20, 900).empty());
  EXPECT_TRUE(run(1, 2000).empty());
}

TEST_F(FloodTest, LargeEventsCountForWhatTheyCost) {
  EXPECT_EQ(run(5, 100, true, 200'000).at("loud"), 100);
}

TEST_F(FloodTest, WhoSendsLessForAWhileComesBack) {
  EXPECT_EQ(run(5, 3000).at("loud"), 3000);
  EXPECT_EQ(run(29, 500).at("loud"), 500);  // not at once: an id's events should stay in one lane
  EXPECT_TRUE(run(3, 500).empty());
}

TEST_F(FloodTest, AWeightIsALargerPart) {
  const auto id = catalog_->snapshot()->find_token("phc_loud")->id;
  ASSERT_TRUE(catalog_->set_project_setting({}, id, "admission", R"({"weight":4})"));
  EXPECT_TRUE(run(5, 3000).empty());
  EXPECT_FALSE(run(5, 6000).empty());
}

TEST_F(FloodTest, AllTokensThatNobodyHasAreOneSender) {
  EXPECT_EQ(run(5, 3000, true, 200, "phc_nobody").at("loud"), 3000);
}

TEST_F(FloodTest, AClockThatJumpsBackKeepsNobodyOutForLonger) {
  EXPECT_FALSE(run(5, 3000).empty());
  now_ms_ -= 3'600'000;
  EXPECT_TRUE(run(36, 500).empty());
}

TEST_F(FloodTest, NoRateNoFlood) {
  options_.flood_events_per_second = 0;
  EXPECT_TRUE(run(5, 10'000).empty());
}

}  // namespace
}  // namespace penstock::capture
