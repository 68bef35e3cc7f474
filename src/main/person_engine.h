// Opens the person store that the settings name: in the data directory, or on PostgreSQL.
//
// Needs neither the log nor PostgreSQL to be there yet. main's thread, once.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "main/disk_watch.h"
#include "main/settings.h"
#include "persons/person_store.h"
#include "runtime/runtime.h"

namespace penstock::cli {

/// `slices`: whose changes this process writes, of several.
Result<std::unique_ptr<persons::PersonStore>> open_persons(const Settings& settings,
                                                           runtime::Runtime& runtime,
                                                           DiskWatch& disk,
                                                           const std::string& data_dir,
                                                           const std::vector<int32_t>& slices);

/// The name under which the log's positions lie in a database that others share: of a log in this
/// data directory it is made at the first asking, of one on Kafka all its processes have the same.
Result<std::string> person_source(const Settings& settings, runtime::Runtime& runtime,
                                  const std::string& data_dir);

}  // namespace penstock::cli
