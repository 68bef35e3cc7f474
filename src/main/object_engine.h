// Opens the object store that the settings name: in the data directory, or on S3.
//
// One on S3 repeats what may be repeated and need not be there yet; wrong credentials are an error
// at once. main's thread and the command line; blocks.
#pragma once

#include <memory>
#include <string>

#include "main/settings.h"
#include "objects/object_store.h"
#include "runtime/runtime.h"

namespace penstock::cli {

Result<std::unique_ptr<objects::ObjectStore>> open_objects(const Settings& settings,
                                                           runtime::Runtime& runtime,
                                                           const std::string& data_dir);

}  // namespace penstock::cli
