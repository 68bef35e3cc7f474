// Goal: thrown errors degrade and never disable; what costs others disables, rests, and comes back.
#include "apps/health_rule.h"

#include <gtest/gtest.h>

namespace penstock::apps {
namespace {

TEST(HealthRule, ThrownErrorsDegradeAndNothingMore) {
  HealthRule rule(1000, 8000);
  for (int i = 0; i < 9; i++) EXPECT_FALSE(rule.failed(i, false));
  EXPECT_EQ(rule.health(), Health::kHealthy);
  EXPECT_TRUE(rule.failed(9, false));
  for (int i = 0; i < 1000; i++) rule.failed(10, false);
  EXPECT_EQ(rule.health(), Health::kDegraded);
  EXPECT_TRUE(rule.admits(11));
  for (int i = 0; i < 46; i++) rule.succeeded(12);
  EXPECT_EQ(rule.health(), Health::kHealthy) << "four of the last fifty";
}

TEST(HealthRule, CostlyFailuresDisableForAWhileThatDoubles) {
  HealthRule rule(1000, 3000);
  rule.failed(1, true);
  rule.failed(2, true);
  EXPECT_TRUE(rule.admits(3));
  EXPECT_TRUE(rule.failed(3, true));
  EXPECT_EQ(rule.health(), Health::kDisabled);
  EXPECT_FALSE(rule.admits(1002));
  EXPECT_TRUE(rule.admits(1003)) << "one probe";
  EXPECT_FALSE(rule.admits(1003)) << "and not a second beside it";
  rule.failed(1100, true);
  EXPECT_FALSE(rule.admits(3099));
  EXPECT_TRUE(rule.admits(3100)) << "two seconds now";
  rule.failed(3200, true);
  EXPECT_EQ(rule.probe_at_ms(), 6200) << "three at most";
  for (int i = 0; i < 3; i++) {
    EXPECT_TRUE(rule.admits(6200));
    EXPECT_EQ(rule.succeeded(6200), i == 2);
  }
  EXPECT_EQ(rule.health(), Health::kHealthy);
}

TEST(HealthRule, CostlyFailuresFarApartAreForgiven) {
  HealthRule rule(1000, 3000);
  for (int i = 0; i < 20; i++) rule.failed(1 + i * 30'001, true);
  EXPECT_EQ(rule.health(), Health::kDegraded);
}

TEST(HealthRule, OneCostlyFailureDegradesForAMinute) {
  HealthRule rule(1000, 3000);
  EXPECT_TRUE(rule.failed(1, true));
  EXPECT_EQ(rule.health(), Health::kDegraded);
  EXPECT_TRUE(rule.admits(2)) << "it is still called";
  EXPECT_FALSE(rule.succeeded(60'001));
  EXPECT_EQ(rule.health(), Health::kDegraded);
  EXPECT_TRUE(rule.succeeded(60'002));
  EXPECT_EQ(rule.health(), Health::kHealthy);
}

TEST(HealthRule, AProbeWhoseResultIsLostIsNotTheLast) {
  HealthRule rule(1000, 3000);
  for (int i = 0; i < 3; i++) rule.failed(1, true);
  EXPECT_TRUE(rule.admits(1001));
  EXPECT_FALSE(rule.admits(30'000));
  EXPECT_TRUE(rule.admits(61'001));
}

}  // namespace
}  // namespace penstock::apps
