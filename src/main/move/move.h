// Move: takes parts of a data directory to other engines, or back into it.
//
// Everything is checked before anything is copied; then each part is copied, read again from the
// target and compared, and made usable. How far it is stands in <data>/state/move.journal: the same
// move goes on there after a crash. The source stays as it is. main's thread; blocks for as long as
// copying takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "main/move/config_lines.h"
#include "main/settings.h"

namespace penstock::cli::move {

struct MoveOptions {
  std::string data_dir;
  std::vector<std::string> parts;  // "persons", "catalog", …
  bool out = true;                 // of the data directory; else back into it
  bool json = false;
  bool check_only = false;
  bool write_config = false;
  bool online = false;  // a Penstock that runs is held for it, and started with what is said then
  uint64_t bytes_per_second = 0;  // 0: as fast as it goes
  uint64_t piece_bytes = 4U << 20;
};

struct Moved {
  ConfigChanges config;    // what the settings have to say from now on
  int64_t refused_ms = 0;  // online: the longest time that no request was taken
};

/// Nothing may run on the data directory, unless `online`: then penstock.toml is changed, too.
Result<Moved> run(const Settings& settings, const MoveOptions& options);
/// Forgets an unfinished move; what it wrote to the targets stays there. False: there is none.
Result<bool> forget(const std::string& data_dir);

}  // namespace penstock::cli::move
