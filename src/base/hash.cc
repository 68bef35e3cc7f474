#include "base/hash.h"

#include <array>
#include <cstring>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace penstock {
namespace {

#if !defined(__SSE4_2__)
constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t c = i;
    for (int k = 0; k < 8; k++) c = (c & 1) != 0 ? 0x82f63b78U ^ (c >> 1) : c >> 1;
    table[i] = c;
  }
  return table;
}
constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();
#endif

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

}  // namespace

uint32_t crc32c(std::string_view data, uint32_t previous) {
  const char* p = data.data();
  size_t n = data.size();
#if defined(__SSE4_2__)
  uint64_t c = ~previous;
  while (n >= 8) {
    c = _mm_crc32_u64(c, load64(p));
    p += 8;
    n -= 8;
  }
  while (n > 0) {
    c = _mm_crc32_u8(static_cast<uint32_t>(c), static_cast<uint8_t>(*p));
    p++;
    n--;
  }
  return ~static_cast<uint32_t>(c);
#else
  uint32_t c = ~previous;
  for (; n > 0; n--, p++) c = kCrcTable[(c ^ static_cast<uint8_t>(*p)) & 0xff] ^ (c >> 8);
  return ~c;
#endif
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
  char tail[16] = {};
  if (n > 0) std::memcpy(tail, p, n);
  return mix(mix(load64(tail) ^ kA, load64(tail + 8) ^ h), kB);
}

}  // namespace penstock
