// Hashes with a fixed meaning: on disk, on the wire, or shared with other systems.
//
// Pure functions of their input, any thread. None of them is a defence against an adversary;
// secrets are compared and stored by the catalog with OpenSSL's primitives.
#pragma once

#include <cstdint>
#include <string_view>

namespace penstock {

/// CRC32C (Castagnoli), as in iSCSI and in the log's frames; chain by passing the previous result.
uint32_t crc32c(std::string_view data, uint32_t previous = 0);

/// Kafka's partitioner hash (murmur2, seed 0x9747b28c).
uint32_t murmur2(std::string_view data);

/// Partition of a key as Kafka's `murmur2` partitioner places it: positive hash modulo count.
inline int32_t partition_of(std::string_view key, int32_t partitions) {
  return static_cast<int32_t>((murmur2(key) & 0x7fffffffU) % static_cast<uint32_t>(partitions));
}

/// 64-bit mixing hash for in-memory tables and the event index (stable across versions).
uint64_t hash64(std::string_view data, uint64_t seed = 0);

}  // namespace penstock
