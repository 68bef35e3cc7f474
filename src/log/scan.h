// scan: reads a bounded range of a topic once, from start to end, for state that catches up.
//
// Runs on `home`: fetches piece by piece, hands every piece to `visit` clipped to the range, and
// then runs `done`. The Log must outlive the scan. Failure: the first error of the log or of
// `visit` ends the scan and is handed on.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::log {

/// Next offsets by partition.
using Positions = std::map<int32_t, int64_t>;

/// One more than the highest partition: what is kept by partition needs as many places, although a
/// log may look at some partitions only.
inline int32_t places_of(const std::vector<PartitionBounds>& bounds) {
  int32_t out = 0;
  for (const PartitionBounds& b : bounds) out = std::max(out, b.partition.value + 1);
  return out;
}

struct ScanRange {
  Partition partition;
  Offset from, to;  // [from, to)
};

/// Consecutive records of one partition; the views are valid during the visit.
struct ScanSlice {
  Partition partition;
  Offset base;
  std::vector<std::string_view> records;
};

using ScanVisit = std::move_only_function<Status(const ScanSlice&)>;
using ScanDone = std::move_only_function<void(Status)>;

/// Empty ranges are allowed; `done` always runs, once, on `home`.
void scan(Log& log, runtime::Loop& home, std::string topic, std::vector<ScanRange> ranges,
          ScanVisit visit, ScanDone done);

/// The same for a visit that ends later, by calling `next` on `home`; until then the slice's views
/// are valid and nothing else is visited.
using ScanNext = std::move_only_function<void(Status)>;
using ScanVisitLater = std::move_only_function<void(const ScanSlice&, ScanNext next)>;
void scan_slowly(Log& log, runtime::Loop& home, std::string topic, std::vector<ScanRange> ranges,
                 ScanVisitLater visit, ScanDone done);

/// The same for a visit of all slices that one fetch brought, which may cost less than each alone.
using ScanVisitTogether = std::move_only_function<Status(const std::vector<ScanSlice>&)>;
void scan_together(Log& log, runtime::Loop& home, std::string topic, std::vector<ScanRange> ranges,
                   ScanVisitTogether visit, ScanDone done);

}  // namespace penstock::log
