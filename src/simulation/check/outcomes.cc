// One outcome for every record, in order; what was acknowledged; what is in the store.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <tuple>

#include "event/json_fields.h"
#include "event/lane.h"
#include "simulation/check/checks.h"

namespace penstock::simulation {
namespace {

using event::Lane;
using event::Outcome;
using event::OutcomeKind;

constexpr std::string_view kDroppedByApp = "dropped_by_app";
constexpr ProjectId kProjectWithApp{1};

int64_t minute_of(int64_t ms) { return ms >= 0 ? ms / 60'000 : (ms - 59'999) / 60'000; }

/// Walks the topic and keeps what the checks between outcomes need.
class Reader {
 public:
  Reader(Machine& m, Decided& decided) : m_(m), decided_(decided) {}

  void take(const Outcome& o) {
    follow(o);
    count(o);
    if (o.redriven) decided_.redriven++;
    Decided::Event& e = decided_.events[o.uuid];
    switch (o.kind) {
      case OutcomeKind::kAccepted: return accepted(o, e);
      case OutcomeKind::kDuplicate: e.duplicates++; return;
      case OutcomeKind::kDropped:
      case OutcomeKind::kQuarantined:
        if (o.reason.empty()) m_.broken("outcomes", o.uuid.text() + " went without a reason");
        e.with_reason++;
        if (o.reason == kDroppedByApp) dropped_by_app(o);
        e.reasons.emplace(o.reason);
    }
  }
  int64_t next(Lane lane, int32_t partition) const {
    const auto it = next_.find({lane, partition});
    return it == next_.end() ? 0 : it->second;
  }

 private:
  void follow(const Outcome& o) {
    int64_t& expected = next_[{o.source.lane, o.source.partition.value}];
    if (o.source.offset.value != expected) {
      m_.broken("outcomes", fmt::format("{} {} goes from {} to {}", event::lane_name(o.source.lane),
                                        o.source.partition.value, expected, o.source.offset.value));
    }
    expected = o.source.offset.value + 1;
  }

  void count(const Outcome& o) {
    ledger::LedgerCounts& c =
        decided_.counts[{o.received_for, minute_of(o.received_ms), o.source.lane}];
    c.received++;
    switch (o.kind) {
      case OutcomeKind::kAccepted: c.accepted++; break;
      case OutcomeKind::kDuplicate: c.deduplicated++; break;
      case OutcomeKind::kDropped: c.dropped[std::string(o.reason)]++; break;
      case OutcomeKind::kQuarantined: c.quarantined++; break;
    }
  }

  void accepted(const Outcome& o, Decided::Event& e) {
    decided_.accepted++;
    e.accepted++;
    e.heatmap_only = o.row.heatmap_only;
    e.replay = o.source.lane == Lane::kReplay;
    e.project = o.project;
    e.person = o.row.person_id;
    e.distinct_id = o.row.distinct_id;
    if (o.project == kProjectWithApp && !e.heatmap_only && !e.replay) {
      decided_.for_apps[o.uuid]++;
    }
    const auto promise = m_.promises.events.find(o.uuid);
    // Points are split off at the edge, under a uuid that is made of the event's.
    if (promise == m_.promises.events.end() && o.row.heatmap_only) return;
    if (promise == m_.promises.events.end()) {
      return m_.broken("integrity", "nobody sent " + o.uuid.text());
    }
    const Sent* sent = content_of(o, promise->second);
    if (sent == nullptr) {
      return m_.broken("integrity", o.uuid.text() + " is not what a client sent: " +
                                        std::string(o.row.properties));
    }
    e.heatmap_url = sent->heatmap_url;
    if (!sent->visitor.empty()) decided_.visits.push_back(visit_of(o, *sent));
    transformed(o, *sent);
    if (e.replay) decided_.recorded[fmt::format("session{}", sent->client)].insert(sent->number);
    order(o, *sent, promise->second, e);
  }

  /// Only what the app drops may go for it.
  void dropped_by_app(const Outcome& o) {
    const auto promise = m_.promises.events.find(o.uuid);
    const bool meant = promise != m_.promises.events.end() &&
                       std::ranges::any_of(promise->second.contents,
                                           [](const Sent& s) { return s.event == kAppDrops; });
    if (!meant || o.project != kProjectWithApp) {
      m_.broken("apps", o.uuid.text() + " was dropped by an app that drops no such event");
    }
  }

  /// What the app had to do was done, unless it says that it failed; and to nobody else's events.
  void transformed(const Outcome& o, const Sent& sent) {
    if (o.row.heatmap_only || o.source.lane == Lane::kReplay) return;
    const bool own = o.project == kProjectWithApp;
    const bool failed = o.apps.find("failed") != std::string_view::npos;
    const bool marked = o.row.properties.find(kAppMark) != std::string_view::npos;
    const auto wrong = [&](std::string_view what) {
      m_.broken("apps", fmt::format("{} {} of project {} {}; its report is [{}]", sent.event,
                                    o.uuid.text(), o.project.value, what, o.apps));
    };
    if (own == o.apps.empty()) wrong(own ? "went through no app" : "went through another's app");
    if (marked != (own && !failed && sent.event == kAppChanges)) {
      wrong(marked ? "was changed" : "was not changed");
    }
    if (own && !failed && (sent.event == kAppDrops || sent.event == kAppBreaks)) {
      wrong("was accepted");
    }
  }

