#include "event/json_scan.h"

#include <array>

namespace penstock::event {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

bool JsonScanner::escape() {
  p_++;  // the backslash
  if (p_ == end_) return false;
  const char c = *p_++;
  if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
  for (int i = 0; i < 4; i++, p_++) {
    if (p_ == end_ || !is_hex(*p_)) return false;
  }
  return true;
}

bool JsonScanner::number() {
  if (p_ != end_ && *p_ == '-') p_++;
  if (p_ == end_ || !is_digit(*p_)) return false;
  if (*p_ == '0') {
    p_++;
  } else {
    while (p_ != end_ && is_digit(*p_)) p_++;
  }
  if (p_ != end_ && *p_ == '.') {
    p_++;
    if (p_ == end_ || !is_digit(*p_)) return false;
    while (p_ != end_ && is_digit(*p_)) p_++;
  }
  if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
    p_++;
    if (p_ != end_ && (*p_ == '+' || *p_ == '-')) p_++;
    if (p_ == end_ || !is_digit(*p_)) return false;
    while (p_ != end_ && is_digit(*p_)) p_++;
  }
  return true;
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
    default: return number();
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
