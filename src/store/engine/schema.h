// The engine's tables, as numbered migrations. A released migration is never edited.
#pragma once

#include <string_view>
#include <vector>

namespace penstock::store {

struct Migration {
  int version;
  std::string_view name;
  std::vector<std::string_view> statements;
};
const std::vector<Migration>& migrations();

/// Tables a project may read; each has team_id.
const std::vector<std::string_view>& project_tables();

}  // namespace penstock::store
