// Frames: what a message of a framed topic holds.
//
// A batch frame is one stored batch with the offset of its first record. A fence says that from
// here on only a new process writes: frames of an older epoch behind it count for nobody. Layout:
// docs/formats/kafka.md. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::log::kafka {

enum class FrameKind : uint8_t { kBatch = 1, kFence = 2 };

struct Frame {
  FrameKind kind = FrameKind::kBatch;
  int64_t epoch = 0;  // of the writing process; later ones are larger
  int64_t base = 0;   // offset of the first record
  uint64_t producer = 0;
  int64_t sequence = 0;
  uint32_t count = 0;
  std::string_view data;  // as Batch::text
};

void encode(const Frame& frame, std::string& out);
/// kCorrupt: not a frame of a known version.
Result<Frame> decode_frame(std::string_view bytes);

/// Which frames of a partition count, seen in their order. Every reader comes to the same answer.
struct FrameOrder {
  int64_t epoch = -1;  // the newest seen
  int64_t end = -1;    // the next record's offset; -1: nothing seen yet

  /// Whether this batch counts; then `end` moves behind it. False for fences.
  bool take(const Frame& frame);
};

}  // namespace penstock::log::kafka
