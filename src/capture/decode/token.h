// The shape of a project's key (contract section 2). Whether anybody has that key is not asked
// here.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "capture/decode/refusal.h"

namespace penstock::capture {

/// Trims `token`; nullopt when it is well formed, otherwise the 401 to answer.
std::optional<Refusal> check_token(std::string_view& token, size_t bytes_max);

}  // namespace penstock::capture
