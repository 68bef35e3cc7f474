// Asking the store in the admin API's own words: texts in SQL, and the cells of an answer.
//
// Pure functions. The cells are views into the answer they came from.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/event_store.h"

namespace penstock::admin {

/// Any text as an SQL string; what it holds stays text.
std::string sql_text(std::string_view text);

/// A row of an answer: each cell's raw JSON.
using Cells = std::vector<std::string_view>;
Result<std::vector<Cells>> rows_of(const store::QueryResult& result);

/// A cell without its quotes, which the engine puts around 64-bit numbers too.
std::string_view unquoted(std::string_view cell);
/// 0 when the cell is no whole number.
int64_t cell_number(std::string_view cell);

}  // namespace penstock::admin
