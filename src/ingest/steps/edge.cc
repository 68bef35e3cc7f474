#include "ingest/steps/edge.h"

#include <algorithm>
#include <array>

#include "base/json_writer.h"

namespace penstock::ingest {
namespace {

constexpr std::string_view kOverflow = "event_overflow";
constexpr std::string_view kTooLarge = "message_size_too_large";

struct Kind {
  std::string_view type, category, severity;
};
/// Those that are not the contract's; its own, from capture, are all of category event, severity
/// error.
constexpr std::array<Kind, 10> kKinds{{
    {"billing_limit_exceeded", "limit", "error"},
    {"ai_byte_rate_limited", "limit", "error"},
    {"non_historical_import_drop", "restriction", "error"},
    {"event_restriction_drop", "restriction", "error"},
    {"event_restriction", "restriction", "info"},
    {"redirected_to_topic", "restriction", "info"},
    {kOverflow, "limit", "info"},
    {kTooLarge, "size", "error"},
    {"payload_too_large", "size", "error"},
    {"too_many_events", "size", "error"},
}};

Kind kind_of(std::string_view type) {
  const auto* found = std::ranges::find(kKinds, type, &Kind::type);
  return found == kKinds.end() ? Kind{type, "event", "error"} : *found;
}

}  // namespace

void warn_of_edge(const Item& item, Warnings& warnings) {
  const bool decided = item.raw.disposition != event::Disposition::kProcess;
  if (item.project == nullptr || (!decided && item.source.lane != event::Lane::kOverflow)) return;
  const std::string_view type = decided ? item.raw.reason : kOverflow;
  const Kind kind = kind_of(type);
  JsonWriter w;
  w.begin_object().field("eventUuid", item.raw.uuid.text()).field("event", item.event);
  w.field("distinctId", item.raw.distinct_id);
  w.field("category", kind.category).field("severity", kind.severity);
  w.field("pipelineStep", "capture").end_object();
  Warning out{item.project->id, type, w.take(), item.raw.now_ms};
  out.source = "capture";
  // A sender is what is wrong with an overflow; with the rest it is the project's own doing.
  out.once_per_type = decided;
  warnings.push_back(std::move(out));
}

event::IngestionWarning warning_of(const event::RefusalCount& refused, std::string& details) {
  const Kind kind = kind_of(refused.reason);
  JsonWriter w;
  w.begin_object().field("requests", refused.requests).field("status", refused.status);
  w.field("path", refused.path).field("message", refused.message);
  w.field("category", kind.category).field("severity", kind.severity);
  w.field("pipelineStep", "capture").end_object();
  details = w.take();
  return {refused.project, refused.reason, "capture", details, refused.now_ms};
}

}  // namespace penstock::ingest
