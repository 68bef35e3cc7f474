// A strict scanner for ClickHouse SQL: names, numbers and punctuation, without literals and
// comments.
//
// Where the engine's own scanner has a second way of reading the same bytes (nested comments,
// heredocs, typographic quotes, escapes inside quoted names), the text is refused, because a guard
// that reads a query differently from the engine guards nothing. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::store {

struct SqlToken {
  std::string text;     // lower case
  bool quoted = false;  // "name" or `name`
  bool word = false;    // a name or keyword; otherwise one character of punctuation
};

/// kInvalid with a sentence for the asker.
Result<std::vector<SqlToken>> scan_sql(std::string_view sql);

}  // namespace penstock::store
