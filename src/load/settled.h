// Whether all that the loader ever began to store is stored, so that another store may take over.
//
// A batch whose answer was lost may be in the store or not; it is repeated to the same store under
// its id. In another store it would come twice. Blocks for a small file; nothing else may load
// meanwhile.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::load {

/// `state_path` as in LoaderOptions; `committed` are the positions of kGroupLoad. kConflict: there
/// is such a batch.
Status check_settled(runtime::FileSystem& files, const std::string& state_path,
                     const std::vector<log::Position>& committed);

/// The same where loaders share a store and write down what they begin in `kIntentsTopic`. `done`
/// runs on `home`; no loader may be running.
void check_shared_settled(log::Log& log, runtime::Loop& home, size_t partitions,
                          std::vector<log::Position> committed,
                          std::move_only_function<void(Status)> done);

}  // namespace penstock::load
