// Goal: quota counts are exact per calendar month whatever the shards do, and survive a restart.
#include "usage/usage.h"

#include <gtest/gtest.h>

#include <thread>

#include "event/timestamp.h"
#include "runtime/sim_runtime.h"

namespace penstock::usage {
namespace {

using catalog::Quota;
using catalog::QuotaResource;

int64_t at(std::string_view text) { return event::parse_timestamp_ms(text).value_or(0); }

TEST(Month, BoundsAreTheCalendars) {
  for (const auto& [when, text] : {std::pair{"2026-11-01T00:00:00.000Z", "2026-11"},
                                   {"2026-11-30T23:59:59.999Z", "2026-11"},
                                   {"2026-12-01T00:00:00.000Z", "2026-12"},
                                   {"2028-02-29T12:00:00Z", "2028-02"},
                                   {"1969-12-31T23:59:59Z", "1969-12"}}) {
    const Month month = month_at(at(when));
    EXPECT_EQ(month.text(), text);
    EXPECT_TRUE(month.holds(at(when)));
    EXPECT_FALSE(month.holds(month.end_ms));
    EXPECT_FALSE(month.holds(month.begin_ms - 1));
    EXPECT_EQ(month_at(month.end_ms).number, month.number + 1);
    EXPECT_EQ(parse_month(text)->number, month.number);
  }
  for (const char* bad : {"", "2026-13", "2026-00", "2026-1x", "2026/11", "2026-111"}) {
    EXPECT_FALSE(parse_month(bad)) << bad;
  }
}

TEST(Pace, LetsABurstPassThenItsRateWhateverTheThreads) {
  Pace pace;
  std::atomic<int> passed{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 2; t++) {
      threads.emplace_back([&] {
        for (int i = 0; i < 5'000; i++) passed += pace.take(10, 1000, 20'000, 1'000'000) ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(passed, 2'000);
  EXPECT_FALSE(pace.take(10, 1000, 20'000, 1'000'009));
  EXPECT_TRUE(pace.take(10, 1000, 20'000, 1'000'010));
  EXPECT_FALSE(pace.take(10, 1000, 20'000, 1)) << "a clock that jumped back";
}

TEST(Pace, AClockThatJumpsBackKeepsItEmptyNoLongerThanItsBurst) {
  Pace pace;
  constexpr int64_t kHourMs = 3'600'000;
  while (pace.take(100, 1000, 2000, kHourMs)) {}
  EXPECT_FALSE(pace.take(100, 1000, 2000, 0));
  EXPECT_TRUE(pace.take(100, 1000, 2000, 1000)) << "a second later there is room for a thousand";
}

TEST(Pace, WhatIsLargerThanTheBurstPassesAFullBucketOnce) {
  Pace pace;
  EXPECT_TRUE(pace.take(100, 10, 50, 0));
  EXPECT_FALSE(pace.take(1, 10, 50, 4'000));
  EXPECT_TRUE(pace.take(1, 10, 50, 5'100)) << "it is never further from full than its burst";
}

TEST(Meter, AddsUpTheShardsAndBeginsAnewEveryMonth) {
  Meter meter(ProjectId{1}, 2);
  const Month november = month_at(at("2026-11-15")), december = month_at(at("2026-12-01"));
  meter.count(0, QuotaResource::kEvents, 3, november);
  meter.count(1, QuotaResource::kEvents, 4, november);
  meter.count(1, QuotaResource::kSurveys, 9, november);
  EXPECT_EQ(meter.used(QuotaResource::kEvents, november), 7U);
  EXPECT_EQ(meter.used(QuotaResource::kSurveys, november), 9U);
  EXPECT_EQ(meter.used(QuotaResource::kEvents, december), 0U);
  meter.count(0, QuotaResource::kEvents, 1, december);
  EXPECT_EQ(meter.used(QuotaResource::kEvents, december), 1U) << "shard 1 is still in November";
  EXPECT_EQ(meter.used(QuotaResource::kEvents, november), 4U);
}

TEST(Meter, IsOverByCountOrByDate) {
  Meter meter(ProjectId{1}, 1);
  const int64_t now = at("2026-11-15");
  const Month month = month_at(now);
  EXPECT_FALSE(meter.is_over(QuotaResource::kEvents, Quota{}, month, now));
  EXPECT_TRUE(meter.is_over(QuotaResource::kEvents, Quota{0, 0}, month, now));
  EXPECT_FALSE(meter.is_over(QuotaResource::kEvents, Quota{1, 0}, month, now));
  meter.count(0, QuotaResource::kEvents, 1, month);
  EXPECT_TRUE(meter.is_over(QuotaResource::kEvents, Quota{1, 0}, month, now));
  EXPECT_FALSE(meter.is_over(QuotaResource::kExceptions, Quota{1, 0}, month, now));
  const Quota until{std::nullopt, now + 1};
  EXPECT_TRUE(meter.is_over(QuotaResource::kEvents, until, month, now));
  EXPECT_FALSE(meter.is_over(QuotaResource::kEvents, until, month, now + 1));
}

TEST(Meter, RemembersSinceWhenItRefuses) {
  Meter meter(ProjectId{1}, 2);
  const int64_t now = at("2026-11-15");
  const Month month = month_at(now);
  meter.refuse(1, QuotaResource::kEvents, 1, month, now + 5);
  meter.refuse(0, QuotaResource::kEvents, 2, month, now + 3);
  meter.refuse(0, QuotaResource::kEvents, 1, month, now + 9);
  const Meter::Counts counts = meter.counts(QuotaResource::kEvents, month);
  EXPECT_EQ(counts.refused, 4U);
  EXPECT_EQ(counts.limited_since_ms, now + 3);
  EXPECT_EQ(counts.used, 0U);
}

TEST(Meter, LosesNothingWithTwoShardsAtOnceAndAReader) {
  Meter meter(ProjectId{1}, 2);
  const Month month = month_at(at("2026-11-15"));
  constexpr uint64_t kEach = 200'000;
  const auto work = [&](size_t shard) {
    for (uint64_t i = 0; i < kEach; i++) meter.count(shard, QuotaResource::kEvents, 1, month);
  };
  std::thread one(work, 0), two(work, 1);
  uint64_t before = 0;
  while (before < 2 * kEach) {
    const uint64_t now = meter.used(QuotaResource::kEvents, month);
    ASSERT_GE(now, before);
    before = now;
  }
  one.join();
  two.join();
  EXPECT_EQ(meter.used(QuotaResource::kEvents, month), 2 * kEach);
}

TEST(Usage, SurvivesAsText) {
  const int64_t now = at("2026-11-15");
  const Month month = month_at(now);
  Usage first(1);
  const size_t shard = first.join();
  first.meter(ProjectId{7}).count(shard, QuotaResource::kLlmEvents, 12, month);
  first.meter(ProjectId{7}).refuse(shard, QuotaResource::kLlmEvents, 2, month, now);
  first.meter(ProjectId{9}).count(shard, QuotaResource::kEvents, 1, month);
  Usage second(1);
  ASSERT_TRUE(second.decode(first.encode(month), now));
  const auto counts = second.meter(ProjectId{7}).counts(QuotaResource::kLlmEvents, month);
  EXPECT_EQ(counts.used, 12U);
  EXPECT_EQ(counts.refused, 2U);
  EXPECT_EQ(counts.limited_since_ms, now);
  second.meter(ProjectId{9}).count(second.join(), QuotaResource::kEvents, 1, month);
  EXPECT_EQ(second.meter(ProjectId{9}).used(QuotaResource::kEvents, month), 2U);

  Usage later(1);
  ASSERT_TRUE(later.decode(first.encode(month), month.end_ms)) << "last month's: of no interest";
  EXPECT_EQ(later.meter(ProjectId{9}).used(QuotaResource::kEvents, month), 0U);
}

TEST(Usage, RefusesWhatIsNotItsFile) {
  const int64_t now = at("2026-11-15");
  for (const char* bad :
       {"", "[]", "{}", R"({"version":2,"month":"2026-11","projects":[]})",
        R"({"version":1,"month":"later","projects":[]})",
        R"({"version":1,"month":"2026-11","projects":{}})",
        R"({"version":1,"month":"2026-11","projects":[{"id":1,"events":{"used":-1}}]})",
        R"({"version":1,"month":"2026-11","projects":[{"id":"x"}]})"}) {
    Usage usage(1);
    EXPECT_FALSE(usage.decode(bad, now)) << bad;
  }
}

class KeeperTest : public ::testing::Test {
 protected:
  std::shared_ptr<UsageKeeper> make(const std::shared_ptr<Usage>& usage) {
    auto keeper = UsageKeeper::make(usage, loop_, runtime_, "state/usage.json");
    keeper->load();
    return keeper;
  }
  Month now() { return month_at(runtime_.clock().wall_ms()); }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
};

TEST_F(KeeperTest, WritesEverySoOftenAndReadsAtStart) {
  ASSERT_TRUE(runtime_.files().create_directories("state"));
  auto usage = std::make_shared<Usage>(1);
  auto keeper = make(usage);
  keeper->start(1000);
  usage->meter(ProjectId{1}).count(usage->join(), QuotaResource::kEvents, 5, now());
  runtime_.run_for(std::chrono::milliseconds(2500));
  // Killed here: what comes after the last write is forgotten, no more.
  auto next = std::make_shared<Usage>(1);
  auto again = make(next);
  EXPECT_EQ(next->meter(ProjectId{1}).used(QuotaResource::kEvents, now()), 5U);
  next->meter(ProjectId{1}).count(next->join(), QuotaResource::kEvents, 2, now());
  ASSERT_TRUE(again->save());
  auto third = std::make_shared<Usage>(1);
  make(third);
  EXPECT_EQ(third->meter(ProjectId{1}).used(QuotaResource::kEvents, now()), 7U);
}

TEST_F(KeeperTest, ADamagedFileCostsTheCountsOnly) {
  ASSERT_TRUE(runtime_.files().create_directories("state"));
  ASSERT_TRUE(runtime::write_file_atomic(runtime_.files(), "state/usage.json", "{\"version\":"));
  auto usage = std::make_shared<Usage>(1);
  auto keeper = make(usage);
  EXPECT_EQ(usage->meter(ProjectId{1}).used(QuotaResource::kEvents, now()), 0U);
  usage->meter(ProjectId{1}).count(usage->join(), QuotaResource::kEvents, 1, now());
  ASSERT_TRUE(keeper->save());
}

}  // namespace
}  // namespace penstock::usage
