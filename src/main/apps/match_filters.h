// How many of some events an app's filters match, for whoever is writing them.
#pragma once

#include <string>
#include <vector>

#include "admin/app_sources.h"
#include "catalog/project_settings.h"
#include "main/apps/app_groups.h"
#include "runtime/runtime.h"

namespace penstock::cli {

/// Any thread. As ingest asks them: a filter that takes all its time again and again is not asked
/// any more, so this ends soon.
admin::FilterMatches match_filters(runtime::Runtime& runtime, const AppGroups& groups, ProjectId id,
                                   const catalog::ProjectSettings& project,
                                   const std::string& filters,
                                   const std::vector<std::string>& events);

}  // namespace penstock::cli
