#include "persons/postgres/json_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace penstock::persons {
namespace {

constexpr size_t kPlainNumberCharsMax = 300;
constexpr size_t kPlainExponentDigitsMax = 2;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 0;
}

/// The code of a \uXXXX escape at `at`, or -1 when there is none.
int escape_at(std::string_view text, size_t at) {
  if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
  int code = 0;
  for (size_t i = at + 2; i < at + 6; i++) code = code * 16 + hex_digit(text[i]);
  return code;
}
bool is_high(int code) { return code >= 0xd800 && code <= 0xdbff; }
bool is_low(int code) { return code >= 0xdc00 && code <= 0xdfff; }

/// Copies the escape at `at` and answers how many characters of the text it was.
size_t copy_escape(std::string_view text, size_t at, std::string& out) {
  const int code = escape_at(text, at);
  if (code < 0) {
    out.append(text, at, 2);
    return 2;
  }
  if (is_high(code) && is_low(escape_at(text, at + 6))) {
    out.append(text, at, 12);
    return 12;
  }
  if (code == 0 || is_high(code) || is_low(code)) {
    out += "\\ufffd";
  } else {
    out.append(text, at, 6);
  }
  return 6;
}

/// Copies the string that begins at `at`; answers the position behind it.
size_t copy_string(std::string_view text, size_t at, std::string& out) {
  size_t from = at++;
  while (at < text.size() && text[at] != '"') {
    if (text[at] != '\\') {
      at++;
      continue;
    }
    out.append(text, from, at - from);
    at += copy_escape(text, at, out);
    from = at;
  }
  at = std::min(at + 1, text.size());
  out.append(text, from, at - from);
  return at;
}

bool is_number_char(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

void append_number(std::string_view number, std::string& out) {
  const size_t exponent = number.find_first_of("eE");
  const bool plain_exponent =
      exponent == std::string_view::npos || number.size() - exponent - 1 <= kPlainExponentDigitsMax;
  if (plain_exponent && number.size() <= kPlainNumberCharsMax) {
    out += number;
    return;
  }
  double value = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error == std::errc::result_out_of_range) {
    // Too small is 0, too large is JavaScript's Infinity, which JSON writes as null.
    const bool small = exponent != std::string_view::npos && number.substr(exponent + 1, 1) == "-";
    out += small ? "0" : "null";
    return;
  }
  std::array<char, 32> text{};
  const auto written = std::to_chars(text.data(), text.data() + text.size(), value);
  out.append(text.data(), written.ptr);
}

}  // namespace

std::string to_jsonb_text(std::string_view json) {
  std::string out;
  out.reserve(json.size() + 16);
  for (size_t at = 0; at < json.size();) {
    const char c = json[at];
    if (c == '"') {
      at = copy_string(json, at, out);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
      size_t end = at + 1;
      while (end < json.size() && is_number_char(json[end])) end++;
      append_number(json.substr(at, end - at), out);
      at = end;
    } else {
      out += c;
      at++;
    }
  }
  return out;
}

std::string to_postgres_text(std::string_view text) {
  if (text.find('\0') == std::string_view::npos) return std::string(text);
  std::string out;
  for (const char c : text) {
    if (c == '\0') {
      out += "\xef\xbf\xbd";
    } else {
      out += c;
    }
  }
  return out;
}

std::string compact_json(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      const size_t from = at++;
      while (at < text.size() && text[at] != '"') at += text[at] == '\\' ? 2 : 1;
      at = std::min(at + 1, text.size());
      out.append(text, from, at - from);
    } else {
      if (text[at] != ' ') out += text[at];
      at++;
    }
  }
  return out;
}

}  // namespace penstock::persons
