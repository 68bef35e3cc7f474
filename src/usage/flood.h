// Flood: whether one project takes more than its part of the lane that all share.
//
// A bucket of two seconds at the project's rate, over all shards; when it is empty and others send
// too, the project floods, until it has kept within its rate for half a minute: what one distinct
// id sends should not change lanes more often than it must. Any thread; never waits. Time is the
// caller's, in whole milliseconds, and may jump back: then nobody floods until somebody does again.
#pragma once

#include <atomic>
#include <cstdint>

#include "usage/pace.h"

namespace penstock::usage {

class Flood {
 public:
  static constexpr int64_t kCalmMs = 30'000;
  static constexpr uint64_t kBurstS = 2;

  /// Something came at this time. A store only once in a while, so that shards do not disturb each
  /// other.
  void seen(int64_t now_ms) {
    constexpr int64_t kOftenMs = 200;
    const int64_t before = seen_ms_.load(std::memory_order_relaxed);
    if (now_ms - before > kOftenMs || now_ms < before) {
      seen_ms_.store(now_ms, std::memory_order_relaxed);
    }
  }
  int64_t seen_ms() const { return seen_ms_.load(std::memory_order_relaxed); }

  /// True when `cost` events fit into the rate; otherwise the caller decides whether it matters.
  bool keeps_within(uint64_t cost, uint64_t per_second, int64_t now_ms) {
    return pace_.take(cost, per_second, per_second * kBurstS, now_ms);
  }
  void floods(int64_t now_ms) { until_ms_.store(now_ms + kCalmMs, std::memory_order_relaxed); }
  bool is_flooding(int64_t now_ms) const {
    const int64_t left = until_ms_.load(std::memory_order_relaxed) - now_ms;
    return left > 0 && left <= kCalmMs;
  }

 private:
  Pace pace_;
  std::atomic<int64_t> seen_ms_{0}, until_ms_{0};
};

}  // namespace penstock::usage
