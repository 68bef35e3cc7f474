// Feature flags in PostHog's shape: what is read of them, and what is said about wrong ones.
#include "catalog/feature_flags.h"

#include <gtest/gtest.h>

namespace penstock::catalog {
namespace {

std::string refusal(const std::string& flag) {
  const auto parsed = parse_feature_flags(R"({"flags":[)" + flag + "]}");
  return parsed ? "taken" : parsed.error().message;
}

TEST(FeatureFlags, AFlagAsPostHogWritesIt) {
  const auto parsed = parse_feature_flags(R"({"flags":[{"id":7,"name":"Checkout","key":"checkout",
    "filters":{"groups":[{"properties":[{"key":"email","type":"person","operator":"icontains",
        "value":"@x"}],"rollout_percentage":12.5,"variant":"b"},{"properties":[],
        "rollout_percentage":null,"variant":null}],
      "payloads":{"a":"[1]","b":null},"multivariate":{"variants":[
        {"key":"a","name":"","rollout_percentage":33.33},{"key":"b","rollout_percentage":66.67}]},
      "aggregation_group_type_index":null},"deleted":false,"active":true,
    "ensure_experience_continuity":false,"version":4,"created_by":{"id":1},"rollback":null}]})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  const FeatureFlag& flag = *parsed->find("checkout");
  EXPECT_EQ(flag.id, 7);
  EXPECT_EQ(flag.version, 4);
  EXPECT_EQ(flag.needs, FlagNeeds::kNothing);
  ASSERT_EQ(flag.conditions.size(), 2U);
  EXPECT_EQ(flag.conditions[0].needs, FlagNeeds::kProperties);
  EXPECT_EQ(flag.conditions[0].rollout_percentage, 12.5);
  EXPECT_EQ(flag.conditions[0].variant, "b");
  EXPECT_EQ(flag.conditions[1].needs, FlagNeeds::kNothing);
  EXPECT_FALSE(flag.conditions[1].rollout_percentage);
  ASSERT_EQ(flag.variants.size(), 2U);
  EXPECT_EQ(*flag.payload("a"), "\"[1]\"");
  EXPECT_EQ(flag.payload("b"), nullptr);
  EXPECT_NE(flag.json.find(R"("created_by":{"id":1})"), std::string::npos);
  EXPECT_TRUE(parsed->any_active());
}

TEST(FeatureFlags, WhatIsNotWrittenIsFilledInForSdks) {
  const auto parsed = parse_feature_flags(R"({"flags":[{"id":1,"key":"k"}]})");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->flags.front().json,
            R"({"id":1,"key":"k","active":true,"name":"","version":1,"filters":{"groups":[]}})");
}

TEST(FeatureFlags, WrongOnesAreRefusedWithASentence) {
  const std::pair<std::string, const char*> cases[] = {
      {"1", "feature_flags: an entry of flags is not an object"},
      {R"({"id":1})", "feature_flags: an entry of flags has no key"},
      {R"({"id":1,"key":""})", "feature_flags: flags.key has 1 to 400 characters"},
      {R"({"key":"k"})", "feature_flags: k has no id"},
      {R"({"id":0,"key":"k"})", "feature_flags: k.id is not a whole number from 1 to 2147483647"},
      {R"({"id":1,"key":"k","active":"yes"})", "feature_flags: k.active is neither true nor false"},
      {R"({"id":1,"key":"k","filters":[]})", "feature_flags: k.filters is not an object"},
      {R"({"id":1,"key":"k","filters":{"groups":[{"rollout_percentage":101}]}})",
       "feature_flags: k.filters.groups.rollout_percentage is not a number from 0 to 100"},
      {R"({"id":1,"key":"k","filters":{"multivariate":{"variants":[{"key":"a"}]}}})",
       "feature_flags: an entry of k.filters.multivariate.variants needs key and "
       "rollout_percentage"},
      {R"({"id":1,"key":"k","filters":{"multivariate":{"variants":[
           {"key":"a","rollout_percentage":60},{"key":"b","rollout_percentage":60}]}}})",
       "feature_flags: k.filters.multivariate.variants add up to more than 100 percent"},
      {R"({"id":1,"key":"k","evaluation_runtime":"moon"})",
       "feature_flags: k.evaluation_runtime can be all, client or server"},
      {R"({"id":1,"key":"k"},{"id":2,"key":"k"})", "feature_flags: k is there twice"},
      {R"({"id":1,"key":"k"},{"id":1,"key":"l"})", "feature_flags: l has the id of another flag"},
  };
  for (const auto& [flag, sentence] : cases) EXPECT_EQ(refusal(flag), sentence);
  EXPECT_EQ(parse_feature_flags(R"({"flag":[]})").error().message,
            "feature_flags: it has no member flag");
  EXPECT_EQ(refusal(R"({"id":1,"key":"k","deleted":true},{"id":2,"key":"k"})"), "taken")
      << "a deleted flag's key is free again";
}

}  // namespace
}  // namespace penstock::catalog
