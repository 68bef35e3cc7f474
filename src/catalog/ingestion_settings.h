// IngestionSettings: what ingest does with one project's events beyond the common rules.
//
// The setting "ingestion" as a JSON object; every member is optional:
//   anonymize_ips                       rows carry no $ip (default false)
//   person_processing_opt_out           every event is personless (default false)
//   drop_events_older_than_seconds      0: none is too old (default)
//   groupidentify_without_person_processing  "drop" (default) or "keep": the event stays, no group
//                                       is written
//   feature_flag_called_personless      such events make no new person (default false)
//   person_last_seen                    a person's last_seen_at follows their events, to the hour
//                                       (default false: it stays that of the first one)
//   strip_sdk_state                     what SDKs only remember for themselves is not stored
//                                       (default true)
//   event_filters   {"mode":"disabled"|"dry_run"|"live","filter":F}: what matches is dropped; F is
//                   {"and":[F,…]}, {"or":[F,…]}, {"not":F}, or a test of one field:
//                   {"event":{"exact":"…"}} or {"distinct_id":{"contains":"…"}}
//   schemas         [{"event":"…","required":{"price":"number",…}}]: an event whose properties are
//                   not of these types is dropped; types: string, number, boolean, object, array
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/json_fields.h"

namespace penstock::catalog {

inline constexpr size_t kFilterDepthMax = 8;
inline constexpr size_t kFilterNodesMax = 1000;
inline constexpr size_t kSchemasMax = 1000;
inline constexpr size_t kSchemaPropertiesMax = 100;

/// A tree of conditions on an event's name and distinct id.
struct EventFilter {
  enum class Kind : uint8_t { kNever, kAnd, kOr, kNot, kExact, kContains };
  Kind kind = Kind::kNever;
  bool of_distinct_id = false;        // else of the event's name
  std::string text;                   // of kExact and kContains
  std::vector<EventFilter> children;  // at most kFilterDepthMax levels

  bool matches(std::string_view event, std::string_view distinct_id) const;
};

enum class FilterMode : uint8_t { kDisabled, kDryRun, kLive };

struct EventSchema {
  struct Property {
    std::string name;
    event::JsonType type = event::JsonType::kString;
  };
  std::string event;
  std::vector<Property> required;
};

struct IngestionSettings {
  bool anonymize_ips = false;
  bool person_processing_opt_out = false;
  int64_t drop_events_older_than_seconds = 0;
  bool keep_personless_groupidentify = false;
  bool feature_flag_called_personless = false;
  bool person_last_seen = false;
  bool strip_sdk_state = true;
  FilterMode filter_mode = FilterMode::kDisabled;
  EventFilter filter;
  std::vector<EventSchema> schemas;  // by event

  const EventSchema* schema_of(std::string_view event) const;
};

/// "string", …
std::string_view schema_type_name(event::JsonType type);

/// kInvalid names the member and what it should have been.
Result<IngestionSettings> parse_ingestion(std::string_view json);

}  // namespace penstock::catalog
