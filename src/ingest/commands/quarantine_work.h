// Commands about quarantine: edit, discard, begin and end a re-drive.
//
// They only say what is to be: records for the processed topic, which the ledger applies
// (event/quarantine_change.h). Carried out twice, a command does nothing the second time. Pure but
// for reading the ledger. Failure: kInvalid and kNotFound are the asker's.
#pragma once

#include "event/person_command.h"
#include "ingest/commands/work.h"

namespace penstock::ingest {

bool is_quarantine_command(std::string_view kind);
/// `now_ms`: when it is carried out. `partitions`: of the processed topic; a re-drive remembers how
/// far each was applied when it began, which says exactly what was in quarantine then.
Result<CommandResult> quarantine_command(const event::PersonCommand& command,
                                         const ledger::Ledger& ledger, int64_t now_ms,
                                         int32_t partitions);

}  // namespace penstock::ingest
