#include "ingest/steps/group_step.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/json_writer.h"
#include "event/json_equal.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonType;

constexpr std::array<std::string_view, event::kGroupTypesMax> kColumns{
    "$group_0", "$group_1", "$group_2", "$group_3", "$group_4"};

/// As JavaScript writes a number: the fewest digits that tell it, an exponent only beyond 1e21 or
/// below 1e-6.
std::string number_text(std::string_view raw) {
  double value = 0;
  const auto [read, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error != std::errc() || read != raw.data() + raw.size()) return std::string(raw);
  if (value == 0) return "0";
  std::array<char, 40> text{};
  const auto [end, failed] = std::to_chars(text.data(), text.data() + text.size(), std::abs(value),
                                           std::chars_format::scientific);
  if (failed != std::errc()) return std::string(raw);
  std::string digits(text.data(), end);  // "1.25e+07"
  const size_t e = digits.find('e');
  int exponent = 0;
  const char* from = digits.data() + e + (digits[e + 1] == '+' ? 2 : 1);
  std::from_chars(from, digits.data() + digits.size(), exponent);
  digits.resize(e);
  std::erase(digits, '.');
  const auto count = static_cast<int>(digits.size());
  const std::string sign = value < 0 ? "-" : "";
  if (exponent >= 21 || exponent < -6) {
    if (count > 1) digits.insert(1, ".");
    return sign + digits + (exponent < 0 ? "e" : "e+") + std::to_string(exponent);
  }
  if (exponent < 0) {
    return sign + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  }
  if (exponent >= count) digits.append(static_cast<size_t>(exponent - count + 1), '0');
  if (exponent + 1 < count) digits.insert(static_cast<size_t>(exponent) + 1, ".");
  return sign + digits;
}

std::string without_nul(std::string text) {
  for (size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at + 3)) {
    text.replace(at, 1, "\xef\xbf\xbd");
  }
  return text;
}

}  // namespace

std::optional<std::string> truthy_text(std::optional<std::string_view> raw) {
  if (!raw) return std::nullopt;
  std::string out;
  switch (json_type(*raw)) {
    case JsonType::kNull: return std::nullopt;
    case JsonType::kBool:
      if (*raw == "false") return std::nullopt;
      return "true";
    case JsonType::kNumber:
      out = number_text(*raw);
      if (out == "0") return std::nullopt;
      return out;
    case JsonType::kString:
      out = without_nul(event::decode_string(*raw));
      if (out.empty()) return std::nullopt;
      return out;
    case JsonType::kArray:
    case JsonType::kObject: break;
  }
  return std::string(*raw);
}

Verdict check_group_key(const Item& item, Warnings& warnings) {
  if (item.event != kGroupIdentify) return {};
  const auto key = truthy_text(item.properties.find("$group_key"));
  if (!key || !longer_than(*key, kGroupKeyCharsMax)) return {};
  constexpr std::string_view kReason = "group_key_too_long";
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", item.raw.distinct_id)
      .field("groupKey", cut_characters(*key, kGroupKeyCharsMax))
      .field("category", "size")
      .field("severity", "error")
      .end_object();
  warnings.push_back({item.project->id, kReason, w.take(), item.raw.now_ms});
  return Verdict::drop(kReason);
}

Status GroupStep::run(Item& item) {
  if (item.processing != PersonProcessing::kFull) return {};
  PENSTOCK_CHECK(number_groups(item));
  if (item.event == kGroupIdentify) return identify(item);
  return {};
}

Status GroupStep::number_groups(Item& item) {
  const auto raw = item.properties.find("$groups");
  if (!raw || json_type(*raw) != JsonType::kObject) return {};
  const auto groups = event::JsonFields::parse(*raw);
  if (!groups) return {};
  for (const auto& [name, key] : groups->fields()) {
    PENSTOCK_TRY(const auto index, overlay_.type_index(item.project->id, name, item.timestamp_ms,
                                                       item.source.partition));
    if (index) item.properties.set(kColumns[*index], key);
  }
  return {};
}

Status GroupStep::identify(const Item& item) {
  const auto type = truthy_text(item.properties.find("$group_type"));
  const auto key = truthy_text(item.properties.find("$group_key"));
  if (!type || !key) return {};
  event::JsonFields set;
  const auto raw = item.properties.find("$group_set");
  if (raw) {
    auto fields = event::JsonFields::parse(*raw);
    if (json_type(*raw) != JsonType::kObject || !fields) {
      warn(item, "invalid_group_set", "event", "warning", *key);
      return {};
    }
    set = std::move(*fields);
  }
  PENSTOCK_TRY(const auto index, overlay_.type_index(item.project->id, *type, item.timestamp_ms,
                                                     item.source.partition));
  if (!index) return {};
  PENSTOCK_TRY(GroupState* const group, overlay_.group(item.project->id, *index, *key));
  update(item, *group, set);
  return {};
}

void GroupStep::update(const Item& item, GroupState& group, const event::JsonFields& set) {
  const bool fresh = !group.exists();
  // Now is when it was received: to decide it again must not change it.
  const int64_t created = std::min(item.raw.now_ms, item.timestamp_ms);
  std::vector<event::JsonFields::Field> news;
  size_t added = 0;
  for (const event::JsonFields::Field& f : set.fields()) {
    const auto old = group.fields().find(f.key);
    if (old && event::json_equal(*old, f.value)) continue;
    news.push_back(f);
    added += f.key.size() + f.value.size() + 4;
  }
  if (!news.empty() && group.text().size() + added > kGroupBytesMax) {
    warn(item, "group_upsert_message_size_too_large", "size", "error", group.key);
    return;
  }
  for (const event::JsonFields::Field& f : news) group.set(f.key, f.value);
  if (!fresh && news.empty()) return;
  group.created_at_ms = fresh ? created : std::min(created, group.created_at_ms);
  group.version++;
  group.write = true;
  group.partition = item.source.partition;
}

void GroupStep::warn(const Item& item, std::string_view type, std::string_view category,
                     std::string_view severity, std::string_view group_key) {
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", item.raw.distinct_id)
      .field("groupKey", group_key)
      .field("category", category)
      .field("severity", severity)
      .end_object();
  warnings_.push_back({item.project->id, type, w.take(), item.raw.now_ms});
}

}  // namespace penstock::ingest
