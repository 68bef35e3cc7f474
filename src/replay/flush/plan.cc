#include "replay/flush/plan.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/hash.h"
#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/processed_record.h"
#include "event/raw_record.h"
#include "recording/block.h"
#include "replay/flush/session_block.h"

namespace penstock::replay {
namespace {

constexpr std::string_view kEvent = "$snapshot_items";
constexpr int64_t kDayMs = 86'400'000;

struct Verdict {
  event::OutcomeKind kind = event::OutcomeKind::kAccepted;
  std::string_view reason, stage;
};
Verdict drop(std::string_view reason) { return {event::OutcomeKind::kDropped, reason, {}}; }
Verdict quarantine(std::string_view stage, std::string_view reason) {
  return {event::OutcomeKind::kQuarantined, reason, stage};
}
Verdict repeated(bool same) {
  if (same) return {event::OutcomeKind::kDuplicate, {}, {}};
  return quarantine("dedup", "uuid_conflict");
}

/// One message and what is known of it.
struct Message {
  event::RawRecord raw;
  std::string_view bytes;
  event::Source source;
  const catalog::Project* project = nullptr;
  uint64_t content_hash = 0;
  Verdict verdict;
};

class Planner {
 public:
  Planner(const catalog::Snapshot& snapshot, const ledger::Ledger& ledger, PlanOptions options)
      : snapshot_(snapshot), ledger_(ledger), options_(std::move(options)) {
    plan_.object_key = options_.object_key;
  }

  Result<Plan> run(const std::vector<Slice>& slices) {
    for (const Slice& slice : slices) {
      for (size_t i = 0; i < slice.records.size(); i++) {
        resolve(
            slice.records[i],
            {event::Lane::kReplay, slice.partition, {slice.base.value + static_cast<int64_t>(i)}});
      }
    }
    PENSTOCK_CHECK(find_duplicates());
    PENSTOCK_CHECK(find_copies());
    for (Message& m : messages_) decide(m);
    for (auto& [key, session] : sessions_) emit_block(session, output(session.partition));
    for (auto& [partition, out] : outputs_) {
      out.batch.data += out.later;
      out.batch.count += out.later_count;
      plan_.batches.push_back(std::move(out.batch));
    }
    return std::move(plan_);
  }

 private:
  struct Output {
    log::Batch batch;
    std::string later;  // what follows the outcomes
    uint32_t later_count = 0;
  };
  struct Session {
    Partition partition;
    SessionBlock block;
  };

  void resolve(std::string_view bytes, event::Source source) {
    Message& m = messages_.emplace_back();
    m.bytes = bytes;
    m.source = source;
    const auto raw = event::decode_raw(bytes);
    if (!raw) {
      m.verdict = quarantine("decode", "unreadable_record");
      return;
    }
    m.raw = *raw;
    m.project = snapshot_.find_token(m.raw.token);
    if (m.project == nullptr) {
      m.verdict = quarantine("team", "unknown_token");
      return;
    }
    // A repeat tells of the same session; what it holds was put together anew at the edge.
    m.content_hash = std::max<uint64_t>(hash64(m.raw.session_id, hash64(kEvent)), 1);
    switch (m.raw.disposition) {
      case event::Disposition::kProcess: break;
      case event::Disposition::kDrop: m.verdict = drop(m.raw.reason); break;
      case event::Disposition::kQuarantine: m.verdict = quarantine("capture", m.raw.reason); break;
    }
  }

  /// A client that did not hear the answer sends the same request again, with the same uuid.
  Status find_duplicates() {
    std::vector<ledger::EventIdentity> identities;
    std::vector<Message*> asked;
    for (Message& m : messages_) {
      if (m.verdict.kind != event::OutcomeKind::kAccepted) continue;
      identities.push_back({m.project->id, m.raw.uuid});
      asked.push_back(&m);
    }
    PENSTOCK_TRY(const auto before, ledger_.accepted(identities));
    for (size_t i = 0; i < asked.size(); i++) {
      if (before[i]) asked[i]->verdict = repeated(before[i]->same(asked[i]->content_hash));
    }
    return {};
  }

  /// A re-driven message takes its entry out of quarantine; another one finds it gone.
  Status find_copies() {
    std::vector<std::string_view> entries;
    std::vector<Message*> asked;
    for (Message& m : messages_) {
      if (m.raw.quarantine_entry.empty()) continue;
      entries.push_back(m.raw.quarantine_entry);
      asked.push_back(&m);
    }
    if (entries.empty()) return {};
    PENSTOCK_TRY(const std::vector<bool> there, ledger_.in_quarantine(entries));
    std::set<std::string_view> taken;
    for (size_t i = 0; i < asked.size(); i++) {
      if (!there[i] || !taken.insert(entries[i]).second) asked[i]->verdict = repeated(true);
    }
    return {};
  }

