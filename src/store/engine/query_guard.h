// What a query may be, before the engine sees it: one statement that reads, and for a project no
// look at the engine's own tables. The engine enforces the rest (readonly, row filters, limits).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/event_store.h"

namespace penstock::store {

/// kInvalid or kDenied with a sentence for the asker.
Status check_query(std::string_view sql, bool operator_query);
/// SET statement that puts limits and row filters on the connection; they cannot be changed after.
std::string query_setup(const Query& query);

}  // namespace penstock::store
