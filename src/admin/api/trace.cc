// Trace: the whole way of an event, or of a request, hop by hop.
//
// The ledger's index says which stories there are and where in the log they lie; the records there
// tell the rest: when, why, which person. A request is found by its time: the index knows which
// ranges of outcomes were received then, and their records carry the request's number.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "admin/api/log_reader.h"
#include "admin/api/service.h"
#include "admin/api/sql.h"
#include "event/request_id.h"
#include "event/timestamp.h"
#include "ledger/undecided.h"
#include "log/scan.h"

namespace penstock::admin {
namespace {

/// Stories of one uuid that are told with what the log holds of them.
constexpr size_t kToldMax = 20;
/// Of a uuid that is nowhere.
constexpr int kLooksMore = 2;
constexpr auto kLookAgain = std::chrono::milliseconds(25);
constexpr size_t kRequestEventsMax = 2000;
constexpr size_t kRequestRangesMax = 200;

/// One story, with its records as far as the log still holds them.
struct Story {
  ledger::TraceEntry entry;
  std::optional<std::string> raw, outcome;
  std::string person_now{};  // of its distinct id; empty: nobody, or not asked
  std::string calls{};       // of apps for the stored event, a JSON array
  uint64_t ahead = 0;        // of one that waits: records before it
};

void place(JsonWriter& w, std::string_view topic, Partition partition, Offset offset) {
  w.field("topic", topic).field("partition", partition.value).field("offset", offset.value);
}

void write_received(JsonWriter& w, const Story& s) {
  const ledger::TraceEntry& e = s.entry;
  w.begin_object().field("name", e.state == "refused" ? "refused" : "received");
  w.field("at", iso_time(e.received_ms));
  if (e.state == "refused") {
    w.field("status", e.status).field("reason", e.reason);
    if (!e.request.is_nil()) w.field("request_id", e.request.text());
    w.end_object();
    return;
  }
  place(w, event::lane_topic(e.source.lane), e.source.partition, e.source.offset);
  const auto raw =
      s.raw ? event::decode_raw(*s.raw) : Result<event::RawRecord>(fail(Code::kNotFound, ""));
  w.field("in_log", raw.has_value());
  if (raw) {
    if (raw->request != 0) {
      w.field("request_id", event::RequestId{raw->now_ms, raw->request}.uuid().text());
    }
    if (!raw->client_request.is_nil()) {
      w.field("client_request_id", raw->client_request.text());
    }
    w.field("redriven", raw->redriven).field("size_bytes", uint64_t{raw->data.size()});
    w.field("timestamp", iso_time(raw->timestamp_ms));
    if (raw->sent_at_ms) w.field("sent_at", iso_time(*raw->sent_at_ms));
  }
  w.end_object();
}

void write_person(JsonWriter& w, const event::EventRow& row, const Story& s) {
  if (row.heatmap_only || row.person_why == event::PersonWhy::kUnknown) return;
  w.begin_object().field("name", "person").field("person_id", row.person_id.text());
  w.field("why", event::person_why_name(row.person_why));
  w.field("mode", event::person_mode_name(row.person_mode));
  w.field("distinct_id", row.distinct_id);
  // Merged, split or identified later: queries find the event there.
  if (!s.person_now.empty()) w.field("person_now", s.person_now);
  w.end_object();
}

/// Before the decision, which stands on what they made of the event.
void write_apps(JsonWriter& w, const event::Outcome& o) {
  if (o.apps.empty()) return;
  w.begin_object().field("name", "apps").key("apps").raw(o.apps).end_object();
}

void write_decided(JsonWriter& w, const Story& s) {
  const ledger::TraceEntry& e = s.entry;
  if (e.state == "refused" || !e.processed) return;
  const auto record = s.outcome ? event::decode_processed(*s.outcome)
                                : Result<event::ProcessedRecord>(fail(Code::kNotFound, ""));
  const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
  if (o != nullptr) write_apps(w, *o);
  w.begin_object().field("name", "decided").key("at");
  o != nullptr && o->decided_ms != 0 ? w.string(iso_time(o->decided_ms)) : w.null();
  place(w, event::kTopicProcessed, e.processed_in, *e.processed);
  w.field("in_log", o != nullptr);
  // Of one that left quarantine the outcome says what it was then.
  const bool left = e.state == "redriven" || (e.changed_ms != 0 && e.state == "dropped");
  std::string_view verdict = e.state;
  if (e.state == "stored" || e.state == "in_flight") verdict = "accepted";
  if (left) verdict = "quarantined";
  w.field("verdict", verdict).field("stage", e.stage);
  w.field("reason", o != nullptr && !o->reason.empty() ? o->reason : std::string_view(e.reason));
  if (o != nullptr && !o->version.empty()) w.field("version", o->version);
  w.end_object();
  if (o != nullptr && o->kind == event::OutcomeKind::kAccepted) write_person(w, o->row, s);
  if (left) {
    w.begin_object().field("name", e.state == "redriven" ? "redriven" : "discarded");
    w.key("at");
    e.changed_ms == 0 ? w.null() : w.string(iso_time(e.changed_ms));
    w.field("by", e.by).end_object();
  }
}

void write_end(JsonWriter& w, const Story& s) {
  const ledger::TraceEntry& e = s.entry;
  if (e.state == "in_flight") {
    w.begin_object().field("name", "waiting").field("stage", e.stage).field("ahead", s.ahead);
    w.end_object();
  } else if (e.state == "quarantined") {
    w.begin_object().field("name", "quarantine").field("quarantine_id", e.quarantine_id);
    w.end_object();
  } else if (e.state == "stored") {
    w.begin_object().field("name", "stored").end_object();
  }
  if (!s.calls.empty() && s.calls != "[]") {
    w.begin_object().field("name", "delivered").key("calls").raw(s.calls).end_object();
  }
}

/// The words of the command line and of older clients.
void write_steps(JsonWriter& w, const ledger::TraceEntry& e) {
  w.key("steps").begin_array();
  w.begin_object().field("name", e.state == "refused" ? "refused" : "received");
  w.field("at", iso_time(e.received_ms)).end_object();
  if (e.state != "refused" && e.state != "in_flight") {
    const bool accepted = e.state == "stored" || e.state == "accepted";
    w.begin_object().field("name", "decided").field("detail", accepted ? "accepted" : e.state);
    w.end_object();
    if (e.state == "stored") w.begin_object().field("name", "stored").end_object();
  }
  w.end_array();
}

void write_story(JsonWriter& w, const Story& s, const std::vector<Story>& copies) {
  const ledger::TraceEntry& e = s.entry;
  w.begin_object().field("state", e.state).field("project_id", e.project.value);
  w.field("received_at", iso_time(e.received_ms)).field("lane", event::lane_name(e.source.lane));
  w.field("partition", e.source.partition.value).field("offset", e.source.offset.value);
  w.field("event", e.event).field("distinct_id", e.distinct_id).field("reason", e.reason);
  w.field("stage", e.stage).field("status", e.status).field("duplicates", e.duplicates);
  w.key("last_duplicate_at");
  e.duplicates > 0 ? w.string(iso_time(e.last_duplicate_ms)) : w.null();
  write_steps(w, e);
  w.key("hops").begin_array();
  write_received(w, s);
  write_decided(w, s);
  write_end(w, s);
  if (e.duplicates > 0) {
    for (const Story& copy : copies) {
      w.begin_object().field("name", "duplicate").field("at", iso_time(copy.entry.received_ms));
      place(w, event::lane_topic(copy.entry.source.lane), copy.entry.source.partition,
            copy.entry.source.offset);
      w.end_object();
    }
  }
  w.end_array().end_object();
}

}  // namespace

/// One trace being put together; on the admin loop.
struct TraceAnswer : std::enable_shared_from_this<TraceAnswer> {
  AdminService::Parts& parts;
  std::shared_ptr<bool> alive;
  wire::Responder to;
  event::Layout layout{};
  Uuid id{};
  ProjectId project{};
  bool sees_all = false;
  std::function<Result<std::string>(const Uuid&)> calls_for{};

