// What finds events again: ranges of outcomes by minute, requests, refusals; see KvLedger.
#include <algorithm>

#include "base/diag.h"
#include "event/request_id.h"
#include "ledger/books/kv_ledger.h"

namespace penstock::ledger {
namespace {

/// A range is closed when it has so many outcomes or is so long: what is read to show one event of
/// it stays small.
constexpr uint64_t kRangeEventsMax = 512;
constexpr int64_t kRangeRecordsMax = 8192;
/// Ranges that can still grow; the others are written and forgotten.
constexpr size_t kOpenRangesMax = 256;
/// Taken away at once, when the log has deleted what they point to.
constexpr size_t kPrunedMax = 50'000;

bool is_at(const DecidedRange& r, const LedgerKey& key, Partition partition) {
  return r.minute == key.minute && r.lane == key.lane && r.partition == partition;
}

uint64_t events_of(const DecidedRange& range) {
  uint64_t n = 0;
  for (const DecidedCount& c : range.counts) n += c.count;
  return n;
}

bool may_grow(const DecidedRange& range, Offset at) {
  return at >= range.to && at.value - range.from.value < kRangeRecordsMax &&
         events_of(range) < kRangeEventsMax;
}

Uuid request_of(const event::RefusedRecord& refused) {
  if (refused.request == 0) return {};
  return event::RequestId{refused.now_ms, refused.request}.uuid();
}

/// The keys a refusal is found by; older versions wrote the only one as it is.
std::vector<std::string_view> ring_keys(std::string_view value) {
  if (value.starts_with(kOtherPrefix)) return {value};
  std::vector<std::string_view> out;
  ByteReader r(value);
  while (r.ok() && !r.at_end()) out.push_back(r.bytes());
  if (!r.ok()) out.clear();
  return out;
}

}  // namespace

void KvLedger::add_to_range(Staged& staged, const LedgerKey& key, Partition partition, Offset at,
                            const event::Outcome& outcome) {
  DecidedRange* range = nullptr;
  for (auto it = staged.ranges.rbegin(); it != staged.ranges.rend(); ++it) {
    if (!is_at(*it, key, partition)) continue;
    if (may_grow(*it, at)) range = &*it;
    break;
  }
  if (range == nullptr) {
    const auto open = std::ranges::find_if(
        open_ranges_, [&](const DecidedRange& r) { return is_at(r, key, partition); });
    // One that this change has filled up is no longer the newest of its place.
    const bool newest = std::ranges::none_of(
        staged.ranges, [&](const DecidedRange& r) { return is_at(r, key, partition); });
    if (newest && open != open_ranges_.end() && may_grow(*open, at)) {
      range = &staged.ranges.emplace_back(*open);
    } else {
      range = &staged.ranges.emplace_back();
      range->minute = key.minute;
      range->lane = key.lane;
      range->partition = partition;
      range->from = at;
      range->first_ms = range->last_ms = outcome.received_ms;
    }
  }
  range->to = {at.value + 1};
  range->first_ms = std::min(range->first_ms, outcome.received_ms);
  range->last_ms = std::max(range->last_ms, outcome.received_ms);
  const bool has_reason = outcome.kind == event::OutcomeKind::kDropped ||
                          outcome.kind == event::OutcomeKind::kQuarantined;
  const std::string_view reason = has_reason ? outcome.reason : std::string_view();
  for (DecidedCount& c : range->counts) {
    if (c.kind != outcome.kind || c.project != key.project || c.reason != reason) continue;
    c.count++;
    return;
  }
  range->counts.push_back({key.project, outcome.kind, std::string(reason), 1});
}

/// The mutex is held: these were written.
void KvLedger::keep_open(std::vector<DecidedRange> ranges) {
  for (DecidedRange& range : ranges) {
    std::erase_if(open_ranges_, [&](const DecidedRange& r) {
      return r.minute == range.minute && r.lane == range.lane && r.partition == range.partition;
    });
    open_ranges_.push_back(std::move(range));
    if (open_ranges_.size() > kOpenRangesMax) open_ranges_.pop_front();
  }
}

Status KvLedger::visit_decided(int64_t from_minute, int64_t to_minute,
                               const std::optional<DecidedPlace>& after,
                               const std::function<bool(const DecidedRange&)>& visit) const {
  if (to_minute <= from_minute) return {};
  std::string from = range_scan_from(to_minute - 1);
  if (after) from = std::max(from, range_scan_after(*after) + '\0');
  DecidedRange range;
  bool bad = false;
  PENSTOCK_CHECK(kv_->scan(from, range_scan_from(from_minute - 1),
                           [&](std::string_view key, std::string_view value) {
                             bad = !decode_range(key, value, range);
                             return !bad && visit(range);
                           }));
  if (bad) return fail(Code::kCorrupt, "the ledger's index of a minute cannot be read");
  return {};
}

/// Ranges that the log has deleted point to nothing.
Status KvLedger::prune(const log::Log& log) {
  const auto bounds = log.bounds(std::string(event::kTopicProcessed));
  if (!bounds) return {};
  std::map<int32_t, int64_t> starts;
  for (const log::PartitionBounds& b : *bounds) starts[b.partition.value] = b.start.value;
  kv::WriteBatch gone;
  DecidedRange range;
  const std::string all(1, kRangePrefix);
  PENSTOCK_CHECK(
      kv_->scan(all, kv::prefix_end(all), [&](std::string_view key, std::string_view value) {
        if (decode_range(key, value, range) && range.to.value <= starts[range.partition.value]) {
          gone.erase(key);
        }
        return gone.changes().size() < kPrunedMax;
      }));
  if (gone.empty()) return {};
  const std::lock_guard lock(mutex_);
  return kv_->write(gone);
}

Result<RequestHits> KvLedger::request(const Uuid& request) const {
  constexpr size_t kHitsMax = 1000;
  RequestHits out;
  const std::string prefix = request_prefix(request);
  PENSTOCK_CHECK(
      kv_->scan(prefix, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        OtherEntry e;
        if (value.empty()) {
          out.received_ms.push_back(request_place(key));
        } else if (decode_other(value, e)) {
          out.refused.push_back(trace_other(e));
        }
        return out.refused.size() + out.received_ms.size() < kHitsMax;
      }));
  return out;
}

