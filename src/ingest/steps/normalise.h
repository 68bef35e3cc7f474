// Normalise: person properties derived from the event's own (contract section 2b, ERRATA A4–A7).
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Lifts the listed properties into $set and $initial_… and writes both back into the properties.
void normalise(Item& item);
/// Brings the timestamp into the range a row can hold.
void bound_timestamp(Item& item, int64_t now_ms, Warnings& warnings);

}  // namespace penstock::ingest
