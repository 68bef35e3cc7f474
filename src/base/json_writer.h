// JsonWriter: builds JSON text for answers, without a tree.
//
//   JsonWriter w; w.begin_object().key("id").number(3).end_object(); send(w.take());
//
// Commas are its business; matching begin and end is the caller's (asserted in `take`). Strings are
// escaped; bytes that are not UTF-8 become U+FFFD so that the result always parses. Not thread
// safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace penstock {

/// Appends `text` as a JSON string with quotes.
void append_json_escaped(std::string& out, std::string_view text);

class JsonWriter {
 public:
  JsonWriter& begin_object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& begin_array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);
  JsonWriter& string(std::string_view text);
  JsonWriter& number(int64_t value);
  JsonWriter& number(uint64_t value);
  JsonWriter& number(int value) { return number(int64_t{value}); }
  JsonWriter& real(double value, int decimals = 3);
  JsonWriter& boolean(bool value);
  JsonWriter& null();
  /// Text that is JSON already.
  JsonWriter& raw(std::string_view json);

  // key and value in one call, the common case
  JsonWriter& field(std::string_view name, std::string_view v) { return key(name).string(v); }
  JsonWriter& field(std::string_view name, const char* v) { return key(name).string(v); }
  JsonWriter& field(std::string_view name, int64_t v) { return key(name).number(v); }
  JsonWriter& field(std::string_view name, uint64_t v) { return key(name).number(v); }
  JsonWriter& field(std::string_view name, int v) { return key(name).number(v); }
  JsonWriter& field(std::string_view name, bool v) { return key(name).boolean(v); }

  size_t size() const { return out_.size(); }
  /// The finished text; the writer is empty afterwards.
  std::string take();

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string out_;
  bool comma_ = false;
  int depth_ = 0;
};

}  // namespace penstock
