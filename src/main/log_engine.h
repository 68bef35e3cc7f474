// Opens the log that the settings name: in the data directory, or on Kafka, where the lanes hold
// PostHog's messages. It is not started yet. main's thread and the command line.
#pragma once

#include <memory>
#include <string>

#include "catalog/catalog.h"
#include "log/log.h"
#include "main/settings.h"
#include "runtime/runtime.h"

namespace penstock::cli {

/// `home` is for the embedded log's state. The catalog says which project an event of another
/// capture is of, whenever it is read; it outlives the running log. Null: of none.
std::unique_ptr<log::Log> open_log(const Settings& settings, runtime::Runtime& runtime,
                                   runtime::Loop& home, const std::string& data_dir,
                                   const catalog::Catalog* catalog);

}  // namespace penstock::cli
