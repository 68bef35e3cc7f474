// The setting "test_account_filters": whose events are the project's own people's (PostHog's team
// field of that name).
//
//   {"filters": [{"key", "value", "operator", "type":
//   "event"|"person"|"group"|"element"|"hogql"}…]}
// What an app with `filter_test_accounts` sees matches all of them: they say what is kept, such as
// an email that does not contain "@example.com". Whether they can be compiled is looked at by who
// saves them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::catalog {

inline constexpr size_t kTestAccountFiltersMax = 50;
inline constexpr size_t kTestAccountFiltersBytesMax = 64U << 10;

/// The list as JSON. kInvalid names the member and what it can be.
Result<std::string> parse_test_account_filters(std::string_view json);

}  // namespace penstock::catalog
