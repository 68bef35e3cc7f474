#include "ingest/steps/project_rules.h"

#include "base/json_writer.h"
#include "base/metrics.h"
#include "ingest/steps/key_lists.h"

namespace penstock::ingest {
namespace {

using catalog::FilterMode;
using event::json_type;
using event::JsonType;

constexpr std::string_view kFlagCalled = "$feature_flag_called";

Counter dry_run_metric{"penstock_ingest_filter_dry_run_total",
                       "Events that a project's filter in a dry run would have dropped."};

const catalog::IngestionSettings& rules_of(const Item& item) {
  return item.project->settings->ingestion;
}

JsonWriter details_of(const Item& item) {
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", item.raw.distinct_id);
  return w;
}

void warn(const Item& item, Warnings& warnings, std::string_view type, std::string_view severity,
          JsonWriter details) {
  details.field("category", "event").field("severity", severity).end_object();
  warnings.push_back({item.project->id, type, details.take(), item.raw.now_ms});
  warnings.back().once_per_type = true;  // the project's own rule
}

Verdict check_schema(const Item& item, Warnings& warnings) {
  constexpr std::string_view kReason = "schema_validation_failed";
  if (rules_of(item).schemas.empty()) return {};
  const catalog::EventSchema* schema = rules_of(item).schema_of(item.event);
  if (schema == nullptr) return {};
  for (const auto& [name, type] : schema->required) {
    const auto value = item.properties.find(name);
    if (value && json_type(*value) == type) continue;
    JsonWriter details = details_of(item);
    details.field("property", name).field("expected", catalog::schema_type_name(type));
    details.field("received", value ? catalog::schema_type_name(json_type(*value)) : "nothing");
    warn(item, warnings, kReason, "error", std::move(details));
    return Verdict::drop(kReason);
  }
  return {};
}

Verdict check_age(const Item& item, Warnings& warnings) {
  constexpr std::string_view kReason = "event_dropped_too_old";
  const int64_t limit_s = rules_of(item).drop_events_older_than_seconds;
  if (limit_s <= 0) return {};
  const int64_t age_ms = item.raw.now_ms - item.raw.timestamp_ms;
  if (age_ms <= limit_s * 1000) return {};
  JsonWriter details = details_of(item);
  details.field("ageSeconds", age_ms / 1000).field("dropThresholdSeconds", limit_s);
  warn(item, warnings, kReason, "info", std::move(details));
  return Verdict::drop(kReason);
}

Verdict check_filter(const Item& item) {
  const catalog::IngestionSettings& rules = rules_of(item);
  if (rules.filter_mode == FilterMode::kDisabled) return {};
  if (!rules.filter.matches(item.event, item.raw.distinct_id)) return {};
  if (rules.filter_mode == FilterMode::kLive) return Verdict::drop("event_filtered");
  dry_run_metric.add();
  return {};
}

bool is_kept_on_flag_call(std::string_view key) {
  return key.starts_with('$') || key == "token" || key == "distinct_id" ||
         find_lifted(key) != nullptr;
}

}  // namespace

Verdict apply_project_rules(const Item& item, Warnings& warnings) {
  if (Verdict v = check_schema(item, warnings); v.decided()) return v;
  if (Verdict v = check_age(item, warnings); v.decided()) return v;
  return check_filter(item);
}

bool is_profileless_flag_call(const Item& item) {
  if (item.event != kFlagCalled || !rules_of(item).feature_flag_called_personless) return false;
  const auto flag = item.properties.find("$process_person_profile");
  if (flag && *flag == "true") return false;
  const auto groups = item.properties.find("$groups");
  if (!groups || json_type(*groups) != JsonType::kObject) return true;
  const auto fields = event::JsonFields::parse(*groups);
  return !fields || fields->empty();
}

void strip_sdk_state(Item& item) {
  if (!rules_of(item).strip_sdk_state) return;
  for (const std::string_view key :
       {"ph_product_tours", "$product_tours_activated", "$override_feature_flag_payloads"}) {
    item.properties.erase(key);
  }
  if (item.event != kFlagCalled) return;
  const auto response = item.properties.find("$feature_flag_response");
  if (response && json_type(*response) == JsonType::kString) return;
  event::JsonFields kept;
  for (const event::JsonFields::Field& f : item.properties.fields()) {
    if (is_kept_on_flag_call(f.key)) kept.set(f.key, f.value);
  }
  item.properties = std::move(kept);
}

}  // namespace penstock::ingest
