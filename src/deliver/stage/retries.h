// When a call that failed is made again: the plugin contract's sections 5 and 6. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "deliver/deliver.h"

namespace penstock::deliver {

/// Calls for one event, of onEvent and composeWebhook; and of exportEvents, the first one included.
inline constexpr int kAttemptsMax = 5, kExportAttemptsMax = 16;

/// How long to wait before the next attempt; negative: there is none. `made` attempts were made.
inline int64_t wait_before_next(Method method, int made, const DeliverOptions& options) {
  if (method == Method::kExportEvents) {
    return made >= kExportAttemptsMax ? -1 : options.export_attempt_ms << std::min(made, 16);
  }
  return made >= kAttemptsMax ? -1 : options.attempt_ms << (made - 1);
}

}  // namespace penstock::deliver
