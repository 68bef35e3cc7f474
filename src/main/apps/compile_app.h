// Mistakes in an app's files, found by a worker without running any of it.
#pragma once

#include <functional>
#include <vector>

#include "admin/app_sources.h"
#include "apps/apps.h"

namespace penstock::cli {

/// On the engine's loop; `done` later, on it too.
void compile_app(apps::Apps& engine, const catalog::AppFiles& files,
                 std::move_only_function<void(Result<std::vector<admin::AppMistake>>)> done);

}  // namespace penstock::cli
