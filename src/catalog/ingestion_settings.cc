#include "catalog/ingestion_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "catalog/settings/reader.h"

namespace penstock::catalog {
namespace {

using event::JsonType;

constexpr SettingReader kReader{"ingestion"};
constexpr int64_t kAgeMax = 100LL * 366 * 86'400;  // seconds
constexpr std::array<std::string_view, 3> kModes{"disabled", "dry_run", "live"};
constexpr std::array<std::pair<std::string_view, JsonType>, 5> kTypes{{
    {"string", JsonType::kString},
    {"number", JsonType::kNumber},
    {"boolean", JsonType::kBool},
    {"object", JsonType::kObject},
    {"array", JsonType::kArray},
}};

Result<EventFilter> read_test(std::string_view raw, bool of_distinct_id) {
  PENSTOCK_TRY(const auto fields, kReader.object(raw, "a test in event_filters.filter"));
  if (fields.fields().size() != 1) {
    return kReader.wrong("a test in event_filters.filter", "has not exactly one member");
  }
  const auto& [how, value] = fields.fields()[0];
  EventFilter out;
  out.of_distinct_id = of_distinct_id;
  if (how == "exact") {
    out.kind = EventFilter::Kind::kExact;
  } else if (how == "contains") {
    out.kind = EventFilter::Kind::kContains;
  } else {
    return kReader.wrong("a test in event_filters.filter",
                         fmt::format("is {}; it can be exact or contains", how));
  }
  PENSTOCK_TRY(out.text, kReader.text(value, how));
  if (out.kind == EventFilter::Kind::kContains && out.text.empty()) {
    return kReader.wrong("contains", "is empty, which would match every event");
  }
  return out;
}

/// Depth is bounded, so that neither reading nor matching can run away.
Result<EventFilter> read_filter(std::string_view raw, size_t depth, size_t& nodes) {
  constexpr std::string_view kWhere = "event_filters.filter";
  if (depth == 0) {
    return kReader.wrong(kWhere, fmt::format("is deeper than {} levels", kFilterDepthMax));
  }
  if (++nodes > kFilterNodesMax) {
    return kReader.wrong(kWhere, fmt::format("has more than {} conditions", kFilterNodesMax));
  }
  PENSTOCK_TRY(const auto fields, kReader.object(raw, kWhere));
  if (fields.fields().size() != 1) return kReader.wrong(kWhere, "has not exactly one member");
  const auto& [key, value] = fields.fields()[0];
  if (key == "event" || key == "distinct_id") return read_test(value, key == "distinct_id");
  EventFilter out;
  if (key == "not") {
    out.kind = EventFilter::Kind::kNot;
    PENSTOCK_TRY(auto child, read_filter(value, depth - 1, nodes));
    out.children.push_back(std::move(child));
    return out;
  }
  if (key != "and" && key != "or") {
    return kReader.wrong(
        kWhere, fmt::format("holds {}; it can be and, or, not, event or distinct_id", key));
  }
  out.kind = key == "and" ? EventFilter::Kind::kAnd : EventFilter::Kind::kOr;
  PENSTOCK_TRY(const auto items, kReader.list(value, key, kFilterNodesMax));
  if (items.empty()) return kReader.wrong(key, "is an empty list");
  for (const std::string_view item : items) {
    PENSTOCK_TRY(auto child, read_filter(item, depth - 1, nodes));
    out.children.push_back(std::move(child));
  }
  return out;
}

Status read_filters(std::string_view raw, IngestionSettings& out) {
  PENSTOCK_TRY(const auto fields, kReader.object(raw, "event_filters"));
  for (const auto& [key, value] : fields.fields()) {
    if (key == "mode") {
      PENSTOCK_TRY(const std::string mode, kReader.text(value, "event_filters.mode"));
      const auto* found = std::ranges::find(kModes, mode);
      if (found == kModes.end()) {
        return kReader.wrong("event_filters.mode",
                             fmt::format("is {}; it can be {}", mode, fmt::join(kModes, ", ")));
      }
      out.filter_mode = static_cast<FilterMode>(found - kModes.begin());
    } else if (key == "filter") {
      if (is_null(value)) continue;
      size_t nodes = 0;
      PENSTOCK_TRY(out.filter, read_filter(value, kFilterDepthMax, nodes));
    } else {
      return kReader.wrong("event_filters", fmt::format("has no member {}", key));
    }
  }
  return {};
}

Status read_required(std::string_view raw, EventSchema& out) {
  PENSTOCK_TRY(const auto fields, kReader.object(raw, "schemas.required"));
  if (fields.fields().size() > kSchemaPropertiesMax) {
    return kReader.wrong("schemas.required",
                         fmt::format("has more than {} properties", kSchemaPropertiesMax));
  }
  for (const auto& [key, value] : fields.fields()) {
    PENSTOCK_TRY(const std::string name,
                 kReader.text(value, "schemas.required." + std::string(key)));
    const auto* found = std::ranges::find(kTypes, name, &decltype(kTypes)::value_type::first);
    if (found == kTypes.end()) {
      return kReader.wrong(
          "schemas.required." + std::string(key),
          fmt::format("is {}; it can be string, number, boolean, object or array", name));
    }
    out.required.push_back({std::string(key), found->second});
  }
  return {};
}

Status read_schema(std::string_view raw, IngestionSettings& out) {
  PENSTOCK_TRY(const auto fields, kReader.object(raw, "an entry of schemas"));
  EventSchema schema;
  for (const auto& [key, value] : fields.fields()) {
    if (key == "event") {
      PENSTOCK_TRY(schema.event, kReader.text(value, "schemas.event"));
    } else if (key == "required") {
      PENSTOCK_CHECK(read_required(value, schema));
    } else {
      return kReader.wrong("schemas", fmt::format("has no member {}", key));
    }
  }
  if (schema.event.empty()) return kReader.wrong("an entry of schemas", "has no event");
  const auto at = std::ranges::lower_bound(out.schemas, schema.event, {}, &EventSchema::event);
  if (at != out.schemas.end() && at->event == schema.event) {
    return kReader.wrong("schemas", fmt::format("has two entries for {}", schema.event));
  }
  out.schemas.insert(at, std::move(schema));
  return {};
}

Status read_member(std::string_view key, std::string_view value, IngestionSettings& out) {
  if (key == "event_filters") return is_null(value) ? Status{} : read_filters(value, out);
  if (key == "schemas") {
    PENSTOCK_TRY(const auto items, kReader.list(value, key, kSchemasMax));
    for (const std::string_view item : items) PENSTOCK_CHECK(read_schema(item, out));
    return {};
  }
  if (key == "drop_events_older_than_seconds") {
    if (is_null(value)) return {};
    PENSTOCK_TRY(out.drop_events_older_than_seconds, kReader.whole(value, key, 0, kAgeMax));
    return {};
  }
  if (key == "groupidentify_without_person_processing") {
    PENSTOCK_TRY(const std::string what, kReader.text(value, key));
    if (what != "drop" && what != "keep") return kReader.wrong(key, "is neither drop nor keep");
    out.keep_personless_groupidentify = what == "keep";
    return {};
  }
  constexpr std::array<std::pair<std::string_view, bool IngestionSettings::*>, 5> kSwitches{{
      {"anonymize_ips", &IngestionSettings::anonymize_ips},
      {"person_processing_opt_out", &IngestionSettings::person_processing_opt_out},
      {"feature_flag_called_personless", &IngestionSettings::feature_flag_called_personless},
      {"person_last_seen", &IngestionSettings::person_last_seen},
      {"strip_sdk_state", &IngestionSettings::strip_sdk_state},
  }};
  const auto* found = std::ranges::find(kSwitches, key, &decltype(kSwitches)::value_type::first);
  if (found == kSwitches.end()) return kReader.wrong("it", fmt::format("has no member {}", key));
  PENSTOCK_TRY(out.*(found->second), kReader.boolean(value, key));
  return {};
}

}  // namespace

bool EventFilter::matches(std::string_view event, std::string_view distinct_id) const {
  const std::string_view field = of_distinct_id ? distinct_id : event;
  const auto child = [&](const EventFilter& f) { return f.matches(event, distinct_id); };
  switch (kind) {
    case Kind::kNever: return false;
    case Kind::kAnd: return std::ranges::all_of(children, child);
    case Kind::kOr: return std::ranges::any_of(children, child);
    case Kind::kNot: return !child(children[0]);
    case Kind::kExact: return field == text;
    case Kind::kContains: return field.find(text) != std::string_view::npos;
  }
  return false;
}

const EventSchema* IngestionSettings::schema_of(std::string_view event) const {
  const auto at = std::ranges::lower_bound(schemas, event, {}, &EventSchema::event);
  return at != schemas.end() && at->event == event ? &*at : nullptr;
}

std::string_view schema_type_name(event::JsonType type) {
  const auto* found = std::ranges::find(kTypes, type, &decltype(kTypes)::value_type::second);
  return found == kTypes.end() ? "null" : found->first;
}

Result<IngestionSettings> parse_ingestion(std::string_view json) {
  PENSTOCK_TRY(const auto fields, kReader.object(json, "the setting"));
  IngestionSettings out;
  for (const auto& [key, value] : fields.fields()) PENSTOCK_CHECK(read_member(key, value, out));
  return out;
}

}  // namespace penstock::catalog
