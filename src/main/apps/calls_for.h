// What apps were called with one stored event, in the admin API's words. Any thread.
#pragma once

#include <string>

#include "catalog/catalog.h"
#include "deliver/deliver.h"

namespace penstock::cli {

/// A JSON array, oldest first.
Result<std::string> calls_for(const deliver::Deliver& deliver, const catalog::Snapshot& now,
                              const Uuid& event);

}  // namespace penstock::cli
