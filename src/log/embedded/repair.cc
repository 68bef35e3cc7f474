// Repairing a topic's segments while the log is not running.
//
// Nothing is thrown away: what cannot be read is copied to <directory>/damaged first. A damaged
// range gets a block that says where the next sound one stands; a segment whose both headers are
// unreadable moves away and the one behind it is linked to the one before it.
#include <fmt/format.h>

#include <algorithm>

#include "base/probe.h"
#include "log/embedded/stored_segment.h"
#include "log/embedded_log.h"

namespace penstock::log {
namespace {

constexpr uint64_t kCopyChunk = 1U << 20;

class Repair {
 public:
  Repair(runtime::FileSystem& files, std::string directory, std::string topic)
      : files_(files), directory_(std::move(directory)), topic_(std::move(topic)) {}

  Result<RepairReport> run() {
    const std::string folder = directory_ + "/" + topic_;
    PENSTOCK_TRY(segments_, open_stored_segments(files_, folder));
    PENSTOCK_CHECK(files_.create_directories(damaged_folder()));
    PENSTOCK_CHECK(move_headless());
    PENSTOCK_CHECK(relink());
    for (size_t i = 0; i < segments_.size(); i++) {
      PENSTOCK_CHECK(mend_header(segments_[i]));
      PENSTOCK_CHECK(mend_blocks(segments_[i]));
      if (i + 1 < segments_.size()) count_lost(segments_[i + 1].header->base);
    }
    PENSTOCK_CHECK(files_.sync_directory(damaged_folder()));
    PENSTOCK_CHECK(files_.sync_directory(folder));
    return std::move(report_);
  }

 private:
  std::string damaged_folder() const { return directory_ + "/damaged"; }
  std::string kept_name(const StoredSegment& s, const std::string& suffix) const {
    return damaged_folder() + "/" + topic_ + "-" + s.path.substr(s.path.rfind('/') + 1) + suffix;
  }

  Status move_headless() {
    for (const StoredSegment& s : segments_) {
      if (s.header) continue;
      if (s.header.error().code != Code::kCorrupt) return std::unexpected(s.header.error());
      const std::string kept = kept_name(s, "");
      PENSTOCK_CHECK(files_.rename(s.path, kept));
      report_.actions.push_back(s.path + ": its header is unreadable; moved to " + kept);
    }
    std::erase_if(segments_, [](const StoredSegment& s) { return !s.header.has_value(); });
    return {};
  }

  /// Closes gaps between segments. What a successor passes over is void and stays as it is.
  Status relink() {
    StoredSegment* after = nullptr;
    for (auto s = segments_.rbegin(); s != segments_.rend(); ++s) {
      if (after != nullptr && s->header->first_block > after->header->previous) continue;
      if (after != nullptr && s->header->first_block < after->header->previous) {
        after->header->previous = s->header->first_block;
        report_.actions.push_back(after->path + ": linked to " + s->path +
                                  ", what stood between them is gone");
      }
      after = &*s;
    }
    link_segments(segments_);
    return {};
  }

  Status mend_header(StoredSegment& s) {
    const std::string should = encode_segment_header(*s.header);
    std::string is(should.size(), '\0');
    PENSTOCK_TRY(const size_t got, s.file->pread(is, 0));
    if (got == is.size() && is == should) return {};
    probe<"log.repair_mends_a_header">();
    // One copy after the other: a sound one is there at any moment.
    PENSTOCK_CHECK(
        s.file->pwrite(std::string_view(should).substr(kHeaderCopyBytes), kHeaderCopyBytes));
    PENSTOCK_CHECK(s.file->sync());
    PENSTOCK_CHECK(s.file->pwrite(std::string_view(should).substr(0, kHeaderCopyBytes), 0));
    report_.actions.push_back(s.path + ": header written anew");
    return s.file->sync();
  }

  /// Counts offsets between what was read so far and `base`.
  void count_lost(const std::vector<int64_t>& base) {
    for (size_t p = 0; p < base.size() && p < end_.size(); p++) {
      if (base[p] > end_[p]) report_.records_lost += static_cast<uint64_t>(base[p] - end_[p]);
    }
  }

  bool take(const StoredSegment& s, const WalkedBlock& b) {
    if (b.header.number >= s.number_limit) return false;
    for (const SubBatch& sub : b.subs) {
      int64_t& end = end_[static_cast<size_t>(sub.partition.value)];
      if (sub.base.value > end) {
        report_.records_lost += static_cast<uint64_t>(sub.base.value - end);
      }
      end = sub.base.value + sub.count;
    }
    return true;
  }

