// Files that nobody but their owner may read: keys.
//
// Blocks; at start-up. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace penstock::runtime {

/// Makes the file with mode 0600, durable on return. kConflict: it is there.
Status make_private_file(const std::string& path, std::string_view text);
/// kNotFound; kDenied: others may read it; kInvalid: it is larger than `bytes_max`.
Result<std::string> read_private_file(const std::string& path, size_t bytes_max);

}  // namespace penstock::runtime
