// audit: is everything there that was promised, once, and do the books agree?
//
// For a running server whose clients rest. Waits until nothing is in flight, then compares the SQL
// rows, the recordings, the traces of what is neither, the persons behind the rows and the ledger.
// What is wrong becomes sentences in the report. Failure: an Error when the server cannot be asked.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "main/instance.h"
#include "main/prove/clients.h"
#include "main/prove/crash_loop.h"

namespace penstock::cli::prove {

/// `projects`: the default project's id, then those made for early keys.
Status audit(const Instance& instance, const std::vector<std::string>& projects,
             const Promises& promises, CrashReport& report);

/// Makes a project for a key that events have come with already; answers its id.
Result<std::string> make_project(const Instance& instance, const std::string& key);

}  // namespace penstock::cli::prove
