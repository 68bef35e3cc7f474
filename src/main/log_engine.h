// Opens the log that the settings name: in the data directory, or on Kafka, where the lanes hold
// PostHog's messages. It is not started yet. main's thread and the command line.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "log/log.h"
#include "main/settings.h"
#include "runtime/runtime.h"

namespace penstock::cli {

/// The partitions whose outcomes are those of some slices of the projects.
std::function<bool(std::string_view topic, Partition)> outcomes_of(
    const Settings& settings, const std::vector<int32_t>& slices);

/// `home` is for the embedded log's state. The catalog says which project an event of another
/// capture is of, whenever it is read; it outlives the running log. Null: of none. `follows`: on
/// Kafka, what another process decides is only read. `on_shut_out`: one does, where this one did.
/// `slices`: those that are decided here, of several.
std::unique_ptr<log::Log> open_log(const Settings& settings, runtime::Runtime& runtime,
                                   runtime::Loop& home, const std::string& data_dir,
                                   const catalog::Catalog* catalog, bool follows,
                                   std::function<void()> on_shut_out = {},
                                   const std::vector<int32_t>& slices = {});

}  // namespace penstock::cli
