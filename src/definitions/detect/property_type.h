// Which type a property's value speaks for (ingestion contract, section 13). Pure functions.
#pragma once

#include <cstdint>
#include <string_view>

#include "definitions/definition_store.h"

namespace penstock::definitions {

/// `raw` is one valid JSON value, `now_ms` when the event was received. kUnknown: the value says
/// nothing, a later one may.
PropertyType detect_type(std::string_view key, std::string_view raw, int64_t now_ms);

/// 2026-08-01, 2026/08/01 12:00, 2026-08-01T12:00:00.5+02:00, 01-08-2026, or an RFC 2822 date.
bool is_date_like(std::string_view text);

}  // namespace penstock::definitions
