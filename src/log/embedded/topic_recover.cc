// Starting a topic: headers of all segments, every block of the last one.
#include <fmt/format.h>

#include <algorithm>

#include "base/diag.h"
#include "log/embedded/topic.h"

namespace penstock::log {
namespace {

constexpr uint64_t kIndexEvery = 1U << 20;

}  // namespace

Status Topic::recover() {
  PENSTOCK_CHECK(runtime_.files().create_directories(directory_));
  PENSTOCK_TRY(const auto names, runtime_.files().list(directory_));
  std::vector<std::string> segment_names;
  for (const std::string& name : names) {
    if (name.ends_with(".seg")) segment_names.push_back(name);
    if (name.starts_with("spare-")) {
      // Whether it was finished is not known; a new one costs nothing.
      PENSTOCK_CHECK(runtime_.files().remove(path_of(name)));
    }
  }
  PENSTOCK_CHECK(open_segments(segment_names));
  if (!segments_.empty()) PENSTOCK_CHECK(scan_last());
  cache_base_ = end_;
  publish();
  return {};
}

Status Topic::open_segments(const std::vector<std::string>& names) {
  for (size_t i = 0; i < names.size(); i++) {
    auto segment = std::make_shared<Segment>();
    segment->path = path_of(names[i]);
    PENSTOCK_TRY(segment->reader, runtime_.files().open(segment->path, {}));
    PENSTOCK_TRY(segment->bytes, segment->reader->size());
    auto header = read_segment_header(*segment->reader, segment->path);
    if (!header) {
      if (header.error().code != Code::kCorrupt || i + 1 < names.size()) {
        return fail(header.error().code,
                    fmt::format("{} at byte 0; penstock log repair --data DIR --topic {}",
                                header.error().message, spec_.name));
      }
      // The newest segment died while it was made; nothing in it was acknowledged.
      diag::info("unfinished segment removed", {{"file", segment->path}});
      PENSTOCK_CHECK(runtime_.files().remove(segment->path));
      break;
    }
    segment->header = std::move(*header);
    if (segment->header.base.size() != end_.size()) {
      return fail(Code::kInvalid, fmt::format(
          "{} was made with {} partitions; log.partitions is {}: it cannot change",
          segment->path, segment->header.base.size(), end_.size()));
    }
    segment->sealed = true;
    segment->used = segment->bytes;
    segment->last_append_ms = segment->header.created_ms;
    segments_.push_back(std::move(segment));
  }
  return {};
}

Status Topic::scan_last() {
  Segment& last = *segments_.back();
  last.sealed = false;
  end_ = last.header.base;
  sequences_ = last.header.sequences;
  const WalkResult walked = walk_blocks(
      *last.reader, last.header.epoch, kSegmentHeaderBytes, last.header.first_block, last.bytes,
      [&](WalkedBlock&& block) {
        if (last.index.empty() || block.at >= last.index.back().at + kIndexEvery) {
          last.index.push_back({block.at, block.header.number, end_});
        }
        for (const SubBatch& s : block.subs) {
          end_[static_cast<size_t>(s.partition.value)] = s.base.value + s.count;
          if (s.producer != 0) sequences_[{s.partition.value, s.producer}] = s.sequence;
        }
        last.last_append_ms = block.header.time_ms;
        return true;
      });
  if (walked.end == WalkEnd::kIoError) return fail(walked.error, last.path);
  if (walked.end == WalkEnd::kInvalid) {
    PENSTOCK_TRY(const uint64_t later, find_later_block(*last.reader, last.header.epoch,
                                                        walked.next_number, walked.at + kPage,
                                                        last.bytes));
    if (later != 0) {
      return fail(Code::kCorrupt, fmt::format(
          "{} is damaged at byte {} (sound blocks follow at {}); run: penstock log repair "
          "--data DIR --topic {}", last.path, walked.at, later, spec_.name));
    }
  }
  last.used = walked.at;
  next_number_ = walked.next_number;
  return {};
}

}  // namespace penstock::log
