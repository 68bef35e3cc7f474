// Looking at a topic's segments while the log is not running.
#include <fmt/format.h>

#include "log/embedded/stored_segment.h"
#include "log/embedded_log.h"

namespace penstock::log {

Result<std::vector<StoredSegment>> open_stored_segments(runtime::FileSystem& files,
                                                        const std::string& folder) {
  PENSTOCK_TRY(const auto names, files.list(folder));
  std::vector<StoredSegment> out;
  for (const std::string& name : names) {
    if (!name.ends_with(".seg")) continue;
    StoredSegment s;
    s.path = folder + "/" + name;
    PENSTOCK_TRY(s.file, files.open(s.path, {}));
    PENSTOCK_TRY(s.bytes, s.file->size());
    s.header = read_segment_header(*s.file, s.path);
    out.push_back(std::move(s));
  }
  link_segments(out);
  return out;
}

void link_segments(std::vector<StoredSegment>& segments) {
  uint64_t limit = UINT64_MAX;
  for (auto s = segments.rbegin(); s != segments.rend(); ++s) {
    if (!s->header) continue;
    s->newest = limit == UINT64_MAX;
    s->number_limit = limit;
    limit = s->header->valid_before;
  }
}

bool is_cut_off(const StoredSegment& s, const WalkResult& walked) {
  return walked.end == WalkEnd::kReachedEnd && !s.newest && walked.next_number < s.number_limit;
}

namespace {

Status look_at(const StoredSegment& s, SegmentReport& report) {
  const SegmentHeader& h = *s.header;
  report.first_block = h.first_block;
  std::vector<int64_t> end = h.base;
  bool over = false;
  Walk walk = s.walk();
  const WalkResult walked = walk_blocks(*s.file, walk, [&](WalkedBlock&& b) {
    over = b.header.number >= s.number_limit;
    if (over) return false;
    report.blocks++;
    for (const SubBatch& sub : b.subs) {
      end[static_cast<size_t>(sub.partition.value)] = sub.base.value + sub.count;
      report.records += sub.count;
    }
    return true;
  });
  report.bytes_used = walked.at;
  for (size_t p = 0; p < end.size(); p++) {
    report.partitions.push_back(
        {Partition{static_cast<int32_t>(p)}, Offset{h.base[p]}, Offset{end[p]}});
  }
  if (walked.end == WalkEnd::kIoError) report.problem = walked.error.message;
  if (is_cut_off(s, walked)) report.problem = cut_off_text(walked.at);
  if (walked.end != WalkEnd::kInvalid || over || walked.next_number >= s.number_limit) return {};
  walk.at = walked.at + kPage;
  walk.number = walked.next_number;
  PENSTOCK_TRY(const uint64_t later, find_later_block(*s.file, walk));
  if (later != 0 || !s.newest) report.problem = fmt::format("damaged at byte {}", walked.at);
  return {};
}

}  // namespace

Result<std::vector<SegmentReport>> inspect_topic(runtime::Runtime& runtime,
                                                 const std::string& directory,
                                                 const std::string& topic) {
  PENSTOCK_TRY(const auto segments, open_stored_segments(runtime.files(), directory + "/" + topic));
  std::vector<SegmentReport> out;
  for (const StoredSegment& s : segments) {
    SegmentReport report;
    report.file = s.path;
    if (!s.header) {
      report.problem = s.header.error().message;
    } else {
      PENSTOCK_CHECK(look_at(s, report));
    }
    out.push_back(std::move(report));
  }
  return out;
}

}  // namespace penstock::log
