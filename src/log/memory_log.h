// MemoryLog: the Log interface in memory, for tests and simulation.
//
// Same promises as the embedded log while the process lives; nothing is durable. Retention is not
// enforced.
#pragma once

#include <memory>

#include "log/log.h"

namespace penstock::log {

std::unique_ptr<Log> make_memory_log(runtime::Runtime& runtime);

}  // namespace penstock::log
