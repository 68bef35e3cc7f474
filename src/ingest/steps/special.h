// Events whose names mean something to the pipeline itself (contract sections 7 and 10).
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Client warnings become warnings; heatmaps have no table yet. Both are dropped with a reason.
Verdict handle_special(const Item& item, Warnings& warnings);

}  // namespace penstock::ingest
