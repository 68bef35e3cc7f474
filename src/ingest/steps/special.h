// Events whose names mean something to the pipeline itself (contract section 10).
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Client warnings become warnings, and are dropped with a reason.
Verdict handle_special(const Item& item, Warnings& warnings);

}  // namespace penstock::ingest
