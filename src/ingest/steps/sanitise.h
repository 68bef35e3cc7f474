// Sanitise: folds top-level $set, adds $ip and $sent_at, lower-cases session ids (section 2).
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

void sanitise(Item& item);

}  // namespace penstock::ingest
