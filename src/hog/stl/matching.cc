// Functions that look for something in a text.
#include <array>
#include <cmath>
#include <optional>

#include "hog/stl/functions.h"
#include "hog/values/compare.h"
#include "hog/values/number.h"
#include "hog/values/text.h"

namespace penstock::hog::stl {

Value like(Context& context, Arguments args, std::string_view self) {
  const std::string text = to_js_string(context.heap, args[0]);
  const std::string pattern = to_js_string(context.heap, args[1]);
  const bool any_case = self == "ilike" || self == "notILike", wanted = !self.starts_with("not");
  return Value::boolean(context.regexes.like(pattern, text, any_case) == wanted);
}

Value match(Context& context, Arguments args, std::string_view) {
  if (!truthy(args[0]) || !truthy(args[1])) return Value::boolean(false);
  return Value::boolean(context.regexes.matches(to_js_string(context.heap, args[1]),
                                                to_js_string(context.heap, args[0])));
}

Value extract_regex(Context& context, Arguments args, std::string_view) {
  if (args[0].is_nothing() || args[1].is_nothing()) return context.heap.borrowed("");
  return context.heap.string(context.regexes.extract(to_js_string(context.heap, args[1]),
                                                     to_js_string(context.heap, args[0])));
}

Value multi_search(Context& context, Arguments args, std::string_view) {
  if (args[0].is_nothing() || !args[1].is(Kind::kArray)) return Value::number(0.0);
  const std::string text = to_lower(to_js_string(context.heap, args[0]));
  auto& needles = args[1].as<Array>();
  for (size_t i = 0; i < needles.size; i++) {
    const Value needle = context.heap.item(needles, i);
    if (text.find(to_lower(to_js_string(context.heap, needle))) != std::string::npos) {
      return Value::number(1.0);
    }
  }
  return Value::number(0.0);
}

namespace {

using Address = std::array<uint8_t, 16>;

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> out;
  for (;;) {
    const size_t end = text.find(at);
    out.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

std::optional<Address> read_v4(std::string_view text) {
  Address out{};
  const auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  for (size_t i = 0; i < 4; i++) {
    const auto n = array_index(parts[i]);
    if (!n || *n > 255) return std::nullopt;
    out[i] = static_cast<uint8_t>(*n);
  }
  return out;
}

std::optional<Address> read_v6(std::string_view text) {
  std::vector<std::string_view> parts;
  if (const size_t gap = text.find("::"); gap != std::string_view::npos) {
    if (text.find("::", gap + 1) != std::string_view::npos) return std::nullopt;
    std::vector<std::string_view> before, after;
    if (gap > 0) before = split(text.substr(0, gap), ':');
    if (gap + 2 < text.size()) after = split(text.substr(gap + 2), ':');
    if (before.size() + after.size() > 7) return std::nullopt;
    parts = before;
    parts.resize(8 - after.size(), "0");
    parts.insert(parts.end(), after.begin(), after.end());
  } else {
    parts = split(text, ':');
  }
  if (parts.size() != 8) return std::nullopt;
  Address out{};
  for (size_t i = 0; i < 8; i++) {
    if (parts[i].empty() || parts[i].size() > 4) return std::nullopt;
    unsigned n = 0;
    for (const char c : parts[i]) {
      const std::string_view digits = "0123456789abcdef";
      const size_t digit = digits.find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
      if (digit == std::string_view::npos) return std::nullopt;
      n = n * 16 + static_cast<unsigned>(digit);
    }
    out[i * 2] = static_cast<uint8_t>(n >> 8);
    out[i * 2 + 1] = static_cast<uint8_t>(n & 0xff);
  }
  return out;
}

bool in_range(std::string_view address, std::string_view range) {
  const size_t slash = range.find('/');
  if (address.empty() || slash == std::string_view::npos || slash == 0) return false;
  const std::string_view net = range.substr(0, slash);
  const auto bits = array_index(range.substr(slash + 1));
  const bool v4 =
      address.find('.') != std::string_view::npos && net.find('.') != std::string_view::npos;
  if (!bits || *bits > (v4 ? 32 : 128)) return false;
  const auto a = v4 ? read_v4(address) : read_v6(address);
  const auto b = v4 ? read_v4(net) : read_v6(net);
  if (!a || !b) return false;
  for (size_t bit = 0; bit < *bits; bit++) {
    const unsigned mask = 0x80U >> (bit % 8);
    if (((*a)[bit / 8] & mask) != ((*b)[bit / 8] & mask)) return false;
  }
  return true;
}

}  // namespace

Value ip_in_range(Context&, Arguments args, std::string_view) {
  return Value::boolean(args[0].is_string() && args[1].is_string() &&
                        in_range(args[0].text(), args[1].text()));
}

}  // namespace penstock::hog::stl
