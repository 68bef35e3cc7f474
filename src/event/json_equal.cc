#include "event/json_equal.h"

#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "event/json_fields.h"

namespace penstock::event {
namespace {

using Pairs = std::vector<std::pair<std::string_view, std::string_view>>;

/// Nullopt: beyond what a double holds.
std::optional<double> number_of(std::string_view raw) {
  double value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || end != raw.data() + raw.size()) return std::nullopt;
  return value;
}

bool equal_numbers(std::string_view a, std::string_view b) {
  const auto left = number_of(a), right = number_of(b);
  return left && right && *left == *right;
}

bool push_elements(std::string_view a, std::string_view b, Pairs& pending) {
  const auto left = split_array(a), right = split_array(b);
  if (!left || !right || left->size() != right->size()) return false;
  for (size_t i = 0; i < left->size(); i++) pending.emplace_back((*left)[i], (*right)[i]);
  return true;
}

/// The values are views into the texts; the keys are not needed any more.
bool push_members(std::string_view a, std::string_view b, Pairs& pending) {
  const auto left = JsonFields::parse(a), right = JsonFields::parse(b);
  if (!left || !right || left->fields().size() != right->fields().size()) return false;
  for (const auto& [key, value] : left->fields()) {
    const auto other = right->find(key);
    if (!other) return false;
    pending.emplace_back(value, *other);
  }
  return true;
}

}  // namespace

bool json_equal(std::string_view a, std::string_view b) {
  if (a == b) return true;
  if (a.empty() || b.empty() || a.size() > kJsonEqualBytesMax || b.size() > kJsonEqualBytesMax) {
    return false;
  }
  Pairs pending{{a, b}};
  while (!pending.empty()) {
    const auto [left, right] = pending.back();
    pending.pop_back();
    if (left == right) continue;
    const JsonType type = json_type(left);
    if (type != json_type(right)) return false;
    bool same = false;
    switch (type) {
      case JsonType::kNull: same = true; break;
      case JsonType::kBool: break;  // the bytes differ
      case JsonType::kNumber: same = equal_numbers(left, right); break;
      case JsonType::kString: same = decode_string(left) == decode_string(right); break;
      case JsonType::kArray: same = push_elements(left, right, pending); break;
      case JsonType::kObject: same = push_members(left, right, pending); break;
    }
    if (!same) return false;
  }
  return true;
}

}  // namespace penstock::event
