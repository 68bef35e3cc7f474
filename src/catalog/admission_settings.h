// AdmissionSettings: quotas, restrictions, fair share and browser origins of one project.
//
// The setting "admission" as a JSON object; every member is optional:
//   weight              share of the edge under pressure, 1 to 1000 (default 1)
//   cors_origins        origins a browser may send from; empty: any
//   overflow            {"events_per_second":100,"burst":1000} per distinct id; 0: never overflows
//   ai_bytes            {"bytes_per_second":1000000,"burst":5000000} of all AI events; more is
//   dropped historical_only     true: only historical imports are taken, everything live is dropped
//   historical_after_days  events older than this travel in the historical lane; 0: the process's
//   quotas              [{"resource":"events","events_per_month_max":1000000}
//                        or {"resource":"recordings","limited_until":"2026-12-01T00:00:00Z"}]
//   restrictions        [{"type":"drop_event_from_ingestion","pipelines":["analytics"],
//                         "distinct_ids":[],"session_ids":[],"event_names":[],"event_uuids":[],
//                         "topic":"…"}]: every non-empty list must match, one entry is enough
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace penstock::catalog {

/// What is counted and limited on its own (contract/capture, Quota).
enum class QuotaResource : uint8_t {
  kEvents,  // whatever no other resource claims
  kExceptions,
  kSurveys,
  kLlmEvents,
  kRecordings,
  kFeatureFlags,
};
inline constexpr size_t kQuotaResources = 6;
std::string_view quota_resource_name(QuotaResource resource);  // "events", "exceptions", …
std::optional<QuotaResource> quota_resource_named(std::string_view name);

struct Quota {
  std::optional<uint64_t> events_per_month_max;  // calendar month, UTC
  int64_t limited_until_ms = 0;                  // Unix ms; in the past: not limited
};

enum class RestrictionType : uint8_t {
  kDropEvent,      // drop_event_from_ingestion
  kForceOverflow,  // force_overflow_from_ingestion
  kQuarantine,     // redirect_to_dlq
  kSkipPersons,    // skip_person_processing
  kRedirectTopic,  // redirect_to_topic
};
std::string_view restriction_type_name(RestrictionType type);

enum class Pipeline : uint8_t { kAnalytics = 1, kRecordings = 2, kAi = 4, kErrorTracking = 8 };

struct EventRestriction {
  RestrictionType type = RestrictionType::kDropEvent;
  uint8_t pipelines = 0xff;  // bits of Pipeline; none named: all
  // Sorted. An empty list matches everything.
  std::vector<std::string> distinct_ids, session_ids, event_names;
  std::vector<Uuid> event_uuids;
  std::string topic;  // for kRedirectTopic: the name after "redirect_", [a-z0-9_]{1,64}
};

struct OverflowLimit {
  uint32_t events_per_second = 100;  // 0: no key of this project ever overflows
  uint32_t burst = 1000;
};

/// Of the data of a project's AI events, over all shards; both at least 1.
struct ByteRate {
  uint64_t bytes_per_second = 1'000'000;
  uint64_t burst = 5'000'000;
};

struct AdmissionSettings {
  uint32_t weight = 1;
  std::vector<std::string> cors_origins;  // lower case, "https://app.example.com"
  std::optional<OverflowLimit> overflow;  // absent: the process's default
  std::optional<ByteRate> ai_bytes;       // absent: no budget
  bool historical_only = false;
  std::optional<int32_t> historical_after_days;
  std::array<std::optional<Quota>, kQuotaResources> quotas;  // by QuotaResource
  std::vector<EventRestriction> restrictions;
};

/// kInvalid names the member and what it should have been.
Result<AdmissionSettings> parse_admission(std::string_view json);

}  // namespace penstock::catalog
