#include "ingest/steps/profile.h"

#include <array>

#include "base/json_writer.h"

namespace penstock::ingest {
namespace {

constexpr std::string_view kFlag = "$process_person_profile";

/// How much it matters: an error cost the event.
constexpr std::string_view kError = "error", kWarning = "warning";

void warn(const Item& item, Warnings& warnings, std::string_view severity, std::string_view type,
          std::string_view name = {}, std::string_view value = {}) {
  JsonWriter w;
  w.begin_object()
      .field("eventUuid", item.raw.uuid.text())
      .field("event", item.event)
      .field("distinctId", item.raw.distinct_id);
  if (!name.empty()) w.field(name, value);
  w.field("category", "event").field("severity", severity).end_object();
  warnings.push_back({item.project->id, type, w.take(), item.raw.now_ms});
}

std::string_view type_name(std::string_view raw) {
  switch (event::json_type(raw)) {
    case event::JsonType::kBool: return "boolean";
    case event::JsonType::kNumber: return "number";
    case event::JsonType::kString: return "string";
    case event::JsonType::kNull:
    case event::JsonType::kArray:
    case event::JsonType::kObject: break;
  }
  return "object";
}

}  // namespace

Verdict decide_profile(Item& item, Warnings& warnings) {
  if (item.raw.skip_persons) {
    item.processing = PersonProcessing::kPersonlessBlind;
    return {};
  }
  const catalog::IngestionSettings& rules = item.project->settings->ingestion;
  item.opted_out = item.project->person_processing_opt_out || rules.person_processing_opt_out;
  const auto flag = item.properties.find(kFlag);
  const bool off = item.opted_out || (flag && *flag == "false");
  if (!off) {
    if (flag && *flag != "true") warn(item, warnings, kWarning, "invalid_process_person_profile");
    if (flag) item.properties.erase(kFlag);
    return {};
  }
  // Newer copies of PostHog let a $groupidentify through, which then writes no group (ERRATA B1).
  const bool group = item.event == "$groupidentify" && !rules.keep_personless_groupidentify;
  if (is_merge_event(item.event) || group) {
    warn(item, warnings, kError, "invalid_event_when_process_person_profile_is_false");
    return Verdict::drop("invalid_event_when_process_person_profile_is_false");
  }
  item.processing = PersonProcessing::kPersonless;
  return {};
}

Verdict read_merge(Item& item, Warnings& warnings) {
  if (item.processing != PersonProcessing::kFull || !is_merge_event(item.event)) return {};
  const bool identify = item.event == "$identify";
  const std::string_view key = identify ? "$anon_distinct_id" : "alias";
  const auto raw = item.properties.find(key);
  if (!raw) return {};
  switch (event::json_type(*raw)) {
    case event::JsonType::kNull:
      if (identify) item.merge_with = "null";
      return {};
    case event::JsonType::kString: {
      std::string other = event::decode_string(*raw);
      if (identify || !other.empty()) item.merge_with = std::move(other);
      return {};
    }
    default: break;
  }
  const std::string_view reason = identify ? "invalid_anon_distinct_id" : "invalid_alias";
  warn(item, warnings, kError, reason, "receivedType", type_name(*raw));
  return Verdict::drop(reason);
}

void strip_person_fields(Item& item) {
  const bool personless = item.processing != PersonProcessing::kFull;
  if (!personless && item.event != "$groupidentify") return;
  for (std::string_view key : {"$set", "$set_once", "$unset"}) item.properties.erase(key);
  item.set = {};
  item.set_once = {};
  item.has_set = item.has_set_once = false;
  item.unset.clear();
  if (!personless) return;
  item.properties.set(kFlag, "false");
  for (std::string_view key : {"$group_0", "$group_1", "$group_2", "$group_3", "$group_4"}) {
    item.properties.erase(key);
  }
}

}  // namespace penstock::ingest
