// The store that the settings name: in the data directory, or on a ClickHouse server.
//
// A server need not be there yet: rows wait in the log, queries answer 503. main's thread.
#pragma once

#include <memory>
#include <string>

#include "load/squash.h"
#include "log/log.h"
#include "main/settings.h"
#include "runtime/net.h"
#include "runtime/real_runtime.h"
#include "store/event_store.h"

namespace penstock::cli {

Result<std::unique_ptr<store::EventStore>> make_store(const Settings& settings,
                                                      runtime::Runtime& runtime,
                                                      runtime::LoopThread& home,
                                                      const std::string& data_dir);

/// Whether all that was ever sent to the store is known to be there (load/settled.h). Blocks; `log`
/// is started, nobody loads.
Status rows_settled(const Settings& settings, runtime::Runtime& runtime, log::Log& log,
                    runtime::LoopThread& home, const std::string& data_dir);

}  // namespace penstock::cli
