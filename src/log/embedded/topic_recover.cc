// Starting a topic: headers of all segments, every block of the newest one.
//
// Everything below the newest block was synced before it was written, so only that one may be torn,
// or be there without being durable. Anything else that does not fit is damage, and starting stops.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/diag.h"
#include "base/probe.h"
#include "log/embedded/topic.h"

namespace penstock::log {

std::unexpected<Error> Topic::damaged(const std::string& what) const {
  probe<"log.start_finds_damage">();
  return fail(Code::kCorrupt,
              fmt::format("{}; run: penstock log repair --data DIR --topic {}", what, spec_.name));
}

Status Topic::recover() {
  runtime::FileSystem& files = runtime_.files();
  PENSTOCK_CHECK(files.create_directories(directory_));
  PENSTOCK_CHECK(files.sync_directory(options_.directory));
  // Names that the last life changed without living to sync them are settled before they are used.
  PENSTOCK_CHECK(files.sync_directory(directory_));
  PENSTOCK_TRY(const auto names, files.list(directory_));
  PENSTOCK_CHECK(keep_spares(names));
  PENSTOCK_CHECK(open_segments(names));
  PENSTOCK_CHECK(check_chain());
  if (segments_.empty()) PENSTOCK_CHECK(begin_where_told());
  if (!segments_.empty()) PENSTOCK_CHECK(scan_last());
  cache_base_ = end_;
  PENSTOCK_TRY(const uint64_t free, files.free_bytes(directory_));
  disk_full_ = free < free_reserve();
  publish();
  return {};
}

/// Spares are as good as on the day they were made: what is in them does not matter.
Status Topic::keep_spares(const std::vector<std::string>& names) {
  constexpr std::string_view kPrefix = "spare-";
  for (const std::string& name : names) {
    if (!name.starts_with(kPrefix)) continue;
    uint64_t number = 0;
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
    next_spare_ = std::max(next_spare_, number + 1);
    PENSTOCK_TRY(const auto file, runtime_.files().open(path_of(name), {}));
    PENSTOCK_TRY(const uint64_t bytes, file->size());
    if (bytes == segment_bytes_ && spares_.size() < options_.spare_segments_max) {
      spares_.push_back({path_of(name), bytes});
    } else {
      probe<"log.spare_of_other_size_removed">();
      PENSTOCK_CHECK(runtime_.files().remove(path_of(name)));
    }
  }
  return {};
}

Status Topic::open_segments(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (!name.ends_with(".seg")) continue;
    auto segment = std::make_shared<Segment>();
    segment->path = path_of(name);
    PENSTOCK_TRY(const auto file, runtime_.files().open(segment->path, {}));
    PENSTOCK_TRY(segment->bytes, file->size());
    auto header = read_segment_header(*file, segment->path);
    if (!header && header.error().code == Code::kCorrupt) return damaged(header.error().message);
    if (!header) return std::unexpected(header.error());
    segment->header = std::move(*header);
    if (segment->header.base.size() != end_.size()) {
      return fail(
          Code::kInvalid,
          fmt::format(
              "{} was made with {} partitions and is asked to have {}: the number cannot change",
              segment->path, segment->header.base.size(), end_.size()));
    }
    segments_.push_back(std::move(segment));
  }
  return {};
}

/// Every segment names the one before it. One that its successor passes over never began in the
/// eyes of those who wrote: it goes.
Status Topic::check_chain() {
  std::deque<std::shared_ptr<Segment>> chain;
  std::vector<std::string> strays;
  while (!segments_.empty()) {
    std::shared_ptr<Segment> segment = std::move(segments_.back());
    segments_.pop_back();
    const uint64_t expected =
        chain.empty() ? segment->header.first_block : chain.front()->header.previous;
    if (segment->header.first_block < expected) {
      return damaged(fmt::format("{} is missing", path_of(segment_name(expected))));
    }
    if (segment->header.first_block > expected) {
      probe<"log.unfinished_segment_removed">();
      diag::info("unfinished segment removed", {{"file", segment->path}});
      strays.push_back(segment->path);
      continue;
    }
    chain.push_front(std::move(segment));
  }
  segments_ = std::move(chain);
  return remove_strays(strays);
}

