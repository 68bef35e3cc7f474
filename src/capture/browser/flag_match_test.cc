// Which flags are certain without knowing the person, and that the hash is PostHog's.
#include "capture/browser/flag_match.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace penstock::capture {
namespace {

class FlagMatch : public ::testing::Test {
 protected:
  /// Decides the one flag whose filters (and further members) are given.
  FlagDecision decide(const std::string& filters, std::string_view id = "eve",
                      std::string_view device = {}, const std::string& more = {}) {
    const auto parsed = catalog::parse_feature_flags(R"({"flags":[{"id":1,"key":"k","filters":)" +
                                                     filters + more + "}]}");
    EXPECT_TRUE(parsed) << parsed.error().message;
    if (!parsed) return {};
    flags_ = *parsed;
    return decide_flag(flags_.flags.front(), {id, device});
  }
  static std::string text(const FlagDecision& d) {
    if (d.failed) return "failed " + std::string(d.reason_code);
    return (d.variant.empty() ? std::string(d.enabled ? "true" : "false") : std::string(d.variant));
  }

  catalog::FeatureFlags flags_;
};

/// Values of an independent implementation (Python's hashlib).
TEST_F(FlagMatch, TheHashIsPostHogs) {
  EXPECT_DOUBLE_EQ(flag_hash("simple-flag.", "distinct_id_0", ""), 0.7836963764220432);
  EXPECT_DOUBLE_EQ(flag_hash("simple-flag.", "distinct_id_1", ""), 0.3397069926995401);
  EXPECT_DOUBLE_EQ(flag_hash("multivariate-flag.", "distinct_id_3", "variant"),
                   0.39543050849997363);
  EXPECT_DOUBLE_EQ(flag_hash("holdout-", "user-é", ""), 0.9738319249409753);
}

TEST_F(FlagMatch, ARolloutHoldsItsShare) {
  int inside = 0;
  std::map<std::string, int> variants;
  const std::string filters = R"({"groups":[{"rollout_percentage":30}],"multivariate":{"variants":[
      {"key":"a","rollout_percentage":50},{"key":"b","rollout_percentage":25}]}})";
  for (int i = 0; i < 10'000; i++) {
    const FlagDecision d = decide(filters, "user-" + std::to_string(i));
    EXPECT_FALSE(d.failed);
    inside += d.enabled ? 1 : 0;
    if (d.enabled) variants[text(d)]++;
  }
  EXPECT_NEAR(inside, 3000, 150);
  EXPECT_NEAR(variants["a"], 1500, 120);
  EXPECT_NEAR(variants["b"], 750, 100);
  EXPECT_NEAR(variants["true"], 750, 100) << "the variants leave a quarter over";
}

TEST_F(FlagMatch, ConditionsAreTriedInOrder) {
  const std::string two = R"([{"rollout_percentage":0},{"rollout_percentage":100}])";
  const FlagDecision d = decide(R"({"groups":)" + two + "}");
  EXPECT_EQ(text(d), "true");
  EXPECT_EQ(d.condition_index, 1);
  EXPECT_EQ(text(decide(R"({"early_exit":true,"groups":)" + two + "}")), "false");
  EXPECT_EQ(text(decide(R"({"groups":[]})")), "false");
  EXPECT_EQ(decide(R"({"groups":[]})").reason_code, "no_condition_match");
  EXPECT_EQ(text(decide(R"({"groups":[{"variant":"b"}],"multivariate":{"variants":[
      {"key":"a","rollout_percentage":100},{"key":"b","rollout_percentage":0}]}})")),
            "b");
  EXPECT_EQ(text(decide(R"({"groups":[{"variant":"zzz"}],"multivariate":{"variants":[
      {"key":"a","rollout_percentage":100}]}})")),
            "a")
      << "a variant that does not exist is not given";
}

