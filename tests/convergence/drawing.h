// Drawing: what the generators of histories draw from their seed.
#pragma once

#include <string>
#include <vector>

#include "tests/convergence/history.h"

namespace naive {

inline constexpr int64_t kFirstMs = 1'785'585'600'000;  // 2026-08-01T12:00:00Z

/// Unlike any other event's of any history.
std::string event_uuid(uint64_t history, size_t number);

class Drawing {
 public:
  explicit Drawing(uint64_t seed) : random_(seed) {}

  size_t below(size_t n) { return static_cast<size_t>(random_() % n); }
  bool percent(size_t p) { return below(100) < p; }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  std::string word() { return "w" + std::to_string(below(4)); }
  /// Any JSON value.
  EventJson value();
  /// Any JSON value that is neither an object nor an array.
  EventJson plain_value();
  /// When the next event happened: mostly later than the one before, which `now_ms` holds.
  int64_t time(int64_t& now_ms);
  Random& random() { return random_; }

 private:
  Random random_;
};

}  // namespace naive
