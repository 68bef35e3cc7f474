// The engine's tables, as numbered migrations. A released migration is never edited.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace penstock::store {

struct Migration {
  int version;
  std::string_view name;
  std::vector<std::string_view> statements;  // each may be run again after a crash

  /// Stored with the version, so that an edited migration is noticed.
  uint64_t checksum() const;
};
const std::vector<Migration>& migrations();

/// Tables a project may read; each has team_id.
const std::vector<std::string_view>& project_tables();

}  // namespace penstock::store
