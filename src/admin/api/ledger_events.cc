// From a number of the ledger to its events.
//
// The ledger knows where outcomes of a minute and lane lie together and how many of each kind; the
// processed topic holds them. A page reads range after range until it is full or has read enough,
// and says where to go on. What is in flight is looked for in the raw topics. What was counted and
// is not in the log any more is told as a number.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "admin/api/log_reader.h"
#include "admin/api/service.h"
#include "event/timestamp.h"
#include "ledger/undecided.h"
#include "log/scan.h"

namespace penstock::admin {
namespace {

using event::OutcomeKind;

constexpr size_t kPageMax = 500, kPageDefault = 100;
/// Records read for one page.
constexpr int64_t kReadMax = 50'000;

enum class What : uint8_t {
  kReceived,
  kStored,
  kInFlight,
  kDeduplicated,
  kDropped,
  kQuarantined,
  kRedriven
};
std::optional<What> what_named(std::string_view name) {
  constexpr std::array<std::string_view, 7> kNames{
      "received", "stored", "in_flight", "deduplicated", "dropped", "quarantined", "redriven"};
  const auto* it = std::ranges::find(kNames, name);
  if (it == kNames.end()) return std::nullopt;
  return static_cast<What>(it - kNames.begin());
}

struct Listed {
  Uuid uuid;
  event::Source source;
  Offset processed{-1};
  int64_t received_ms = 0;
  std::string state, event, distinct_id, reason, stage, quarantine_id;
};

/// Where a page begins: in the range that begins at `place`, behind `last`.
struct Cursor {
  ledger::DecidedPlace place;
  int64_t last = -1;

  std::string text() const {
    return fmt::format("{}.{}.{}.{}.{}", place.minute, static_cast<int>(place.lane),
                       place.partition.value, place.offset.value, last);
  }
  static std::optional<Cursor> parse(std::string_view text) {
    std::array<int64_t, 5> n{};
    for (int64_t& v : n) {
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), v);
      if (error != std::errc()) return std::nullopt;
      text.remove_prefix(static_cast<size_t>(end - text.data()));
      if (!text.empty()) text.remove_prefix(1);
    }
    return Cursor{{n[0], static_cast<event::Lane>(n[1]), {static_cast<int32_t>(n[2])}, {n[3]}},
                  n[4]};
  }
};

}  // namespace

/// One page being put together; on the admin loop.
struct EventListing : std::enable_shared_from_this<EventListing> {
  AdminService::Parts& parts;
  std::shared_ptr<bool> alive;
  wire::Responder to;
  event::Layout layout{};
  ProjectId project{};
  What what{};
  std::optional<event::Lane> lane{};
  std::string reason{};
  int64_t from_minute = 0, to_minute = 0;
  size_t limit = kPageDefault;
  std::optional<Cursor> after{};

  std::vector<ledger::DecidedRange> ranges{};
  size_t range = 0;
  std::vector<Listed> found{};
  std::optional<Cursor> next{};
  uint64_t counted = 0, gone = 0;
  int64_t last_at = -1;  // of the range at hand: the last one that is listed

  EventListing(AdminService::Parts& p, std::shared_ptr<bool> a, wire::Responder r)
      : parts(p), alive(std::move(a)), to(std::move(r)) {}

  bool wants(const ledger::DecidedCount& c) const {
    if (c.project != project) return false;
    const bool given = reason.empty() || c.reason == reason;
    switch (what) {
      case What::kReceived: return true;
      case What::kStored:
      case What::kInFlight: return c.kind == OutcomeKind::kAccepted;
      case What::kDeduplicated: return c.kind == OutcomeKind::kDuplicate;
      case What::kDropped:
        if (c.kind == OutcomeKind::kQuarantined) {
          return reason.empty() || reason == event::kDiscarded;
        }
        return c.kind == OutcomeKind::kDropped && given;
      case What::kQuarantined:
      case What::kRedriven: return c.kind == OutcomeKind::kQuarantined && given;
    }
    return false;
  }

  /// What the ledger counts, to tell how much of it can be shown.
  Status count() {
    PENSTOCK_TRY(const auto rows, parts.ledger.rows(project, from_minute, to_minute, SIZE_MAX));
    ledger::LedgerCounts all;
    for (const ledger::LedgerRow& row : rows) {
      if (!lane || row.key.lane == *lane) all.add(row.counts);
    }
    const auto dropped = [&all](const std::string& why) {
      return all.dropped.contains(why) ? all.dropped.at(why) : 0;
    };
    switch (what) {
      case What::kReceived: counted = all.received; break;
      case What::kStored: counted = all.stored; break;
      case What::kInFlight: counted = all.in_flight(); break;
      case What::kDeduplicated: counted = all.deduplicated; break;
      case What::kDropped: counted = reason.empty() ? all.dropped_total() : dropped(reason); break;
      case What::kQuarantined: counted = all.quarantined; break;
      case What::kRedriven: counted = all.redriven; break;
    }
    // Counts that the index has by the same name: how many the log has lost is their difference.
    uint64_t in_index = 0;
    PENSTOCK_CHECK(parts.ledger.visit_decided(from_minute, to_minute, std::nullopt,
                                              [&](const ledger::DecidedRange& r) {
                                                if (lane && r.lane != *lane) return true;
                                                for (const ledger::DecidedCount& c : r.counts) {
                                                  if (c.project == project) in_index += c.count;
                                                }
                                                return true;
                                              }));
    gone = all.decided() > in_index ? all.decided() - in_index : 0;
    return {};
  }