  static Visit visit_of(const Outcome& o, const Sent& sent) {
    Visit v;
    v.project = o.project;
    v.browser = sent.visitor;
    v.day = static_cast<int32_t>(minute_of(o.row.timestamp_ms) / (24 * 60));
    if (sent.distinct_id == kCookielessSentinel) v.distinct_id = o.row.distinct_id;
    v.kept = std::string(o.row.properties) + std::string(o.row.person_properties);
    return v;
  }

  const Sent* content_of(const Outcome& o, const Promise& promise) const {
    std::string_view number;
    const auto fields = event::JsonFields::parse(o.row.properties);
    if (fields) number = fields->find("n").value_or("");
    for (const Sent& s : promise.contents) {
      const bool same = o.row.heatmap_only || s.replay || number == std::to_string(s.number);
      const bool own = s.distinct_id == o.row.distinct_id;
      const bool hashed =
          s.distinct_id == kCookielessSentinel && o.row.distinct_id.starts_with(kCookielessPrefix);
      if (same && s.event == o.row.event && (own || hashed)) return &s;
      if (s.replay && same && s.distinct_id == o.row.distinct_id) return &s;
    }
    return nullptr;
  }

  /// Of each client's events of a distinct id in a lane. What came back from quarantine, was
  /// decided otherwise before, or may have travelled by two lanes has no place in it.
  void order(const Outcome& o, const Sent& sent, const Promise& promise, const Decided::Event& e) {
    const bool two_ways = may_overflow_ && promise.deliveries > 1;
    const bool plain = !o.redriven && e.with_reason == 0 && !promise.repeated && !two_ways &&
                       promise.contents.size() == 1;
    if (!plain) return;
    const std::string& key = sent.visitor.empty() ? sent.distinct_id : sent.visitor;
    int64_t& newest = newest_[{o.source.lane, key, sent.client}];
    if (sent.number <= newest) {
      m_.broken("order",
                fmt::format("{} of client {} came after {} in lane {} at {} {}", sent.number,
                            sent.client, newest, event::lane_name(o.source.lane),
                            o.source.partition.value, o.source.offset.value));
    }
    newest = sent.number;
  }

