#include "log/embedded/topic.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/assert.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "log/embedded/commit.h"
#include "log/embedded/metrics.h"
#include "log/record_codec.h"

namespace penstock::log {
namespace {

constexpr uint64_t kIndexEvery = 1U << 20;

uint64_t data_bytes(const std::vector<Batch>& batches) {
  uint64_t bytes = 0;
  for (const Batch& b : batches) bytes += b.data.size() + kSubBatchHeaderBytes;
  return bytes;
}

/// One post per loop, whatever the number of answers.
class Answers {
 public:
  void add(runtime::Loop* home, runtime::Task task) {
    for (auto& [loop, tasks] : by_loop_) {
      if (loop == home) return tasks.push_back(std::move(task));
    }
    by_loop_.emplace_back(home, std::vector<runtime::Task>());
    by_loop_.back().second.push_back(std::move(task));
  }
  void send() {
    for (auto& [loop, tasks] : by_loop_) {
      loop->post([tasks = std::move(tasks)]() mutable {
        for (runtime::Task& t : tasks) t();
      });
    }
  }

 private:
  std::vector<std::pair<runtime::Loop*, std::vector<runtime::Task>>> by_loop_;
};

}  // namespace

Topic::Topic(runtime::Runtime& runtime, runtime::Loop& loop, const EmbeddedLogOptions& options,
             TopicSpec spec)
    : runtime_(runtime), loop_(loop), options_(options), spec_(std::move(spec)),
      directory_(options.directory + "/" + spec_.name),
      end_(static_cast<size_t>(spec_.partitions), 0), cache_base_(end_) {}

void Topic::append(PendingAppend append) {
  append.bytes = data_bytes(append.batches);
  const auto refuse = [&append](Code code, std::string message) {
    append.home->post([done = std::move(append.done), code, message]() mutable {
      done(fail(code, std::move(message)));
    });
  };
  if (stopped_) return refuse(Code::kCancelled, "the log has stopped");
  for (const Batch& b : append.batches) {
    const bool known = b.partition.value >= 0 && b.partition.value < spec_.partitions;
    if (!known || b.count == 0) return refuse(Code::kInvalid, "a malformed batch");
  }
  if (append.bytes + kBlockHeaderBytes + kPage > options_.segment_bytes - kSegmentHeaderBytes) {
    return refuse(Code::kInvalid, "the append is larger than a segment");
  }
  if (pending_bytes_ + append.bytes > options_.pending_bytes_max) {
    metrics().busy.add();
    return refuse(Code::kBusy, "too much is waiting to be written");
  }
  pending_bytes_ += append.bytes;
  pending_.push_back(std::move(append));
  pump();
}

void Topic::refuse_pending(Code code, const std::string& message) {
  Answers answers;
  for (PendingAppend& a : pending_) {
    answers.add(a.home, [done = std::move(a.done), code, message]() mutable {
      done(fail(code, message));
    });
  }
  pending_.clear();
  pending_bytes_ = 0;
  answers.send();
}

void Topic::pump() {
  if (writing_ || pending_.empty() || stopped_) return;
  uint64_t bytes = kBlockHeaderBytes;
  for (const PendingAppend& a : pending_) {
    if (bytes > kBlockHeaderBytes && bytes + a.bytes > options_.block_bytes_max) break;
    bytes += a.bytes;
  }
  if (!make_room(bytes)) return;
  auto commit = gather();
  if (!commit->subs.empty()) return write(std::move(commit));
  // Everything was stored before: acknowledged without a write.
  committed(commit);
}

/// True when a block of `bytes` fits the current segment or a spare one is there.
bool Topic::make_room(uint64_t bytes) {
  const uint64_t padded = (bytes + kPage - 1) / kPage * kPage;
  const bool fits = !segments_.empty() && !leave_segment_ &&
                    segments_.back()->used + padded <= segments_.back()->bytes;
  if (fits || !spares_.empty()) return true;
  if (!preparing_) prepare(false);
  return false;
}

void Topic::prepare(bool written) {
  preparing_ = true;
  const std::string path = path_of(fmt::format("spare-{}", next_spare_++));
  auto status = std::make_shared<Status>();
  const Status submitted = runtime_.pool().submit(
      [this, self = shared_from_this(), path, written, status] {
        const auto free = runtime_.files().free_bytes(directory_);
        if (free && *free < options_.segment_bytes + options_.free_reserve_bytes) {
          *status = fail(Code::kExhausted, "the disk has less free space than the reserve");
          return;
        }
        *status = prepare_segment_file(runtime_.files(), path, options_.segment_bytes, written);
        if (!*status) {
          const Status removed = runtime_.files().remove(path);
          if (!removed) *status = fail(status->error(), removed.error().message);
        }
      },
      loop_, [this, self = shared_from_this(), path, status] { prepared(path, *status); });
  if (!submitted) prepared(path, submitted);
}

void Topic::prepared(const std::string& path, Status status) {
  preparing_ = false;
  const bool was_full = disk_full_;
  disk_full_ = !status && status.error().code == Code::kExhausted;
  if (disk_full_ != was_full) {
    publish();
    diag::warn(disk_full_ ? "disk is full, appends are refused" : "disk has room again",
               {{"topic", spec_.name}});
  }
  if (status) {
    spares_.push_back(path);
    return pump();
  }
  // Only those that wait for this room fail; a spare prepared ahead of need fails silently.
  if (!writing_ && !pending_.empty()) refuse_pending(status.error().code, status.error().message);
}

std::shared_ptr<Topic::Commit> Topic::gather() {
  auto commit = std::make_shared<Commit>();
  commit->end = end_;
  commit->sequences = sequences_;
  uint64_t bytes = kBlockHeaderBytes;
  while (!pending_.empty()) {
    PendingAppend& a = pending_.front();
    if (bytes > kBlockHeaderBytes && bytes + a.bytes > options_.block_bytes_max) break;
    bytes += a.bytes;
    pending_bytes_ -= a.bytes;
    std::vector<Appended> appended;
    for (const Batch& b : a.batches) {
      if (b.producer != 0) {
        const auto [last, fresh] =
            commit->sequences.try_emplace({b.partition.value, b.producer}, -1);
        if (b.sequence <= last->second) {
          appended.push_back({b.partition, Offset{}, true});
          continue;
        }
        last->second = b.sequence;
      }
      int64_t& end = commit->end[static_cast<size_t>(b.partition.value)];
      appended.push_back({b.partition, Offset{end}, false});
      commit->subs.push_back({b.partition, b.count, Offset{end}, b.producer, b.sequence, b.data});
      end += b.count;
      commit->records += b.count;
      commit->bytes += b.data.size();
    }
    commit->waiting.push_back({a.home, std::move(a.done), std::move(appended)});
    commit->data.push_back(std::move(a.batches));
    pending_.pop_front();
  }
  return commit;
}

void Topic::begin_segment(Commit& commit) {
  auto segment = std::make_shared<Segment>();
  segment->path = path_of(segment_name(next_number_));
  segment->bytes = options_.segment_bytes;
  segment->header.epoch = runtime_.random().next();
  segment->header.first_block = next_number_;
  segment->header.valid_before = leave_segment_ ? valid_before_ : next_number_;
  segment->header.created_ms = runtime_.clock().wall_ms();
  segment->header.base = end_;
  segment->header.sequences = sequences_;
  commit.spare = spares_.back();
  spares_.pop_back();
  if (!segments_.empty()) segments_.back()->sealed = true;
  segments_.push_back(std::move(segment));
  leave_segment_ = false;
}

void Topic::write(std::shared_ptr<Commit> commit) {
  const size_t bytes = block_bytes(commit->subs);
  commit->padded = (bytes + kPage - 1) / kPage * kPage;
  const bool fits = !segments_.empty() && !leave_segment_ &&
                    segments_.back()->used + commit->padded <= segments_.back()->bytes;
  if (!fits) begin_segment(*commit);
  commit->segment = segments_.back();
  commit->at = commit->segment->used;
  commit->header.epoch = commit->segment->header.epoch;
  commit->header.number = next_number_++;
  commit->header.time_ms = runtime_.clock().wall_ms();
  commit->buffer = buffer_;
  commit->started_ns = runtime_.clock().mono_ns();
  writing_ = true;
  const Status submitted = runtime_.pool().submit(
      [this, self = shared_from_this(), commit] {
        Segment& segment = *commit->segment;
        const auto run = [&]() -> Status {
          if (!commit->spare.empty()) {
            PENSTOCK_CHECK(runtime_.files().rename(commit->spare, segment.path));
          }
          if (!segment.writer) {
            PENSTOCK_TRY(segment.writer, runtime_.files().open(segment.path, {.direct = true}));
            PENSTOCK_TRY(segment.reader, runtime_.files().open(segment.path, {}));
          }
          if (!commit->spare.empty()) {
            AlignedBuffer head;
            const std::string text = encode_segment_header(segment.header);
            head.reserve(text.size());
            std::copy(text.begin(), text.end(), head.data());
            PENSTOCK_CHECK(segment.writer->pwrite({head.data(), text.size()}, 0));
            PENSTOCK_CHECK(runtime_.files().sync_directory(directory_));
          }
          build_block(*commit->buffer, commit->header, commit->subs);
          PENSTOCK_CHECK(segment.writer->pwrite({commit->buffer->data(), commit->padded}, commit->at));
          return segment.writer->sync();
        };
        commit->status = run();
      },
      loop_, [this, self = shared_from_this(), commit] {
        writing_ = false;
        commit->status ? committed(commit) : failed(commit);
        pump();
      });
  if (submitted) return;
  // The job never ran: nothing was written, so nothing needs to be voided but the number.
  writing_ = false;
  commit->status = submitted;
  failed(commit);
}

void Topic::committed(const std::shared_ptr<Commit>& commit) {
  if (!commit->subs.empty()) {
    Segment& segment = *commit->segment;
    if (segment.index.empty() || commit->at >= segment.index.back().at + kIndexEvery) {
      segment.index.push_back({commit->at, commit->header.number, end_});
    }
    segment.used = commit->at + commit->padded;
    segment.last_append_ms = commit->header.time_ms;
    end_ = commit->end;
    sequences_ = std::move(commit->sequences);
    metrics().commit.record_us((runtime_.clock().mono_ns() - commit->started_ns) / 1000);
    metrics().records.add(commit->records);
    metrics().bytes.add(commit->padded);
    {
      const std::lock_guard lock(mutex_);
      published_.records += commit->records;
      published_.bytes += commit->bytes;
      published_.commits++;
    }
    cache(commit);
    publish();
  }
  Answers answers;
  for (Commit::Waiting& w : commit->waiting) {
    answers.add(w.home, [done = std::move(w.done), appended = std::move(w.appended)]() mutable {
      done(std::move(appended));
    });
  }
  answers.send();
  answer_waiters();
  const bool half_full = !segments_.empty() &&
                         segments_.back()->used > segments_.back()->bytes / 2;
  if (half_full && spares_.empty() && !preparing_ && !stopped_) prepare(true);
}

void Topic::failed(const std::shared_ptr<Commit>& commit) {
  diag::error("log write failed", {{"topic", spec_.name}, {"error", commit->status.error().message}});
  metrics().failures.add();
  if (!leave_segment_) valid_before_ = commit->header.number;
  leave_segment_ = true;
  // A segment that never came to be on disk is not one.
  if (!commit->spare.empty()) segments_.pop_back();
  const Error error = commit->status.error();
  Answers answers;
  for (Commit::Waiting& w : commit->waiting) {
    answers.add(w.home, [done = std::move(w.done), error]() mutable {
      done(fail(Code::kMaybe, "the write may or may not have happened: " + error.message));
    });
  }
  answers.send();
}

void Topic::cache(const std::shared_ptr<Commit>& commit) {
  CachedBlock block;
  block.end = commit->end;
  auto owner = std::make_shared<std::vector<std::vector<Batch>>>(std::move(commit->data));
  for (const SubBatch& s : commit->subs) {
    ReadBatch batch{s.partition, s.base, s.producer, s.sequence, {}, owner};
    PENSTOCK_ASSERT(split_records(s.data, s.count, batch.records));
    block.batches.push_back(std::move(batch));
  }
  block.bytes = commit->bytes + block.batches.size() * sizeof(ReadBatch) + commit->records * 16;
  cache_bytes_ += block.bytes;
  cache_.push_back(std::move(block));
  while (cache_bytes_ > options_.tail_cache_bytes && cache_.size() > 1) {
    cache_base_ = cache_.front().end;
    cache_bytes_ -= cache_.front().bytes;
    cache_.pop_front();
  }
}

void Topic::stop() {
  stopped_ = true;
  refuse_pending(Code::kCancelled, "the log has stopped");
  for (PendingFetch& w : waiters_) {
    loop_.cancel(w.timer);
    answer(w, fail(Code::kCancelled, "the log has stopped"));
  }
  waiters_.clear();
}

void Topic::retain(const std::vector<int64_t>& required) {
  const int64_t now = runtime_.clock().wall_ms();
  bool changed = false;
  while (segments_.size() > 1) {
    const std::shared_ptr<Segment> oldest = segments_.front();
    const std::vector<int64_t>& end = segments_[1]->header.base;
    const uint64_t total = segments_.size() * options_.segment_bytes;
    const bool too_large = spec_.retention_bytes > 0 && total > spec_.retention_bytes;
    const bool too_old = spec_.retention_ms > 0 &&
                         now - segments_[1]->header.created_ms > spec_.retention_ms;
    bool passed = true;
    for (size_t p = 0; p < end.size(); p++) passed = passed && required[p] >= end[p];
    if (!(too_large || too_old) || !passed || oldest->readers > 0 || writing_) break;
    const std::string spare = path_of(fmt::format("spare-{}", next_spare_++));
    const bool keep = spares_.size() < options_.spare_segments_max;
    const Status done = keep ? runtime_.files().rename(oldest->path, spare)
                             : runtime_.files().remove(oldest->path);
    if (!done) {
      diag::warn("retention failed", {{"file", oldest->path}, {"error", done.error().message}});
      break;
    }
    if (keep) spares_.push_back(spare);
    segments_.pop_front();
    changed = true;
  }
  if (changed) publish();
}

std::vector<PartitionBounds> Topic::bounds() const {
  const std::lock_guard lock(mutex_);
  std::vector<PartitionBounds> out;
  for (size_t p = 0; p < published_.end.size(); p++) {
    out.push_back({Partition{static_cast<int32_t>(p)}, Offset{published_.start[p]},
                   Offset{published_.end[p]}});
  }
  return out;
}

int64_t Topic::last_sequence(Partition partition, uint64_t producer) const {
  const std::lock_guard lock(mutex_);
  const auto it = published_.sequences.find({partition.value, producer});
  return it == published_.sequences.end() ? -1 : it->second;
}

void Topic::add_stats(LogStats& stats) const {
  const std::lock_guard lock(mutex_);
  stats.disk_bytes += published_.disk_bytes;
  stats.appended_records += published_.records;
  stats.appended_bytes += published_.bytes;
  stats.commits += published_.commits;
  stats.disk_full = stats.disk_full || published_.disk_full;
}

void Topic::publish() {
  const std::lock_guard lock(mutex_);
  published_.end = end_;
  published_.start = segments_.empty() ? end_ : segments_.front()->header.base;
  published_.sequences = sequences_;
  published_.disk_full = disk_full_;
  published_.disk_bytes = (segments_.size() + spares_.size()) * options_.segment_bytes;
}

}  // namespace penstock::log
