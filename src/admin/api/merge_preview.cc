#include "admin/api/merge_preview.h"

#include <fmt/format.h>

#include <algorithm>

#include "admin/api/reply.h"
#include "admin/api/sql.h"
#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::admin {
namespace {

/// Beyond these the count is of the person's rows as they stand.
constexpr size_t kIdsCountedMax = 1000;
constexpr std::string_view kIdentify = "$identify";

Result<MergePreview::Side> read_side(const persons::PersonStore& store, ProjectId project,
                                     std::string_view id) {
  MergePreview::Side out;
  out.distinct_id = id;
  PENSTOCK_TRY(auto found, store.fetch({{project, out.distinct_id}}));
  out.person = std::move(found[0]);
  if (out.person) {
    PENSTOCK_TRY(out.ids, store.distinct_ids(project, out.person->id, kPreviewIdsMax + 1));
    out.more_ids = out.ids.size() > kPreviewIdsMax;
    if (out.more_ids) out.ids.pop_back();
  } else {
    out.ids = {out.distinct_id};
  }
  return out;
}

void write_side(JsonWriter& w, std::string_view name, const MergePreview::Side& side,
                int64_t events) {
  w.key(name).begin_object().field("distinct_id", side.distinct_id);
  w.key("person");
  if (side.person) {
    w.begin_object().field("id", side.person->id.text());
    w.field("is_identified", side.person->is_identified);
    w.field("created_at", iso_time(side.person->created_at_ms)).end_object();
  } else {
    w.null();
  }
  w.field("distinct_id_count", static_cast<uint64_t>(side.person ? side.ids.size() : 0));
  w.field("more_distinct_ids", side.more_ids).field("event_count", events).end_object();
}

std::string condition_of(const MergePreview::Side& side) {
  std::string list;
  for (size_t i = 0; i < std::min(side.ids.size(), kIdsCountedMax); i++) {
    list += (i == 0 ? "" : ",") + sql_text(side.ids[i]);
  }
  std::string out = "distinct_id IN (" + list + ")";
  if (side.ids.size() > kIdsCountedMax && side.person) {
    out = "person_id = " + sql_text(side.person->id.text());
  }
  return out;
}

void judge(MergePreview& p, const catalog::MergeSettings& settings) {
  const bool dangerous = p.event == "$merge_dangerously";
  const auto guard = [&](bool refuses, std::string_view type, std::string says) {
    p.guards.emplace_back(type, std::move(says));
    if (refuses) p.outcome = "refused";
  };
  p.person = p.target.person ? p.target.person->id.text() : "";
  if (p.source.distinct_id == p.target.distinct_id ||
      (p.source.person && p.target.person && p.source.person->id == p.target.person->id)) {
    p.outcome = "nothing";
    return;
  }
  if (!p.source.person && !p.target.person) {
    p.outcome = "created";
    return;
  }
  if (!p.source.person || !p.target.person) {
    p.outcome = "added";
    if (p.source.person) p.person = p.source.person->id.text();
    return;
  }
  p.outcome = "merged";
  if (p.source.person->is_identified) {
    const bool refuse =
        !dangerous || settings.identified_into_identified == catalog::MergeGuard::kRefuse;
    guard(refuse, refuse ? "cannot_merge_already_identified" : "merge_of_identified_persons",
          "the source is identified already");
  }
  if (p.source.more_ids || std::cmp_greater(p.source.ids.size(), settings.ids_max)) {
    const bool refuse = p.source.more_ids || settings.too_many_ids == catalog::MergeGuard::kRefuse;
    guard(refuse, refuse ? "merge_move_limit_exceeded" : "merge_moved_many_ids",
          fmt::format("more than {} distinct ids would move", settings.ids_max));
  }
}

/// Every property the person would have, and whose value it is.
void write_properties(JsonWriter& w, const MergePreview& p) {
  const std::string none = "{}";
  const auto source =
      event::JsonFields::parse(p.source.person ? p.source.person->properties : none);
  const auto target =
      event::JsonFields::parse(p.target.person ? p.target.person->properties : none);
  w.key("properties").begin_array();
  const bool merges = p.outcome == "merged";
  const auto write = [&](const event::JsonFields::Field& f, std::string_view from,
                         std::optional<std::string_view> lost) {
    w.begin_object().field("key", f.key).key("value").raw(f.value).field("from", from);
    w.key("replaces");
    lost ? w.raw(*lost) : w.null();
    w.end_object();
  };
  const bool of_target = p.target.person.has_value();
  if (target && of_target) {
    for (const auto& f : target->fields()) {
      const auto other = merges && source ? source->find(f.key) : std::nullopt;
      write(f, "target", other && *other != f.value ? other : std::nullopt);
    }
  }
  if (source && (merges || !of_target)) {
    for (const auto& f : source->fields()) {
      if (of_target && target && target->contains(f.key)) continue;
      write(f, "source", std::nullopt);
    }
  }
  w.end_array();
}

}  // namespace

std::string MergePreview::count_sql() const {
  const std::string of_source = condition_of(source), of_target = condition_of(target);
  std::string device;
  if (event == kIdentify) {
    const std::string_view named = "JSONExtractString(properties, '$device_id')";
    device = fmt::format(", argMaxIf({0}, timestamp, {1} AND {0} != '')", named, of_source);
  }
  return fmt::format("SELECT countIf({0}), countIf({1}){2} FROM events WHERE {0} OR {1}", of_source,
                     of_target, device);
}

Status MergePreview::judge_device(const persons::PersonStore& store,
                                  const catalog::Project& project, std::string_view device) {
  if (event != kIdentify || outcome == "nothing" || device.empty() ||
      device == source.distinct_id || device == target.distinct_id) {
    return {};
  }
  PENSTOCK_TRY(const auto found, store.fetch({{project.id, std::string(device)}}));
  const auto is = [&](const std::optional<persons::Person>& p) {
    return p && p->id == found[0]->id;
  };
  if (!found[0] || !found[0]->is_identified || is(source.person) || is(target.person)) return {};
  const bool refuse = project.settings->merges.shared_device == catalog::MergeGuard::kRefuse;
  // The step asks it first, and refuses whatever else would have come of it.
  guards.insert(guards.begin(), {refuse ? "merge_refused_shared_device" : "merge_shared_device",
                                 fmt::format("the device {} is of another identified person, {}",
                                             device, found[0]->id.text())});
  if (!refuse) return {};
  outcome = "refused";
  person = target.person ? target.person->id.text() : "";
  return {};
}

std::string MergePreview::json() const {
  JsonWriter w;
  w.begin_object().field("event", event).field("outcome", outcome).key("person");
  person.empty() ? w.null() : w.string(person);
  write_side(w, "source", source, source_events);
  write_side(w, "target", target, target_events);
  w.key("guards").begin_array();
  for (const auto& [type, says] : guards) {
    w.begin_object().field("type", type).field("message", says).end_object();
  }
  w.end_array();
  write_properties(w, *this);
  return w.end_object().take();
}

Result<MergePreview> preview_merge(const persons::PersonStore& store,
                                   const catalog::Project& project, std::string_view source,
                                   std::string_view target, std::string_view event) {
  if (event != "$identify" && event != "$create_alias" && event != "$merge_dangerously") {
    return fail(Code::kInvalid, "event must be $identify, $create_alias or $merge_dangerously");
  }
  MergePreview out;
  out.event = event;
  PENSTOCK_TRY(out.source, read_side(store, project.id, source));
  PENSTOCK_TRY(out.target, read_side(store, project.id, target));
  judge(out, project.settings->merges);
  return out;
}

}  // namespace penstock::admin
