// Decides a feature flag as far as that is certain without knowing the person.
//
// PostHog's deterministic hash decides rollouts and variants: the same key and identifier give the
// same answer here, on PostHog and in an SDK's local evaluation. A flag that asks for more (person
// properties, cohorts, groups, other flags, experience continuity) is answered as failed, never
// guessed. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "catalog/feature_flags.h"

namespace penstock::capture {

/// Whom a flag is decided for.
struct FlagSubject {
  std::string_view distinct_id;
  std::string_view device_id;  // empty: not told
};

struct FlagDecision {
  const catalog::FeatureFlag* flag = nullptr;
  bool enabled = false;
  bool failed = false;
  std::string_view variant;      // empty: none
  std::string_view reason_code;  // static text
  std::string description;
  std::optional<int> condition_index;

  /// The payload that goes with the answer, a JSON string, or null.
  const std::string* payload() const;
};

FlagDecision decide_flag(const catalog::FeatureFlag& flag, const FlagSubject& subject);

/// From 0 to 1, evenly spread: the first 60 bits of SHA-1 of "key.identifier" and the salt.
double flag_hash(std::string_view key_and_separator, std::string_view identifier,
                 std::string_view salt);

}  // namespace penstock::capture
