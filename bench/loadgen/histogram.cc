#include "bench/loadgen/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace penstock::bench {
namespace {

constexpr unsigned kSubBits = 6;  // 64 steps

size_t bucket_of(uint64_t ns) {
  if (ns < (1u << kSubBits)) return ns;
  const unsigned octave = static_cast<unsigned>(std::bit_width(ns)) - 1;
  const uint64_t step = (ns >> (octave - kSubBits)) & ((1u << kSubBits) - 1);
  return (size_t{octave - kSubBits + 1} << kSubBits) + step;
}

double floor_of(size_t bucket) {
  const size_t group = bucket >> kSubBits;
  const auto step = static_cast<double>(bucket & ((1u << kSubBits) - 1));
  if (group == 0) return step;
  return std::ldexp((1u << kSubBits) + step, static_cast<int>(group) - 1);
}

}  // namespace

void Histogram::add(uint64_t ns) {
  buckets_[std::min(bucket_of(ns), buckets_.size() - 1)]++;
  count_++;
  max_ = std::max(max_, ns);
}

double Histogram::percentile_us(double share) const {
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size() && wanted > 0; i++) {
    seen += buckets_[i];
    if (seen >= wanted) return floor_of(i) / 1e3;
  }
  return 0;
}

}  // namespace penstock::bench
