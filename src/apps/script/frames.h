// Frames between Penstock and an app worker, over a socket pair: u32 length, then the body.
//
// Body: u8 op, operands, little-endian, base/codec.h. An instance is one loaded Vm; the parent
// numbers them. Neither side answers in order.
#pragma once

#include <cstdint>

namespace penstock::apps {

enum class ToWorker : uint8_t {
  kLoad = 1,     // u64 instance, limits, spec → kLoaded
  kUnload = 2,   // u64 instance → kHookDone with call 0 once teardownPlugin has run
  kBatch = 3,    // u64 batch, u8 diffs, varint n, n × (i64 project, json, varint k,
                 //   k × (u64 instance, i64 config))
  kHook = 4,     // u64 call, u64 instance, name, payload, varint n, n × json → kHookDone
  kReply = 5,    // u64 instance, u64 id, u8 ok, json or text, bytes
  kBatchIn = 6,  // u64 place, u64 bytes: kBatch's operands lie there, in the room (room.h) until
                 //   kBatchDone
  kCancel = 7,   // u64 batch: what of it waits has failed, what has not begun does not begin
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
// event: u8 fate, where it changed a patch (patch.h) of what was sent, where it was dropped the u64
//        instance that did, varint k, k × (u64 instance, u8 did, varint cpu µs, error, after)
// error: json {"name":…,"message":…,"stack":…}, or empty

// A fate of kElsewhere instead of Fate's: the event has to be asked again where its app shares its
// thread with nobody; the u64 instance that took too long follows.
inline constexpr uint8_t kElsewhere = 100;

inline constexpr uint32_t kFrameBytesMax = 256U << 20;
/// Events of one project that may be waiting for something at once.
inline constexpr size_t kEventsWaitingMax = 64;

}  // namespace penstock::apps
