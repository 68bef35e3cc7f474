// What the edge decided about an event, told to the project's people (contract section 10).
#pragma once

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// A warning, of source "capture", for what was dropped, quarantined, redirected, limited or sent
/// through the overflow lane there. Nothing for other events.
void warn_of_edge(const Item& item, Warnings& warnings);
/// The warning for requests that were refused whole; it borrows from both.
event::IngestionWarning warning_of(const event::RefusalCount& refused, std::string& details);

}  // namespace penstock::ingest
