// The lines of penstock.toml that change when parts have moved: shown, or written into the file.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::cli::move {

/// Dotted option and its new value: {"persons.engine", "postgres"}.
using ConfigChanges = std::vector<std::pair<std::string, std::string>>;

/// As they would stand in the file.
std::string config_text(const ConfigChanges& changes);
/// The same file with these options set to strings: a line is replaced where it is, else added to
/// its table, else the table comes at the end. Everything else stays as it was.
std::string with_changes(std::string_view toml, const ConfigChanges& changes);
/// Changes `path` and keeps what it was in `path.before-move`; a crash leaves the one or the other.
/// Blocks.
Status write_config(runtime::FileSystem& files, const std::string& path,
                    const ConfigChanges& changes);

}  // namespace penstock::cli::move
