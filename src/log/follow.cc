#include "log/follow.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace penstock::log {
namespace {

constexpr size_t kLittleBytes = 256U << 10;

/// Where the fetch ends, and what of it the owner has not seen; counts all bytes that came.
Followed unseen(const FetchResult& got, Positions& next, size_t& bytes) {
  Followed out;
  for (const ReadBatch& batch : got.batches) {
    int64_t& from = next[batch.partition.value];
    ScanSlice slice{batch.partition, {}, {}};
    for (size_t i = 0; i < batch.records.size(); i++) {
      const int64_t at = batch.base.value + static_cast<int64_t>(i);
      bytes += batch.records[i].size();
      if (at < from) continue;
      if (slice.records.empty()) slice.base = {at};
      slice.records.push_back(batch.records[i]);
      from = at + 1;
    }
    if (!slice.records.empty()) out.push_back(std::move(slice));
  }
  // Where a repair skipped records, or a log has marks of its own, nothing comes for an offset.
  for (const Position& p : got.next) {
    int64_t& from = next[p.partition.value];
    from = std::max(from, p.next.value);
  }
  return out;
}

}  // namespace

Follower::Follower(runtime::Loop& loop, Log& log, FollowOptions options, FollowHooks hooks)
    : loop_(loop), log_(log), options_(std::move(options)), hooks_(std::move(hooks)) {}

Status Follower::start(const std::vector<Position>& known) {
  PENSTOCK_TRY(const auto bounds, log_.bounds(options_.topic));
  for (const PartitionBounds& b : bounds) next_[b.partition.value] = b.start.value;
  for (const Position& p : known) {
    const auto of = next_.find(p.partition.value);
    if (of != next_.end()) of->second = p.next.value;
  }
  skip_lost(bounds);
  set_next(next_);
  fetch();
  return {};
}

void Follower::stop() { *alive_ = false; }

uint64_t Follower::lag_records() const {
  const auto bounds = log_.bounds(options_.topic);
  if (!bounds) return 0;
  uint64_t lag = 0;
  const std::lock_guard lock(mutex_);
  for (const PartitionBounds& b : *bounds) {
    const auto seen = seen_.find(b.partition.value);
    if (seen == seen_.end() || b.end.value <= seen->second) continue;
    lag += static_cast<uint64_t>(b.end.value - seen->second);
  }
  return lag;
}

void Follower::fetch() {
  if (!hooks_.wanted()) return pass_over();
  FetchRequest request{options_.topic, {}, options_.fetch_bytes_max, options_.wait_ms};
  for (const auto& [partition, next] : next_) request.positions.push_back({{partition}, {next}});
  log_.fetch(loop_, std::move(request), [this, alive = alive_](Result<FetchResult> got) {
    if (*alive) fetched(std::move(got));
  });
}

void Follower::pass_over() {
  Positions ends = next_;
  if (const auto bounds = log_.bounds(options_.topic)) {
    for (const PartitionBounds& b : *bounds) ends[b.partition.value] = b.end.value;
  }
  set_next(std::move(ends));
  hooks_.moved();
  after(std::max<int64_t>(options_.pause_ms, 1));
}

void Follower::fetched(Result<FetchResult> got) {
  if (!got) {
    const bool lost = got.error().code == Code::kNotFound;
    const auto bounds = lost ? log_.bounds(options_.topic) : fail(Code::kBusy, "");
    if (bounds) skip_lost(*bounds);
    return again(got.error());
  }
  Positions next = next_;
  size_t bytes = 0;
  auto kept = std::make_shared<std::pair<FetchResult, Followed>>(std::move(*got), Followed{});
  kept->second = unseen(kept->first, next, bytes);
  hooks_.take(kept->second,
              [this, alive = alive_, kept, next = std::move(next), bytes](const Status& status) {
                if (*alive) taken(status, next, bytes);
              });
}

void Follower::taken(const Status& status, const Positions& next, size_t bytes) {
  if (!status) return again(status.error());
  retry_ms_ = 0;
  set_next(next);
  const std::shared_ptr<bool> alive = alive_;
  hooks_.moved();
  if (!*alive) return;
  if (bytes >= kLittleBytes || options_.pause_ms == 0) return fetch();
  after(options_.pause_ms);
}

void Follower::skip_lost(const std::vector<PartitionBounds>& bounds) {
  for (const PartitionBounds& b : bounds) {
    int64_t& next = next_[b.partition.value];
    if (next >= b.start.value) continue;
    hooks_.lost(b.partition, {next}, b.start);
    next = b.start.value;
  }
}

void Follower::again(const Error& error) {
  const std::shared_ptr<bool> alive = alive_;
  hooks_.failed(error);
  if (!*alive) return;
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  after(retry_ms_);
}

void Follower::after(int64_t ms) {
  loop_.after(std::chrono::milliseconds(ms), [this, alive = alive_] {
    if (*alive) fetch();
  });
}

void Follower::set_next(Positions next) {
  next_ = std::move(next);
  const std::lock_guard lock(mutex_);
  seen_ = next_;
}

}  // namespace penstock::log
