// Reading a topic: from the newest blocks in memory, else from the segments in a pool job.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/probe.h"
#include "log/embedded/metrics.h"
#include "log/embedded/read_job.h"
#include "log/embedded/topic.h"

namespace penstock::log {
namespace {

/// A read looks at this many segments that hold something it wants: one is enough to get on.
constexpr size_t kPiecesMax = 4;

}  // namespace

LogMetrics& metrics() {
  static LogMetrics instance;
  return instance;
}

namespace {
// Registered when the program starts, so that pages of metrics are whole from the first request.
[[maybe_unused]] const auto& registered = metrics();
}  // namespace

void Topic::answer(PendingFetch& fetch, Result<FetchResult> result) {
  fetch.home->post([done = std::move(fetch.done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}

bool Topic::has_data(const FetchRequest& request) const {
  return std::any_of(request.positions.begin(), request.positions.end(), [this](const Position& p) {
    return p.next.value < end_[static_cast<size_t>(p.partition.value)];
  });
}

bool Topic::in_cache(const FetchRequest& request) const {
  return std::all_of(request.positions.begin(), request.positions.end(), [this](const Position& p) {
    const auto i = static_cast<size_t>(p.partition.value);
    return p.next.value >= end_[i] || p.next.value >= cache_base_[i];
  });
}

Status Topic::check(const FetchRequest& request) const {
  if (stopped_) return fail(Code::kCancelled, "the log has stopped");
  const std::vector<int64_t>& start = segments_.empty() ? end_ : segments_.front()->header.base;
  for (const Position& p : request.positions) {
    if (p.partition.value < 0 || p.partition.value >= spec_.partitions) {
      return fail(Code::kInvalid, "there is no such partition");
    }
    const auto i = static_cast<size_t>(p.partition.value);
    if (p.next.value < start[i]) {
      return fail(Code::kNotFound,
                  fmt::format("{} partition {}: offset {} is gone, the oldest is {}", spec_.name, i,
                              p.next.value, start[i]));
    }
    if (p.next.value > end_[i]) {
      probe<"log.fetch_beyond_the_end">();
      return fail(Code::kInvalid, fmt::format("{} partition {}: offset {} lies beyond the end, {}",
                                              spec_.name, i, p.next.value, end_[i]));
    }
  }
  return {};
}

void Topic::fetch(PendingFetch fetch) {
  if (Status s = check(fetch.request); !s) return answer(fetch, std::unexpected(s.error()));
  read_ns_ = runtime_.clock().mono_ns();
  for (const Position& p : fetch.request.positions) {
    int64_t& up_to = read_up_to_[static_cast<size_t>(p.partition.value)];
    up_to = std::max(up_to, p.next.value);
  }
  if (has_data(fetch.request)) {
    if (in_cache(fetch.request)) return answer(fetch, read_cache(fetch.request));
    return read_disk(std::move(fetch));
  }
  if (fetch.request.wait_ms > 0 && waiters_.size() < options_.waiters_max) {
    return wait(std::move(fetch));
  }
  answer(fetch, FetchResult{{}, fetch.request.positions});
}

void Topic::wait(PendingFetch fetch) {
  fetch.id = next_waiter_++;
  fetch.timer = loop_.after(std::chrono::milliseconds(fetch.request.wait_ms),
                            [this, self = shared_from_this(), id = fetch.id] {
                              const auto it =
                                  std::find_if(waiters_.begin(), waiters_.end(),
                                               [id](const PendingFetch& w) { return w.id == id; });
                              if (it == waiters_.end()) return;
                              answer(*it, FetchResult{{}, it->request.positions});
                              waiters_.erase(it);
                            });
  waiters_.push_back(std::move(fetch));
}

void Topic::answer_waiters() {
  std::vector<PendingFetch> ready;
  std::vector<PendingFetch> still;
  for (PendingFetch& w : waiters_) {
    (has_data(w.request) ? ready : still).push_back(std::move(w));
  }
  waiters_ = std::move(still);
  for (PendingFetch& w : ready) {
    loop_.cancel(w.timer);
    fetch(std::move(w));
  }
}

FetchResult Topic::read_cache(const FetchRequest& request) const {
  FetchResult out;
  std::vector<int64_t> next(end_.size(), ReadJob::kNotAsked);
  for (const Position& p : request.positions) {
    next[static_cast<size_t>(p.partition.value)] = p.next.value;
  }
  // Blocks all of whose asked partitions end at or below the asked offsets come first.
  auto block = std::partition_point(cache_.begin(), cache_.end(), [&](const CachedBlock& b) {
    for (size_t i = 0; i < next.size(); i++) {
      if (next[i] != ReadJob::kNotAsked && b.end[i] > next[i]) return false;
    }
    return true;
  });
  size_t bytes = 0;
  for (; block != cache_.end() && bytes < request.bytes_max; ++block) {
    for (const ReadBatch& batch : block->batches) {
      int64_t& wanted = next[static_cast<size_t>(batch.partition.value)];
      const int64_t end = batch.base.value + static_cast<int64_t>(batch.records.size());
      if (wanted == ReadJob::kNotAsked || end <= wanted) continue;
      wanted = end;
      for (const auto r : batch.records) bytes += r.size();
      out.batches.push_back(batch);
    }
  }
  for (const Position& p : request.positions) {
    out.next.push_back({p.partition, Offset{next[static_cast<size_t>(p.partition.value)]}});
  }
  return out;
}

std::shared_ptr<Topic::ReadJob> Topic::plan_read(const FetchRequest& request) {
  auto job = std::make_shared<ReadJob>();
  job->topic = spec_.name;
  job->bytes_max = request.bytes_max;
  job->asked = request.positions;
  job->wanted.assign(end_.size(), ReadJob::kNotAsked);
  for (const Position& p : request.positions) {
    job->wanted[static_cast<size_t>(p.partition.value)] = p.next.value;
  }
  for (size_t s = 0; s < segments_.size() && job->pieces.size() < kPiecesMax; s++) {
    const std::shared_ptr<Segment>& segment = segments_[s];
    const bool newest = s + 1 == segments_.size();
    const std::vector<int64_t>& end = newest ? end_ : segments_[s + 1]->header.base;
    // The index entry up to which no asked partition has anything that is wanted.
    const auto nothing_below = [&](const std::vector<int64_t>& base) {
      for (size_t i = 0; i < base.size(); i++) {
        if (job->wanted[i] != ReadJob::kNotAsked && base[i] > job->wanted[i]) return false;
      }
      return true;
    };
    if (nothing_below(end)) continue;
    ReadJob::Piece piece;
    piece.segment = segment;
    piece.path = segment->path;
    piece.walk = {segment->header.epoch, end_.size(), kSegmentHeaderBytes,
                  segment->header.first_block, newest ? segment->used : segment->bytes};
    piece.number_limit = newest ? UINT64_MAX : segments_[s + 1]->header.valid_before;
    piece.base = segment->header.base;
    piece.end = end;
    for (const IndexEntry& e : segment->index) {
      if (!nothing_below(e.base)) break;
      piece.walk.at = e.at;
      piece.walk.number = e.number;
      piece.base = e.base;
    }
    segment->readers++;
    job->pieces.push_back(std::move(piece));
  }
  return job;
}

void Topic::has_read(ReadJob& job, PendingFetch& fetch) {
  for (ReadJob::Piece& piece : job.pieces) {
    Segment& segment = *piece.segment;
    segment.readers--;
    for (IndexEntry& e : piece.learnt) {
      const auto after =
          std::upper_bound(segment.index.begin(), segment.index.end(), e.at,
                           [](uint64_t at, const IndexEntry& other) { return at < other.at; });
      const uint64_t before_at = after == segment.index.begin() ? 0 : std::prev(after)->at;
      if (e.at >= before_at + index_every(end_.size())) segment.index.insert(after, std::move(e));
    }
  }
  if (!job.status) return answer(fetch, std::unexpected(job.status.error()));
  FetchResult result;
  result.batches = std::move(job.batches);
  for (const Position& p : job.asked) {
    result.next.push_back(
        {p.partition, Offset{job.wanted[static_cast<size_t>(p.partition.value)]}});
  }
  answer(fetch, std::move(result));
}

void Topic::read_disk(PendingFetch fetch) {
  metrics().disk_reads.add();
  probe<"log.fetch_from_disk">();
  auto job = plan_read(fetch.request);
  auto shared = std::make_shared<PendingFetch>(std::move(fetch));
  const Status submitted = runtime_.pool().submit(
      [this, self = shared_from_this(), job] { job->run(runtime_.files()); }, loop_,
      [this, self = shared_from_this(), job, shared] { has_read(*job, *shared); });
  if (submitted) return;
  probe<"log.read_not_started">();
  job->status = submitted;
  has_read(*job, *shared);
}

}  // namespace penstock::log
