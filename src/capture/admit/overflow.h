// OverflowLimiter: a token bucket for each distinct id, in memory that does not grow.
//
// A bucket is one number, the time at which it will be full again ("theoretical arrival time"), so
// a key costs 16 bytes and asking is an addition and a comparison. Keys live in sets of four; when
// a set is full the bucket nearest to full makes room. A full bucket is the same as none, so what
// is forgotten is forgotten in the sender's favour. Time is what the caller says, in whole
// milliseconds, and may jump back: a bucket is never further from full than its burst.
// One per shard, loop thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "catalog/admission_settings.h"

namespace penstock::capture {

class OverflowLimiter {
 public:
  /// Rounded up to a power of two.
  explicit OverflowLimiter(size_t keys_max);

  /// False when the key has used up its bucket: this event overflows. `limit.events_per_second` 0
  /// lets everything pass.
  bool admits(uint64_t key_hash, const catalog::OverflowLimit& limit, int64_t now_ms);
  /// The key will be asked about soon: its set is fetched meanwhile, which takes as long as reading
  /// a fifth of an event.
  void foresee(uint64_t key_hash) const { __builtin_prefetch(&sets_[key_hash & mask_], 1); }
  size_t keys_max() const { return sets_.size() * kWays; }

 private:
  static constexpr size_t kWays = 4;
  struct Bucket {
    uint64_t key = 0;
    int64_t full_at_us = 0;
  };
  struct alignas(64) Set {
    Bucket buckets[kWays];
  };

  std::vector<Set> sets_;
  size_t mask_;
};

}  // namespace penstock::capture
