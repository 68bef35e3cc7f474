// What people do to persons: their merges, a preview of one, undoing it, taking ids off, deleting.
//
// Nothing is done here: a command is appended to the log, durable before it is answered, and ingest
// carries it out. What became of it is in the PersonStore, what is on its way comes from
// AdminSources.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "admin/api/merge_preview.h"
#include "admin/api/service.h"
#include "admin/api/sql.h"
#include "event/person_command.h"
#include "event/slice.h"
#include "persons/person_store.h"

namespace penstock::admin {
namespace {

constexpr size_t kMovedShownMax = 100;
constexpr size_t kIdsTakenMax = 1000;
constexpr size_t kReportsShownMax = 100;

void write_snapshot(JsonWriter& w, std::string_view name, std::string_view bytes) {
  w.key(name);
  const auto person = event::PersonMerge::person(bytes);
  if (!person) {
    w.null();
    return;
  }
  w.begin_object().field("id", person->id.text());
  w.field("created_at", iso_time(person->created_at_ms));
  w.field("is_identified", person->is_identified);
  w.key("properties").raw(person->properties).end_object();
}

void write_merge(JsonWriter& w, const event::PersonMerge& m) {
  w.begin_object().field("event_uuid", m.event_uuid.text()).field("event", m.event);
  w.field("at", iso_time(m.time_ms)).field("undone", m.undone);
  w.field("source_distinct_id", m.source_id).field("target_distinct_id", m.target_id);
  w.field("person", m.result.text());
  write_snapshot(w, "source", m.source);
  write_snapshot(w, "target", m.target);
  w.field("moved_count", static_cast<uint64_t>(m.moved.size()));
  w.key("moved").begin_array();
  for (size_t i = 0; i < std::min(m.moved.size(), kMovedShownMax); i++) w.string(m.moved[i]);
  w.end_array().end_object();
}

void write_report(JsonWriter& w, const event::PersonCommandReport& c) {
  w.begin_object().field("id", c.id.text()).field("kind", c.kind).field("who", c.who);
  w.field("state", c.state).field("at", iso_time(c.time_ms));
  // While it runs the report is what it needs to go on, ids included; not for showing.
  w.key("report").raw(c.state == "running" ? "{}" : c.report);
  w.end_object();
}

void write_status(JsonWriter& w, const PersonCommandStatus& s) {
  w.begin_object().field("id", s.id.text()).field("kind", s.kind).field("who", s.who);
  w.field("state", s.running ? "running" : "waiting").field("at", iso_time(s.time_ms));
  w.field("step", s.step).field("done", s.done).field("total", s.total);
  w.field("last_error", s.last_error).end_object();
}

}  // namespace

bool Service::person_commands(Call& call, wire::Responder& r) {
  const std::string_view method = call.request.method;
  const auto& path = call.path;
  if (path[3] == "person_commands" && method == "GET" && path.size() <= 5) {
    path.size() == 4 ? list_person_commands(call, r) : person_command(call, r);
    return true;
  }
  if (path[3] != "persons" || path.size() < 5) return false;
  if (path.size() == 5 && path[4] == "merge_preview" && method == "POST") {
    return merge_preview(call, r), true;
  }
  const auto id = Uuid::parse(path[4]);
  if (!id) return false;
  if (path.size() == 5 && method == "DELETE") return delete_person(call, r, *id), true;
  if (path.size() == 6 && path[5] == "merges" && method == "GET") {
    return person_merges(call, r, *id), true;
  }
  if (path.size() == 6 && path[5] == "split" && method == "POST") {
    return split_person(call, r, *id), true;
  }
  return false;
}

void Service::person_merges(Call& call, wire::Responder& r, const Uuid& id) {
  const auto history = parts_.persons.merges(call.project, id);
  if (!history) return reply_error(r, history.error());
  JsonWriter w;
  w.begin_object().field("forgotten", history->forgotten).key("merges").begin_array();
  for (auto it = history->records.rbegin(); it != history->records.rend(); ++it) {
    const auto record = event::decode_processed(*it);
    if (!record) return reply_error(r, record.error());
    if (const auto* m = std::get_if<event::PersonMerge>(&*record)) write_merge(w, *m);
  }
  reply_json(r, w.end_array().end_object().take());
}

/// Appends it; whoever asked is answered when it is durable.
void Service::command(Call& call, wire::Responder& r, std::string_view kind, std::string body) {
  append_commands(call, r, kind, {std::move(body)});
}

void Service::append_commands(Call& call, wire::Responder& r, std::string_view kind,
                              const std::vector<std::string>& bodies, const std::string& extra) {
  event::PersonCommand c;
  log::Batch batch;
  for (const std::string& body : bodies) {
    std::array<uint8_t, 10> random{};
    parts_.runtime.random().fill(random);
    c.time_ms = parts_.runtime.clock().wall_ms();
    c.id = Uuid::v7(c.time_ms, random);
    c.project = call.project;
    c.kind = kind;
    c.who = call.principal.name;
    c.body = body;
    std::string record;
    event::encode(c, record);
    batch.count++;
    log::encode_record(batch.data, record);
    recent_commands_.push_back({c.id, call.project, std::string(kind), std::string(c.who),
                                c.time_ms, false, "", 0, 0, ""});
    if (recent_commands_.size() > kRecentCommandsMax) recent_commands_.pop_front();
  }
  // To who decides the project's events: the partition says whose it is, whatever others know yet.
  const auto bounds = parts_.log.bounds(std::string(event::kTopicPersonCommands));
  const auto snapshot = parts_.catalog.snapshot();
  if (const catalog::Project* project = snapshot->find(call.project); bounds && project) {
    batch.partition = {event::slice_of(project->token, static_cast<int32_t>(bounds->size()))};
  }
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  auto responder = std::make_shared<wire::Responder>(std::move(r));
  parts_.log.append(parts_.loop, std::string(event::kTopicPersonCommands), std::move(batches),
                    [responder, id = c.id, extra,
                     alive = alive_](const Result<std::vector<log::Appended>>& done) {
                      if (!*alive) return;
                      if (!done) return reply_error(*responder, done.error());
                      JsonWriter w;
                      w.begin_object().field("command", id.text()).end_object();
                      std::string answer = w.take();
                      answer.insert(answer.size() - 1, extra);
                      reply_json(*responder, std::move(answer), 202);
                    });
}

void Service::delete_person(Call& call, wire::Responder& r, const Uuid& id) {
  const auto person = parts_.persons.get(call.project, id);
  if (!person) return reply_error(r, person.error());
  if (!*person) return reply_error(r, {Code::kNotFound, "there is no such person"});
  JsonWriter w;
  w.begin_object().field("person", id.text()).end_object();
  command(call, r, event::kDeletePerson, w.take());
}

void Service::split_person(Call& call, wire::Responder& r, const Uuid& id) {
  const auto person = parts_.persons.get(call.project, id);
  if (!person) return reply_error(r, person.error());
  if (!*person) return reply_error(r, {Code::kNotFound, "there is no such person"});
  const auto event = body_string(call.body, "event");
  if (!event) return reply_error(r, event.error());
  const auto ids = call.body.find("distinct_ids");
  if (event->has_value() == ids.has_value()) {
    return reply_error(r,
                       {Code::kInvalid, "give either event, the merge to undo, or distinct_ids"});
  }
  JsonWriter w;
  w.begin_object().field("person", id.text());
  if (*event) {
    if (!Uuid::parse(**event)) return reply_error(r, {Code::kInvalid, "event must be a uuid"});
    w.field("event", **event).end_object();
    return command(call, r, event::kUndoMerge, w.take());
  }
  const auto items = event::json_type(*ids) == event::JsonType::kArray
                         ? event::split_array(*ids)
                         : Result<std::vector<std::string_view>>(
                               fail(Code::kInvalid, "distinct_ids must be a list"));
  if (!items) return reply_error(r, items.error());
  if (items->empty() || items->size() > kIdsTakenMax) {
    return reply_error(r, {Code::kInvalid, fmt::format("name 1 to {} distinct ids", kIdsTakenMax)});
  }
  w.key("distinct_ids").begin_array();
  for (const std::string_view item : *items) {
    if (event::json_type(item) != event::JsonType::kString) {
      return reply_error(r, {Code::kInvalid, "distinct_ids must be a list of strings"});
    }
    w.string(event::decode_string(item));
  }
  command(call, r, event::kTakeIds, w.end_array().end_object().take());
}

std::vector<PersonCommandStatus> Service::open_commands(ProjectId project) const {
  std::vector<PersonCommandStatus> out;
  if (sources_.person_commands) out = sources_.person_commands();
  // What was appended a moment ago may not have been read yet.
  for (const PersonCommandStatus& s : recent_commands_) {
    if (std::ranges::find(out, s.id, &PersonCommandStatus::id) == out.end()) out.push_back(s);
  }
  std::erase_if(out, [&](const PersonCommandStatus& s) { return s.project != project; });
  std::erase_if(out, [&](const PersonCommandStatus& s) {
    const auto bytes = parts_.persons.command_report(project, s.id);
    if (!bytes || !*bytes) return false;
    const auto record = event::decode_processed(**bytes);
    const auto* report = record ? std::get_if<event::PersonCommandReport>(&*record) : nullptr;
    return report != nullptr && report->state != "running";
  });
  return out;
}

void Service::list_person_commands(Call& call, wire::Responder& r) {
  const auto reports = parts_.persons.command_reports(call.project, kReportsShownMax);
  if (!reports) return reply_error(r, reports.error());
  JsonWriter w;
  w.begin_object().key("commands").begin_array();
  const auto open = open_commands(call.project);
  for (const PersonCommandStatus& s : open) write_status(w, s);
  for (const std::string& bytes : *reports) {
    const auto record = event::decode_processed(bytes);
    const auto* report = record ? std::get_if<event::PersonCommandReport>(&*record) : nullptr;
    if (report == nullptr || report->state == "running") continue;
    write_report(w, *report);
  }
  reply_json(r, w.end_array().end_object().take());
}

void Service::person_command(Call& call, wire::Responder& r) {
  const auto id = Uuid::parse(call.path[4]);
  if (!id) return reply_error(r, {Code::kInvalid, "the command's id must be a uuid"});
  JsonWriter w;
  for (const PersonCommandStatus& s : open_commands(call.project)) {
    if (s.id != *id) continue;
    write_status(w, s);
    return reply_json(r, w.take());
  }
  const auto bytes = parts_.persons.command_report(call.project, *id);
  if (!bytes) return reply_error(r, bytes.error());
  const auto record = *bytes ? event::decode_processed(**bytes)
                             : Result<event::ProcessedRecord>(fail(Code::kNotFound, ""));
  const auto* report = record ? std::get_if<event::PersonCommandReport>(&*record) : nullptr;
  if (report == nullptr) return reply_error(r, {Code::kNotFound, "there is no such command"});
  write_report(w, *report);
  reply_json(r, w.take());
}

void Service::merge_preview(Call& call, wire::Responder& r) {
  const auto source = body_string(call.body, "source"), target = body_string(call.body, "target");
  const auto event = body_string(call.body, "event"), device = body_string(call.body, "device_id");
  for (const auto* given : {&source, &target, &event, &device}) {
    if (!*given) return reply_error(r, given->error());
  }
  if (!*source || !*target) {
    return reply_error(r, {Code::kInvalid, "give source and target, two distinct ids"});
  }
  const auto project = parts_.catalog.snapshot()->find(call.project);
  auto preview =
      preview_merge(parts_.persons, *project, **source, **target, event->value_or("$identify"));
  if (!preview) return reply_error(r, preview.error());
  auto shared = std::make_shared<MergePreview>(std::move(*preview));
  ask(call.project, shared->count_sql(), std::move(r),
      [shared, project, device = *device, &persons = parts_.persons](
          R& responder, const store::QueryResult& result) {
        const auto rows = rows_of(result);
        if (!rows) return reply_error(responder, rows.error());
        std::string named = device.value_or("");
        if (rows->size() == 1 && rows->front().size() >= 2) {
          const Cells& row = rows->front();
          shared->source_events = cell_number(row[0]);
          shared->target_events = cell_number(row[1]);
          if (!device && row.size() == 3) named = event::decode_string(row[2]);
        }
        if (const Status s = shared->judge_device(persons, *project, named); !s) {
          return reply_error(responder, s.error());
        }
        reply_json(responder, shared->json());
      });
}

}  // namespace penstock::admin
