// FeatureFlags: a project's feature flags in PostHog's shape, and what is read of them.
//
// The setting "feature_flags" as a JSON object:
//   flags               [{"id":1,"key":"new-checkout","name":"…","active":true,"filters":{"groups":
//                         [{"properties":[],"rollout_percentage":50,"variant":null}],
//                         "multivariate":{"variants":[{"key":"a","rollout_percentage":100}]},
//                         "payloads":{"true":"{\"a\":1}"},"aggregation_group_type_index":null},
//                         "ensure_experience_continuity":false,"version":1,…}]
//   group_type_mapping  {"0":"company"} for local evaluation
//   cohorts             {"1":{…}} for local evaluation
// Members of a flag that are not named here are kept as they are, because SDKs read more than this
// page: flags may be copied from PostHog as they stand. What is typed below is what deciding a flag
// needs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace penstock::catalog {

/// What must be known to decide a flag or a condition, beside the identifier it hashes.
enum class FlagNeeds : uint8_t {
  kNothing,
  kProperties,  // of the person or group
  kCohort,
  kDependency,  // another flag's value
  kGroup,       // which group the caller is in
  kEnrollment,  // $feature_enrollment/… of the person
  kContinuity,  // which identifier the person was first seen with
};

struct FlagCondition {
  FlagNeeds needs = FlagNeeds::kNothing;
  std::optional<double> rollout_percentage;
  std::string variant;  // that this condition gives whatever the hash says; empty: none
};

struct FlagVariant {
  std::string key;
  double rollout_percentage = 0;
};

/// Who is kept out of the flag, whatever its conditions say.
struct FlagHoldout {
  std::string variant;  // "holdout-7"
  double exclusion_percentage = 0;
};

enum class FlagRuntime : uint8_t { kAll, kClient, kServer };

struct FeatureFlag {
  int64_t id = 0;
  std::string key, name;
  bool active = true;
  bool has_experiment = false;
  bool by_device = false;   // hashes $device_id instead of distinct_id
  bool continuity = false;  // ensure_experience_continuity
  bool early_exit = false;
  int64_t version = 1;
  FlagRuntime runtime = FlagRuntime::kAll;
  FlagNeeds needs = FlagNeeds::kNothing;  // of the flag as a whole
  std::optional<FlagHoldout> holdout;
  std::vector<FlagCondition> conditions;
  std::vector<FlagVariant> variants;
  std::vector<std::pair<std::string, std::string>> payloads;  // by variant or "true": a JSON string
  std::vector<std::string> contexts;                          // evaluation contexts; empty: any
  std::string json;                                           // the whole flag, for SDKs

  const std::string* payload(std::string_view variant_or_true) const;
};

struct FeatureFlags {
  std::vector<FeatureFlag> flags;  // in the order they were written, deleted ones left out
  std::string group_type_mapping = "{}", cohorts = "{}";

  bool any_active() const;
  const FeatureFlag* find(std::string_view key) const;
};

/// kInvalid names the flag, the member and what it should have been.
Result<FeatureFlags> parse_feature_flags(std::string_view json);

}  // namespace penstock::catalog