  std::vector<Story> stories{}, copies{};
  bool is_request = false;
  std::vector<ledger::TraceEntry> of_request{};
  std::vector<ledger::DecidedRange> ranges{};
  std::vector<int64_t> times{};
  uint32_t number = 0;
  int looks = 0;        // once more
  uint64_t unread = 0;  // outcomes in ranges that the log has deleted

  TraceAnswer(AdminService::Parts& p, std::shared_ptr<bool> a, wire::Responder r)
      : parts(p), alive(std::move(a)), to(std::move(r)) {}

  bool visible(const ledger::TraceEntry& e) const {
    return e.project == project || (sees_all && e.project.value == 0);
  }

  void begin() {
    const auto entries = parts.ledger.trace(id);
    if (!entries) return reply_error(to, entries.error());
    for (const ledger::TraceEntry& e : *entries) {
      if (!visible(e)) continue;
      (e.state == "duplicate" ? copies : stories).push_back({.entry = e, .raw = {}, .outcome = {}});
    }
    if (!stories.empty()) return read();
    if (!entries->empty()) return answer();
    if (const Status s = find_request(); !s) return reply_error(to, s.error());
    scan_ranges(0);
  }

  Status find_request() {
    PENSTOCK_TRY(const ledger::RequestHits hits, parts.ledger.request(id));
    for (const ledger::TraceEntry& e : hits.refused) {
      if (sees_all) stories.push_back({.entry = e, .raw = {}, .outcome = {}});
    }
    times = hits.received_ms;
    const auto own = event::RequestId::of(id);
    is_request = own || !stories.empty() || !times.empty();
    if (own) {
      number = own->number;
      times.push_back(own->now_ms);
    }
    for (const int64_t at : times) {
      const int64_t minute = ledger::minute_of(at);
      PENSTOCK_CHECK(parts.ledger.visit_decided(minute, minute + 1, std::nullopt,
                                                [&](const ledger::DecidedRange& r) {
                                                  if (r.first_ms <= at && at <= r.last_ms)
                                                    ranges.push_back(r);
                                                  return ranges.size() < kRequestRangesMax;
                                                }));
    }
    return {};
  }

