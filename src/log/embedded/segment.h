// Segment: one file of a topic, and walking over its blocks.
//
// A Segment object lives on the topic's loop; pool jobs get copies of what they need. Walking
// reads a file from any thread that may block. Failure: bytes that are no block end a walk, they
// are not an error by themselves: what they mean depends on where they stand.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "log/embedded/format.h"
#include "runtime/runtime.h"

namespace penstock::log {

/// A block's position and what the partitions' offsets were before it.
struct IndexEntry {
  uint64_t at = 0;
  uint64_t number = 0;
  std::vector<int64_t> base;
};

struct Segment {
  std::string path;
  SegmentHeader header;
  uint64_t bytes = 0;                     // of the file
  uint64_t used = kSegmentHeaderBytes;    // where the next block goes; of the newest segment only
  std::shared_ptr<runtime::File> writer;  // of the newest segment only; bypasses the page cache
  std::vector<IndexEntry> index;          // in order, sparse; filled by writing and by reading
  int readers = 0;                        // jobs reading it now; it is not recycled meanwhile
};

/// About one index entry per MiB; with many partitions fewer, as entries are larger.
constexpr uint64_t index_every(size_t partitions) {
  return std::max<uint64_t>(1U << 20, partitions * 16384);
}

struct WalkedBlock {
  uint64_t at = 0;
  BlockHeader header;
  std::vector<SubBatch> subs;  // views into what `owner` keeps
  std::shared_ptr<const void> owner;
};

struct Walk {
  uint64_t epoch = 0;
  size_t partitions = 0;
  uint64_t at = kSegmentHeaderBytes;
  uint64_t number = 0;  // of the block that must stand at `at`
  uint64_t to = 0;
};

/// What stopped a walk before `to`.
enum class WalkEnd : unsigned char { kReachedEnd, kStopped, kInvalid, kIoError };
struct WalkResult {
  WalkEnd end = WalkEnd::kReachedEnd;
  uint64_t at = 0;           // one past the last good block, or where it is invalid
  uint64_t next_number = 0;  // of the block that stands or should stand there
  Error error;               // for kIoError
};

/// What is told of a segment whose file ends before its blocks do.
std::string cut_off_text(uint64_t at);

/// Visits blocks until `visit` answers false. Blocks the caller. Skip blocks are followed silently.
WalkResult walk_blocks(const runtime::File& file, const Walk& walk,
                       const std::function<bool(WalkedBlock&&)>& visit);

/// The first position from `walk.at` on where a sound block of this epoch numbered `walk.number` or
/// above stands; 0 when there is none. Tells a torn tail from damage in the middle.
Result<uint64_t> find_later_block(const runtime::File& file, const Walk& walk);

Result<SegmentHeader> read_segment_header(const runtime::File& file, const std::string& path);

/// Writes zeros, whole pages, so that overwriting them later is cheap.
Status zero_segment_file(runtime::File& file, uint64_t at, uint64_t bytes);

std::string segment_name(uint64_t first_block);

}  // namespace penstock::log
