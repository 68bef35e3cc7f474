#include "event/request_id.h"

namespace penstock::event {
namespace {

constexpr size_t kTimeBytes = 6, kNumberAt = 12;

/// Spreads every bit over all others (the finaliser of MurmurHash3).
uint64_t mixed(uint64_t v) {
  v = (v ^ (v >> 33)) * 0xff51afd7ed558ccdULL;
  v = (v ^ (v >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return v ^ (v >> 33);
}

}  // namespace

Uuid RequestId::uuid() const {
  Uuid out;
  for (size_t i = 0; i < kTimeBytes; i++) {
    out.bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(now_ms) >> (8 * (5 - i)));
  }
  uint64_t check = mixed(static_cast<uint64_t>(now_ms) * 0x9e3779b97f4a7c15ULL + number);
  for (size_t i = kTimeBytes; i < kNumberAt; i++, check >>= 8) {
    out.bytes[i] = static_cast<uint8_t>(check);
  }
  for (size_t i = 0; i < 4; i++) {
    out.bytes[kNumberAt + i] = static_cast<uint8_t>(number >> (8 * (3 - i)));
  }
  out.bytes[6] = static_cast<uint8_t>((out.bytes[6] & 0x0f) | 0x70);
  out.bytes[8] = static_cast<uint8_t>((out.bytes[8] & 0x3f) | 0x80);
  return out;
}

std::optional<RequestId> RequestId::of(const Uuid& uuid) {
  RequestId out;
  uint64_t ms = 0;
  for (size_t i = 0; i < kTimeBytes; i++) ms = (ms << 8) | uuid.bytes[i];
  out.now_ms = static_cast<int64_t>(ms);
  for (size_t i = 0; i < 4; i++) out.number = (out.number << 8) | uuid.bytes[kNumberAt + i];
  if (out.uuid() != uuid) return std::nullopt;
  return out;
}

}  // namespace penstock::event
