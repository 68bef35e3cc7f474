// Writing: room for the next block, the pool job that makes it durable, and what follows from it.
#include <fmt/format.h>

#include <algorithm>

#include "base/assert.h"
#include "base/diag.h"
#include "base/probe.h"
#include "log/embedded/answers.h"
#include "log/embedded/commit.h"
#include "log/embedded/metrics.h"

namespace penstock::log {
namespace {

constexpr uint64_t kBytesAtOnce = 8U << 20;
constexpr size_t kStraysMax = 1000;

/// The header and the first block reach the disk before the file gets a segment's name: whatever
/// has that name has a sound header, at any moment the power may fail.
Status begin_file(runtime::FileSystem& files, const std::string& spare, const Segment& segment,
                  runtime::File& writer, std::string_view block) {
  const std::string text = encode_segment_header(segment.header);
  AlignedBuffer head;
  head.reserve(text.size());
  std::copy(text.begin(), text.end(), head.data());
  PENSTOCK_CHECK(writer.pwrite({head.data(), text.size()}, 0));
  PENSTOCK_CHECK(writer.pwrite(block, kSegmentHeaderBytes));
  PENSTOCK_CHECK(writer.sync());
  PENSTOCK_CHECK(files.rename(spare, segment.path));
  return files.sync_directory(segment.path.substr(0, segment.path.rfind('/')));
}

}  // namespace

bool Topic::fits(uint64_t block) const {
  return !segments_.empty() && !leave_segment_ &&
         segments_.back()->used + block <= segments_.back()->bytes;
}

Topic::Spare Topic::new_spare(uint64_t bytes) {
  return {path_of(fmt::format("spare-{}", next_spare_++)), bytes};
}

/// True when a block of `block` bytes fits the current segment or a spare one.
bool Topic::make_room(uint64_t block) {
  if (fits(block)) return true;
  const uint64_t needed = kSegmentHeaderBytes + block;
  const auto large = [needed](const Spare& s) { return s.bytes >= needed; };
  const auto found = std::find_if(spares_.begin(), spares_.end(), large);
  if (found != spares_.end()) {
    probe<"log.spare_is_ready">();
    std::swap(*found, spares_.back());  // where `write` takes it from
    return true;
  }
  // Nothing that is written waits for more than the begin of a segment.
  if (!preparing_) prepare(std::max(std::min(segment_bytes_, kBytesAtOnce), needed));
  return false;
}

void Topic::prepared(const Spare& spare, const Status& status) {
  preparing_ = false;
  if (status) {
    spares_.push_back(spare);
    publish();
    return pump();
  }
  // A spare prepared ahead of need fails silently: there is still room in the segment.
  const bool needed = !writing_ && !pending_.empty() && !fits(padded(next_block_bytes()));
  if (!needed) return;
  if (status.error().code == Code::kExhausted) {
    probe<"log.no_room_for_a_segment">();
    wants_segment_ = true;
    set_disk_full(true);
  }
  refuse_pending(status.error().code, status.error().message);
}

void Topic::set_disk_full(bool full) {
  if (disk_full_ == full) return;
  if (!full) probe<"log.disk_has_room_again">();
  disk_full_ = full;
  publish();
  diag::warn(full ? "disk is full, appends are refused" : "disk has room again",
             {{"topic", spec_.name}});
}

void Topic::free_space(uint64_t bytes) {
  const uint64_t needed = free_reserve() + (wants_segment_ ? segment_bytes_ : 0);
  if (bytes >= needed) wants_segment_ = false;
  set_disk_full(bytes < needed);
}

std::shared_ptr<Segment> Topic::next_segment(const Spare& spare) const {
  auto segment = std::make_shared<Segment>();
  segment->path = path_of(segment_name(next_number_));
  segment->bytes = spare.bytes;
  segment->header.epoch = runtime_.random().next();
  segment->header.first_block = next_number_;
  segment->header.previous = segments_.empty() ? 0 : segments_.back()->header.first_block;
  segment->header.valid_before = leave_segment_ ? valid_before_ : next_number_;
  segment->header.created_ms = runtime_.clock().wall_ms();
  segment->header.base = end_;
  segment->header.producers = producers_;
  return segment;
}

void Topic::write(const std::shared_ptr<Commit>& commit) {
  commit->size = padded(block_bytes(commit->subs));
  commit->begins = !fits(commit->size);
  if (commit->begins) {
    pass_over_empty_segment();
    commit->spare = std::move(spares_.back());
    spares_.pop_back();
    commit->segment = next_segment(commit->spare);
  } else {
    commit->segment = segments_.back();
    commit->writer = commit->segment->writer;
  }
  commit->at = commit->segment->used;
  PENSTOCK_ASSERT(commit->at + commit->size <= commit->segment->bytes);
  commit->header.epoch = commit->segment->header.epoch;
  commit->header.number = next_number_;
  commit->header.time_ms = runtime_.clock().wall_ms();
  commit->buffer = buffer_;
  commit->started_ns = runtime_.clock().mono_ns();
  writing_ = true;
  const Status submitted = runtime_.pool().submit(
      [this, self = shared_from_this(), commit] {
        Commit& c = *commit;
        const auto run = [&]() -> Status {
          if (!c.writer) {
            const std::string& path = c.begins ? c.spare.path : c.segment->path;
            PENSTOCK_TRY(c.writer, runtime_.files().open(path, {.direct = true}));
          }
          build_block(*c.buffer, c.header, c.subs);
          const std::string_view block(c.buffer->data(), c.size);
          if (c.begins) {
            return begin_file(runtime_.files(), c.spare.path, *c.segment, *c.writer, block);
          }
          PENSTOCK_CHECK(c.writer->pwrite(block, c.at));
          return c.writer->sync();
        };
        c.status = run();
        if (c.status || !c.begins) return;
        // What stays behind has a name that the next start clears away.
        (void)runtime_.files().remove(c.spare.path);
        const Status removed = remove_strays({c.segment->path});
        c.strays = !removed;
        if (!removed) diag::warn("unfinished segment not removed", {{"file", c.segment->path}});
      },
      loop_,
      [this, self = shared_from_this(), commit] {
        writing_ = false;
        next_number_++;
        take_inbox();
        commit->status ? written(commit) : failed(*commit);
        pump();
      });
  if (!submitted) not_started(commit, submitted);
}

/// The job never ran: nothing was written, and nothing of the topic's state has changed but the
/// spare that was taken.
void Topic::not_started(const std::shared_ptr<Commit>& commit, const Status& status) {
  probe<"log.write_not_started">();
  writing_ = false;
  if (commit->begins) spares_.push_back(std::move(commit->spare));
  Answers answers;
  for (Commit::Waiting& w : commit->waiting) {
    answers.add(w.home, [done = std::move(w.done), error = status.error()]() mutable {
      done(std::unexpected(std::move(error)));
    });
  }
  answers.send();
}

void Topic::written(const std::shared_ptr<Commit>& commit) {
  Segment& segment = *commit->segment;
  if (commit->begins) {
    if (leave_segment_) probe<"log.failed_segment_left">();
    if (!segments_.empty()) segments_.back()->writer = nullptr;
    if (!segments_.empty()) probe<"log.segment_rolls">();
    segment.writer = std::move(commit->writer);
    segments_.push_back(commit->segment);
    leave_segment_ = false;
  } else if (!segment.writer) {
    segment.writer = std::move(commit->writer);
  }
  if (segment.index.empty() || commit->at >= segment.index.back().at + index_every(end_.size())) {
    segment.index.push_back({commit->at, commit->header.number, end_});
  }
  segment.used = commit->at + commit->size;
  end_ = commit->end;
  for (const auto& [key, sequence] : commit->sequences) {
    producers_.set(key, {sequence, commit->header.number});
  }
  committed_ns_ = runtime_.clock().mono_ns();
  worth_records_ = commit->records + pending_records_;
  metrics().commit.record_us((committed_ns_ - commit->started_ns) / 1000);
  metrics().records.add(commit->records);
  metrics().bytes.add(commit->size);
  {
    const std::lock_guard lock(mutex_);
    published_.end = end_;
    for (const auto& [key, sequence] : commit->sequences) {
      published_.producers.set(key, {sequence, commit->header.number});
    }
    published_.records += commit->records;
    published_.bytes += commit->bytes;
    published_.commits++;
  }
  cache(*commit);
  if (commit->begins) publish();
  acknowledge(*commit);
  answer_waiters();
  const bool half_full = segment.used > segment.bytes / 2;
  if (half_full && spares_.empty() && !preparing_ && !recycling_ && !stopped_) {
    prepare(segment_bytes_);
  }
}

void Topic::failed(Commit& commit) {
  const Error error = commit.status.error();
  diag::error("log write failed", {{"topic", spec_.name}, {"error", error.message}});
  metrics().failures.add();
  commit.begins ? probe<"log.begin_of_segment_failed">() : probe<"log.write_failed">();
  // A segment that failed to begin leaves what it was to declare void still to be declared.
  valid_before_ = commit.begins ? commit.segment->header.valid_before : commit.header.number;
  leave_segment_ = true;
  if (commit.strays) strays_.push_back(commit.segment->path);
  if (strays_.size() > kStraysMax) strays_.erase(strays_.begin());
  Answers answers;
  for (Commit::Waiting& w : commit.waiting) {
    answers.add(w.home, [done = std::move(w.done), error]() mutable {
      done(fail(Code::kMaybe, "the write may or may not have happened: " + error.message));
    });
  }
  answers.send();
}

}  // namespace penstock::log
