// Quarantine as JSON: entries, what a trial came to, re-drives.
//
// Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "admin/admin.h"
#include "base/json_writer.h"
#include "ledger/quarantine_filter.h"

namespace penstock::admin {

/// `whole`: with the event's text, the edited one, and what came with the request.
void write_quarantined(JsonWriter& w, const ledger::QuarantineEntry& entry, bool whole);

/// What would become of it: `record` was tried, `records` would be written.
void write_trial(JsonWriter& w, const ledger::QuarantineEntry& entry, std::string_view record,
                 const std::vector<std::string>& records);

/// `left`: entries of a running one that are still in quarantine. `now`: null when it waits.
void write_job(JsonWriter& w, const ledger::RedriveJob& job, uint64_t left,
               const RedriveProgress* now);
Result<ledger::QuarantineFilter> select_of(const ledger::RedriveJob& job);

}  // namespace penstock::admin
