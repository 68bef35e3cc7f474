// Opens the person store that the settings name: in the data directory, or on PostgreSQL.
//
// Needs neither the log nor PostgreSQL to be there yet. main's thread, once.
#pragma once

#include <memory>
#include <string>

#include "main/disk_watch.h"
#include "main/settings.h"
#include "persons/person_store.h"
#include "runtime/runtime.h"

namespace penstock::cli {

Result<std::unique_ptr<persons::PersonStore>> open_persons(const Settings& settings,
                                                           runtime::Runtime& runtime,
                                                           DiskWatch& disk,
                                                           const std::string& data_dir);

}  // namespace penstock::cli
