// JsonScanner: one pass over JSON text that validates everything and remembers where values are.
//
// The capture path's hot loop: no tree, no allocation, no recursion. Grammar, escapes, literals,
// numbers (of any magnitude) and depth are checked; UTF-8 is checked once for the whole text by the
// caller (simdjson::validate_utf8). Raw slices point into the text. Not thread safe; never reads
// past `end`.
#pragma once

#include <emmintrin.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace penstock::event {

inline constexpr size_t kJsonDepthMax = 128;

/// Bytes of the escape that `text` begins with, its backslash included; 0 when it is none.
size_t json_escape_size(std::string_view text);
/// Bytes of the number that `text` begins with; 0 when it begins with none.
size_t json_number_size(std::string_view text);
inline bool is_json_number(std::string_view text) {
  return !text.empty() && json_number_size(text) == text.size();
}

class JsonScanner {
 public:
  explicit JsonScanner(std::string_view text) : p_(text.data()), end_(p_ + text.size()) {}

  /// Where the next token begins.
  const char* next_begin() {
    skip_space();
    return p_;
  }
  const char* last_end() const { return p_; }
  size_t bytes_left() const { return static_cast<size_t>(end_ - p_); }
  bool at_end() {
    skip_space();
    return p_ == end_;
  }
  /// The next character after white space, or 0 at the end.
  char peek() {
    skip_space();
    return p_ == end_ ? '\0' : *p_;
  }
  bool accept(char c) {
    if (peek() != c || p_ == end_) return false;
    p_++;
    return true;
  }
  /// A string with its quotes; `escaped` says whether it holds a backslash.
  bool string(std::string_view& raw, bool& escaped);
  /// Any one value, validated whole; at most `depth_left` levels of nesting.
  bool value(std::string_view& raw, size_t depth_left = kJsonDepthMax);

 private:
  void skip_space() {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) p_++;
  }
  bool scalar();
  bool literal(std::string_view word);
  bool key_and_colon();

  const char* p_;
  const char* end_;
};

inline bool JsonScanner::string(std::string_view& raw, bool& escaped) {
  if (peek() != '"' || p_ == end_) return false;
  const char* begin = p_++;
  escaped = false;
  const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
  const __m128i control = _mm_set1_epi8(0x1f);
  for (;;) {
    while (end_ - p_ >= 16) {
      const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p_));
      const __m128i hit =
          _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, slash)),
                       _mm_cmpeq_epi8(_mm_min_epu8(block, control), block));
      const auto mask = static_cast<uint32_t>(_mm_movemask_epi8(hit));
      if (mask != 0) {
        p_ += std::countr_zero(mask);
        break;
      }
      p_ += 16;
    }
    while (p_ != end_ && *p_ != '"' && *p_ != '\\' && static_cast<unsigned char>(*p_) >= 0x20) p_++;
    if (p_ == end_ || static_cast<unsigned char>(*p_) < 0x20) return false;
    if (*p_ == '"') {
      p_++;
      raw = {begin, static_cast<size_t>(p_ - begin)};
      return true;
    }
    escaped = true;
    const size_t size = json_escape_size({p_, static_cast<size_t>(end_ - p_)});
    if (size == 0) return false;
    p_ += size;
  }
}

}  // namespace penstock::event
