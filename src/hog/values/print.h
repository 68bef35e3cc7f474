// Parts of the printer that others use. Private to the room.
#pragma once

#include <string>
#include <string_view>

#include "hog/value.h"

namespace penstock::hog {

/// 'text' with Hog's escapes.
void append_quoted(std::string& out, std::string_view text);
/// A name, in backticks where it needs them.
void append_identifier(std::string& out, std::string_view name);
bool is_plain_identifier(std::string_view name);
/// Strings in quotes.
void append_value(Heap& heap, std::string& out, const Value& value, int depth);
/// An AST dictionary (__hx_ast) as SQL. Throws Failure for nodes it does not know.
void append_sql(Heap& heap, std::string& out, const Value& ast, int depth);

}  // namespace penstock::hog