  Status mend_blocks(StoredSegment& s) {
    end_ = s.header->base;
    Walk walk = s.walk();
    for (;;) {
      const WalkResult walked =
          walk_blocks(*s.file, walk, [&](WalkedBlock&& b) { return take(s, b); });
      if (walked.end == WalkEnd::kIoError) return fail(walked.error, s.path);
      if (is_cut_off(s, walked)) return skip_rest(s, walked);
      if (walked.end != WalkEnd::kInvalid || walked.next_number >= s.number_limit) return {};
      walk.at = walked.at + kPage;
      walk.number = walked.next_number;
      PENSTOCK_TRY(uint64_t later, find_later_block(*s.file, walk));
      if (later == 0 && s.newest) return {};  // a torn tail, which the next start cuts by itself
      if (later == 0) return skip_rest(s, walked);
      PENSTOCK_TRY(const uint64_t later_number, number_at(*s.file, later));
      PENSTOCK_CHECK(keep(s, walked.at, later));
      PENSTOCK_CHECK(skip(s, walked, later, later_number));
      walk.at = later;
      walk.number = later_number;
    }
  }

  static Result<uint64_t> number_at(const runtime::File& file, uint64_t at) {
    std::string head(kBlockHeaderBytes, '\0');
    PENSTOCK_TRY(const size_t got, file.pread(head, at));
    const auto header = peek_block(std::string_view(head).substr(0, got));
    if (!header) return fail(Code::kBug, "a block that was sound is not any more");
    return header->number;
  }

  /// Nothing that can be read follows in this segment, or nothing at all: its file may be cut off.
  Status skip_rest(StoredSegment& s, const WalkResult& walked) {
    if (s.bytes > walked.at) {
      PENSTOCK_CHECK(keep(s, walked.at, s.bytes));
    } else {
      report_.actions.push_back(
          fmt::format("{}: it is cut off at byte {}; what followed is skipped", s.path, walked.at));
    }
    return skip(s, walked, walked.at + kPage, s.number_limit);
  }

  /// A copy of what is to be skipped.
  Status keep(const StoredSegment& s, uint64_t from, uint64_t to) {
    const std::string kept = kept_name(s, fmt::format("-{}-{}", from, to));
    PENSTOCK_CHECK(copy(*s.file, from, to, kept));
    report_.actions.push_back(
        fmt::format("{}: bytes {} to {} are unreadable and skipped; they are kept as {}", s.path,
                    from, to, kept));
    return {};
  }

  /// Puts a skip block over [walked.at, later).
  static Status skip(StoredSegment& s, const WalkResult& walked, uint64_t later,
                     uint64_t later_number) {
    probe<"log.repair_skips_a_range">();
    BlockHeader header;
    header.flags = kSkipBlock;
    header.epoch = s.header->epoch;
    header.number = walked.next_number;
    header.time_ms = static_cast<int64_t>(later - walked.at);
    SubBatch next;
    next.sequence = static_cast<int64_t>(later_number);
    AlignedBuffer buffer;
    const size_t size = build_block(buffer, header, {next});
    PENSTOCK_CHECK(s.file->pwrite({buffer.data(), size}, walked.at));
    return s.file->sync();
  }

  Status copy(const runtime::File& from, uint64_t at, uint64_t end, const std::string& to) {
    PENSTOCK_TRY(const auto out, files_.open(to, {.create = true, .truncate = true}));
    std::string chunk;
    for (uint64_t written = 0; at < end; at += chunk.size(), written += chunk.size()) {
      chunk.assign(std::min(kCopyChunk, end - at), '\0');
      PENSTOCK_TRY(const size_t got, from.pread(chunk, at));
      chunk.resize(got);
      if (chunk.empty()) break;
      PENSTOCK_CHECK(out->pwrite(chunk, written));
    }
    return out->sync();
  }

  runtime::FileSystem& files_;
  const std::string directory_, topic_;
  std::vector<StoredSegment> segments_;
  std::vector<int64_t> end_;  // of every partition, as far as the current segment was read
  RepairReport report_;
};

}  // namespace

Result<RepairReport> repair_topic(runtime::Runtime& runtime, const std::string& directory,
                                  const std::string& topic) {
  return Repair(runtime.files(), directory, topic).run();
}

}  // namespace penstock::log
