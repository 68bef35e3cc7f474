// The bodies of /flags and /decide, in the shapes of all their versions.
//
//   kValues         /flags v3 and later: a typed `value` per flag
//   kDetails        /flags v2, /decide v4: `enabled`, `variant`, reason and metadata per flag
//   kLegacy         /flags v1, /decide v3: featureFlags and featureFlagPayloads
//   kEnabledValues  /decide v2: featureFlags, enabled ones only
//   kEnabledKeys    /decide v1: featureFlags as a list of keys
// A flag that failed is told as failed where the shape can say so, and left out elsewhere, so that
// clients keep what they knew.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "capture/browser/flag_match.h"
#include "capture/browser/flags_request.h"

namespace penstock::capture {

struct FlagsAnswer {
  std::vector<FlagDecision> decisions;
  bool quota_limited = false;
  std::string request_id;
  int64_t evaluated_at_ms = 0;
  std::string_view config;  // members without braces; empty: none
};

std::string flags_body(FlagsShape shape, const FlagsAnswer& answer);

}  // namespace penstock::capture