  bool is_of_request(int64_t received_ms, uint32_t its_number, const Uuid& client) const {
    if (client == id) return true;
    return number != 0 && its_number == number && received_ms == times.back();
  }

  void scan_ranges(size_t at) {
    if (!*alive) return;
    if (at == ranges.size()) return waiting();
    const ledger::DecidedRange& r = ranges[at];
    log::scan(
        parts.log, parts.loop, std::string(event::kTopicProcessed), {{r.partition, r.from, r.to}},
        [self = shared_from_this()](const log::ScanSlice& slice) {
          for (size_t i = 0; i < slice.records.size(); i++) {
            self->take(slice.records[i], slice.partition,
                       {slice.base.value + static_cast<int64_t>(i)});
          }
          return Status{};
        },
        [self = shared_from_this(), at](const Status& status) {
          if (!status) {
            for (const auto& c : self->ranges[at].counts) self->unread += c.count;
          }
          self->scan_ranges(at + 1);
        });
  }

  void take(std::string_view bytes, Partition partition, Offset at) {
    const auto record = event::decode_processed(bytes);
    const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
    if (o == nullptr || !is_of_request(o->received_ms, o->request, o->client_request)) return;
    if (of_request.size() >= kRequestEventsMax) return;
    ledger::TraceEntry e;
    e.uuid = o->uuid;
    e.project = o->received_for;
    if (!visible(e)) return;
    e.state = event::outcome_name(o->kind);
    if (o->kind == event::OutcomeKind::kAccepted) {
      e.state = parts.ledger.stored(partition, at) ? "stored" : "in_flight";
    }
    e.received_ms = o->received_ms;
    e.source = o->source;
    e.event = o->row.event;
    e.distinct_id = o->row.distinct_id;
    e.reason = o->reason;
    e.stage = o->stage;
    of_request.push_back(std::move(e));
  }

