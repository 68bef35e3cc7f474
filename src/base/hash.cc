#include "base/hash.h"

#include <array>
#include <cstring>

#include <isa-l/crc.h>

namespace penstock {
namespace {

uint64_t mix(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t load64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Up to eight bytes with zeros after them. Out of loads that overlap: bytes that were just copied
/// one by one cannot be loaded as a word without waiting for them.
uint64_t load_up_to_8(const char* p, size_t n) {
  const auto byte = [p](size_t at) { return uint64_t{static_cast<uint8_t>(p[at])} << (8 * at); };
  if (n >= 8) return load64(p);
  if (n >= 4) {
    uint32_t first = 0, last = 0;
    std::memcpy(&first, p, sizeof first);
    std::memcpy(&last, p + n - 4, sizeof last);
    return first | uint64_t{last} << (8 * (n - 4));
  }
  return byte(0) | byte(n / 2) | byte(n - 1);
}

}  // namespace

uint32_t crc32c(std::string_view data, uint32_t previous) {
  // The library counts in int; blocks stay far below, files may not.
  constexpr size_t kPieceMax = size_t{1} << 30;
  uint32_t crc = ~previous;
  while (!data.empty()) {
    const std::string_view piece = data.substr(0, kPieceMax);
    // It takes a pointer to bytes that it does not change.
    auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
    crc = crc32_iscsi(bytes, static_cast<int>(piece.size()), crc);
    data.remove_prefix(piece.size());
  }
  return ~crc;
}

uint32_t murmur2(std::string_view data) {
  constexpr uint32_t kM = 0x5bd1e995U;
  uint32_t h = 0x9747b28cU ^ static_cast<uint32_t>(data.size());
  const char* p = data.data();
  size_t n = data.size();
  while (n >= 4) {
    uint32_t k;
    std::memcpy(&k, p, sizeof k);
    k *= kM;
    k ^= k >> 24;
    k *= kM;
    h = (h * kM) ^ k;
    p += 4;
    n -= 4;
  }
  if (n >= 3) h ^= static_cast<uint32_t>(static_cast<uint8_t>(p[2])) << 16;
  if (n >= 2) h ^= static_cast<uint32_t>(static_cast<uint8_t>(p[1])) << 8;
  if (n >= 1) {
    h ^= static_cast<uint8_t>(p[0]);
    h *= kM;
  }
  h ^= h >> 13;
  h *= kM;
  h ^= h >> 15;
  return h;
}

uint64_t hash64(std::string_view data, uint64_t seed) {
  constexpr uint64_t kA = 0xa0761d6478bd642fULL;
  constexpr uint64_t kB = 0xe7037ed1a0b428dbULL;
  uint64_t h = seed ^ mix(data.size() ^ kA, kB);
  const char* p = data.data();
  size_t n = data.size();
  while (n >= 16) {
    h = mix(load64(p) ^ kA, load64(p + 8) ^ h);
    p += 16;
    n -= 16;
  }
  if (n == 0) return mix(mix(kA, h), kB);
  if (data.size() >= 16) {
    // The rest with zeros after it, out of the last sixteen bytes: copying it would cost more.
    const char* last = p + n - 16;
    const unsigned shift = 8 * static_cast<unsigned>(16 - n);  // 8 to 120
    const uint64_t low = load64(last), high = load64(last + 8);
    const uint64_t a = shift < 64 ? low >> shift | high << (64 - shift) : high >> (shift - 64);
    return mix(mix(a ^ kA, (shift < 64 ? high >> shift : 0) ^ h), kB);
  }
  const uint64_t high = n > 8 ? load64(p + n - 8) >> (8 * (16 - n)) : 0;
  return mix(mix(load_up_to_8(p, n) ^ kA, high ^ h), kB);
}

}  // namespace penstock
