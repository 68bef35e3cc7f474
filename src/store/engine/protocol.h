// Frames between Penstock and its engine child, over a socket pair: u32 length, then the body.
//
// Request body: u64 id, u8 op, operands. Reply body: u64 id, u8 ok; if ok the operands of the
// answer, else u8 error code and a message. Little-endian, base/codec.h. Several requests may be
// under way; replies come in any order.
#pragma once

#include <cstdint>

namespace penstock::store {

enum class EngineOp : uint8_t {
  kInsert = 1,  // varint n, n × (sql, rows in RowBinary or none): all, in order → as kQuery, empty
  kQuery = 2,   // marker, set-up sql, sql, format → u64 rows read, u64 bytes read, i64 µs, body
  kCancel = 3,  // marker → as kQuery, empty
  kRun = 4,     // sql, format, with every right → as kQuery
  kStats = 5,   // → u64 resident bytes, u64 0, i64 µs, "version\tdisk bytes\toverrides"
  kUpkeep = 6,  // as kRun, beside the inserts and not among them
  kDefine = 7,  // as kRun, for statements that make or change tables or note that they did
};

/// A longer frame is a broken peer.
inline constexpr uint32_t kFrameBytesMax = 512U << 20;

}  // namespace penstock::store