TEST_F(FlagMatch, WhatAsksForMoreFails) {
  const auto with = [](std::string_view type) {
    return R"({"groups":[{"properties":[{"key":"x","value":1,"type":")" + std::string(type) +
           R"("}]}]})";
  };
  EXPECT_EQ(text(decide(with("person"))), "failed properties_not_evaluated");
  EXPECT_EQ(text(decide(with("cohort"))), "failed cohorts_not_evaluated");
  EXPECT_EQ(text(decide(with("flag"))), "failed dependencies_not_evaluated");
  EXPECT_EQ(text(decide(R"({"groups":[{}],"aggregation_group_type_index":0})")),
            "failed groups_not_evaluated");
  EXPECT_EQ(text(decide(R"({"groups":[{"aggregation_group_type_index":1}]})")),
            "failed groups_not_evaluated");
  EXPECT_EQ(text(decide(R"({"groups":[{}],"feature_enrollment":true})")),
            "failed enrollment_not_evaluated");
  EXPECT_EQ(text(decide(R"({"groups":[{}],"super_groups":[{"properties":[]}]})")),
            "failed enrollment_not_evaluated");
}

/// A later condition cannot be certain while an earlier one is not, an earlier one can.
TEST_F(FlagMatch, OnlyWhatComesFirstMatters) {
  const std::string asks = R"({"properties":[{"key":"x","value":1}]})";
  EXPECT_EQ(text(decide(R"({"groups":[{"rollout_percentage":100},)" + asks + "]}")), "true");
  EXPECT_EQ(text(decide(R"({"groups":[)" + asks + R"(,{"rollout_percentage":100}]})")),
            "failed properties_not_evaluated");
  EXPECT_EQ(text(decide(R"({"groups":[{"rollout_percentage":0},)" + asks + "]}")),
            "failed properties_not_evaluated");
  const std::string nobody = R"({"rollout_percentage":0,"properties":[{"key":"x","value":1}]})";
  EXPECT_EQ(text(decide(R"({"groups":[)" + nobody + "]}")), "false")
      << "nobody is in it whatever the properties say";
  EXPECT_EQ(text(decide(R"({"early_exit":true,"groups":[)" + nobody + ",{}]}")),
            "failed properties_not_evaluated")
      << "whether it ends here depends on the properties";
}

TEST_F(FlagMatch, ContinuityIsOnlyCertainWithoutAHash) {
  const std::string continuity = R"(,"ensure_experience_continuity":true)";
  EXPECT_EQ(text(decide(R"({"groups":[{"rollout_percentage":100}]})", "e", {}, continuity)),
            "true");
  EXPECT_EQ(text(decide(R"({"groups":[{"rollout_percentage":50}]})", "e", {}, continuity)),
            "failed continuity_not_evaluated");
  EXPECT_EQ(text(decide(R"({"groups":[{}],"multivariate":{"variants":[
      {"key":"a","rollout_percentage":100}]}})",
                        "e", {}, continuity)),
            "failed continuity_not_evaluated");
}

TEST_F(FlagMatch, ADeviceFlagHashesTheDevice) {
  const std::string by_device = R"(,"bucketing_identifier":"device_id")";
  const std::string half = R"({"groups":[{"rollout_percentage":50}]})";
  EXPECT_EQ(text(decide(half, "e", {}, by_device)), "failed missing_device_id");
  for (int i = 0; i < 50; i++) {
    const std::string id = "d" + std::to_string(i);
    EXPECT_EQ(decide(half, "e", id, by_device).enabled, decide(half, id).enabled);
  }
}

TEST_F(FlagMatch, AHoldoutComesBeforeEverything) {
  const FlagDecision all = decide(R"({"groups":[],"holdout":{"id":7,"exclusion_percentage":100}})");
  EXPECT_EQ(text(all), "holdout-7");
  EXPECT_EQ(all.reason_code, "holdout_condition_value");
  EXPECT_EQ(text(decide(R"({"groups":[{}],"holdout_groups":[
      {"properties":[],"rollout_percentage":100,"variant":"holdout-9"}]})")),
            "holdout-9");
  EXPECT_EQ(text(decide(R"({"groups":[{}],"holdout":{"id":7,"exclusion_percentage":0}})")), "true");
}

TEST_F(FlagMatch, WithoutAnIdentifierTheHashIsZero) {
  EXPECT_EQ(text(decide(R"({"groups":[{"rollout_percentage":1}]})", "")), "true");
}

}  // namespace
}  // namespace penstock::capture
