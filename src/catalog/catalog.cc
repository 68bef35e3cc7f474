#include "catalog/catalog.h"

#include <algorithm>

namespace penstock::catalog {

const Project* Snapshot::find_token(std::string_view token) const {
  const auto it = by_token.find(token);
  return it == by_token.end() ? nullptr : &projects[it->second];
}

const Project* Snapshot::find(ProjectId id) const {
  const auto it =
      std::lower_bound(projects.begin(), projects.end(), id,
                       [](const Project& p, ProjectId wanted) { return p.id < wanted; });
  return it != projects.end() && it->id == id ? &*it : nullptr;
}

bool token_is_well_formed(std::string_view token) {
  if (token.empty() || token.size() > 64 || token.starts_with("phx_")) return false;
  return std::all_of(token.begin(), token.end(), [](char c) {
    const auto b = static_cast<unsigned char>(c);
    return b > 0 && b < 0x80;
  });
}

}  // namespace penstock::catalog
