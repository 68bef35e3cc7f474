// Pace: a token bucket that all capture shards share.
//
// One number, the time at which the bucket will be full again; taking adds to it what the cost
// takes to come back. Time is the caller's, in whole milliseconds, and may jump back: a bucket is
// never further from full than its burst. Any thread; never waits for long.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace penstock::usage {

class Pace {
 public:
  /// True when `cost` units fit now, and takes them. A full bucket lets one cost of any size pass,
  /// so that nothing is too large for ever. `per_second` and `burst` are at least 1.
  bool take(uint64_t cost, uint64_t per_second, uint64_t burst, int64_t now_ms) {
    const int64_t now_us = now_ms * 1000;
    const int64_t depth_us = us_for(burst, per_second), cost_us = us_for(cost, per_second);
    int64_t seen = full_at_us_.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t from = std::clamp(seen, now_us, now_us + depth_us);
      if (from > now_us && from + cost_us > now_us + depth_us) {
        // After a jump back of the clock it would otherwise stay empty until the old time comes.
        if (seen > from) full_at_us_.compare_exchange_strong(seen, from, std::memory_order_relaxed);
        return false;
      }
      if (full_at_us_.compare_exchange_weak(seen, from + cost_us, std::memory_order_relaxed)) {
        return true;
      }
    }
  }

 private:
  static int64_t us_for(uint64_t units, uint64_t per_second) {
    return static_cast<int64_t>(static_cast<double>(units) * 1e6 / static_cast<double>(per_second));
  }

  std::atomic<int64_t> full_at_us_{0};
};

}  // namespace penstock::usage
