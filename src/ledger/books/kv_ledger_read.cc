// The ledger's answers: rows, totals, balance, traces, quarantine listings; see KvLedger.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ledger/books/kv_ledger.h"

namespace penstock::ledger {
namespace {

/// A listing of quarantine ends after this much; the caller asks on from its last id.
constexpr size_t kListedBytesMax = 16U << 20;

size_t partitions_of(const log::Log& log, std::string_view topic) {
  const auto bounds = log.bounds(std::string(topic));
  return bounds ? static_cast<size_t>(log::places_of(*bounds)) : 0;
}

std::set<int32_t> seen_of(const log::Log& log, std::string_view topic) {
  std::set<int32_t> out;
  if (const auto bounds = log.bounds(std::string(topic))) {
    for (const log::PartitionBounds& b : *bounds) out.insert(b.partition.value);
  }
  return out;
}

}  // namespace

Result<std::vector<std::optional<AcceptedBefore>>> KvLedger::accepted(
    const std::vector<EventIdentity>& identities) const {
  std::vector<std::string> keys;
  keys.reserve(identities.size());
  for (const EventIdentity& id : identities) keys.push_back(accepted_key(id.uuid, id.project));
  PENSTOCK_TRY(const auto found, kv_->get_many(keys));
  std::vector<std::optional<AcceptedBefore>> out(found.size());
  for (size_t i = 0; i < found.size(); i++) {
    if (!found[i]) continue;
    if (!decode_accepted_hash(*found[i], out[i].emplace().content_hash)) {
      return fail(Code::kCorrupt, "an accepted event of the index cannot be read");
    }
  }
  return out;
}

bool KvLedger::quarantine_has_room(std::string_view token, size_t bytes) const {
  const std::lock_guard lock(mutex_);
  if (usage_total_.bytes + bytes > options_.quarantine_bytes_max) return false;
  const auto it = usage_.find(token);
  const uint64_t used = it == usage_.end() ? 0 : it->second.bytes;
  return used + bytes <= options_.quarantine_bytes_per_token_max;
}

QuarantineUsage KvLedger::quarantine_usage() const {
  const std::lock_guard lock(mutex_);
  return usage_total_;
}

Result<std::vector<LedgerRow>> KvLedger::rows(ProjectId project, int64_t from_minute,
                                              int64_t to_minute, size_t rows_max) const {
  const std::lock_guard lock(mutex_);
  // Newest first, as the keys are; what is not written yet may add keys the store has not.
  std::map<std::string, LedgerCounts> merged;
  if (to_minute <= from_minute) return std::vector<LedgerRow>{};
  bool bad = false;
  Status s = kv_->scan(counts_scan_from(project, to_minute - 1),
                       counts_scan_from(project, from_minute - 1),
                       [&](std::string_view key, std::string_view value) {
                         bad = bad || !decode_counts(value, merged[std::string(key)]);
                         return merged.size() < rows_max && !bad;
                       });
  if (!s) return std::unexpected(std::move(s).error());
  if (bad) return fail(Code::kCorrupt, "the ledger's counts of a minute cannot be read");
  for (const auto& [key, delta] : pending_) {
    if (key.project != project || key.minute < from_minute || key.minute >= to_minute) continue;
    const std::string bytes = counts_key(key);
    if (!merged.contains(bytes) && merged.size() >= rows_max && bytes > merged.rbegin()->first) {
      continue;
    }
    merged[bytes].add(delta);
  }
  std::vector<LedgerRow> out;
  for (auto& [key, counts] : merged) {
    if (out.size() == rows_max) break;
    out.push_back({parse_counts_key(key), std::move(counts)});
  }
  return out;
}

Result<LedgerCounts> KvLedger::totals(std::optional<ProjectId> project) const {
  const std::lock_guard lock(mutex_);
  LedgerCounts out;
  for (const auto& [id, counts] : totals_) {
    if (!project || *project == id) out.add(counts);
  }
  return out;
}

LedgerBalance KvLedger::balance(const log::Log& log) const {
  LedgerBalance out;
  Positions positions;
  LedgerCounts all;
  std::vector<std::string> wrong;
  {
    const std::lock_guard lock(mutex_);
    positions = positions_;
    for (const auto& [key, text] : lost_) wrong.push_back(text);
    for (const auto& [id, counts] : totals_) all.add(counts);
  }
  out.received = all.received;
  out.decided = all.decided();
  out.accepted = all.accepted;
  out.stored = all.stored;
  for (const auto& [at, set] : positions.received) out.received_by_offsets += set.size();
  const size_t outcomes = partitions_of(log, event::kTopicProcessed);
  const auto lane_partitions = [&log](event::Lane lane) {
    return std::max<size_t>(partitions_of(log, event::lane_topic(lane)), 1);
  };
  const std::set<int32_t> seen = seen_of(log, event::kTopicProcessed);
  for (const auto& [at, set] : positions.decided) {
    out.decided_by_offsets += set.size();
    // Of what is not looked at here the log says nothing.
    if (options_.lanes_apart && !seen.contains(at.second)) continue;
    int64_t last = -1;  // of all slices of the projects
    // The outcomes of a lane's partition lie in one partition, or in one for each slice.
    const size_t step = options_.lanes_apart ? outcomes : lane_partitions(at.first);
    for (size_t p = static_cast<size_t>(at.second); p < outcomes; p += step) {
      last = std::max(
          last, log.last_sequence(std::string(event::kTopicProcessed), {static_cast<int32_t>(p)},
                                  event::ingest_producer(at.first)));
    }
    if (set.next() > std::max<int64_t>(last, set.base())) {
      wrong.push_back(fmt::format("{} partition {}: outcomes are counted that the log lacks",
                                  event::lane_name(at.first), at.second));
    }
  }
  for (event::Lane lane : event::kLanes) {
    const auto bounds = log.bounds(std::string(event::lane_topic(lane)));
    if (!bounds) continue;
    for (const log::PartitionBounds& b : *bounds) {
      const auto it = positions.received.find({lane, b.partition.value});
      const int64_t next = it == positions.received.end() ? 0 : it->second.next();
      if (next > b.end.value) {
        wrong.push_back(fmt::format("{} partition {}: events are counted that the log lacks",
                                    event::lane_name(lane), b.partition.value));
      } else {
        out.uncounted += static_cast<uint64_t>(b.end.value - next);
      }
    }
  }
  const auto differ = [&](std::string_view what, uint64_t counted, uint64_t by_offsets) {
    if (counted == by_offsets) return;
    wrong.push_back(fmt::format("{}: {} counted, {} by offsets", what, counted, by_offsets));
  };
  differ("received", out.received, out.received_by_offsets);
  differ("decided", out.decided, out.decided_by_offsets);
  if (out.decided > out.received) wrong.push_back("more was decided than received");
  if (out.stored > out.accepted) wrong.push_back("more was stored than accepted");
  out.detail = fmt::format("{}", fmt::join(wrong, "; "));
  out.balanced = wrong.empty();
  return out;
}

TraceEntry KvLedger::trace_accepted(const AcceptedEntry& e) const {
  TraceEntry t;
  const auto it = positions_.stored.find(e.processed_in.value);
  const bool stored = it != positions_.stored.end() && it->second.contains(e.processed.value);
  t.state = stored ? "stored" : "in_flight";
  if (!stored) t.stage = "store";
  t.project = e.project;
  t.received_ms = e.received_ms;
  t.source = e.source;
  t.event = e.event;
  t.distinct_id = e.distinct_id;
  t.duplicates = e.duplicates;
  t.last_duplicate_ms = e.last_duplicate_ms;
  t.processed = e.processed;
  t.processed_in = e.processed_in;
  return t;
}

TraceEntry KvLedger::trace_other(const OtherEntry& e) {
  TraceEntry t;
  t.state = e.state;
  t.project = e.project;
  t.received_ms = e.received_ms;
  t.source = e.source;
  t.event = e.event;
  t.distinct_id = e.distinct_id;
  t.reason = e.reason;
  t.stage = e.stage;
  t.status = e.status;
  t.processed = e.processed;
  t.processed_in = e.processed_in;
  t.by = e.by;
  t.changed_ms = e.changed_ms;
  t.request = e.request;
  if (e.state == "quarantined" && !e.quarantine_id.empty()) {
    t.quarantine_id = QuarantineId::from_bytes(e.quarantine_id).text();
  }
  return t;
}

bool KvLedger::stored(Partition partition, Offset processed) const {
  const std::lock_guard lock(mutex_);
  const auto it = positions_.stored.find(partition.value);
  return it != positions_.stored.end() && it->second.contains(processed.value);
}

Result<std::vector<TraceEntry>> KvLedger::trace(const Uuid& uuid) const {
  const std::lock_guard lock(mutex_);
  constexpr size_t kEntriesMax = 1000;
  std::vector<TraceEntry> out;
  const std::string accepted = accepted_prefix(uuid);
  Status s =
      kv_->scan(accepted, kv::prefix_end(accepted), [&](std::string_view, std::string_view value) {
        AcceptedEntry e;
        if (decode_accepted(value, e)) out.push_back(trace_accepted(e));
        return out.size() < kEntriesMax;
      });
  if (!s) return std::unexpected(std::move(s).error());
  const std::string other = other_prefix(uuid);
  s = kv_->scan(other, kv::prefix_end(other), [&](std::string_view, std::string_view value) {
    OtherEntry e;
    if (!decode_other(value, e)) return true;
    out.push_back(trace_other(e));
    return out.size() < kEntriesMax;
  });
  if (!s) return std::unexpected(std::move(s).error());
  for (TraceEntry& e : out) e.uuid = uuid;
  std::stable_sort(out.begin(), out.end(), [](const TraceEntry& a, const TraceEntry& b) {
    if (a.received_ms != b.received_ms) return a.received_ms < b.received_ms;
    return a.state == "redriven" && b.state != "redriven";  // that was before it came again
  });
  return out;
}

Result<std::vector<QuarantineEntry>> KvLedger::quarantined(std::string_view token,
                                                           std::string_view after_id,
                                                           size_t entries_max) const {
  std::string after;
  if (!after_id.empty()) {
    const auto id = QuarantineId::parse(after_id);
    if (!id) return fail(Code::kInvalid, "this is not the id of a quarantined event");
    after = id->bytes();
  }
  const std::string prefix =
      token.empty() ? std::string(1, kQuarantineData) : quarantine_token_prefix(token);
  // The first key after `after` itself.
  const std::string from = after.empty() ? prefix : prefix + after + '\0';
  std::vector<std::string> keys;
  Status s = kv_->scan(from, kv::prefix_end(prefix), [&](std::string_view key, std::string_view) {
    if (keys.size() == entries_max) return false;
    keys.push_back(quarantine_key(key.substr(prefix.size())));
    return true;
  });
  if (!s) return std::unexpected(std::move(s).error());
  std::vector<QuarantineEntry> out;
  size_t bytes_listed = 0;
  for (const std::string& key : keys) {
    PENSTOCK_TRY(const std::optional<std::string> value, kv_->get(key));
    QuarantineData data;
    if (!value) continue;  // taken meanwhile
    if (!decode_quarantine(*value, data)) {
      return fail(Code::kCorrupt, "a quarantined event cannot be read");
    }
    bytes_listed += value->size();
    out.push_back(listed(std::string_view(key).substr(1), std::move(data)));
    if (bytes_listed >= kListedBytesMax) break;
  }
  return out;
}

}  // namespace penstock::ledger
