// Catching up with the log after a restart; see KvLedger.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <unordered_set>

#include "base/diag.h"
#include "base/probe.h"
#include "ledger/books/kv_ledger.h"

namespace penstock::ledger {
namespace {

constexpr int64_t kAgainMsMax = 60'000;  // between two tries to count what is stored
/// Outcomes of one write, about. A write costs what all positions cost, whatever it holds, and
/// keeps the ledger to itself while it lasts.
constexpr size_t kAppliedTogether = 500;

/// Partitions of a topic; a topic that this process does not have has none.
std::vector<log::PartitionBounds> bounds_of(const log::Log& log, std::string_view topic) {
  auto bounds = log.bounds(std::string(topic));
  return bounds ? std::move(*bounds) : std::vector<log::PartitionBounds>{};
}

/// The set of a partition; a new one begins at the oldest record there is.
template <typename Map, typename Key>
OffsetSet& set_of(Map& map, const Key& key, Offset start) {
  auto [it, fresh] = map.try_emplace(key, OffsetSet(start.value));
  return it->second;
}

/// One slice after the other.
template <typename Visit>
log::ScanVisitTogether each(Visit visit) {
  return [visit = std::move(visit)](const std::vector<log::ScanSlice>& slices) mutable -> Status {
    for (const log::ScanSlice& slice : slices) PENSTOCK_CHECK(visit(slice));
    return {};
  };
}

std::string lost_key(PositionKind kind, event::Lane lane, Partition partition) {
  return kLostPrefix + position_key(kind, lane, partition).substr(1);
}

}  // namespace

Status KvLedger::load_positions() {
  Status bad;
  const std::string from(1, kPositionPrefix);
  Status s = kv_->scan(from, kv::prefix_end(from), [&](std::string_view key, std::string_view v) {
    OffsetSet set;
    if (key.size() != 7 || !set.decode(v)) {
      bad = fail(Code::kCorrupt, "a position of the ledger cannot be read");
      return false;
    }
    uint32_t partition = 0;
    for (char c : key.substr(3)) partition = (partition << 8) | static_cast<uint8_t>(c);
    const auto n = static_cast<int32_t>(partition);
    const auto lane = static_cast<event::Lane>(key[2]);
    switch (static_cast<PositionKind>(key[1])) {
      case PositionKind::kReceived: positions_.received[{lane, n}] = set; break;
      case PositionKind::kDecided: positions_.decided[{lane, n}] = set; break;
      case PositionKind::kApplied: positions_.applied[n] = set; break;
      case PositionKind::kStored: positions_.stored[n] = set; break;
      case PositionKind::kRefused: positions_.refused[n] = set; break;
    }
    written_.emplace(key, v);
    return true;
  });
  return s ? bad : s;
}

Status KvLedger::load_lost() {
  const std::string all(1, kLostPrefix);
  return kv_->scan(all, kv::prefix_end(all), [this](std::string_view key, std::string_view value) {
    lost_.insert_or_assign(std::string(key), std::string(value));
    return true;
  });
}

/// What is in the books and not in the log any more nobody can bring back, and the next records
/// take its offsets, so that soon nothing shows it. It is said until the books are made anew.
Status KvLedger::note_lost(const log::Log& log) {
  kv::WriteBatch batch;
  std::map<std::string, std::string> found;
  const auto look = [&](PositionKind kind, event::Lane lane, std::string_view topic,
                        const log::PartitionBounds& b, const OffsetSet& set) {
    std::string key = lost_key(kind, lane, b.partition);
    if (set.next() <= b.end.value || lost_.contains(key)) return;
    std::string text =
        fmt::format("{} partition {}: {} records from offset {} on are counted that the log lacks",
                    topic, b.partition.value, set.next() - b.end.value, b.end.value);
    diag::error("the log has lost what was in it", {{"what", text}});
    probe<"ledger.log_lost_what_was_counted">();
    batch.put(key, text);
    found.emplace(std::move(key), std::move(text));
  };
  for (const event::Lane lane : event::kLanes) {
    for (const log::PartitionBounds& b : bounds_of(log, event::lane_topic(lane))) {
      const auto it = positions_.received.find({lane, b.partition.value});
      if (it == positions_.received.end()) continue;
      look(PositionKind::kReceived, lane, event::lane_name(lane), b, it->second);
    }
  }
  for (const log::PartitionBounds& b : bounds_of(log, event::kTopicProcessed)) {
    const auto it = positions_.applied.find(b.partition.value);
    if (it == positions_.applied.end()) continue;
    look(PositionKind::kApplied, event::Lane::kMain, event::kTopicProcessed, b, it->second);
  }
  if (found.empty()) return {};
  PENSTOCK_CHECK(kv_->write(batch));
  unflushed_ = true;
  lost_.merge(found);
  return {};
}

/// Entries of a data directory that kept one per (uuid, project, day, event, distinct id) become
/// entries of the identity; the first one of several is what dedup finds. Each batch takes away
/// what it has moved, so a kill in between is no harm.
Status KvLedger::convert_old_index() {
  constexpr size_t kUuidEnd = 17, kBatchEntries = 10'000;
  std::string from(1, kOldAccepted);
  const std::string to = kv::prefix_end(from);
  uint64_t moved = 0;
  for (;;) {
    std::vector<std::pair<std::string, AcceptedEntry>> old;
    bool bad = false;
    Status s = kv_->scan(from, to, [&](std::string_view key, std::string_view v) {
      AcceptedEntry& entry = old.emplace_back(key, AcceptedEntry{}).second;
      bad = key.size() < kUuidEnd || !decode_old_accepted(v, entry);
      return !bad && old.size() < kBatchEntries;
    });
    if (!s) return s;
    if (bad) return fail(Code::kCorrupt, "an accepted event of the old index cannot be read");
    if (old.empty()) break;
    kv::WriteBatch batch;
    std::unordered_set<std::string> taken;
    for (const auto& [old_key, entry] : old) {
      Uuid uuid;
      std::copy_n(old_key.begin() + 1, uuid.bytes.size(), uuid.bytes.begin());
      std::string key = accepted_key(uuid, entry.project);
      PENSTOCK_TRY(const std::optional<std::string> found, kv_->get(key));
      if (found || !taken.insert(key).second) {
        key = accepted_again_key(uuid, entry.project, entry.source);
      }
      batch.put(key, encode_accepted(entry));
      batch.erase(old_key);
    }
    PENSTOCK_CHECK(kv_->write(batch));
    moved += old.size();
    from = old.back().first + '\0';  // not over everything that was just erased
  }
  if (moved == 0) return {};
  unflushed_ = true;
  diag::info("the index of accepted events was brought to its new form", {{"events", moved}});
  return {};
}

Status KvLedger::load() {
  if (Status s = convert_old_index(); !s) return s;
  if (Status s = load_positions(); !s) return s;
  if (Status s = load_left_early(); !s) return s;
  if (Status s = load_lost(); !s) return s;
  Status bad;
  const std::string totals(1, kTotalsPrefix);
  Status s =
      kv_->scan(totals, kv::prefix_end(totals), [&](std::string_view key, std::string_view value) {
        // The key has the counts key's shape without its minute and lane.
        std::string as_counts(key);
        as_counts.append(9, '\0');
        if (!decode_counts(value, totals_[parse_counts_key(as_counts).project])) {
          bad = fail(Code::kCorrupt, "the ledger's totals of a project cannot be read");
          return false;
        }
        return true;
      });
  if (!s) return s;
  if (!bad) return bad;
  const std::string usage(1, kQuarantineUsage);
  s = kv_->scan(usage, kv::prefix_end(usage), [&](std::string_view key, std::string_view value) {
    ByteReader r(value);
    QuarantineUsage u;
    u.entries = r.varint();
    u.bytes = r.varint();
    if (u.entries > 0) usage_[std::string(key.substr(1))] = u;
    usage_total_.entries += u.entries;
    usage_total_.bytes += u.bytes;
    return true;
  });
  loaded_ = s.has_value();
  return s;
}

KvLedger::Step KvLedger::received_step(log::Log& log, event::Lane lane) {
  Step step{std::string(event::lane_topic(lane)), {}, nullptr};
  for (const log::PartitionBounds& b : bounds_of(log, event::lane_topic(lane))) {
    OffsetSet& set = set_of(positions_.received, LanePartition{lane, b.partition.value}, b.start);
    step.ranges.push_back({b.partition, {std::max(set.next(), b.start.value)}, b.end});
  }
  step.visit =
      each([this, lane](const log::ScanSlice& slice) { return count_received(lane, slice); });
  return step;
}

Status KvLedger::count_received(event::Lane lane, const log::ScanSlice& slice) {
  const std::lock_guard lock(mutex_);
  OffsetSet& set = positions_.received[{lane, slice.partition.value}];
  for (size_t i = 0; i < slice.records.size(); i++) {
    const int64_t at = slice.base.value + static_cast<int64_t>(i);
    if (set.contains(at)) continue;
    set.add(at, at + 1);
    probe<"ledger.receipt_is_counted_from_the_log">();
    // Ingest quarantines what cannot be read under project 0 and time 0; so it is counted here.
    const auto raw = event::decode_raw(slice.records[i]);
    const ProjectId project = raw ? raw->project : ProjectId{};
    pending_[{project, minute_of(raw ? raw->now_ms : 0), lane}].received++;
    totals_[project].received++;
  }
  return {};
}

KvLedger::Step KvLedger::processed_step(log::Log& log) {
  Step step{std::string(event::kTopicProcessed), {}, nullptr};
  for (const log::PartitionBounds& b : bounds_of(log, event::kTopicProcessed)) {
    OffsetSet& set = set_of(positions_.applied, b.partition.value, b.start);
    step.ranges.push_back({b.partition, {set.next()}, b.end});
  }
  step.visit = [this](const std::vector<log::ScanSlice>& slices) { return apply_together(slices); };
  return step;
}

Status KvLedger::apply_together(const std::vector<log::ScanSlice>& slices) {
  std::vector<ProcessedSlice> some;
  size_t records = 0;
  for (size_t i = 0; i < slices.size(); i++) {
    some.push_back({slices[i].partition, slices[i].base, &slices[i].records});
    records += slices[i].records.size();
    if (records < kAppliedTogether && i + 1 < slices.size()) continue;
    PENSTOCK_CHECK(apply_processed_many(some));
    some.clear();
    records = 0;
  }
  return {};
}

KvLedger::Step KvLedger::stored_step(log::Log& log) {
  Step step{std::string(event::kTopicProcessed), {}, nullptr};
  for (const log::PartitionBounds& b : bounds_of(log, event::kTopicProcessed)) {
    set_of(positions_.stored, b.partition.value, b.start);
  }
  for (const log::Position& p :
       log.committed(std::string(event::kGroupLoad), std::string(event::kTopicProcessed))) {
    const OffsetSet& set = positions_.stored[p.partition.value];
    Offset to = p.next;
    if (recovered_) to = std::min(to, Offset{positions_.applied[p.partition.value].next()});
    if (to.value > set.next()) step.ranges.push_back({p.partition, {set.next()}, to});
  }
  step.visit = each([this](const log::ScanSlice& slice) { return count_stored(slice, true); });
  return step;
}

/// `add_range`: the slice's offsets are not in the set yet; otherwise apply_stored put them there.
Status KvLedger::count_stored(const log::ScanSlice& slice, bool add_range) {
  const std::lock_guard lock(mutex_);
  OffsetSet& set = positions_.stored[slice.partition.value];
  for (size_t i = 0; i < slice.records.size(); i++) {
    const int64_t at = slice.base.value + static_cast<int64_t>(i);
    if (add_range && set.contains(at)) continue;
    PENSTOCK_TRY(const event::ProcessedRecord record, event::decode_processed(slice.records[i]));
    if (add_range) set.add(at, at + 1);
    const auto* outcome = std::get_if<event::Outcome>(&record);
    if (outcome == nullptr || outcome->kind != event::OutcomeKind::kAccepted) continue;
    pending_[{outcome->received_for, minute_of(outcome->received_ms), outcome->source.lane}]
        .stored++;
    totals_[outcome->received_for].stored++;
  }
  return {};
}

/// The mutex is held. The gap stays a gap in the set until its records were counted; what was
/// counted before a failure is passed over when it is tried again.
void KvLedger::catch_up_stored(Partition partition, Offset from, Offset to, int64_t again_ms) {
  if (log_ == nullptr || home_ == nullptr) return;
  const std::weak_ptr<int> alive = alive_;
  log::scan(
      *log_, *home_, std::string(event::kTopicProcessed), {{partition, from, to}},
      [this, alive](const log::ScanSlice& slice) -> Status {
        if (alive.expired()) return fail(Code::kCancelled, "the ledger is gone");
        return count_stored(slice, true);
      },
      [this, alive, partition, from, to, again_ms](const Status& status) {
        if (status || status.error().code == Code::kCancelled || alive.expired()) return;
        const Code code = status.error().code;
        const bool lasts = code == Code::kCorrupt || code == Code::kNotFound || code == Code::kBug;
        diag::warn(lasts ? "stored events cannot be counted"
                         : "stored events were not counted; it is tried again",
                   {{"error", status.error().message}});
        if (lasts) return;
        probe<"ledger.stored_is_counted_at_another_try">();
        home_->after(std::chrono::milliseconds(again_ms),
                     [this, alive, partition, from, to, again_ms] {
                       if (alive.expired()) return;
                       const std::lock_guard lock(mutex_);
                       catch_up_stored(partition, from, to, std::min(2 * again_ms, kAgainMsMax));
                     });
      });
}

KvLedger::Step KvLedger::refused_step(log::Log& log) {
  Step step{std::string(event::kTopicRefused), {}, nullptr};
  for (const log::PartitionBounds& b : bounds_of(log, event::kTopicRefused)) {
    OffsetSet& set = set_of(positions_.refused, b.partition.value, b.start);
    step.ranges.push_back({b.partition, {std::max(set.next(), b.start.value)}, b.end});
  }
  step.visit = each([this](const log::ScanSlice& slice) -> Status {
    const std::lock_guard lock(mutex_);
    Staged staged = stage();
    Status s = stage_refused(staged, slice.partition, slice.base, slice.records);
    return s ? write(std::move(staged)) : s;
  });
  return step;
}

void KvLedger::recover(log::Log& log, runtime::Loop& home, Done done) {
  auto shared_done = std::make_shared<Done>(std::move(done));
  auto steps = std::make_shared<std::vector<Step>>();
  Status status;
  {
    const std::lock_guard lock(mutex_);
    log_ = &log;
    home_ = &home;
    if (!loaded_) status = load();
    if (status && !recovered_) status = note_lost(log);
    if (status) {
      // Later, what others received is counted with its outcome: nobody reads the lanes twice.
      for (event::Lane lane : event::kLanes) {
        if (!recovered_) steps->push_back(received_step(log, lane));
      }
      const bool others = options_.decided_elsewhere || options_.stored_elsewhere;
      if (!recovered_ || options_.decided_elsewhere) steps->push_back(processed_step(log));
      if (!recovered_ || others) steps->push_back(stored_step(log));
      steps->push_back(refused_step(log));
    }
  }
  if (!status) {
    home.post([shared_done, status = std::move(status)]() mutable { (*shared_done)(status); });
    return;
  }
  run_steps(std::move(steps), 0, std::move(shared_done));
}

void KvLedger::run_steps(std::shared_ptr<std::vector<Step>> steps, size_t at,
                         std::shared_ptr<Done> done) {
  if (at == steps->size()) {
    {
      const std::lock_guard lock(mutex_);
      recovered_ = true;
    }
    home_->post([done] { (*done)({}); });
    return;
  }
  Step& step = (*steps)[at];
  log::scan_together(*log_, *home_, step.topic, std::move(step.ranges), std::move(step.visit),
                     [this, steps, at, done](Status status) {
                       if (!status) return (*done)(fail(status.error(), "ledger recovery"));
                       run_steps(steps, at + 1, done);
                     });
}

}  // namespace penstock::ledger
