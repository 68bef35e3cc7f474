#include "event/messages.h"

#include "base/json_writer.h"
#include "event/timestamp.h"

namespace penstock::event {
namespace {

using Messages = std::vector<std::string>;

std::string_view topic_of(const Outcome& o) {
  // Of a recording the blocks are what is told, of a heatmap's event its points.
  const bool row =
      o.kind == OutcomeKind::kAccepted && o.source.lane != Lane::kReplay && !o.row.heatmap_only;
  return row ? kMessagesEvents : std::string_view();
}
std::string_view topic_of(const PersonChange&) { return kMessagesPersons; }
std::string_view topic_of(const DistinctIdChange&) { return kMessagesDistinctIds; }
std::string_view topic_of(const GroupChange&) { return kMessagesGroups; }
std::string_view topic_of(const IngestionWarning&) { return kMessagesWarnings; }
std::string_view topic_of(const Heatmap&) { return kMessagesHeatmaps; }
template <typename Other>
std::string_view topic_of(const Other&) {
  return {};
}

void append(const Outcome& o, Messages& out) {
  const EventRow& row = o.row;
  JsonWriter w;
  w.begin_object().field("uuid", o.uuid.text()).field("event", row.event);
  w.field("properties", row.properties).field("timestamp", format_clickhouse_ms(row.timestamp_ms));
  w.field("team_id", o.project.value).field("project_id", o.project.value);
  w.field("distinct_id", row.distinct_id).field("elements_chain", row.elements_chain);
  w.field("created_at", format_clickhouse_ms(row.created_at_ms)).key("captured_at");
  if (row.captured_at_ms) {
    w.string(format_clickhouse_ms(*row.captured_at_ms));
  } else {
    w.null();
  }
  w.field("person_id", row.person_id.text()).field("person_properties", row.person_properties);
  w.field("person_created_at", format_clickhouse_s(row.person_created_at_ms));
  w.field("person_mode", person_mode_name(row.person_mode));
  if (row.historical) w.field("historical_migration", true);
  out.push_back(w.end_object().take());
}

void append(const PersonChange& p, Messages& out) {
  JsonWriter w;
  w.begin_object()
      .field("id", p.id.text())
      .field("created_at", format_clickhouse_s(p.created_at_ms));
  w.field("properties", p.properties).field("team_id", p.project.value);
  w.field("is_identified", p.is_identified ? 1 : 0).field("is_deleted", p.is_deleted ? 1 : 0);
  w.field("version", p.version).key("last_seen_at");
  if (p.last_seen_at_ms) {
    w.string(format_clickhouse_s(*p.last_seen_at_ms));
  } else {
    w.null();
  }
  out.push_back(w.end_object().take());
}

void append(const DistinctIdChange& d, Messages& out) {
  JsonWriter w;
  w.begin_object().field("team_id", d.project.value).field("distinct_id", d.distinct_id);
  w.field("person_id", d.person_id.text()).field("is_deleted", d.is_deleted ? 1 : 0);
  out.push_back(w.field("version", d.version).end_object().take());
}

void append(const GroupChange& g, Messages& out) {
  JsonWriter w;
  w.begin_object().field("group_type_index", g.type_index).field("group_key", g.key);
  w.field("team_id", g.project.value).field("group_properties", g.properties);
  w.field("created_at", format_clickhouse_s(g.created_at_ms));
  out.push_back(w.field("version", g.version).end_object().take());
}

void append(const IngestionWarning& i, Messages& out) {
  JsonWriter w;
  w.begin_object().field("team_id", i.project.value).field("type", i.type);
  w.field("source", i.source).field("details", i.details);
  out.push_back(w.field("timestamp", format_clickhouse_ms(i.timestamp_ms)).end_object().take());
}

void append(const Heatmap& h, Messages& out) {
  for (const HeatmapPoint& p : h.points) {
    JsonWriter w;
    w.begin_object().field("type", p.type).field("x", p.x).field("y", p.y);
    w.field("pointer_target_fixed", p.target_fixed).field("viewport_height", h.viewport_height);
    w.field("viewport_width", h.viewport_width).field("current_url", p.url);
    w.field("session_id", h.session_id).field("scale_factor", kHeatmapScale);
    w.field("timestamp", format_clickhouse_ms(h.timestamp_ms)).field("team_id", h.project.value);
    out.push_back(w.field("distinct_id", h.distinct_id).end_object().take());
  }
}

template <typename Other>
void append(const Other&, Messages&) {}

}  // namespace

std::string_view message_topic(const ProcessedRecord& record) {
  return std::visit([](const auto& r) { return topic_of(r); }, record);
}

void append_messages(const ProcessedRecord& record, std::vector<std::string>& out) {
  if (message_topic(record).empty()) return;
  std::visit([&out](const auto& r) { append(r, out); }, record);
}

ProjectId project_of(const ProcessedRecord& record) {
  return std::visit([](const auto& r) { return r.project; }, record);
}

}  // namespace penstock::event
