// scan_undecided: which events were captured and are not decided yet?
//
// Reads the raw topics from where ingest stands to their end, on `loop`: for a trace that finds
// nothing, for a request, for what is in flight in a minute. The Log must outlive it. Failure: the
// log's.
#pragma once

#include <functional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "event/slice.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ledger {

using UndecidedDone = std::move_only_function<void(Result<std::vector<TraceEntry>>)>;

struct UndecidedQuery {
  std::function<bool(const event::RawRecord&, event::Lane)> matches;
  event::Layout layout{};  // of the log's partitions
  size_t found_max = 1000;
  int64_t records_max = 200'000;
};

/// Entries have state "in_flight" and the consumer of their lane as stage. More than `records_max`
/// waiting records in a partition are looked at from the newest `records_max` on. Where several
/// slices share a lane's partition, what is far behind the one that is furthest is not looked for:
/// a slice whose projects are silent says nowhere how far it is.
void scan_undecided(log::Log& log, runtime::Loop& loop, UndecidedQuery query, UndecidedDone done);

}  // namespace penstock::ledger
