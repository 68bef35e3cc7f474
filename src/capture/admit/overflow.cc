#include "capture/admit/overflow.h"

#include <algorithm>
#include <bit>

namespace penstock::capture {

OverflowLimiter::OverflowLimiter(size_t keys_max)
    : sets_(std::bit_ceil(std::max<size_t>((keys_max + kWays - 1) / kWays, 1))),
      mask_(sets_.size() - 1) {}

bool OverflowLimiter::admits(uint64_t key_hash, const catalog::OverflowLimit& limit,
                             int64_t now_ms) {
  if (limit.events_per_second == 0) return true;
  const int64_t now_us = now_ms * 1000;
  const int64_t each_us = std::max<int64_t>(1'000'000 / limit.events_per_second, 1);
  const int64_t depth_us = each_us * std::max<int64_t>(limit.burst, 1);
  Set& set = sets_[key_hash & mask_];
  Bucket* bucket = set.buckets;
  for (Bucket& b : set.buckets) {
    if (b.key == key_hash) {
      bucket = &b;
      break;
    }
    if (b.full_at_us < bucket->full_at_us) bucket = &b;
  }
  if (bucket->key != key_hash) *bucket = {key_hash, now_us};
  const int64_t from_us = std::clamp(bucket->full_at_us, now_us, now_us + depth_us);
  if (from_us + each_us > now_us + depth_us) {
    bucket->full_at_us = from_us;
    return false;
  }
  bucket->full_at_us = from_us + each_us;
  return true;
}

}  // namespace penstock::capture