  void decide(Message& m) {
    if (m.verdict.kind == event::OutcomeKind::kAccepted) {
      const auto before = accepted_.find({m.project->id, m.raw.uuid});
      if (before != accepted_.end()) m.verdict = repeated(before->second == m.content_hash);
    }
    if (m.verdict.kind == event::OutcomeKind::kAccepted) m.verdict = take(m);
    if (m.verdict.kind == event::OutcomeKind::kAccepted) {
      accepted_.emplace(ledger::EventIdentity{m.project->id, m.raw.uuid}, m.content_hash);
    }
    emit_outcome(m);
  }

  Verdict take(const Message& m) {
    constexpr std::string_view kBad = "failed_parse_message";
    const auto top = event::JsonFields::parse(m.raw.data);
    const auto raw_properties = top ? top->find("properties") : std::nullopt;
    if (!raw_properties || event::json_type(*raw_properties) != event::JsonType::kObject) {
      return quarantine("parse", kBad);
    }
    const auto properties = event::JsonFields::parse(*raw_properties);
    if (!properties) return quarantine("parse", kBad);
    const auto text = [&](std::string_view name) -> std::string {
      const auto raw = properties->find(name);
      if (!raw || event::json_type(*raw) != event::JsonType::kString) return {};
      return event::decode_string(*raw);
    };
    const auto items = properties->find("$snapshot_items");
    const bool whole = items && event::json_type(*items) == event::JsonType::kArray;
    if (!whole || text("$session_id").empty()) return quarantine("parse", kBad);
    if (text("$session_id") != m.raw.session_id) return quarantine("parse", "session_id_mismatch");
    const auto events = event::split_array(*items);
    if (!events) return quarantine("parse", kBad);

    std::vector<std::pair<std::string_view, RrwebEvent>> valid;
    int64_t first = INT64_MAX, last = 0;
    for (const std::string_view event : *events) {
      auto read = read_rrweb(event);
      if (!read) continue;
      first = std::min(first, read->timestamp_ms);
      last = std::max(last, read->timestamp_ms);
      valid.emplace_back(event, std::move(*read));
    }
    if (valid.empty()) {
      warn(m, "message_contained_no_valid_rrweb_events");
      return drop("no_valid_rrweb_events");
    }
    const int64_t far = kTimestampDaysMax * kDayMs;
    if (first < m.raw.now_ms - far || last > m.raw.now_ms + far) {
      warn(m, "message_timestamp_diff_too_large");
      return drop("timestamp_diff_too_large");
    }
    Session& session = session_of(m);
    session.block.begin_message(text("$window_id"), m.raw.distinct_id, text("$snapshot_source"),
                                text("$lib"));
    for (auto& [event, read] : valid) session.block.add(event, std::move(read));
    return {};
  }

  Session& session_of(const Message& m) {
    const auto key = std::pair(m.project->id, std::string(m.raw.session_id));
    auto it = sessions_.find(key);
    if (it != sessions_.end() && it->second.block.bytes() >= kBlockLinesBytes) {
      emit_block(it->second, output(it->second.partition));
      sessions_.erase(it);
      it = sessions_.end();
    }
    if (it == sessions_.end()) {
      it = sessions_.emplace(key, Session{m.source.partition, SessionBlock(key.first, key.second)})
               .first;
    }
    return it->second;
  }

  Output& output(Partition partition) {
    Output& out = outputs_[partition.value];
    out.batch.partition = partition;
    out.batch.producer = event::ingest_producer(event::Lane::kReplay);
    return out;
  }

  void emit_later(Output& out, const event::ProcessedRecord& record) {
    scratch_.clear();
    event::encode(record, scratch_);
    log::encode_record(out.later, scratch_);
    out.later_count++;
  }

