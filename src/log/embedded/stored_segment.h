// StoredSegment: a segment's file as inspection and repair see it, while the log is not running.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "log/embedded/segment.h"
#include "runtime/runtime.h"

namespace penstock::log {

struct StoredSegment {
  std::string path;
  std::unique_ptr<runtime::File> file;
  uint64_t bytes = 0;
  Result<SegmentHeader> header = fail(Code::kBug, "not read");
  uint64_t number_limit = UINT64_MAX;  // blocks from this number on are void
  bool newest = false;

  Walk walk() const {
    return {header->epoch, header->base.size(), kSegmentHeaderBytes, header->first_block, bytes};
  }
};

/// All segments of a topic's folder in their order, those with unreadable headers too.
Result<std::vector<StoredSegment>> open_stored_segments(runtime::FileSystem& files,
                                                        const std::string& folder);
/// Whether the file ends at a block's end, and blocks are missing that its successor counts on.
bool is_cut_off(const StoredSegment& segment, const WalkResult& walked);
/// Sets `newest` and `number_limit` of those that have headers.
void link_segments(std::vector<StoredSegment>& segments);

}  // namespace penstock::log
