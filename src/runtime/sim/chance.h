// Chance: the simulator's dice. A seeded generator (splitmix64) and the hash that tells whether two
// runs threw the same. One owner; not thread safe; never fails.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/hash.h"

namespace penstock::runtime {

class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// Evenly from 0 to `below` - 1; 0 when `below` is 0.
  uint64_t below(uint64_t below) { return below == 0 ? 0 : next() % below; }
  bool percent(uint64_t p) { return below(100) < p; }

 private:
  uint64_t state_;
};

/// What a run did, folded into one number.
class Trace {
 public:
  void add(uint64_t v) {
    Chance mix(value_ ^ v);
    value_ = mix.next() + v;
  }
  void add(std::string_view text) { add(hash64(text)); }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0;
};

}  // namespace penstock::runtime
