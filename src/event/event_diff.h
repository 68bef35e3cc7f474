// What changed between two versions of an event, for people: trace, and tests of an app.
//
// Both are JSON objects as apps see them, with their `properties`. Pure function.
#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.h"

namespace penstock::event {

/// Members {"set":{…},"unset":[…],"fields":{…}} into an object that is open: properties that were
/// written, properties that are gone, and what changed beside the properties; empty ones are left
/// out. What only says that apps ran is no change. A difference that takes more than `bytes_max` is
/// told as {"keys":N}. False: there is none, nothing was written.
bool write_event_diff(JsonWriter& w, std::string_view before, std::string_view after,
                      size_t bytes_max);

}  // namespace penstock::event
