// Which of our codes an error of the engine is. Pure functions over the engine's text, which ends
// in the name of its own code: "… (TIMEOUT_EXCEEDED)".
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::store {

/// For a query: what is not a limit or a failure of the engine is the asker's mistake.
Code query_error_code(std::string_view message);
/// For an insert: only what says that the rows themselves cannot be stored is kInvalid; all else
/// can pass, and is repeated.
Code insert_error_code(std::string_view message);
/// The engine's text for people: without prefixes, codes, versions, stack traces and its own paths.
std::string readable_error(std::string message);

}  // namespace penstock::store