  /// Not decided yet, perhaps.
  void waiting() {
    ledger::UndecidedQuery query;
    query.found_max = kRequestEventsMax;
    query.layout = layout;
    query.matches = [self = shared_from_this()](const event::RawRecord& raw, event::Lane) {
      return raw.uuid == self->id ||
             (self->number != 0 &&
              self->is_of_request(raw.now_ms, raw.request, raw.client_request)) ||
             raw.client_request == self->id;
    };
    ledger::scan_undecided(
        parts.log, parts.loop, std::move(query),
        [self = shared_from_this()](Result<std::vector<ledger::TraceEntry>> found) {
          if (!found) return reply_error(self->to, found.error());
          for (ledger::TraceEntry& e : *found) {
            if (!self->visible(e)) continue;
            if (e.uuid != self->id) {
              self->is_request = true;
              self->of_request.push_back(std::move(e));
            } else {
              self->stories.push_back({.entry = std::move(e), .raw = {}, .outcome = {}});
            }
          }
          if (self->stories.empty() && !self->is_request && self->looks++ < kLooksMore) {
            return self->look_again();
          }
          self->read();
        });
  }

  /// It may have been decided between a look at the index and one at what waits, and be in neither
  /// until the index has followed.
  void look_again() {
    parts.loop.after(kLookAgain, [self = shared_from_this()] {
      if (!*self->alive) return;
      self->copies.clear();
      self->of_request.clear();
      self->ranges.clear();
      self->times.clear();
      self->unread = 0;
      self->begin();
    });
  }

  /// What the log still holds of the stories.
  void read() {
    if (!*alive) return;
    std::vector<LogPlace> places;
    for (size_t i = 0; i < std::min(stories.size(), kToldMax); i++) {
      const ledger::TraceEntry& e = stories[i].entry;
      if (e.state == "refused") continue;
      places.push_back(
          {std::string(event::lane_topic(e.source.lane)), e.source.partition, e.source.offset});
      if (e.processed) {
        places.push_back({std::string(event::kTopicProcessed), e.processed_in, *e.processed});
      }
    }
    read_records(parts.log, parts.loop, std::move(places),
                 [self = shared_from_this()](LogRecords records) {
                   size_t at = 0;
                   for (size_t i = 0; i < std::min(self->stories.size(), kToldMax); i++) {
                     Story& s = self->stories[i];
                     if (s.entry.state == "refused") continue;
                     s.raw = std::move(records[at++]);
                     if (s.entry.processed) s.outcome = std::move(records[at++]);
                     self->complete(s);
                   }
                   self->answer();
                 });
  }

  /// What is only known now: who has its distinct id, and how far those are who wait.
  void complete(Story& s) const {
    ledger::TraceEntry& e = s.entry;
    // The index has both of every event that became a row, unless its person was deleted; the log
    // keeps its bytes a while longer, which is no reason to show them.
    const bool row = e.state == "stored" || (e.state == "in_flight" && e.processed);
    if (row && e.event.empty() && e.distinct_id.empty()) {
      s.raw.reset();
      s.outcome.reset();
    }
    const auto raw =
        s.raw ? event::decode_raw(*s.raw) : Result<event::RawRecord>(fail(Code::kNotFound, ""));
    if (raw && e.event.empty()) e.event = raw->event;
    if (raw && e.distinct_id.empty()) e.distinct_id = raw->distinct_id;
    if (e.state == "in_flight") {
      const bool decided = e.processed.has_value();
      const std::string topic(event::kTopicProcessed);
      int64_t next = 0;
      if (decided) {
        const auto at = parts.log.committed(std::string(event::kGroupLoad), topic);
        const auto p = std::ranges::find(at, e.processed_in, &log::Position::partition);
        if (p != at.end()) next = p->next.value;
      } else {
        next =
            parts.log.last_sequence(topic, e.processed_in, event::ingest_producer(e.source.lane));
      }
      const int64_t own = decided ? e.processed->value : e.source.offset.value;
      s.ahead = static_cast<uint64_t>(std::max<int64_t>(own - std::max<int64_t>(next, 0), 0));
    }
    const auto record = s.outcome ? event::decode_processed(*s.outcome)
                                  : Result<event::ProcessedRecord>(fail(Code::kNotFound, ""));
    const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
    if (o == nullptr || o->kind != event::OutcomeKind::kAccepted) return;
    if (calls_for) s.calls = calls_for(o->uuid).value_or("");
    const auto now = parts.persons.fetch({{o->project, std::string(o->row.distinct_id)}});
    if (now && now->front() && now->front()->id != o->row.person_id) {
      s.person_now = now->front()->id.text();
    }
  }

