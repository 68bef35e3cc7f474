#include "admin/api/quarantine_words.h"

#include "admin/api/reply.h"
#include "event/json_fields.h"
#include "event/processed_record.h"
#include "event/request_id.h"

namespace penstock::admin {
namespace {

void time_or_null(JsonWriter& w, std::string_view name, int64_t ms) {
  w.key(name);
  ms == 0 ? w.null() : w.string(iso_time(ms));
}

/// What came with it and is kept: no more of a request's headers than that.
void write_arrival(JsonWriter& w, const event::RawRecord& raw) {
  w.key("arrival").begin_object().field("ip", raw.ip).field("distinct_id", raw.distinct_id);
  w.field("session_id", raw.session_id).field("timestamp", iso_time(raw.timestamp_ms));
  w.key("sent_at");
  raw.sent_at_ms ? w.string(iso_time(*raw.sent_at_ms)) : w.null();
  w.field("historical", raw.historical).field("cookieless", raw.cookieless);
  w.field("skip_persons", raw.skip_persons).field("redriven", raw.redriven).key("request_id");
  raw.request != 0 ? w.string(event::RequestId{raw.now_ms, raw.request}.uuid().text()) : w.null();
  w.key("client_request_id");
  raw.client_request.is_nil() ? w.null() : w.string(raw.client_request.text());
  w.end_object();
}

/// One line of a diff; raw JSON, empty: not there.
void write_difference(JsonWriter& w, std::string_view path, std::string_view before,
                      std::string_view after) {
  if (before == after) return;
  w.begin_object().field("path", path).key("before");
  before.empty() ? w.null() : w.raw(before);
  w.key("after");
  after.empty() ? w.null() : w.raw(after);
  w.end_object();
}

std::string quoted(std::string_view text) {
  std::string out;
  event::append_json_string(out, text);
  return out;
}

/// From the event as it came to the row that it would be.
void write_diff(JsonWriter& w, std::string_view data, const event::EventRow& row) {
  const auto sent = event::JsonFields::parse(data);
  const auto properties_text = sent ? sent->find("properties") : std::nullopt;
  const auto before = event::JsonFields::parse(properties_text.value_or("{}"));
  const auto after = event::JsonFields::parse(row.properties);
  w.key("diff").begin_array();
  for (const auto& [name, value] :
       {std::pair{"event", quoted(row.event)}, std::pair{"distinct_id", quoted(row.distinct_id)},
        std::pair{"timestamp", quoted(iso_time(row.timestamp_ms))}}) {
    write_difference(w, name, sent ? sent->find(name).value_or("") : "", value);
  }
  if (before && after) {
    for (const auto& f : before->fields()) {
      write_difference(w, "properties." + std::string(f.key), f.value,
                       after->find(f.key).value_or(""));
    }
    for (const auto& f : after->fields()) {
      if (!before->find(f.key)) {
        write_difference(w, "properties." + std::string(f.key), "", f.value);
      }
    }
  }
  w.end_array();
}

void write_row(JsonWriter& w, const event::EventRow& row) {
  w.key("row").begin_object().field("event", row.event).field("distinct_id", row.distinct_id);
  w.field("timestamp", iso_time(row.timestamp_ms)).key("properties");
  w.raw(row.properties.empty() ? "{}" : row.properties).field("person_id", row.person_id.text());
  w.field("person_why", event::person_why_name(row.person_why));
  w.field("person_mode", event::person_mode_name(row.person_mode)).key("person_properties");
  w.raw(row.person_properties.empty() ? "{}" : row.person_properties);
  w.field("elements_chain", row.elements_chain).end_object();
}

}  // namespace

void write_quarantined(JsonWriter& w, const ledger::QuarantineEntry& e, bool whole) {
  const auto raw = event::decode_raw(e.raw);
  w.begin_object().field("id", e.id).field("project_id", e.project.value);
  w.field("reason", e.reason).field("stage", e.stage).field("uuid", e.uuid.text());
  w.field("received_at", iso_time(e.received_ms)).field("token", e.token);
  w.field("event", raw ? raw->event : "").field("distinct_id", raw ? raw->distinct_id : "");
  w.field("size_bytes", uint64_t{e.raw.size()}).field("lane", event::lane_name(e.source.lane));
  w.field("partition", e.source.partition.value).field("offset", e.source.offset.value);
  time_or_null(w, "quarantined_at", e.decided_ms);
  w.field("version", e.version).field("edited_by", e.edited_by);
  time_or_null(w, "edited_at", e.edited_ms);
  if (whole) {
    w.field("readable", raw.has_value());
    w.field("data", raw ? raw->data : std::string_view()).field("edited", e.edited);
    if (raw) write_arrival(w, *raw);
  }
  w.end_object();
}

void write_trial(JsonWriter& w, const ledger::QuarantineEntry& entry, std::string_view record,
                 const std::vector<std::string>& records) {
  w.begin_object().key("before").begin_object().field("outcome", "quarantined");
  w.field("reason", entry.reason).field("stage", entry.stage).end_object();
  uint64_t persons = 0, mappings = 0, groups = 0, others = 0;
  std::vector<event::IngestionWarning> warnings;
  for (const std::string& bytes : records) {
    const auto decoded = event::decode_processed(bytes);
    if (!decoded) continue;
    if (const auto* o = std::get_if<event::Outcome>(&*decoded)) {
      w.field("outcome", event::outcome_name(o->kind)).field("reason", o->reason);
      w.field("stage", o->stage).field("project_id", o->project.value).key("apps");
      w.raw(o->apps.empty() ? "[]" : o->apps);
      if (o->kind == event::OutcomeKind::kAccepted) {
        write_row(w, o->row);
        const auto raw = event::decode_raw(record);
        if (raw) write_diff(w, raw->data, o->row);
      }
    } else if (const auto* warning = std::get_if<event::IngestionWarning>(&*decoded)) {
      warnings.push_back(*warning);
    } else {
      persons += std::holds_alternative<event::PersonChange>(*decoded) ? 1 : 0;
      mappings += std::holds_alternative<event::DistinctIdChange>(*decoded) ? 1 : 0;
      groups += std::holds_alternative<event::GroupChange>(*decoded) ? 1 : 0;
      others++;
    }
  }
  w.key("warnings").begin_array();
  for (const event::IngestionWarning& i : warnings) {
    w.begin_object().field("type", i.type).key("details").raw(i.details).end_object();
  }
  w.end_array().key("changes").begin_object().field("persons", persons);
  w.field("distinct_ids", mappings).field("groups", groups);
  w.field("others", others - persons - mappings - groups).end_object().end_object();
}

Result<ledger::QuarantineFilter> select_of(const ledger::RedriveJob& job) {
  PENSTOCK_TRY(const auto body, event::JsonFields::parse(job.body));
  PENSTOCK_TRY(const auto select, event::JsonFields::parse(body.find("select").value_or("{}")));
  return ledger::QuarantineFilter::parse(select);
}

void write_job(JsonWriter& w, const ledger::RedriveJob& job, uint64_t left,
               const RedriveProgress* now) {
  const auto body = event::JsonFields::parse(job.body);
  const auto number = [&body](std::string_view key) -> uint64_t {
    const auto value =
        body ? body_integer(*body, key) : Result<std::optional<int64_t>>(std::nullopt);
    return value && *value ? static_cast<uint64_t>(**value) : 0;
  };
  const uint64_t total = number("total");
  w.begin_object().field("id", job.id.text()).field("project_id", job.project.value);
  const bool waits = job.ended_ms == 0 && (now == nullptr || !now->running);
  w.field("state", waits ? "waiting" : job.state).field("who", job.who);
  time_or_null(w, "began_at", job.began_ms);
  time_or_null(w, "ended_at", job.ended_ms);
  w.field("total", total).field("per_second", number("per_second")).key("left");
  // Of one that has ended nobody counts any more what is left.
  job.ended_ms == 0 ? w.number(left) : w.null();
  w.field("appended", now == nullptr ? 0 : now->appended);
  w.field("waiting", now == nullptr ? 0 : now->waiting);
  w.field("left_out", now == nullptr ? 0 : now->left_out);
  w.field("last_error", now == nullptr ? "" : now->last_error).key("select");
  const auto select = body ? body->find("select") : std::nullopt;
  w.raw(select.value_or("{}")).end_object();
}

}  // namespace penstock::admin
