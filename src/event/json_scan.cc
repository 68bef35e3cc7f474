#include "event/json_scan.h"

#include <algorithm>
#include <array>

namespace penstock::event {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

size_t json_escape_size(std::string_view text) {
  constexpr size_t kUnicode = 6;  // a backslash, u and four digits
  if (text.size() < 2) return 0;
  if (text[1] == '"') return 2;  // nearly always
  if (text[1] != 'u') return std::string_view("\\/bfnrt").contains(text[1]) ? 2 : 0;
  const std::string_view digits = text.substr(2, kUnicode - 2);
  return digits.size() == kUnicode - 2 && std::ranges::all_of(digits, is_hex) ? kUnicode : 0;
}

size_t json_number_size(std::string_view text) {
  const char* p = text.data();
  const char* end = p + text.size();
  const auto digits = [&p, end] {
    const char* begin = p;
    while (p != end && is_digit(*p)) p++;
    return p != begin;
  };
  if (p != end && *p == '-') p++;
  if (p != end && *p == '0') {
    p++;
  } else if (!digits()) {
    return 0;
  }
  if (p != end && *p == '.') {
    p++;
    if (!digits()) return 0;
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    p++;
    if (p != end && (*p == '+' || *p == '-')) p++;
    if (!digits()) return 0;
  }
  return static_cast<size_t>(p - text.data());
}

bool JsonScanner::literal(std::string_view word) {
  if (std::string_view(p_, static_cast<size_t>(end_ - p_)).substr(0, word.size()) != word) {
    return false;
  }
  p_ += word.size();
  return true;
}

bool JsonScanner::scalar() {
  switch (peek()) {
    case '"': {
      std::string_view raw;
      bool escaped = false;
      return string(raw, escaped);
    }
    case 't': return literal("true");
    case 'f': return literal("false");
    case 'n': return literal("null");
    default: {
      const size_t size = json_number_size({p_, static_cast<size_t>(end_ - p_)});
      p_ += size;
      return size > 0;
    }
  }
}

bool JsonScanner::key_and_colon() {
  std::string_view raw;
  bool escaped = false;
  return string(raw, escaped) && accept(':');
}

bool JsonScanner::value(std::string_view& raw, size_t depth_left) {
  skip_space();
  const char* begin = p_;
  std::array<char, kJsonDepthMax> closing;  // of the containers that are open
  if (depth_left > closing.size()) depth_left = closing.size();
  size_t depth = 0;
  for (;;) {
    const char c = peek();
    if (c == '{' || c == '[') {
      if (depth == depth_left) return false;
      p_++;
      const char close = c == '{' ? '}' : ']';
      if (!accept(close)) {
        closing[depth++] = close;
        if (c == '{' && !key_and_colon()) return false;
        continue;
      }
    } else if (!scalar()) {
      return false;
    }
    while (depth > 0 && accept(closing[depth - 1])) depth--;
    if (depth == 0) {
      raw = {begin, static_cast<size_t>(p_ - begin)};
      return true;
    }
    if (!accept(',')) return false;
    if (closing[depth - 1] == '}' && !key_and_colon()) return false;
  }
}

}  // namespace penstock::event