  void answer() {
    if (!*alive) return;
    JsonWriter w;
    w.begin_object().field("uuid", id.text());
    w.field("found", !stories.empty() || !of_request.empty());
    w.field("kind", is_request ? "request" : "event").key("entries").begin_array();
    for (const Story& s : stories) write_story(w, s, copies);
    w.end_array();
    if (is_request) {
      w.field("gone", unread).key("events").begin_array();
      for (const ledger::TraceEntry& e : of_request) {
        w.begin_object().field("uuid", e.uuid.text()).field("state", e.state);
        w.field("event", e.event).field("distinct_id", e.distinct_id);
        w.field("received_at", iso_time(e.received_ms)).field("reason", e.reason);
        w.field("stage", e.stage).field("lane", event::lane_name(e.source.lane));
        w.field("partition", e.source.partition.value).field("offset", e.source.offset.value);
        w.end_object();
      }
      w.end_array();
    }
    reply_json(to, w.end_object().take());
  }
};

/// Where the engine has the event; asked on its own, because the engine may be away.
void Service::trace_rows(Call& call, wire::Responder& r, const Uuid& uuid) {
  const auto entries = parts_.ledger.trace(uuid);
  if (!entries) return reply_error(r, entries.error());
  std::vector<LogPlace> places;
  for (const ledger::TraceEntry& e : *entries) {
    if (!e.processed || e.project != call.project || !places.empty()) continue;
    places.push_back({std::string(event::kTopicProcessed), e.processed_in, *e.processed});
  }
  auto to = std::make_shared<wire::Responder>(std::move(r));
  read_records(
      parts_.log, parts_.loop, std::move(places),
      [this, to, uuid, project = call.project, alive = alive_](const LogRecords& records) {
        if (!*alive) return;
        // The table is in the order of day and event: with them only a little is read.
        std::string where = fmt::format("uuid = toUUID('{}')", uuid.text());
        const bool there = !records.empty() && records.front();
        const auto record = there ? event::decode_processed(*records.front())
                                  : Result<event::ProcessedRecord>(fail(Code::kNotFound, ""));
        const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
        if (o != nullptr && o->kind == event::OutcomeKind::kAccepted) {
          where += fmt::format(" AND event = {} AND timestamp = fromUnixTimestamp64Milli({})",
                               sql_text(o->row.event), o->row.timestamp_ms);
        }
        ask(project,
            "SELECT _part, _part_offset, toString(timestamp), toString(person_id) FROM "
            "sharded_events WHERE " +
                where + " LIMIT 10",
            std::move(*to), [](wire::Responder& asker, const store::QueryResult& result) {
              const auto rows = rows_of(result);
              if (!rows) return reply_error(asker, rows.error());
              JsonWriter w;
              w.begin_object().key("rows").begin_array();
              for (const Cells& cells : *rows) {
                if (cells.size() != 4) continue;
                w.begin_object().key("part").raw(cells[0]);
                w.field("part_row", cell_number(cells[1])).key("timestamp").raw(cells[2]);
                w.key("person_id").raw(cells[3]).end_object();
              }
              reply_json(asker, w.end_array().end_object().take());
            });
      });
}

void Service::trace(Call& call, wire::Responder& r) {
  const auto uuid = Uuid::parse(call.path[4]);
  if (!uuid) {
    return reply_error(r, {Code::kInvalid, "this is neither an event's uuid nor a request's id"});
  }
  if (call.path.size() == 6 && call.path[5] == "rows") {
    return trace_rows(call, r, *uuid);
  }
  auto trace = std::make_shared<TraceAnswer>(parts_, alive_, std::move(r));
  trace->layout = options_.layout;
  trace->id = *uuid;
  trace->project = call.project;
  trace->calls_for = sources_.apps.calls_for;
  trace->sees_all = call.principal.project.value == 0;
  trace->begin();
}

}  // namespace penstock::admin
