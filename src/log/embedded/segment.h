// Segment: one file of a topic, and walking over its blocks.
//
// The file handles are shared with pool jobs that read or write; `writer` bypasses the page cache,
// `reader` does not. `used` is where the next block goes; blocks below `used` were valid when they
// were written or recovered.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "log/embedded/format.h"
#include "runtime/runtime.h"

namespace penstock::log {

struct Segment {
  std::string path;
  SegmentHeader header;
  uint64_t bytes = 0;       // of the file
  uint64_t used = kSegmentHeaderBytes;
  int64_t last_append_ms = 0;
  bool sealed = false;
  std::shared_ptr<runtime::File> writer, reader;
  /// About one entry per MiB: a block's position and what the partitions' offsets were before it.
  struct IndexEntry {
    uint64_t at;
    uint64_t number;
    std::vector<int64_t> base;
  };
  std::vector<IndexEntry> index;
  int readers = 0;  // jobs reading it now; it is not recycled meanwhile
};

struct WalkedBlock {
  uint64_t at = 0;
  BlockHeader header;
  std::vector<SubBatch> subs;          // views into `bytes`
  std::shared_ptr<std::string> bytes;
};

/// What stopped a walk before `to`.
enum class WalkEnd : unsigned char { kReachedEnd, kStopped, kInvalid, kIoError };
struct WalkResult {
  WalkEnd end = WalkEnd::kReachedEnd;
  uint64_t at = 0;       // one past the last good block, or where it is invalid
  uint64_t next_number = 0;
  Error error;           // for kIoError
};

/// Visits blocks of `epoch` from `at`, whose first must be `number`, until `to` or until `visit`
/// answers false. Blocks. Skip blocks are followed silently.
WalkResult walk_blocks(const runtime::File& file, uint64_t epoch, uint64_t at, uint64_t number,
                       uint64_t to, const std::function<bool(WalkedBlock&&)>& visit);

/// The first position at or after `from` where a later block (number above `number`) of this epoch
/// is sound; 0 when there is none. Tells a torn tail from damage in the middle.
Result<uint64_t> find_later_block(const runtime::File& file, uint64_t epoch, uint64_t number,
                                  uint64_t from, uint64_t to);

Result<SegmentHeader> read_segment_header(const runtime::File& file, const std::string& path);

/// A file of `bytes`. `written`: every page is written once, so that overwriting it later is cheap;
/// otherwise space is only reserved, which takes no time.
Status prepare_segment_file(runtime::FileSystem& files, const std::string& path, uint64_t bytes,
                            bool written);

std::string segment_name(uint64_t first_block);

}  // namespace penstock::log