  Machine& m_;
  /// By its rate, or because somebody asked for it.
  const bool may_overflow_ = m_.tempo.overflow_per_second > 0 ||
                             std::ranges::any_of(m_.settings, [](const SettingChange& s) {
                               return s.json.find("force_overflow") != std::string::npos;
                             });
  Decided& decided_;
  std::map<std::pair<Lane, int32_t>, int64_t> next_;
  std::map<std::tuple<Lane, std::string, size_t>, int64_t> newest_;
};

}  // namespace

bool check_outcomes(Life& life, Decided& decided) {
  Machine& m = life.machine();
  const auto processed = life.read(event::kTopicProcessed);
  if (!processed) return m.broken("readable", processed.error().message), false;
  Reader reader(m, decided);
  for (const auto& partition : *processed) {
    for (const std::string& bytes : partition) {
      const auto record = event::decode_processed(bytes);
      if (!record) {
        m.broken("outcomes", record.error().message);
        continue;
      }
      if (const auto* o = std::get_if<Outcome>(&*record)) reader.take(*o);
      if (const auto* c = std::get_if<event::CookielessChange>(&*record)) {
        decided.visitors.insert({c->project, c->day, c->visitor});
      }
      const auto* change = std::get_if<event::QuarantineChange>(&*record);
      if (change != nullptr && change->action == event::QuarantineChange::Action::kDiscard) {
        decided.discarded++;
      }
      if (const auto* h = std::get_if<event::Heatmap>(&*record)) {
        for (const auto& point : h->points) decided.heatmaps.emplace(point.url);
      }
    }
  }
  for (const Lane lane : event::kLanes) {
    const auto bounds = life.log().bounds(std::string(event::lane_topic(lane)));
    if (!bounds) continue;
    for (const auto& b : *bounds) {
      const int64_t next = reader.next(lane, b.partition.value);
      if (next == b.end.value) continue;
      m.broken("outcomes",
               fmt::format("{} {} ends at {} and is decided up to {}", event::lane_name(lane),
                           b.partition.value, b.end.value, next));
    }
  }
  return true;
}

void check_acknowledged(Machine& m, const Decided& decided) {
  // Points are split off at the edge, under uuids of their own: those may have gone with a reason.
  uint64_t pointless = 0, reasons_of_points = 0;
  for (const auto& [uuid, e] : decided.events) {
    if (!m.promises.events.contains(uuid)) reasons_of_points += e.with_reason;
  }
  for (const auto& [uuid, promise] : m.promises.events) {
    const auto it = decided.events.find(uuid);
    const uint64_t accepted = it == decided.events.end() ? 0 : it->second.accepted;
    const uint64_t reasons = it == decided.events.end() ? 0 : it->second.with_reason;
    if (accepted > 1) {
      m.broken("acknowledged", fmt::format("{} was accepted {} times", uuid.text(), accepted));
    }
    // Of a key without a project nobody could say more than that.
    if (!promise.dropped.empty() && it != decided.events.end() &&
        !it->second.reasons.contains(promise.dropped) &&
        promise.contents.front().token != kTokenLate &&
        promise.contents.front().token != kTokenUnknown) {
      m.broken(
          "verdicts",
          fmt::format("{} was dropped for {}; the log says {} and {} times accepted", uuid.text(),
                      promise.dropped, fmt::join(it->second.reasons, ", "), accepted));
    }
    if (!promise.dropped.empty() && accepted > 0 && promise.deliveries == 1) {
      m.broken("verdicts", uuid.text() + " was dropped, they said, and is accepted");
    }
    if (accepted == 1) {
      const std::string& url = it->second.heatmap_url;
      if (!url.empty() && !decided.heatmaps.contains(url)) pointless++;
    }
    if (promise.acknowledged && accepted == 0 && reasons == 0) {
      m.broken("acknowledged", fmt::format("{} of client {} is lost", uuid.text(),
                                           promise.contents.front().client));
    }
  }
  if (pointless > reasons_of_points) {
    m.broken("acknowledged", fmt::format("{} events were accepted without their points, {} points "
                                         "went with a reason",
                                         pointless, reasons_of_points));
  }
}

void check_store(Machine& m, const Decided& decided) {
  std::map<Uuid, uint64_t> rows;
  for (const auto& row : m.store.rows.events()) {
    rows[row.uuid]++;
    if (row.properties.find("$heatmap_data") != std::string::npos) {
      m.broken("store", row.uuid.text() + " keeps its heatmap in its properties");
    }
    const auto it = decided.events.find(row.uuid);
    if (it == decided.events.end() || it->second.accepted == 0) {
      m.broken("store", row.uuid.text() + " is a row and was never accepted");
    }
  }
  const auto count = [](const std::map<Uuid, uint64_t>& of, const Uuid& uuid) {
    const auto it = of.find(uuid);
    return it == of.end() ? uint64_t{0} : it->second;
  };
  for (const auto& [uuid, e] : decided.events) {
    if (e.accepted == 0 || e.heatmap_only || e.replay) continue;
    const uint64_t stored = count(rows, uuid), aside = count(m.store.set_aside, uuid),
                   erased = count(m.store.erased, uuid);
    if (stored + aside + erased == 1) continue;
    m.broken("store", fmt::format("{} of {}: {} rows, {} set aside, {} erased", uuid.text(),
                                  e.distinct_id, stored, aside, erased));
  }
  std::multiset<std::string> there;
  for (const auto& row : m.store.rows.heatmaps()) there.insert(row.url);
  for (const std::string& url : m.store.erased_heatmaps) there.insert(url);
  if (!std::ranges::equal(there, decided.heatmaps)) {
    m.broken("store", fmt::format("{} points of heatmaps, {} decided", there.size(),
                                  decided.heatmaps.size()));
  }
  m.report.rows = m.store.rows.events().size();
}

void check_progress(Life& life) {
  Machine& m = life.machine();
  const std::string topic(event::kTopicProcessed);
  const auto committed = life.log().committed(std::string(event::kGroupLoad), topic);
  if (committed.empty()) return;
  const auto processed = life.read(topic);
  if (!processed) return;  // a fault's; the healed life reads it too
  std::set<Uuid> rows;
  for (const auto& row : m.store.rows.events()) rows.insert(row.uuid);
  for (const log::Position& p : committed) {
    const auto& records = (*processed)[static_cast<size_t>(p.partition.value)];
    if (std::cmp_greater(p.next.value, records.size())) {
      m.broken("progress", fmt::format("load is committed up to {} of {} records", p.next.value,
                                       records.size()));
    }
    for (size_t i = 0; i < records.size() && std::cmp_less(i, p.next.value); i++) {
      const auto record = event::decode_processed(records[i]);
      const auto* o = record ? std::get_if<Outcome>(&*record) : nullptr;
      if (o == nullptr || o->kind != OutcomeKind::kAccepted || o->row.heatmap_only ||
          o->source.lane == Lane::kReplay) {
        continue;
      }
      if (!rows.contains(o->uuid) && !m.store.set_aside.contains(o->uuid) &&
          !m.store.erased.contains(o->uuid)) {
        m.broken("progress", "load has passed " + o->uuid.text() + ", which is no row");
      }
    }
  }
}

}  // namespace penstock::simulation