  Status collect() {
    int64_t records = 0;
    std::optional<ledger::DecidedPlace> place;
    if (after) {
      place = after->place;
      place->offset.value--;
    }
    return parts.ledger.visit_decided(
        from_minute, to_minute, place, [&](const ledger::DecidedRange& r) {
          if (lane && r.lane != *lane) return true;
          const bool any = std::ranges::any_of(
              r.counts, [this](const ledger::DecidedCount& c) { return wants(c); });
          if (!any) return true;
          if (records >= kReadMax || ranges.size() >= kPageMax) {
            next = Cursor{{r.minute, r.lane, r.partition, r.from}, -1};
            return false;
          }
          records += r.to.value - r.from.value;
          ranges.push_back(r);
          return true;
        });
  }

  void read_next() {
    if (!*alive) return;
    if (range == ranges.size() || found.size() >= limit) return names();
    const ledger::DecidedRange& r = ranges[range];
    last_at = after && range == 0 && r.from == after->place.offset ? after->last : -1;
    log::scan(
        parts.log, parts.loop, std::string(event::kTopicProcessed), {{r.partition, r.from, r.to}},
        [self = shared_from_this()](const log::ScanSlice& slice) {
          self->take(slice);
          return Status{};
        },
        [self = shared_from_this()](const Status& status) {
          // Deleted meanwhile: what was counted there is gone.
          if (!status) self->gone += self->wanted_of(self->ranges[self->range]);
          self->range++;
          self->read_next();
        });
  }

  uint64_t wanted_of(const ledger::DecidedRange& r) const {
    uint64_t n = 0;
    for (const ledger::DecidedCount& c : r.counts) n += wants(c) ? c.count : 0;
    return n;
  }

  void take(const log::ScanSlice& slice) {
    const ledger::DecidedRange& r = ranges[range];
    for (size_t i = 0; i < slice.records.size(); i++) {
      const int64_t at = slice.base.value + static_cast<int64_t>(i);
      if (at <= last_at) continue;  // on the page before
      const auto record = event::decode_processed(slice.records[i]);
      const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
      if (o == nullptr || o->source.lane != r.lane) continue;
      if (ledger::minute_of(o->received_ms) != r.minute) continue;
      if (!wants({o->received_for, o->kind, std::string(o->reason), 1})) continue;
      auto event = listed(*o, slice.partition, {at});
      if (!event) continue;
      if (found.size() == limit) {
        next = Cursor{{r.minute, r.lane, r.partition, r.from}, last_at};
        return;
      }
      last_at = at;
      found.push_back(std::move(*event));
    }
    // The page is full at the end of a range: the next one begins behind it.
    if (found.size() == limit) next = Cursor{{r.minute, r.lane, r.partition, r.from}, last_at};
  }

  /// Nullopt: it is something else by now.
  std::optional<Listed> listed(const event::Outcome& o, Partition partition, Offset at) const {
    Listed out{.uuid = o.uuid,
               .source = o.source,
               .processed = at,
               .received_ms = o.received_ms,
               .state = std::string(event::outcome_name(o.kind)),
               .event = std::string(o.row.event),
               .distinct_id = std::string(o.row.distinct_id),
               .reason = std::string(o.reason),
               .stage = std::string(o.stage),
               .quarantine_id = {}};
    if (o.kind == OutcomeKind::kAccepted) {
      const bool stored = parts.ledger.stored(partition, at);
      if (what == What::kStored && !stored) return std::nullopt;
      if (what == What::kInFlight && stored) return std::nullopt;
      out.state = stored ? "stored" : "in_flight";
      if (!stored) out.stage = "store";
    }
    if (o.kind == OutcomeKind::kQuarantined) {
      const auto story = parts.ledger.trace(o.uuid);
      if (!story) return out;
      for (const ledger::TraceEntry& e : *story) {
        if (e.source.lane != o.source.lane || e.source.partition != o.source.partition ||
            e.source.offset != o.source.offset) {
          continue;
        }
        out.state = e.state;
        out.reason = e.reason;
        out.quarantine_id = e.quarantine_id;
        out.event = e.event;
        out.distinct_id = e.distinct_id;
      }
      if (what == What::kQuarantined && out.state != "quarantined") return std::nullopt;
      if (what == What::kRedriven && out.state != "redriven") return std::nullopt;
      if (what == What::kDropped && out.state != "dropped") return std::nullopt;
    }
    return out;
  }

