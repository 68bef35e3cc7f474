// The remote config of a project: what posthog-js is told to do, contract section 9.
//
// Defaults switch nothing on that Penstock does not take in by itself; the project's setting
// "remote_config" is laid over them. The paths it names are below the address that an SDK was
// given, path prefix included, because SDKs append them to it. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "catalog/catalog.h"

namespace penstock::capture {

/// What of the server and the moment a config depends on.
struct ConfigContext {
  bool recordings_limited = false;  // the project may record no more this month
};

/// `"token":"phc_…","supportedCompression":[…],…` without braces: the config's members.
std::string config_members(const catalog::Project& project, const ConfigContext& context);
/// The members that a client is told without a project: everything off.
std::string_view minimal_config_members();
/// JavaScript that leaves the config where posthog-js looks for it.
std::string config_script(const catalog::Project& project, const ConfigContext& context);

}  // namespace penstock::capture
