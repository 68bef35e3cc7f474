// The bytes of a segment: its header and its blocks. docs/formats/log_segment.md draws them.
//
// Pure functions over memory, any thread. A segment's random epoch is in every block, so that stale
// bytes of a recycled file are never taken for new ones. Failure: damaged bytes answer nullopt.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log/embedded/producers.h"
#include "log/log.h"

namespace penstock::log {

inline constexpr uint64_t kPage = 4096;
inline constexpr uint64_t kHeaderCopyBytes = 32768;
/// The header stands there twice, so that one damaged page does not cost a segment.
inline constexpr uint64_t kSegmentHeaderBytes = 2 * kHeaderCopyBytes;
inline constexpr size_t kPartitionsMax = 256;

constexpr uint64_t padded(uint64_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

/// Where a topic stands when a segment begins.
struct SegmentHeader {
  uint64_t epoch = 0;
  uint64_t first_block = 0;   // number of its first block
  uint64_t previous = 0;      // first block of the segment before it; 0: it was the first
  uint64_t valid_before = 0;  // blocks of earlier segments from this number on are void
  int64_t created_ms = 0;
  std::vector<int64_t> base;  // next offset of every partition
  Producers producers;
};
std::string encode_segment_header(const SegmentHeader& header);  // kSegmentHeaderBytes long
std::optional<SegmentHeader> decode_segment_header(std::string_view bytes);

/// One partition's part of a block.
struct SubBatch {
  Partition partition;
  uint32_t count = 0;
  Offset base;
  uint64_t producer = 0;
  int64_t sequence = 0;
  std::string_view data;
};

inline constexpr uint32_t kSkipBlock = 1;  // stands for a range that repair gave up

struct BlockHeader {
  uint32_t flags = 0;
  uint64_t epoch = 0, number = 0;
  uint32_t bytes = 0;  // header, sub-batch headers and data, without padding
  uint32_t sub_batches = 0;
  int64_t time_ms = 0;  // of the commit; of a skip block: how many bytes it stands for
  uint64_t padded() const { return log::padded(bytes); }
};
inline constexpr size_t kBlockHeaderBytes = 48;
inline constexpr size_t kSubBatchHeaderBytes = 40;

/// A page-aligned buffer that is reused from block to block. One that is kept for long has huge
/// pages when it is large: they are dear to make and make every write from them cheap.
class AlignedBuffer {
 public:
  enum class Life : uint8_t { kShort, kLong };
  explicit AlignedBuffer(Life life = Life::kShort) : life_(life) {}

  /// What was in it is gone when it grows.
  void reserve(size_t bytes);
  char* data() { return data_.get(); }
  const char* data() const { return data_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Free {
    void operator()(char* p) const;
  };
  std::unique_ptr<char, Free> data_;
  size_t capacity_ = 0;
  Life life_;
};

size_t block_bytes(const std::vector<SubBatch>& subs);
/// Lays a block out in `out` (padding zeroed, checksum set); answers its padded size.
size_t build_block(AlignedBuffer& out, BlockHeader header, const std::vector<SubBatch>& subs);
/// Of a whole block without its padding.
uint32_t block_checksum(std::string_view block);
/// Header of a block if its first bytes are plausible (checksum not looked at).
std::optional<BlockHeader> peek_block(std::string_view bytes);
/// Sub-batches of a whole block; nullopt when the checksum or the layout is wrong, or when it names
/// a partition that the topic does not have.
std::optional<std::vector<SubBatch>> parse_block(std::string_view bytes, const BlockHeader& header,
                                                 size_t partitions);

}  // namespace penstock::log
