// scan: reads a bounded range of a topic once, from start to end, for state that catches up.
//
// Runs on `home`: fetches piece by piece, hands every piece to `visit` clipped to the range, and
// then runs `done`. The Log must outlive the scan. Failure: the first error of the log or of
// `visit` ends the scan and is handed on.
#pragma once

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

}  // namespace penstock::log
