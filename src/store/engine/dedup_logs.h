// What the engine wrote into its deduplication logs and never made a part of.
//
// An insert's block is noted in its table's deduplication log before its part gets its name. A
// process that dies between the two leaves a note without a part, and the engine would then take
// the repeated insert for a duplicate and lose its rows. Before the engine opens its directory,
// every such note is struck: the block is unknown again and its repetition is stored.
//
// The other way round, a part without its note, comes from a power loss alone: the engine syncs
// parts and never its notes, and the repeated insert would be stored twice (seen on ext4). So the
// logs are files that the kernel writes through.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace penstock::store {

/// `directory`: the engine's, with the tables below `store/`. Answers how many notes were struck.
/// A last line that was cut off in the middle is removed. Only while no engine runs there.
Result<size_t> strike_lost_blocks(const std::string& directory);

/// Every note is on the disk before its part gets its name: the logs and what the engine will add
/// to them get the file attribute S. False where a file system has no such thing, or a table no log
/// yet; then `sync_logs` is for after each insert, and leaves a moment open.
bool write_logs_through(const std::string& directory);
Status sync_logs(const std::string& directory);

}  // namespace penstock::store
