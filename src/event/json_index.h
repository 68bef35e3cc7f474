// JsonIndex and JsonWalker: JsonScanner's job in half the time, for texts of ordinary size.
//
// simdjson's first stage finds every bracket, colon, comma and first character of a value with wide
// instructions, and refuses what is not UTF-8 or holds a bare control character; walking from one
// to the next skips a string without looking at it. Escapes are checked once for the whole text,
// literals and numbers where they are met. A JsonWalker answers exactly as a JsonScanner does
// (json_index_test compares the two), so a parser is written once, for either.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "event/json_scan.h"

namespace penstock::event {

class JsonIndex {
 public:
  /// Longer texts are left to JsonScanner: the index needs four bytes for each of the text's.
  static constexpr size_t kBytesMax = size_t{1} << 20;

  JsonIndex();
  ~JsonIndex();
  JsonIndex(const JsonIndex&) = delete;
  JsonIndex& operator=(const JsonIndex&) = delete;

  /// False: too long, or not JSON for certain. Where it matters what is wrong, a JsonScanner tells.
  bool read(std::string_view text);

 private:
  friend class JsonWalker;
  static constexpr uint32_t kNoEscape = ~uint32_t{0};
  bool read_escapes(std::string_view text);

  struct Stage;
  std::unique_ptr<Stage> stage_;
  std::string_view text_;
  std::span<const uint32_t> found_;  // one more than it holds may be read: the text's size
  std::vector<uint32_t> escapes_;    // where they begin, and kNoEscape
};

/// Valid until the index reads another text. Copying one remembers a place.
class JsonWalker {
 public:
  explicit JsonWalker(const JsonIndex& index)
      : text_(index.text_.data()),
        at_(index.found_.data()),
        end_(at_ + index.found_.size()),
        escape_(index.escapes_.data()) {}

  const char* next_begin() const { return text_ + *at_; }
  /// After a bracket, a colon or a comma was accepted.
  const char* last_end() const { return text_ + at_[-1] + 1; }
  bool at_end() const { return at_ == end_; }
  char peek() const { return at_ == end_ ? '\0' : text_[*at_]; }
  bool accept(char c) {
    if (at_ == end_ || text_[*at_] != c) return false;
    at_++;
    return true;
  }
  bool string(std::string_view& raw, bool& escaped) {
    if (peek() != '"') return false;
    const uint32_t begin = *at_;
    raw = take();
    while (*escape_ < begin) escape_++;
    escaped = *escape_ < begin + raw.size();
    return true;
  }
  bool value(std::string_view& raw, size_t depth_left = kJsonDepthMax) {
    const char c = peek();
    if (c == '"') {
      raw = take();
      return true;
    }
    if (c == '{' || c == '[') return container(raw, depth_left);
    return scalar(raw);
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
  /// From here to what follows, without the white space between: of a string its closing quote is
  /// the last, because a text with an open one has no index.
  std::string_view take() {
    const char* begin = text_ + at_[0];
    const char* end = text_ + at_[1];
    at_++;
    while (is_space(end[-1])) end--;  // ends at `begin` at the latest: that is no space
    return {begin, static_cast<size_t>(end - begin)};
  }
  bool scalar(std::string_view& raw) {
    switch (peek()) {
      case '\0': return false;
      case 't': raw = take(); return raw == "true";
      case 'f': raw = take(); return raw == "false";
      case 'n': raw = take(); return raw == "null";
      default: raw = take(); return is_json_number(raw);
    }
  }
  bool container(std::string_view& raw, size_t depth_left);
  bool key_and_colon() {
    if (peek() != '"') return false;
    at_++;
    return accept(':');
  }

  const char* text_;
  const uint32_t* at_;
  const uint32_t* end_;
  const uint32_t* escape_;  // the next that was not passed
};

/// Answers what `parse` makes of the text, read by a JsonWalker or, where there is no index, by a
/// JsonScanner: because the text is too long, or because it is not JSON and the scanner has to
/// tell.
template <class Parse>
auto read_json(JsonIndex& index, std::string_view text, Parse parse) {
  return index.read(text) ? parse(JsonWalker(index)) : parse(JsonScanner(text));
}

}  // namespace penstock::event
