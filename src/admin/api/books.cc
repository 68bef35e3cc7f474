// The ledger's rows and the status page.
#include <fmt/format.h>

#include <chrono>

#include "admin/api/service.h"
#include "event/timestamp.h"
#include "runtime/process.h"

namespace penstock::admin {
namespace {

constexpr size_t kLedgerRowsMax = 10'000;
constexpr int64_t kSamplePeriodMs = 1000;

void write_counts(JsonWriter& w, const ledger::LedgerCounts& c) {
  w.field("received", c.received).field("stored", c.stored);
  w.field("deduplicated", c.deduplicated).field("quarantined", c.quarantined);
  w.field("redriven", c.redriven).field("in_flight", c.in_flight());
  w.key("dropped").begin_object();
  for (const auto& [reason, count] : c.dropped) w.field(reason, count);
  w.end_object();
}

int64_t parse_time(std::string_view query, std::string_view name, int64_t otherwise_ms) {
  std::string text;
  if (!wire::query_param(query, name, text)) return otherwise_ms;
  return event::parse_timestamp_ms(text).value_or(otherwise_ms);
}

}  // namespace

void Service::write_balance(JsonWriter& w) const {
  const ledger::LedgerBalance b = parts_.ledger.balance(parts_.log);
  w.begin_object().field("balanced", b.balanced).field("received", b.received);
  w.field("received_by_offsets", b.received_by_offsets).field("decided", b.decided);
  w.field("decided_by_offsets", b.decided_by_offsets).field("stored", b.stored);
  w.field("accepted", b.accepted).field("uncounted", b.uncounted);
  w.field("detail", b.detail).end_object();
}

namespace {

/// Of something that may not have happened yet (0).
void write_time(JsonWriter& w, std::string_view key, int64_t ms) {
  w.key(key);
  ms == 0 ? w.null() : w.string(iso_time(ms));
}

/// What both background checks say of their passes; the object stays open.
template <typename ScrubState>
void begin_scrub(JsonWriter& w, const ScrubState& s) {
  w.begin_object().field("running", s.running).field("bytes_checked_total", s.bytes_checked);
  write_time(w, "pass_began_at", s.pass_began_ms);
  write_time(w, "last_pass_at", s.last_ended_ms);
  w.field("last_pass_bytes", s.last_bytes);
}

}  // namespace

/// What the check of every minute found last.
void Service::write_check(JsonWriter& w) const {
  const ledger::LedgerCheck c =
      sources_.ledger_check ? sources_.ledger_check() : ledger::LedgerCheck{};
  w.begin_object();
  write_time(w, "at", c.at_ms);
  w.field("balanced", c.balanced).field("detail", c.detail);
  write_time(w, "since", c.since_ms);
  w.field("checks", c.checks).field("rows", c.rows).end_object();
}

/// How far the log's background check of checksums is, and what it found.
void Service::write_scrub(JsonWriter& w) const {
  const log::ScrubStatus s = sources_.scrub();
  begin_scrub(w, s);
  w.field("last_pass_files", s.last_files);
  w.field("damaged_files", s.damaged_files).key("damage").begin_array();
  for (const log::ScrubDamage& d : s.damage) {
    w.begin_object().field("file", d.file).field("problem", d.problem);
    write_time(w, "found_at", d.found_ms);
    w.end_object();
  }
  w.end_array().field("last_error", s.last_error).end_object();
}

/// The same of state, objects and the embedded store.
void Service::write_data_scrub(JsonWriter& w) const {
  const DataScrubStatus s = sources_.data_scrub();
  begin_scrub(w, s);
  w.field("last_pass_items", s.last_items);
  w.field("damaged_items", s.damaged_items).key("damage").begin_array();
  for (const DataScrubStatus::Damage& d : s.damage) {
    w.begin_object().field("place", d.place).field("item", d.item).field("problem", d.problem);
    write_time(w, "found_at", d.found_ms);
    w.end_object();
  }
  w.end_array().field("last_error", s.last_error).end_object();
}

void Service::ledger_rows(Call& call, wire::Responder& r) {
  const int64_t now = parts_.runtime.clock().wall_ms();
  const int64_t from = parse_time(call.request.query, "from", now - 24 * 3'600'000);
  const int64_t to = parse_time(call.request.query, "to", now + 60'000);
  std::string step = "minute";
  wire::query_param(call.request.query, "step", step);
  const auto rows = parts_.ledger.rows(call.project, from / 60'000, to / 60'000 + 1,
                                       step == "minute" ? kLedgerRowsMax : SIZE_MAX);
  if (!rows) return reply_error(r, rows.error());
  const int64_t group = step == "hour" ? 60 : step == "day" ? 24 * 60 : 1;
  std::map<std::pair<int64_t, event::Lane>, ledger::LedgerCounts> groups;
  ledger::LedgerCounts total;
  for (const ledger::LedgerRow& row : *rows) {
    total.add(row.counts);
    if (step != "total") groups[{-(row.key.minute / group), row.key.lane}].add(row.counts);
  }
  JsonWriter w;
  w.begin_object().field("project_id", call.project.value).field("from", iso_time(from));
  w.field("to", iso_time(to)).field("step", step).key("rows").begin_array();
  for (const auto& [key, counts] : groups) {
    w.begin_object().field("start", iso_time(-key.first * group * 60'000));
    w.field("lane", event::lane_name(key.second));
    write_counts(w, counts);
    w.end_object();
  }
  w.end_array().key("total").begin_object();
  write_counts(w, total);
  w.end_object().key("balance");
  write_balance(w);
  reply_json(r, w.end_object().take());
}

void Service::sample() {
  const CaptureStatus c = sources_.capture ? sources_.capture() : CaptureStatus{};
  const IngestStatus i = sources_.ingest ? sources_.ingest() : IngestStatus{};
  const LoadStatus l = sources_.load ? sources_.load() : LoadStatus{};
  history_.sample(parts_.runtime.clock().wall_ms(), c.events, l.rows, c.requests, i.lag_records,
                  l.lag_records);
  parts_.loop.after(std::chrono::milliseconds(kSamplePeriodMs), [this, alive = alive_] {
    if (*alive) sample();
  });
}

void Service::status(Call& call, wire::Responder& r) {
  (void)call;
  JsonWriter w;
  w.begin_object().field("version", PENSTOCK_VERSION).field("data_dir", sources_.data_dir);
  w.key("uptime_s")
      .real(static_cast<double>(parts_.runtime.clock().wall_ms() - started_ms_) / 1000.0, 1);
  w.field("ready", parts_.ledger.healthy()).key("stages").begin_array();
  for (const std::string& stage : sources_.stages) w.string(stage);
  w.end_array();
  const HistoryPoint last = history_.last();
  if (sources_.capture) {
    const CaptureStatus c = sources_.capture();
    w.key("capture").begin_object().field("address", c.address);
    w.field("connections", c.connections).field("requests_total", c.requests);
    w.field("events_total", c.events).field("refused_total", c.refused);
    w.key("requests_per_s").real(last.requests_per_s, 1);
    w.key("events_per_s").real(last.events_per_s, 1);
    w.field("latency_us_p50", c.latency_us_p50).field("latency_us_p99", c.latency_us_p99);
    w.end_object();
  }
  const log::LogStats l = parts_.log.stats();
  const auto free = parts_.runtime.files().free_bytes(sources_.data_dir);
  w.key("log").begin_object().field("disk_bytes", l.disk_bytes).field("commits_total", l.commits);
  w.field("commit_us_p50", l.commit_us_p50).field("commit_us_p99", l.commit_us_p99);
  w.field("disk_full", l.disk_full).field("disk_free_bytes", free.value_or(0));
  if (sources_.groups) {
    w.key("groups").begin_array();
    for (const GroupStatus& g : sources_.groups()) {
      w.begin_object().field("group", g.group).field("topic", g.topic);
      w.field("lag_records", g.lag_records).field("partitions", g.partitions).end_object();
    }
    w.end_array();
  }
  w.end_object();
  if (sources_.ingest) {
    const IngestStatus i = sources_.ingest();
    w.key("ingest").begin_object().field("events_total", i.events);
    w.field("lag_records", i.lag_records).key("cpu_us_per_event").real(i.cpu_us_per_event, 2);
    w.field("last_error", i.last_error).end_object();
  }
  if (sources_.replay) {
    const ReplayStatus s = sources_.replay();
    w.key("replay").begin_object().field("messages_total", s.messages);
    w.field("blocks_total", s.blocks).field("objects_total", s.objects);
    w.field("object_bytes_total", s.object_bytes).field("lag_records", s.lag_records);
    w.field("last_error", s.last_error).end_object();
  }
  if (sources_.load) {
    const LoadStatus s = sources_.load();
    w.key("load").begin_object().field("rows_total", s.rows).field("batches_total", s.batches);
    w.field("lag_records", s.lag_records).field("last_insert_us", s.last_insert_us);
    w.field("retries_total", s.retries).field("last_error", s.last_error).end_object();
  }
  if (sources_.squash) {
    w.key("squash");
    write_squash(w);
  }
  const store::StoreHealth h = parts_.store.health();
  w.key("store").begin_object().field("ready", h.ready).field("engine", h.engine);
  w.field("version", h.version).field("detail", h.detail).field("restarts", h.restarts);
  w.field("memory_bytes", h.memory_bytes).field("disk_bytes", h.disk_bytes);
  w.field("damaged_parts", h.damaged_parts);
  w.field("unfinished_parts", h.unfinished_parts).end_object();
  w.key("ledger").begin_object().key("balance");
  write_balance(w);
  w.key("totals").begin_object();
  if (const auto totals = parts_.ledger.totals(std::nullopt)) write_counts(w, *totals);
  const ledger::QuarantineUsage q = parts_.ledger.quarantine_usage();
  w.end_object().key("check");
  write_check(w);
  w.end_object().key("quarantine").begin_object().field("entries", q.entries);
  w.field("bytes", q.bytes).end_object();
  if (sources_.self_audit) {
    const SelfAuditStatus a = sources_.self_audit();
    w.key("self_audit").begin_object().field("every_ms", a.every_ms);
    w.key("at");
    a.at_ms == 0 ? w.null() : w.string(iso_time(a.at_ms));
    w.field("visible_ms", a.visible_ms).field("audits_total", a.audits);
    w.field("failures_total", a.failures).field("last_error", a.last_error).end_object();
  }
  if (sources_.scrub) {
    w.key("scrub");
    write_scrub(w);
  }
  if (sources_.data_scrub) {
    w.key("data_scrub");
    write_data_scrub(w);
  }
  w.key("memory").begin_object().field("rss_bytes", runtime::resident_bytes()).end_object();
  w.key("history").begin_object().field("step_s", 1).key("points").begin_array();
  history_.each([&w](const HistoryPoint& p) {
    w.begin_object().field("at", iso_time(p.at_ms)).key("events_per_s").real(p.events_per_s, 1);
    w.key("stored_per_s").real(p.stored_per_s, 1).field("ingest_lag", p.ingest_lag);
    w.field("load_lag", p.load_lag).end_object();
  });
  reply_json(r, w.end_array().end_object().end_object().take());
}

}  // namespace penstock::admin
