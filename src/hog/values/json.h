// JSON text to values and back. Private to the room.
#pragma once

#include <string>
#include <string_view>

#include "hog/value.h"

namespace penstock::hog {

/// A JSON string with its quotes, unescaped.
Value read_json_string(Heap& heap, std::string_view quoted);
/// A whole text as JSON.parse reads it, everything looked at. Throws Failure when it is none.
/// `revive`: {"__hogDate__": true, …} becomes what it stands for; dates alone where others wrote
/// the text, errors too where the program asks (jsonParse), functions only in a saved state.
enum class Revive : uint8_t { kNothing, kDates, kErrors, kAll };
Value parse_json(Heap& heap, std::string_view text, Revive revive);
/// Only whether it is JSON.
bool is_json(std::string_view text);
/// A JSON string literal as JSON.stringify writes it.
void append_json_string(std::string& out, std::string_view text);

struct JsonStyle {
  int indent = 0;
  bool functions_as_text = true;  // else as the objects that `parse_json` revives
  bool keep_undefined = false;    // as null inside objects too
  bool copy_raw = false;          // text that was never looked into goes out as it came in
};
/// False: nothing to write (undefined).
bool write_json(Heap& heap, std::string& out, const Value& value, const JsonStyle& style);

}  // namespace penstock::hog
