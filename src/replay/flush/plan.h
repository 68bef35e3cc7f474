// Plan: one flush worked out: the object's bytes, and the records for the processed topic.
//
// Plain synchronous code for a pool thread: reads the ledger's index (dedup) and quarantine room,
// changes nothing. The same input gives the same decisions until the ledger moves. Failure: the
// ledger's; nothing a message holds fails it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"
#include "ledger/ledger.h"
#include "log/log.h"

namespace penstock::replay {

/// Consecutive raw records of one partition; the views live as long as `owner`.
struct Slice {
  Partition partition;
  Offset base;
  std::vector<std::string_view> records;
  std::shared_ptr<const void> owner;
};

struct PlanOptions {
  std::string object_key;
  int64_t now_ms = 0;
  uint32_t retention_days = 0;
  size_t console_bytes_max = 4U << 20;  // lines of a partition; more are only counted
  size_t warnings_max = 1000;
};

struct Plan {
  std::string object_key, object;   // no object when it is empty
  std::vector<log::Batch> batches;  // for the processed topic, sequences set
  uint64_t messages = 0, accepted = 0, dropped = 0, duplicates = 0, quarantined = 0, blocks = 0;
};

inline constexpr int64_t kTimestampDaysMax = 7;  // further from receipt: dropped

Result<Plan> make_plan(const std::vector<Slice>& slices, const catalog::Snapshot& snapshot,
                       const ledger::Ledger& ledger, PlanOptions options);

}  // namespace penstock::replay