  void emit_outcome(const Message& m) {
    event::Outcome o;
    o.kind = m.verdict.kind;
    o.project = m.project == nullptr ? ProjectId{} : m.project->id;
    o.received_for = m.raw.project;
    o.uuid = m.raw.uuid;
    if (m.content_hash != 0) o.content_hash = m.content_hash;
    o.received_ms = m.raw.now_ms;
    o.source = m.source;
    o.redriven = m.raw.redriven;
    o.request = m.raw.request;
    o.quarantine_entry = m.raw.quarantine_entry;
    o.decided_ms = options_.now_ms;
    o.reason = m.verdict.reason;
    if (o.kind == event::OutcomeKind::kQuarantined) {
      size_t& waiting = quarantined_bytes_[m.raw.token];
      if (ledger_.quarantine_has_room(m.raw.token, waiting + m.bytes.size())) {
        waiting += m.bytes.size();
        o.stage = m.verdict.stage;
        o.token = m.raw.token;
        o.raw = m.bytes;
        o.version = PENSTOCK_VERSION;
      } else {
        o.kind = event::OutcomeKind::kDropped;
        o.reason = "quarantine_full";
      }
    }
    if (o.kind == event::OutcomeKind::kAccepted) {
      o.row.event = m.raw.event;
      o.row.distinct_id = m.raw.distinct_id;
      o.row.timestamp_ms = m.raw.timestamp_ms;
      o.row.created_at_ms = options_.now_ms;
      o.row.captured_at_ms = m.raw.now_ms;
    }
    count(o.kind);
    Output& out = output(m.source.partition);
    scratch_.clear();
    event::encode(event::ProcessedRecord(o), scratch_);
    log::encode_record(out.batch.data, scratch_);
    out.batch.count++;
    out.batch.sequence = m.source.offset.value + 1;
  }

  void count(event::OutcomeKind kind) {
    plan_.messages++;
    switch (kind) {
      case event::OutcomeKind::kAccepted: plan_.accepted++; break;
      case event::OutcomeKind::kDropped: plan_.dropped++; break;
      case event::OutcomeKind::kDuplicate: plan_.duplicates++; break;
      case event::OutcomeKind::kQuarantined: plan_.quarantined++; break;
    }
  }

  void emit_block(SessionBlock& block, const BlockSummary& summary, Output& out) {
    event::ReplayBlock row;
    row.project = block.project();
    row.session_id = block.session_id();
    row.distinct_id = block.distinct_id();
    row.first_timestamp_ms = summary.first_timestamp_ms;
    row.last_timestamp_ms = summary.last_timestamp_ms;
    const std::string url =
        recording::block_url({options_.object_key, summary.from, summary.size_stored});
    row.block_url = url;
    row.urls.assign(block.urls().begin(), block.urls().end());
    if (!row.urls.empty()) row.first_url = row.urls.front();
    row.click_count = block.clicks();
    row.keypress_count = block.keypresses();
    row.mouse_activity_count = block.mouse_activity();
    row.active_milliseconds = summary.active_milliseconds;
    row.console_log_count = block.console_count(ConsoleLevel::kInfo);
    row.console_warn_count = block.console_count(ConsoleLevel::kWarn);
    row.console_error_count = block.console_count(ConsoleLevel::kError);
    row.size = summary.size;
    row.event_count = block.events();
    row.message_count = block.messages();
    row.snapshot_source = block.source();
    if (row.snapshot_source.empty()) row.snapshot_source = "web";
    row.snapshot_library = block.library();
    row.retention_period_days = options_.retention_days;
    emit_later(out, row);
    plan_.blocks++;
  }

  void emit_block(Session& session, Output& out) {
    SessionBlock& block = session.block;
    if (block.empty()) return;
    emit_block(block, block.finish(plan_.object), out);
    for (const ConsoleLine& line : block.console()) {
      if (out.later.size() > options_.console_bytes_max) break;
      emit_later(out,
                 event::LogEntry{block.project(), "session_replay", block.session_id(),
                                 line.timestamp_ms, console_level_name(line.level), line.text});
    }
  }

  /// One of a kind per session and flush.
  void warn(const Message& m, std::string_view type) {
    if (warned_.size() >= options_.warnings_max) return;
    if (!warned_.emplace(m.project->id, std::string(type) + std::string(m.raw.session_id)).second) {
      return;
    }
    JsonWriter w;
    w.begin_object()
        .field("sessionId", m.raw.session_id)
        .field("distinctId", m.raw.distinct_id)
        .field("category", "replay")
        .field("severity", "warning")
        .end_object();
    const std::string details = w.take();
    emit_later(
        output(m.source.partition),
        event::IngestionWarning{m.project->id, type, "plugin-server", details, m.raw.now_ms});
  }

  const catalog::Snapshot& snapshot_;
  const ledger::Ledger& ledger_;
  PlanOptions options_;
  Plan plan_;
  std::vector<Message> messages_;
  std::map<std::pair<ProjectId, std::string>, Session> sessions_;
  std::map<int32_t, Output> outputs_;
  std::unordered_map<ledger::EventIdentity, uint64_t, ledger::EventIdentityHash> accepted_;
  std::map<std::string_view, size_t> quarantined_bytes_;
  std::set<std::pair<ProjectId, std::string>> warned_;
  std::string scratch_;
};

}  // namespace

Result<Plan> make_plan(const std::vector<Slice>& slices, const catalog::Snapshot& snapshot,
                       const ledger::Ledger& ledger, PlanOptions options) {
  return Planner(snapshot, ledger, std::move(options)).run(slices);
}

}  // namespace penstock::replay
