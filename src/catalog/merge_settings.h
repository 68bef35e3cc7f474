// MergeSettings: which merges of persons a project wants to hear of, or not to happen.
//
// The setting "merges" as a JSON object; every member is optional:
//   {"too_many_ids": "warn" | "refuse",          more than `ids_max` ids would move
//    "ids_max": 1 … 10000,
//    "identified_into_identified": "warn" | "refuse",   by $merge_dangerously; others never do it
//    "shared_device": "warn" | "refuse"}         the event's $device_id is another identified
//    person's
// What PostHog does is the default: they happen, with a warning. Whatever a project says, a merge
// of more than kMovedIdsMax ids is refused.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace penstock::catalog {

enum class MergeGuard : uint8_t { kWarn, kRefuse };

inline constexpr int64_t kMovedIdsMax = 10'000;

struct MergeSettings {
  MergeGuard too_many_ids = MergeGuard::kWarn;
  int64_t ids_max = 1000;
  MergeGuard identified_into_identified = MergeGuard::kWarn;
  MergeGuard shared_device = MergeGuard::kWarn;
};

/// kInvalid names the member and what it can be.
Result<MergeSettings> parse_merges(std::string_view json);

}  // namespace penstock::catalog
