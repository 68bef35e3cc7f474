// Sanitise: folds top-level $set, adds $ip and $sent_at, lower-cases session ids (section 2).
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

void sanitise(Item& item);
/// Warns of a session id that is no UUID; the event stays as it is.
void check_session_id(const Item& item, Warnings& warnings);

}  // namespace penstock::ingest
