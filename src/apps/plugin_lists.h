// `$plugins_succeeded` and `$plugins_failed`: which apps an event went through, in its properties.
//
// Pure functions over JSON text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/apps.h"

namespace penstock::apps {

/// "Name (configId)".
std::string app_label(const AppConfig& config);
/// The event with the lists that are not empty set in its properties, replacing what a client sent
/// under these names. An event that is not an object is answered as it is.
std::string with_plugin_lists(std::string_view event, const std::vector<std::string>& succeeded,
                              const std::vector<std::string>& failed);
/// The lists that are not empty as JSON members, without braces; empty where both are.
std::string plugin_lists(const std::vector<std::string>& succeeded,
                         const std::vector<std::string>& failed);
std::string with_plugin_lists(std::string_view event, std::string_view lists);
/// The same where it is known that the members of `properties` end at `end` and are no such lists.
void put_plugin_lists(std::string& event, size_t end, std::string_view lists);

}  // namespace penstock::apps
