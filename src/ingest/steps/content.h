// Content hash: what an event says, as far as a client repeats it when it sends the event again.
//
// With (project, uuid) it tells a repeat from another event under the same uuid. What may differ
// between two attempts is left out; docs/decisions/0010-exact-dedup.md lists and explains it. Pure
// function.
#pragma once

#include <cstdint>

#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Of an item that was parsed and not changed since; never 0.
uint64_t content_hash(const Item& item);
/// For an event whose uuid stands for another one already: quarantine, with a warning.
Verdict conflict(const Item& item, Warnings& warnings);

}  // namespace penstock::ingest
