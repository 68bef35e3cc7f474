// scan_undecided: is an event among those that were captured and not decided yet?
//
// Reads the raw topics from where ingest stands to their end, on `loop`; used when a trace finds
// nothing. The Log must outlive it. Failure: the log's.
#pragma once

#include <functional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ledger {

using UndecidedDone = std::move_only_function<void(Result<std::vector<TraceEntry>>)>;

/// Entries have state "in_flight" and the consumer of their lane as stage. More than `records_max`
/// waiting records in a lane are looked at from the newest `records_max` on.
void scan_undecided(log::Log& log, runtime::Loop& loop, const Uuid& uuid, UndecidedDone done,
                    int64_t records_max = 200'000);

}  // namespace penstock::ledger
