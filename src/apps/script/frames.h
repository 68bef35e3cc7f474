// Frames between Penstock and an app worker, over a socket pair: u32 length, then the body.
//
// Body: u8 op, operands, little-endian, base/codec.h. An instance is one loaded Vm; the parent
// numbers them. Neither side answers in order.
#pragma once

#include <cstdint>

namespace penstock::apps {

enum class ToWorker : uint8_t {
  kLoad = 1,    // u64 instance, limits, spec → kLoaded
  kUnload = 2,  // u64 instance → kHookDone with call 0 once teardownPlugin has run
  kBatch = 3,   // u64 batch, u8 diffs, varint n, n × (i64 project, json, varint k,
                //   k × (u64 instance, i64 config))
  kHook = 4,    // u64 call, u64 instance, name, payload, varint n, n × json → kHookDone
  kReply = 5,   // u64 instance, u64 id, u8 ok, json or text, bytes
};

enum class FromWorker : uint8_t {
  kLoaded = 1,     // u64 instance, u8 ok, json: what it has, or its error
  kBatchDone = 2,  // u64 batch, varint n, n × event (below), u64 memory bytes of the process
  kHookDone = 3,   // u64 call, u64 instance, u8 ok, json or error, varint cpu µs
  kHostCall = 4,   // u64 instance, u64 id, op, json, bytes
  kLog = 5,        // u64 instance, u8 source, u8 level, text
  kMetric = 6,     // u64 instance, name, kind, u64 bits of the value
  kBroken = 7,     // u64 instance, text: used up its limits too often; it is gone
};
// event: u8 fate, json where it changed, u64 instance that dropped it,
//        varint k, k × (u64 instance, u8 did, varint cpu µs, error, after)
// error: json {"name":…,"message":…,"stack":…}, or empty

inline constexpr uint32_t kFrameBytesMax = 256U << 20;
/// Events of one worker that may be waiting for something at once.
inline constexpr size_t kEventsWaitingMax = 64;

}  // namespace penstock::apps
