// What the engine wrote into its deduplication logs and never made a part of.
//
// An insert's block is noted in its table's deduplication log before its part gets its name. A
// process that dies between the two leaves a note without a part, and the engine would then take
// the repeated insert for a duplicate and lose its rows. Before the engine opens its directory,
// every such note is struck: the block is unknown again and its repetition is stored.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"

namespace penstock::store {

/// `directory`: the engine's, with the tables below `store/`. Answers how many notes were struck.
/// A last line that was cut off in the middle is removed. Only while no engine runs there.
Result<size_t> strike_lost_blocks(const std::string& directory);

}  // namespace penstock::store
