// Project rules: what a project's setting "ingestion" does with an event beyond the common steps.
//
// Dropped events are dropped with a reason of their own and, where the contract has one, a warning.
// Pure functions over the item; metrics count what a dry run would have dropped.
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Schemas, age and filters, in the contract's order (section 1, steps 6 and 7).
Verdict apply_project_rules(const Item& item, Warnings& warnings);
/// Whether the event is a `$feature_flag_called` that must not make a new person (ERRATA A13). Ask
/// before the profile step, which takes `$process_person_profile` away.
bool is_profileless_flag_call(const Item& item);
/// Removes what SDKs only remember for themselves, and from `$feature_flag_called` without a text
/// as its response everything a project registered for all events (ERRATA A14).
void strip_sdk_state(Item& item);

}  // namespace penstock::ingest
