#include "ingest/steps/ai_tokens.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/json_writer.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

using event::JsonType;

constexpr std::array<std::string_view, 7> kEvents{
    "$ai_generation", "$ai_embedding", "$ai_evaluation", "$ai_span",
    "$ai_trace",      "$ai_metric",    "$ai_feedback"};
constexpr std::array<std::string_view, 5> kCounts{
    "$ai_input_tokens", "$ai_output_tokens", "$ai_reasoning_tokens", "$ai_cache_read_input_tokens",
    "$ai_cache_creation_input_tokens"};
constexpr size_t kValueToldMax = 200;

/// As JavaScript's typeof names it.
std::string_view type_name(JsonType type) {
  switch (type) {
    case JsonType::kString: return "string";
    case JsonType::kNumber: return "number";
    case JsonType::kBool: return "boolean";
    default: return "object";
  }
}

bool is_count(std::string_view raw) {
  switch (event::json_type(raw)) {
    case JsonType::kNull: return true;
    case JsonType::kNumber: return is_numeric_text(raw);
    case JsonType::kString: return is_numeric_text(event::decode_string(raw));
    default: return false;
  }
}

void warn(const Item& item, Warnings& warnings, std::string_view property, std::string_view raw) {
  const JsonType type = event::json_type(raw);
  const std::string value =
      type == JsonType::kString ? event::decode_string(raw) : std::string(raw);
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", item.raw.distinct_id)
      .field("property", property)
      .field("value", cut_characters(value, kValueToldMax))
      .field("valueType", type_name(type))
      .field("category", "event")
      .field("severity", "warning")
      .end_object();
  warnings.push_back({item.project->id, "invalid_ai_token_property", w.take(), item.raw.now_ms});
  warnings.back().once_per_type = true;  // a program's mistake, whoever its users are
}

}  // namespace

bool is_numeric_text(std::string_view text) {
  text = trimmed(text);
  if (text.empty()) return true;
  if (text.size() > 2 && text[0] == '0') {
    const char base = text[1];
    const int radix = base == 'x' || base == 'X'   ? 16
                      : base == 'o' || base == 'O' ? 8
                      : base == 'b' || base == 'B' ? 2
                                                   : 0;
    if (radix != 0) {
      return std::ranges::all_of(text.substr(2), [radix](char c) {
        const int digit = c >= '0' && c <= '9'   ? c - '0'
                          : c >= 'a' && c <= 'f' ? c - 'a' + 10
                          : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                 : 16;
        return digit < radix;
      });
    }
  }
  if (text[0] == '+' || text[0] == '-') text.remove_prefix(1);
  // "inf" and "nan" are numbers to from_chars only.
  if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || text[0] == '.')) return false;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return false;
  // Too small counts as zero, too large as infinity.
  if (error == std::errc::result_out_of_range)
    return text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
  return error == std::errc{} && std::isfinite(value);
}

void check_ai_tokens(Item& item, Warnings& warnings) {
  if (!item.event.starts_with("$ai_")) return;
  if (std::ranges::find(kEvents, item.event) == kEvents.end()) return;
  for (const std::string_view property : kCounts) {
    const auto found = item.properties.find(property);
    if (!found) continue;
    std::string raw(*found);
    // Some SDKs send {"total": 10, "cacheRead": 0}.
    if (event::json_type(raw) == JsonType::kObject) {
      const auto counts = event::JsonFields::parse(raw);
      const auto total = counts ? counts->find("total") : std::nullopt;
      if (total) raw = std::string(*total);
    }
    if (is_count(raw)) {
      if (raw != *found) item.properties.set(property, raw);
      continue;
    }
    warn(item, warnings, property, raw);
    item.properties.set(property, "null");
  }
}

}  // namespace penstock::ingest
