// Dice: where a run's choices come from. Seeded; the same on every machine. One owner.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace penstock::simulation {

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  uint64_t next() { return engine_(); }
  /// 0 to `below` - 1; 0 when `below` is 0.
  uint64_t below(uint64_t below) { return below == 0 ? 0 : engine_() % below; }
  int64_t between(int64_t from, int64_t to) {
    return from + static_cast<int64_t>(below(static_cast<uint64_t>(to - from + 1)));
  }
  bool percent(uint64_t p) { return below(100) < p; }
  /// Of a million.
  bool ppm(uint64_t p) { return below(1'000'000) < p; }
  template <typename T>
  T pick(std::initializer_list<T> of) {
    return *(of.begin() + below(of.size()));
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace penstock::simulation
