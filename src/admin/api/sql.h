// Asking the store in the admin API's own words: texts in SQL, and the cells of an answer.
//
// Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "store/result_rows.h"

namespace penstock::admin {

/// Any text as an SQL string; what it holds stays text.
std::string sql_text(std::string_view text);

using store::cell_number;
using store::Cells;
using store::rows_of;
using store::unquoted;

}  // namespace penstock::admin
