// Meter: how much of each resource one project has used this month, and what was refused of it.
//
// Every capture shard writes a cell of its own, so that counting costs two plain instructions and
// shards do not disturb each other; readers add the cells up. A cell belongs to a month and begins
// at zero when the first event of another month comes. Counting: the shard's thread only; reading:
// any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "catalog/admission_settings.h"
#include "usage/flood.h"
#include "usage/month.h"
#include "usage/pace.h"

namespace penstock::usage {

class Meter {
 public:
  using Resource = catalog::QuotaResource;
  struct Counts {
    uint64_t used = 0, refused = 0;
    int64_t limited_since_ms = 0;  // the first refusal of the month; 0: nothing was refused
  };

  Meter(ProjectId project, size_t shards) : project_(project), cells_(shards + 1) {}

  ProjectId project() const { return project_; }
  void count(size_t shard, Resource resource, uint64_t n, const Month& month);
  void refuse(size_t shard, Resource resource, uint64_t n, const Month& month, int64_t now_ms);
  /// What was counted before this process started.
  void restore(Resource resource, const Counts& counts, const Month& month);

  uint64_t used(Resource resource, const Month& month) const;
  Counts counts(Resource resource, const Month& month) const;
  /// True when `quota` lets nothing more of this resource through now.
  bool is_over(Resource resource, const catalog::Quota& quota, const Month& month,
               int64_t now_ms) const {
    return now_ms < quota.limited_until_ms ||
           (quota.events_per_month_max && used(resource, month) >= *quota.events_per_month_max);
  }
  /// The bytes of AI events, over all shards. Any thread.
  Pace& ai_bytes() { return ai_bytes_; }
  /// Its part of the lane that all share, over all shards. Any thread.
  Flood& flood() { return flood_; }

 private:
  struct alignas(64) Cell {
    std::atomic<int32_t> month{-1};
    std::array<std::atomic<uint64_t>, catalog::kQuotaResources> used{}, refused{};
    std::array<std::atomic<int64_t>, catalog::kQuotaResources> since_ms{};
  };
  static void turn_to(Cell& cell, const Month& month);

  const ProjectId project_;
  Pace ai_bytes_;
  Flood flood_;
  std::vector<Cell> cells_;  // one of every shard, then what was restored
};

}  // namespace penstock::usage
