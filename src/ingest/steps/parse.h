// First steps of an event: whose it is, and what its text holds (contract sections 1 and 2).
//
// Top-level keys other than properties, $set and $set_once are not kept; what names the event and
// its sender was already read by capture. Pure functions of the item.
#pragma once

#include "event/slice.h"
#include "ingest/steps/item.h"

namespace penstock::ingest {

/// Finds the project of the token and cuts the event's name. `slice`: whose record it has to be.
Verdict resolve(Item& item, const catalog::Snapshot& snapshot, const event::Slice& slice = {});
/// Reads `data` into properties, $set and $set_once. Text that is no such event: quarantine.
Verdict parse(Item& item);
/// Other distinct ids that an event of this name will probably ask for, so that they are read ahead
/// with all others: those that it merges, and its device. Nothing is decided by them.
std::vector<std::string> merged_ids(const event::RawRecord& raw, std::string_view event);
/// Distinct ids that no row could hold are dropped with a warning.
Verdict check_distinct_id(const Item& item, Warnings& warnings);

}  // namespace penstock::ingest