Status KvLedger::apply_refused(const log::ReadBatch& batch) {
  const std::lock_guard lock(mutex_);
  Staged staged = stage();
  if (Status s = stage_refused(staged, batch.partition, batch.base, batch.records); !s) return s;
  return write(std::move(staged));
}

Status KvLedger::stage_refused(Staged& staged, Partition partition, Offset base,
                               const std::vector<std::string_view>& records) {
  OffsetSet& done = staged.positions.refused[partition.value];
  for (size_t i = 0; i < records.size(); i++) {
    const int64_t at = base.value + static_cast<int64_t>(i);
    if (done.contains(at)) continue;
    done.add(at, at + 1);
    PENSTOCK_TRY(const event::RefusedRecord refused, event::decode_refused(records[i]));
    if (refused.uuid.is_nil() && refused.request == 0) continue;
    const event::Source source{event::Lane::kMain, partition, {at}};
    const OtherEntry entry{.state = "refused",
                           .received_ms = refused.now_ms,
                           .source = source,
                           .status = refused.status,
                           .reason = std::string(refused.reason),
                           .stage = "capture",
                           .request = request_of(refused)};
    std::vector<std::string> keys;
    if (!refused.uuid.is_nil()) keys.push_back(other_key(refused.uuid, 'r', source));
    for (const Uuid& request : {entry.request, refused.client_request}) {
      if (!request.is_nil()) keys.push_back(request_key(request, 'r', at));
    }
    std::string ring;
    ByteWriter w(ring);
    for (const std::string& key : keys) {
      staged.batch.put(key, encode_other(entry));
      w.bytes(key);
    }
    staged.batch.put(refused_ring_key(at), ring);
    const int64_t old = at - static_cast<int64_t>(options_.refused_kept_max);
    if (old < 0) continue;
    PENSTOCK_TRY(const std::optional<std::string> old_keys, kv_->get(refused_ring_key(old)));
    if (!old_keys) continue;
    for (const std::string_view key : ring_keys(*old_keys)) staged.batch.erase(key);
    staged.batch.erase(refused_ring_key(old));
  }
  return {};
}

}  // namespace penstock::ledger
