#include "log/replay.h"

#include <algorithm>

#include "base/diag.h"

namespace penstock::log {
namespace {

/// Moves the positions into the partitions' bounds; answers what is left to read.
Result<std::vector<ScanRange>> settle(const std::vector<PartitionBounds>& bounds,
                                      const Replayed& store) {
  const std::lock_guard lock(store.mutex);
  const Positions before = store.applied;
  std::vector<ScanRange> out;
  bool taken_back = false;
  for (const PartitionBounds& b : bounds) {
    if (store.only && !store.only(b.partition)) continue;
    int64_t& next = store.applied.try_emplace(b.partition.value, b.start.value).first->second;
    const int64_t held = next;
    next = std::clamp(held, b.start.value, b.end.value);
    out.push_back({b.partition, {next}, b.end});
    if (next == held) continue;
    taken_back = taken_back || next < held;
    diag::warn(next < held ? "a store is ahead of the log and goes on at the log's end"
                           : "the log no longer reaches back to what a store has",
               {{"store", store.name},
                {"partition", b.partition.value},
                {"position", held},
                {"goes_on_at", next}});
  }
  if (!taken_back) return out;
  if (Status kept = store.keep(); !kept) {
    store.applied = before;
    return std::unexpected(std::move(kept).error());
  }
  return out;
}

}  // namespace

void replay(Log& log, runtime::Loop& home, std::string topic, Replayed store, ScanDone done) {
  const auto bounds = log.bounds(topic);
  auto ranges = bounds ? settle(*bounds, store)
                       : Result<std::vector<ScanRange>>(std::unexpected(bounds.error()));
  if (!ranges) {
    home.post([done = std::move(done), error = std::move(ranges).error()]() mutable {
      done(std::unexpected(std::move(error)));
    });
    return;
  }
  auto visit = [apply = std::move(store.apply)](const ScanSlice& slice) {
    const int64_t next = slice.base.value + static_cast<int64_t>(slice.records.size());
    return apply(slice.records, {{slice.partition, {next}}});
  };
  scan(log, home, std::move(topic), std::move(*ranges), std::move(visit), std::move(done));
}

}  // namespace penstock::log
