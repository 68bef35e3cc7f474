// A stored event as apps are shown it: PostHog's ProcessedPluginEvent (plugins contract section 5).
//
// Pure functions. What `composeWebhook` sees beside it (`person`, `groups`, `elements_chain`) is in
// the same object.
#pragma once

#include <string>
#include <string_view>

#include "event/processed_record.h"

namespace penstock::deliver {

/// `outcome` is an accepted event.
std::string event_json(const event::Outcome& outcome, std::string_view site_url);
/// The chain taken apart again, as a JSON array of PostHog's elements.
std::string elements_json(std::string_view chain);
/// What JSON.stringify(…).length says of a text: UTF-16 units.
uint64_t utf16_units(std::string_view text);

}  // namespace penstock::deliver
