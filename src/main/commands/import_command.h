// `import` among the subcommands of `penstock projects`.
#pragma once

#include "main/commands/commands.h"

namespace penstock::cli {

void add_import(CLI::App& projects, Run& run);

}  // namespace penstock::cli
