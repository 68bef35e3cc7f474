#include "hog/values/number.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "hog/values/text.h"

namespace penstock::hog {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool digit(char c) { return c >= '0' && c <= '9'; }

int digit_value(char c) {
  if (digit(c)) return c - '0';
  if (c >= 'a' && c <= 'z') return c - 'a' + 10;
  if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
  return 99;
}

/// Characters of the decimal number that `text` begins with (no sign): 0 when it begins with none.
size_t decimal_size(std::string_view text) {
  size_t i = 0;
  while (i < text.size() && digit(text[i])) i++;
  size_t digits = i;
  if (i < text.size() && text[i] == '.') {
    size_t after = i + 1;
    while (after < text.size() && digit(text[after])) after++;
    if (after - i - 1 + digits > 0) {
      digits += after - i - 1;
      i = after;
    }
  }
  if (digits == 0) return 0;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    size_t after = i + 1;
    if (after < text.size() && (text[after] == '+' || text[after] == '-')) after++;
    const size_t first = after;
    while (after < text.size() && digit(text[after])) after++;
    if (after > first) i = after;
  }
  return i;
}

double read_decimal(std::string_view text) {
  std::string copy;
  if (!text.empty() && text[0] == '.') {
    copy = '0';
    copy += text;
    text = copy;
  }
  double out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc::result_out_of_range) return out;
  // from_chars leaves it open which end of the range was left: a negative exponent is zero.
  const size_t e = text.find_first_of("eE");
  return e != std::string_view::npos && text[e + 1] == '-' ? 0 : kInfinity;
}

double read_radix(std::string_view text, int radix) {
  if (text.empty()) return kNan;
  double out = 0;
  for (const char c : text) {
    const int value = digit_value(c);
    if (value >= radix) return kNan;
    out = out * radix + value;
  }
  return out;
}

}  // namespace

void append_number(std::string& out, double n) {
  std::array<char, 32> buffer{};
  if (n == std::trunc(n) && std::fabs(n) < 1e15) {
    const auto [end, error] =
        std::to_chars(buffer.data(), buffer.data() + buffer.size(), static_cast<int64_t>(n));
    out.append(buffer.data(), end);
    return;
  }
  if (std::isnan(n)) {
    out += "NaN";
    return;
  }
  if (std::isinf(n)) {
    out += n < 0 ? "-Infinity" : "Infinity";
    return;
  }
  if (n < 0) out.push_back('-');
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                          std::fabs(n), std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<size_t>(end - buffer.data()));
  const size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  const char* first = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(first, text.data() + text.size(), exponent);
  const int point = exponent + 1, count = static_cast<int>(digits.size());
  if (point > 21 || point < -5) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    out += exponent < 0 ? "e-" : "e+";
    out += std::to_string(std::abs(exponent));
  } else if (point <= 0) {
    out.append("0.").append(static_cast<size_t>(-point), '0').append(digits);
  } else if (count <= point) {
    out.append(digits).append(static_cast<size_t>(point - count), '0');
  } else {
    out.append(digits, 0, static_cast<size_t>(point)).append(".");
    out.append(digits, static_cast<size_t>(point));
  }
}

std::string number_text(double n) {
  std::string out;
  append_number(out, n);
  return out;
}

double to_number(std::string_view text) {
  text = trim_js(text);
  if (text.empty()) return 0;
  if (text.size() > 2 && text[0] == '0') {
    const char mark = text[1];
    if (mark == 'x' || mark == 'X') return read_radix(text.substr(2), 16);
    if (mark == 'o' || mark == 'O') return read_radix(text.substr(2), 8);
    if (mark == 'b' || mark == 'B') return read_radix(text.substr(2), 2);
  }
  double sign = 1;
  if (text[0] == '-' || text[0] == '+') {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  if (text == "Infinity") return sign * kInfinity;
  if (text.empty() || decimal_size(text) != text.size()) return kNan;
  return sign * read_decimal(text);
}

double parse_int(std::string_view text) {
  text = trim_js(text);
  double sign = 1;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  int radix = 10;
  if (text.size() >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    radix = 16;
    text.remove_prefix(2);
  }
  size_t size = 0;
  while (size < text.size() && digit_value(text[size]) < radix) size++;
  if (size == 0) return kNan;
  text = text.substr(0, size);
  return sign * (radix == 10 ? read_decimal(text) : read_radix(text, radix));
}

double parse_float(std::string_view text) {
  text = trim_js(text);
  double sign = 1;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
  }
  if (text.starts_with("Infinity")) return sign * kInfinity;
  const size_t size = decimal_size(text);
  return size == 0 ? kNan : sign * read_decimal(text.substr(0, size));
}

std::optional<uint32_t> array_index(std::string_view text) {
  if (text.empty() || text.size() > 10 || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  uint64_t out = 0;
  for (const char c : text) {
    if (!digit(c)) return std::nullopt;
    out = out * 10 + static_cast<uint64_t>(c - '0');
  }
  if (out >= UINT32_MAX) return std::nullopt;
  return static_cast<uint32_t>(out);
}

}  // namespace penstock::hog