  /// Outcomes that are no rows do not say what the event was called; the raw records do.
  void names() {
    std::vector<LogPlace> places;
    std::vector<size_t> of;
    for (size_t i = 0; i < found.size(); i++) {
      if (!found[i].event.empty()) continue;
      const event::Source& s = found[i].source;
      places.push_back({std::string(event::lane_topic(s.lane)), s.partition, s.offset});
      of.push_back(i);
    }
    read_records(parts.log, parts.loop, std::move(places),
                 [self = shared_from_this(), of = std::move(of)](LogRecords records) {
                   for (size_t i = 0; i < records.size(); i++) {
                     const auto raw = records[i]
                                          ? event::decode_raw(*records[i])
                                          : Result<event::RawRecord>(fail(Code::kNotFound, ""));
                     if (!raw) continue;
                     self->found[of[i]].event = raw->event;
                     self->found[of[i]].distinct_id = raw->distinct_id;
                   }
                   self->waiting();
                 });
  }

  /// What no stage has decided is shown behind the last page of the rest.
  void waiting() {
    const bool wanted = what == What::kReceived || what == What::kInFlight;
    if (!wanted || next) return answer();
    ledger::UndecidedQuery query;
    query.found_max = kPageMax;
    query.layout = layout;
    query.matches = [self = shared_from_this()](const event::RawRecord& raw, event::Lane where) {
      const int64_t minute = ledger::minute_of(raw.now_ms);
      return raw.project == self->project && minute >= self->from_minute &&
             minute < self->to_minute && (!self->lane || *self->lane == where);
    };
    ledger::scan_undecided(
        parts.log, parts.loop, std::move(query),
        [self = shared_from_this()](const Result<std::vector<ledger::TraceEntry>>& entries) {
          for (const ledger::TraceEntry& e : entries.value_or(std::vector<ledger::TraceEntry>())) {
            self->found.push_back({.uuid = e.uuid,
                                   .source = e.source,
                                   .received_ms = e.received_ms,
                                   .state = e.state,
                                   .event = e.event,
                                   .distinct_id = e.distinct_id,
                                   .reason = {},
                                   .stage = e.stage,
                                   .quarantine_id = {}});
          }
          self->answer();
        });
  }

  void answer() {
    if (!*alive) return;
    JsonWriter w;
    w.begin_object().field("counted", counted).field("gone", gone);
    w.key("events").begin_array();
    for (const Listed& e : found) {
      w.begin_object().field("uuid", e.uuid.text()).field("state", e.state);
      w.field("event", e.event).field("distinct_id", e.distinct_id);
      w.field("received_at", iso_time(e.received_ms)).field("reason", e.reason);
      w.field("stage", e.stage).field("lane", event::lane_name(e.source.lane));
      w.field("partition", e.source.partition.value).field("offset", e.source.offset.value);
      w.field("quarantine_id", e.quarantine_id).end_object();
    }
    w.end_array().key("next");
    next ? w.string(next->text()) : w.null();
    reply_json(to, w.end_object().take());
  }
};

void Service::ledger_events(Call& call, wire::Responder& r) {
  const auto param = [&call](std::string_view name) {
    std::string text;
    wire::query_param(call.request.query, name, text);
    return text;
  };
  const auto from = event::parse_timestamp_ms(param("from")),
             to = event::parse_timestamp_ms(param("to"));
  const auto what = what_named(param("what"));
  if (!from || !to || !what) {
    return reply_error(r, {Code::kInvalid,
                           "give from, to and what: received, stored, in_flight, deduplicated, "
                           "dropped, quarantined or redriven"});
  }
  auto list = std::make_shared<EventListing>(parts_, alive_, std::move(r));
  list->layout = options_.layout;
  list->project = call.project;
  // What came with an unknown token belongs to no project.
  if (param("project") == "0" && call.principal.project.value == 0) list->project = {};
  list->what = *what;
  list->reason = param("reason");
  list->from_minute = ledger::minute_of(*from);
  list->to_minute = ledger::minute_of(*to + 59'999);
  const std::string lane = param("lane");
  for (const event::Lane l : event::kLanes) {
    if (event::lane_name(l) == lane) list->lane = l;
  }
  const auto limit = config::parse_quantity(param("limit"), "count");
  if (limit && *limit > 0) list->limit = std::min(static_cast<size_t>(*limit), kPageMax);
  list->after = Cursor::parse(param("after"));
  Status s = list->count();
  if (s) s = list->collect();
  if (!s) return reply_error(list->to, s.error());
  list->read_next();
}

}  // namespace penstock::admin
