// Reading a topic: from the newest blocks in memory, else from the segments in a pool job.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/diag.h"
#include "log/embedded/metrics.h"
#include "log/embedded/topic.h"
#include "log/record_codec.h"

namespace penstock::log {

LogMetrics& metrics() {
  static LogMetrics instance;
  return instance;
}

struct Topic::ReadJob {
  struct Piece {
    std::shared_ptr<Segment> segment;
    std::shared_ptr<runtime::File> file;
    uint64_t at = 0, number = 0, to = 0, number_limit = 0;
  };
  FetchRequest request;
  std::vector<Piece> pieces;
  std::vector<int64_t> wanted;  // next offset per partition; INT64_MAX: not asked for
  FetchResult result;
  Status status;

  void run(runtime::FileSystem& files);
  bool take(WalkedBlock&& block, size_t& bytes);
};

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

void Topic::fetch(PendingFetch fetch) {
  if (stopped_) return answer(fetch, fail(Code::kCancelled, "the log has stopped"));
  const std::vector<int64_t>& start = segments_.empty() ? end_ : segments_.front()->header.base;
  for (const Position& p : fetch.request.positions) {
    if (p.partition.value < 0 || p.partition.value >= spec_.partitions) {
      return answer(fetch, fail(Code::kInvalid, "there is no such partition"));
    }
    const auto i = static_cast<size_t>(p.partition.value);
    if (p.next.value < start[i]) {
      return answer(fetch, fail(Code::kNotFound, fmt::format(
          "{} partition {}: offset {} is gone, the oldest is {}", spec_.name, i, p.next.value,
          start[i])));
    }
  }
  if (has_data(fetch.request)) {
    if (in_cache(fetch.request)) return answer(fetch, read_cache(fetch.request));
    return read_disk(std::move(fetch));
  }
  if (fetch.request.wait_ms <= 0 || waiters_.size() >= options_.waiters_max) {
    FetchResult nothing;
    nothing.next = fetch.request.positions;
    return answer(fetch, std::move(nothing));
  }
  fetch.id = next_waiter_++;
  fetch.timer = loop_.after(std::chrono::milliseconds(fetch.request.wait_ms),
                            [this, self = shared_from_this(), id = fetch.id] {
    const auto it = std::find_if(waiters_.begin(), waiters_.end(),
                                 [id](const PendingFetch& w) { return w.id == id; });
    if (it == waiters_.end()) return;
    FetchResult nothing;
    nothing.next = it->request.positions;
    answer(*it, std::move(nothing));
    waiters_.erase(it);
  });
  waiters_.push_back(std::move(fetch));
}

void Topic::answer_waiters() {
  std::vector<PendingFetch> ready;
  for (size_t i = 0; i < waiters_.size();) {
    if (has_data(waiters_[i].request)) {
      ready.push_back(std::move(waiters_[i]));
      waiters_.erase(waiters_.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      i++;
    }
  }
  for (PendingFetch& w : ready) {
    loop_.cancel(w.timer);
    fetch(std::move(w));
  }
}

Result<FetchResult> Topic::read_cache(const FetchRequest& request) const {
  FetchResult out;
  std::vector<int64_t> next(end_.size(), INT64_MAX);
  for (const Position& p : request.positions) {
    next[static_cast<size_t>(p.partition.value)] = p.next.value;
  }
  // Blocks all of whose asked partitions end at or below the asked offsets come first.
  auto block = std::partition_point(cache_.begin(), cache_.end(), [&](const CachedBlock& b) {
    for (size_t i = 0; i < next.size(); i++) {
      if (next[i] != INT64_MAX && b.end[i] > next[i]) return false;
    }
    return true;
  });
  size_t bytes = 0;
  for (; block != cache_.end() && bytes < request.bytes_max; ++block) {
    for (const ReadBatch& batch : block->batches) {
      int64_t& wanted = next[static_cast<size_t>(batch.partition.value)];
      const int64_t end = batch.base.value + static_cast<int64_t>(batch.records.size());
      if (wanted == INT64_MAX || end <= wanted) continue;
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
  job->request = request;
  job->wanted.assign(end_.size(), INT64_MAX);
  size_t first = segments_.size() - 1;
  uint64_t at = UINT64_MAX, number = 0;
  for (const Position& p : request.positions) {
    const auto i = static_cast<size_t>(p.partition.value);
    job->wanted[i] = p.next.value;
    if (p.next.value >= end_[i]) continue;
    size_t s = segments_.size() - 1;
    while (s > 0 && segments_[s]->header.base[i] > p.next.value) s--;
    const Segment& segment = *segments_[s];
    uint64_t from = kSegmentHeaderBytes, block = segment.header.first_block;
    for (const Segment::IndexEntry& e : segment.index) {
      if (e.base[i] > p.next.value) break;
      from = e.at;
      block = e.number;
    }
    if (at == UINT64_MAX || s < first || (s == first && from < at)) {
      first = s;
      at = from;
      number = block;
    }
  }
  for (size_t s = first; s < segments_.size(); s++) {
    const std::shared_ptr<Segment>& segment = segments_[s];
    const bool last = s + 1 == segments_.size();
    ReadJob::Piece piece{segment, segment->reader, kSegmentHeaderBytes,
                         segment->header.first_block, last ? segment->used : segment->bytes,
                         last ? UINT64_MAX : segments_[s + 1]->header.valid_before};
    if (s == first) {
      piece.at = at;
      piece.number = number;
    }
    segment->readers++;
    job->pieces.push_back(std::move(piece));
  }
  return job;
}

bool Topic::ReadJob::take(WalkedBlock&& block, size_t& bytes) {
  for (const SubBatch& s : block.subs) {
    int64_t& next = wanted[static_cast<size_t>(s.partition.value)];
    if (next == INT64_MAX || s.base.value + s.count <= next) continue;
    ReadBatch batch{s.partition, s.base, s.producer, s.sequence, {}, block.bytes};
    if (!split_records(s.data, s.count, batch.records)) return false;
    next = s.base.value + s.count;
    bytes += s.data.size();
    result.batches.push_back(std::move(batch));
  }
  return true;
}

void Topic::ReadJob::run(runtime::FileSystem& files) {
  size_t bytes = 0;
  for (Piece& piece : pieces) {
    if (!piece.file) {
      auto opened = files.open(piece.segment->path, {});
      if (!opened) {
        status = fail(opened.error(), "read the log");
        return;
      }
      piece.file = std::move(*opened);
    }
    bool malformed = false;
    const WalkResult walked = walk_blocks(
        *piece.file, piece.segment->header.epoch, piece.at, piece.number, piece.to,
        [&](WalkedBlock&& block) {
          if (block.header.number >= piece.number_limit) return false;
          malformed = !take(std::move(block), bytes);
          return !malformed && bytes < request.bytes_max;
        });
    if (bytes >= request.bytes_max) return;
    const bool ended = walked.end == WalkEnd::kReachedEnd || walked.end == WalkEnd::kStopped ||
                       walked.next_number >= piece.number_limit;
    if (ended && !malformed) continue;
    // What was read before the damage is good; the next fetch meets the damage first.
    if (!result.batches.empty()) return;
    if (walked.end == WalkEnd::kIoError) {
      status = fail(walked.error, "read the log");
    } else {
      status = fail(Code::kCorrupt, fmt::format(
          "{} is damaged at byte {}; stop and run: penstock log repair",
          piece.segment->path, walked.at));
    }
    return;
  }
}

void Topic::read_disk(PendingFetch fetch) {
  metrics().disk_reads.add();
  auto job = plan_read(fetch.request);
  auto shared = std::make_shared<PendingFetch>(std::move(fetch));
  const auto release = [job] {
    for (const ReadJob::Piece& p : job->pieces) p.segment->readers--;
  };
  const Status submitted = runtime_.pool().submit(
      [this, self = shared_from_this(), job] { job->run(runtime_.files()); }, loop_,
      [self = shared_from_this(), job, shared, release] {
        release();
        if (!job->status) return answer(*shared, fail(job->status.error().code, job->status.error().message));
        for (const Position& p : job->request.positions) {
          job->result.next.push_back(
              {p.partition, Offset{job->wanted[static_cast<size_t>(p.partition.value)]}});
        }
        answer(*shared, std::move(job->result));
      });
  if (submitted) return;
  release();
  answer(*shared, fail(submitted.error().code, submitted.error().message));
}

}  // namespace penstock::log
