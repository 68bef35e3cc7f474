#include "ledger/books/kv_ledger.h"

#include <algorithm>

#include "base/assert.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"

namespace penstock::ledger {
namespace {

/// Minutes whose counts stay in memory; older ones are read again when they are touched.
constexpr size_t kCountsInMemoryMax = 4096;
/// Outcomes that arrived before capture's report; far more than a loop turn can hold back.
constexpr size_t kCountedEarlyMax = 65'536;
/// Checkpoints come every second; what the log has deleted is looked for every ten minutes.
constexpr int64_t kCheckpointsPerPrune = 600;
/// Copies of an event that `trace` can place; the rest are counted.
constexpr uint64_t kDuplicatesKept = 20;

Counter processed_metric{"penstock_ledger_outcomes_total", "Outcomes counted by the ledger."};
Counter failures_metric{"penstock_ledger_write_failures_total", "Ledger writes that failed."};
Gauge quarantine_metric{"penstock_ledger_quarantine_bytes", "Bytes of events in quarantine."};

}  // namespace

KvLedger::KvLedger(std::unique_ptr<kv::KeyValue> kv, LedgerOptions options)
    : kv_(std::move(kv)), options_(options) {}

KvLedger::~KvLedger() = default;

KvLedger::Staged KvLedger::stage() const {
  Staged staged;
  staged.positions = positions_;
  return staged;
}

void KvLedger::received(event::Lane lane, const std::vector<log::Appended>& appended,
                        const std::vector<uint32_t>& record_counts,
                        const std::vector<Received>& counts) {
  PENSTOCK_ASSERT(appended.size() == record_counts.size());
  if (!options_.books) return;
  // Where several processes write, records of others may lie between these: the log cannot say
  // which are whose, and each is counted from its record, at the latest with its outcome.
  const auto unclear = [](const log::Appended& a) { return !a.duplicate && a.base.value < 0; };
  if (std::ranges::any_of(appended, unclear)) return;
  const std::lock_guard lock(mutex_);
  // Of a lane's partition that nobody looks at here it is not known what came before.
  const auto unknown = [&](const log::Appended& a) {
    return options_.lanes_apart && !positions_.received.contains({lane, a.partition.value});
  };
  if (std::ranges::any_of(appended, unknown)) return;
  std::map<LedgerKey, LedgerCounts> delta;
  for (const Received& r : counts) delta[r.key].received += r.count;
  for (size_t i = 0; i < appended.size(); i++) {
    if (appended[i].duplicate) continue;
    const LanePartition where{lane, appended[i].partition.value};
    const int64_t from = appended[i].base.value;
    const int64_t to = from + record_counts[i];
    if (auto early = counted_early_.find(where); early != counted_early_.end()) {
      auto it = early->second.lower_bound(from);
      while (it != early->second.end() && it->first < to) {
        probe<"ledger.outcome_came_before_receipt">();
        uint64_t& n = delta[it->second].received;
        if (n > 0) n--;
        it = early->second.erase(it);
      }
    }
    positions_.received[where].add(from, to);
  }
  for (const auto& [key, count] : delta) {
    if (count.received == 0) continue;
    pending_[key].add(count);
    totals_[key.project].add(count);
  }
}

Status KvLedger::apply_processed(Partition partition, Offset base,
                                 const std::vector<std::string_view>& records) {
  return apply_processed_many({{partition, base, &records}});
}

Offset KvLedger::applied(Partition partition) const {
  const std::lock_guard lock(mutex_);
  const auto it = positions_.applied.find(partition.value);
  return {it == positions_.applied.end() ? 0 : it->second.next()};
}

Status KvLedger::apply_processed_many(const std::vector<ProcessedSlice>& slices) {
  const std::lock_guard lock(mutex_);
  Staged staged = stage();
  for (const ProcessedSlice& slice : slices) {
    if (Status s = stage_slice(staged, slice); !s) return s;
  }
  uint64_t outcomes = 0;
  for (const auto& [key, count] : staged.counts) outcomes += count.decided();
  Status s = write(std::move(staged));
  if (s) processed_metric.add(outcomes);
  return s;
}

Status KvLedger::stage_slice(Staged& staged, const ProcessedSlice& slice) {
  OffsetSet& applied = staged.positions.applied[slice.partition.value];
  const int64_t end = slice.base.value + static_cast<int64_t>(slice.records->size());
  if (slice.base.value > applied.next()) {
    return fail(Code::kBug, "processed records were skipped before they reached the ledger");
  }
  for (int64_t at = applied.next(); at < end; at++) {
    const std::string_view bytes = (*slice.records)[static_cast<size_t>(at - slice.base.value)];
    PENSTOCK_TRY(const event::ProcessedRecord record, event::decode_processed(bytes));
    if (const auto* change = std::get_if<event::QuarantineChange>(&record)) {
      PENSTOCK_CHECK(add_change(staged, *change));
    }
    const auto* outcome = std::get_if<event::Outcome>(&record);
    if (outcome == nullptr) continue;
    if (!options_.books) {
      PENSTOCK_CHECK(add_for_dedup(staged, {at}, *outcome));
      continue;
    }
    if (Status s = add_outcome(staged, slice.partition, {at}, *outcome); !s) return s;
  }
  applied.add(applied.next(), end);
  return {};
}

Status KvLedger::add_outcome(Staged& staged, Partition partition, Offset at,
                             const event::Outcome& outcome) {
  const LedgerKey key{outcome.received_for, minute_of(outcome.received_ms), outcome.source.lane};
  const LanePartition raw{outcome.source.lane, outcome.source.partition.value};
  const int64_t raw_offset = outcome.source.offset.value;
  LedgerCounts& counts = staged.counts[key];
  // A lane's partition that nobody looks at here begins with the first record decided of it: the
  // others follow in order.
  OffsetSet& received =
      staged.positions.received
          .try_emplace(raw, options_.lanes_apart ? OffsetSet(raw_offset) : OffsetSet())
          .first->second;
  if (!received.contains(raw_offset)) {
    received.add(raw_offset, raw_offset + 1);
    counts.received++;
    staged.counted_early.push_back({raw, {raw_offset, key}});
  }
  auto [decided, fresh] = staged.positions.decided.try_emplace(raw, OffsetSet(received.base()));
  decided->second.add(raw_offset, raw_offset + 1);
  add_to_range(staged, key, partition, at, outcome);
  if (!outcome.client_request.is_nil()) {
    staged.requests.insert(request_key(outcome.client_request, 'c', outcome.received_ms));
  }
  if (!outcome.quarantine_entry.empty()) {
    PENSTOCK_CHECK(leave(staged, outcome.quarantine_entry,
                         {.state = "redriven", .at_ms = outcome.decided_ms}));
  }
  switch (outcome.kind) {
    case event::OutcomeKind::kAccepted:
      counts.accepted++;
      return add_accepted(staged, partition, at, outcome);
    case event::OutcomeKind::kDuplicate:
      counts.deduplicated++;
      return add_duplicate(staged, partition, at, outcome);
    case event::OutcomeKind::kDropped: {
      counts.dropped[std::string(outcome.reason)]++;
      const OtherEntry entry{.state = "dropped",
                             .project = outcome.project,
                             .received_ms = outcome.received_ms,
                             .source = outcome.source,
                             .reason = std::string(outcome.reason),
                             .processed = at,
                             .processed_in = partition};
      staged.batch.put(other_key(outcome.uuid, 'o', outcome.source), encode_other(entry));
      return {};
    }
    case event::OutcomeKind::kQuarantined:
      counts.quarantined++;
      add_quarantined(staged, partition, at, outcome);
      return {};
  }
  return fail(Code::kCorrupt, "a processed record has an unknown outcome");
}

Status KvLedger::add_for_dedup(Staged& staged, Offset at, const event::Outcome& outcome) {
  if (outcome.kind != event::OutcomeKind::kAccepted) return {};
  staged.accepted.insert_or_assign(
      accepted_key(outcome.uuid, outcome.project),
      AcceptedEntry{.content_hash = outcome.content_hash, .processed = at});
  return {};
}

Status KvLedger::add_accepted(Staged& staged, Partition partition, Offset at,
                              const event::Outcome& outcome) {
  AcceptedEntry entry{.content_hash = outcome.content_hash,
                      .project = outcome.project,
                      .received_ms = outcome.received_ms,
                      .source = outcome.source,
                      .processed = at,
                      .event = std::string(outcome.row.event),
                      .distinct_id = std::string(outcome.row.distinct_id),
                      .processed_in = partition};
  std::string key = accepted_key(outcome.uuid, outcome.project);
  // Older versions accepted another event under the same uuid; now only the first one's key counts.
  if (!outcome.content_hash) {
    bool there = staged.accepted.contains(key);
    if (!there) {
      PENSTOCK_TRY(const std::optional<std::string> found, kv_->get(key));
      there = found.has_value();
    }
    if (there) key = accepted_again_key(outcome.uuid, outcome.project, outcome.source);
  }
  staged.accepted.insert_or_assign(std::move(key), std::move(entry));
  return {};
}

Status KvLedger::add_duplicate(Staged& staged, Partition partition, Offset at,
                               const event::Outcome& outcome) {
  std::string key = accepted_key(outcome.uuid, outcome.project);
  auto it = staged.accepted.find(key);
  if (it == staged.accepted.end()) {
    PENSTOCK_TRY(const std::optional<std::string> found, kv_->get(key));
    AcceptedEntry entry;
    // Without its first copy (the index was rebuilt from a shorter log) it stands for itself.
    if (!found || !decode_accepted(*found, entry)) {
      entry = {.content_hash = outcome.content_hash,
               .project = outcome.project,
               .received_ms = outcome.received_ms,
               .source = outcome.source,
               .event = {},
               .distinct_id = {}};
    }
    it = staged.accepted.emplace(std::move(key), std::move(entry)).first;
  }
  if (it->second.duplicates++ < kDuplicatesKept) {
    const OtherEntry copy{.state = "duplicate",
                          .project = outcome.project,
                          .received_ms = outcome.received_ms,
                          .source = outcome.source,
                          .processed = at,
                          .processed_in = partition};
    staged.batch.put(other_key(outcome.uuid, 'o', outcome.source), encode_other(copy));
  }
  it->second.last_duplicate_ms = outcome.received_ms;
  return {};
}

Status KvLedger::apply_stored(Partition partition, Offset from, Offset to,
                              const std::vector<Received>& counts) {
  // Counted from the log, once their outcomes are: it is never more stored than accepted.
  if (options_.decided_elsewhere) return {};
  const std::lock_guard lock(mutex_);
  OffsetSet& stored = positions_.stored[partition.value];
  if (to.value <= stored.next()) {
    probe<"ledger.stored_is_told_again">();
    return {};
  }
  if (from.value < stored.next()) {
    return fail(Code::kBug, "a stored batch has other bounds than when it was sent first");
  }
  if (stored.contains(from.value)) return {};
  const int64_t gap_from = stored.next();
  if (to > from) stored.add(from.value, to.value);
  for (const Received& r : counts) {
    LedgerCounts delta;
    delta.stored = r.count;
    pending_[r.key].add(delta);
    totals_[r.key.project].add(delta);
  }
  // The loader knows, from its own intent, that what lies below was stored in an earlier life.
  if (from.value > gap_from) probe<"ledger.stored_leaves_a_gap">();
  if (from.value > gap_from) catch_up_stored(partition, {gap_from}, from);
  return {};
}

/// Puts every changed count into the batch; `fresh` receives the values as they will be.
Status KvLedger::put_books(Staged& staged, std::map<LedgerKey, LedgerCounts>& fresh) {
  for (const auto* deltas : {&pending_, &staged.counts}) {
    for (const auto& [key, delta] : *deltas) {
      auto it = fresh.find(key);
      if (it == fresh.end()) {
        LedgerCounts value;
        if (auto known = base_.find(key); known != base_.end()) {
          value = known->second;
        } else {
          PENSTOCK_TRY(const std::optional<std::string> bytes, kv_->get(counts_key(key)));
          if (bytes && !decode_counts(*bytes, value)) {
            return fail(Code::kCorrupt, "the ledger's counts of a minute cannot be read");
          }
        }
        it = fresh.emplace(key, std::move(value)).first;
      }
      it->second.add(delta);
    }
  }
  return {};
}

void KvLedger::put_positions(Staged& staged, std::map<std::string, std::string>& changed) const {
  const auto put = [&](PositionKind kind, event::Lane lane, int32_t partition,
                       const OffsetSet& set) {
    std::string key = position_key(kind, lane, {partition});
    std::string bytes;
    set.encode(bytes);
    if (auto it = written_.find(key); it != written_.end() && it->second == bytes) return;
    staged.batch.put(key, bytes);
    changed.emplace(std::move(key), std::move(bytes));
  };
  const Positions& p = staged.positions;
  for (const auto& [at, set] : p.received) put(PositionKind::kReceived, at.first, at.second, set);
  for (const auto& [at, set] : p.decided) put(PositionKind::kDecided, at.first, at.second, set);
  constexpr event::Lane kNoLane = event::Lane::kMain;
  for (const auto& [n, set] : p.applied) put(PositionKind::kApplied, kNoLane, n, set);
  for (const auto& [n, set] : p.stored) put(PositionKind::kStored, kNoLane, n, set);
  for (const auto& [n, set] : p.refused) put(PositionKind::kRefused, kNoLane, n, set);
}

void KvLedger::put_entries(Staged& staged) {
  for (const auto& [key, entry] : staged.accepted) staged.batch.put(key, encode_accepted(entry));
  for (const std::string& key : staged.requests) staged.batch.put(key, "");
  for (const auto& [id, entry] : staged.entries) {
    staged.batch.put(quarantine_key(id), encode_quarantine(entry.first));
    staged.batch.put(quarantine_token_key(entry.first.token, id), "");
  }
  for (const DecidedRange& range : staged.ranges) {
    staged.batch.put(range_key(range), encode_range(range));
  }
  for (const auto& [token, usage] : staged.usage) {
    std::string bytes;
    ByteWriter w(bytes);
    w.varint(usage.entries);
    w.varint(usage.bytes);
    staged.batch.put(quarantine_usage_key(token), bytes);
  }
}

Status KvLedger::write(Staged staged) {
  for (const auto& [key, states] : staged.taken) staged.counts[key];
  std::map<LedgerKey, LedgerCounts> fresh;
  if (Status s = put_books(staged, fresh); !s) return s;
  std::map<ProjectId, LedgerCounts> totals;
  for (const auto& [key, value] : fresh) totals.try_emplace(key.project, totals_[key.project]);
  for (const auto& [key, delta] : staged.counts) totals[key.project].add(delta);
  for (const auto& [key, states] : staged.taken) {
    for (const auto& [dropped_for, n] : states) {
      for (LedgerCounts* c : {&fresh[key], &totals[key.project]}) {
        c->quarantined -= std::min(c->quarantined, n);
        (dropped_for.empty() ? c->redriven : c->dropped[dropped_for]) += n;
      }
    }
  }
  for (const auto& [key, value] : fresh) staged.batch.put(counts_key(key), encode_counts(value));
  for (const auto& [project, value] : totals) {
    staged.batch.put(totals_key(project), encode_counts(value));
  }
  put_entries(staged);
  std::map<std::string, std::string> changed;
  put_positions(staged, changed);
  if (staged.batch.empty()) return {};
  if (Status s = kv_->write(staged.batch); !s) {
    failures_metric.add();
    probe<"ledger.write_failed">();
    if (healthy_) diag::error("ledger write failed", {{"error", s.error().message}});
    healthy_ = false;
    return s;
  }
  healthy_ = true;
  unflushed_ = true;
  pending_.clear();
  for (auto& [key, value] : fresh) base_.insert_or_assign(key, std::move(value));
  for (auto& [project, value] : totals) totals_.insert_or_assign(project, std::move(value));
  for (auto& [key, bytes] : changed) written_.insert_or_assign(key, std::move(bytes));
  follow(std::move(staged));
  return {};
}

/// What is not a count and must follow a successful write.
void KvLedger::follow(Staged staged) {
  positions_ = std::move(staged.positions);
  for (const auto& [where, early] : staged.counted_early) {
    auto& kept = counted_early_[where];
    kept.insert(early);
    if (kept.size() > kCountedEarlyMax) kept.erase(kept.begin());
  }
  for (auto& [token, usage] : staged.usage) {
    QuarantineUsage& old = usage_[token];
    usage_total_.entries += usage.entries - old.entries;
    usage_total_.bytes += usage.bytes - old.bytes;
    old = usage;
    if (usage.entries == 0) usage_.erase(token);
  }
  quarantine_metric.set(static_cast<int64_t>(usage_total_.bytes));
  keep_open(std::move(staged.ranges));
  for (auto& [id, how] : staged.left_early) left_early_.insert_or_assign(id, std::move(how));
  for (const std::string& id : staged.came_late) left_early_.erase(id);
  forget_cold();
}

void KvLedger::forget_cold() {
  if (base_.size() <= kCountsInMemoryMax) return;
  int64_t newest = 0;
  for (const auto& [key, value] : base_) newest = std::max(newest, key.minute);
  std::erase_if(base_, [&](const auto& item) { return item.first.minute < newest - 10; });
  if (base_.size() > kCountsInMemoryMax) base_.clear();
}

Status KvLedger::checkpoint(log::Log& log) {
  Positions durable;
  {
    const std::lock_guard lock(mutex_);
    if (!loaded_) return fail(Code::kUnavailable, "the ledger has not recovered yet");
    if (Status s = write(stage()); !s) return s;
    if (!unflushed_) return {};
    unflushed_ = false;
    durable = positions_;
  }
  if (Status s = kv_->flush(); !s) {
    probe<"ledger.flush_failed">();
    const std::lock_guard lock(mutex_);
    unflushed_ = true;
    return s;
  }
  if (checkpoints_++ % kCheckpointsPerPrune == 0) PENSTOCK_CHECK(prune(log));
  return commit(log, durable);
}

Status KvLedger::commit(log::Log& log, const Positions& durable) {
  const std::string group(event::kGroupLedger);
  for (event::Lane lane : event::kLanes) {
    std::vector<log::Position> next;
    for (const auto& [at, set] : durable.received) {
      if (at.first == lane) next.push_back({{at.second}, {set.next()}});
    }
    if (next.empty()) continue;
    if (Status s = log.commit(group, std::string(event::lane_topic(lane)), std::move(next)); !s) {
      return s;
    }
  }
  std::vector<log::Position> processed, refused;
  for (const auto& [n, set] : durable.applied) {
    // Both replays, of outcomes and of what was stored, begin at their own position.
    const auto stored = durable.stored.find(n);
    const int64_t counted = stored == durable.stored.end() ? set.base() : stored->second.next();
    processed.push_back({{n}, {std::min(set.next(), counted)}});
  }
  for (const auto& [n, set] : durable.refused) refused.push_back({{n}, {set.next()}});
  if (!processed.empty()) {
    Status s = log.commit(group, std::string(event::kTopicProcessed), std::move(processed));
    if (!s) return s;
  }
  if (refused.empty()) return {};
  return log.commit(group, std::string(event::kTopicRefused), std::move(refused));
}

bool KvLedger::healthy() const {
  const std::lock_guard lock(mutex_);
  return healthy_;
}

}  // namespace penstock::ledger
