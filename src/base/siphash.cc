#include "base/siphash.h"

#include <bit>
#include <cstring>

namespace penstock {
namespace {

struct State {
  uint64_t v0, v1, v2, v3;

  void rounds(int n) {
    for (int i = 0; i < n; i++) {
      v0 += v1;
      v1 = std::rotl(v1, 13) ^ v0;
      v0 = std::rotl(v0, 32);
      v2 += v3;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 += v3;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 += v1;
      v1 = std::rotl(v1, 17) ^ v2;
      v2 = std::rotl(v2, 32);
    }
  }
  void take(uint64_t word) {
    v3 ^= word;
    rounds(2);
    v0 ^= word;
  }
  uint64_t all() const { return v0 ^ v1 ^ v2 ^ v3; }
};

uint64_t load(const void* from, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, from, bytes);
  return word;
}

}  // namespace

SipBytes siphash128(const SipBytes& key, std::string_view data) {
  const uint64_t k0 = load(key.data(), 8), k1 = load(key.data() + 8, 8);
  State s{k0 ^ 0x736f6d6570736575ULL, k1 ^ 0x646f72616e646f6dULL ^ 0xee, k0 ^ 0x6c7967656e657261ULL,
          k1 ^ 0x7465646279746573ULL};
  const uint64_t size = data.size();
  for (; data.size() >= 8; data.remove_prefix(8)) s.take(load(data.data(), 8));
  s.take(load(data.data(), data.size()) | size << 56);
  s.v2 ^= 0xee;
  s.rounds(4);
  const uint64_t first = s.all();
  s.v1 ^= 0xdd;
  s.rounds(4);
  const uint64_t second = s.all();
  SipBytes out;
  std::memcpy(out.data(), &first, 8);
  std::memcpy(out.data() + 8, &second, 8);
  return out;
}

}  // namespace penstock
