// fsck: reads everything in a data directory on which nothing runs, and says what is not whole.
//
// The log is read to the last block, state databases and the catalog by their checksums, objects to
// their ends; the ledger is counted anew from the log and compared, on Kafka too, whose own files
// are the brokers'. The engine is started to hear what it set aside. Nothing is repaired. Blocks
// for as long as reading takes. main's thread.
#pragma once

#include <functional>
#include <string>

#include "main/finding.h"
#include "main/settings.h"

namespace penstock::cli::fsck {

/// Told before each step: what is looked at now.
using Progress = std::function<void(const std::string&)>;

Findings check(const std::string& data_dir, const Settings& settings, const Progress& progress);

/// The log alone, every block of it; damage is told under the id `damage`. The doctor asks, too.
void check_log(const std::string& data_dir, const std::string& damage, const Progress& progress,
               Findings& out);

// Its steps, in files of their own.
void check_files(const std::string& data_dir, const Settings& settings, const Progress& progress,
                 Findings& out);
void recount(const std::string& data_dir, const Settings& settings, const Progress& progress,
             Findings& out);
void check_store(const std::string& data_dir, const Settings& settings, const Progress& progress,
                 Findings& out);

}  // namespace penstock::cli::fsck