Status Topic::scan_last() {
  Segment& last = *segments_.back();
  end_ = last.header.base;
  producers_ = last.header.producers;
  PENSTOCK_TRY(const auto file, runtime_.files().open(last.path, {}));
  uint64_t newest_at = 0, newest_bytes = 0, fork_at = 0;
  Walk walk{last.header.epoch, end_.size(), kSegmentHeaderBytes, last.header.first_block,
            last.bytes};
  const WalkResult walked = walk_blocks(*file, walk, [&](WalkedBlock&& block) {
    if (last.index.empty() || block.at >= last.index.back().at + index_every(end_.size())) {
      last.index.push_back({block.at, block.header.number, end_});
    }
    for (const SubBatch& s : block.subs) {
      int64_t& end = end_[static_cast<size_t>(s.partition.value)];
      if (s.base.value < end) fork_at = block.at;
      end = s.base.value + s.count;
      if (s.producer == 0) continue;
      producers_.set({s.partition.value, s.producer}, {s.sequence, block.header.number});
    }
    newest_at = block.at;
    newest_bytes = block.header.padded();
    return fork_at == 0;
  });
  if (walked.end == WalkEnd::kIoError) return fail(walked.error, last.path);
  if (fork_at != 0) return damaged(fmt::format("{} is damaged at byte {}", last.path, fork_at));
  if (walked.end == WalkEnd::kInvalid) {
    walk.at = walked.at + kPage;
    walk.number = walked.next_number;
    PENSTOCK_TRY(const uint64_t later, find_later_block(*file, walk));
    if (later != 0) {
      return damaged(fmt::format("{} is damaged at byte {} (sound blocks follow at {})", last.path,
                                 walked.at, later));
    }
  }
  last.used = walked.at;
  next_number_ = walked.next_number;
  return settle_tail(newest_at, newest_bytes);
}

/// The newest block may be readable and yet not be on stable storage: the last life may have died
/// between write and sync, or its sync may have failed. Before anyone reads it, it is written again
/// as it is, and synced.
Status Topic::settle_tail(uint64_t at, uint64_t bytes) {
  if (bytes == 0) return {};
  probe<"log.newest_block_settled">();
  const std::string& path = segments_.back()->path;
  AlignedBuffer block;
  block.reserve(bytes);
  const std::span<char> out(block.data(), bytes);
  PENSTOCK_TRY(const auto reader, runtime_.files().open(path, {}));
  PENSTOCK_TRY(const size_t got, reader->pread(out, at));
  if (got != bytes) return damaged(fmt::format("{} is damaged at byte {}", path, at));
  PENSTOCK_TRY(const auto writer, runtime_.files().open(path, {.direct = true}));
  PENSTOCK_CHECK(writer->pwrite({out.data(), out.size()}, at));
  return writer->sync();
}

void Topic::publish() {
  const std::lock_guard lock(mutex_);
  published_.end = end_;
  published_.start = segments_.empty() ? end_ : segments_.front()->header.base;
  published_.producers = producers_;
  published_.disk_full = disk_full_;
  published_.disk_bytes = segment_bytes_total();
  for (const Spare& s : spares_) published_.disk_bytes += s.bytes;
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
  return published_.producers.last({partition.value, producer});
}

void Topic::add_stats(LogStats& stats) const {
  const std::lock_guard lock(mutex_);
  stats.disk_bytes += published_.disk_bytes;
  stats.appended_records += published_.records;
  stats.appended_bytes += published_.bytes;
  stats.commits += published_.commits;
  stats.disk_full = stats.disk_full || published_.disk_full;
}

}  // namespace penstock::log
