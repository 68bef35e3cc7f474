// $process_person_profile: whether an event touches persons (contract section 3, ERRATA B27, B2).
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Sets `item.processing`; may drop the event with a warning.
Verdict decide_profile(Item& item, Warnings& warnings);
/// Reads the other id of an identify or alias into `item.merge_with` (ERRATA A3).
Verdict read_merge(Item& item, Warnings& warnings);
/// After normalising: what a personless event may not carry is taken off.
void strip_person_fields(Item& item);

}  // namespace penstock::ingest
