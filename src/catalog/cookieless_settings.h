// CookielessSettings: whether a project takes events of visitors who keep no cookie, and how.
//
// The setting "cookieless" as a JSON object; every member is optional:
//   cookieless_server_hash_mode  "disabled" (default), "stateless" or "stateful"
//   timezone                     whose days count when an event names none; "UTC"
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::catalog {

enum class CookielessMode : uint8_t { kDisabled, kStateless, kStateful };

struct CookielessSettings {
  CookielessMode mode = CookielessMode::kDisabled;
  std::string timezone = "UTC";
};

Result<CookielessSettings> parse_cookieless(std::string_view json);

}  // namespace penstock::catalog
