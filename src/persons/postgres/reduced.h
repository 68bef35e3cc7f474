// Reduced: what is left of a cycle's changes when only the highest version of each key counts.
//
// In a fixed order, so that two writers lock rows in the same one. Views are those of the updates.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "persons/person_store.h"
#include "persons/postgres/connection.h"

namespace penstock::persons {

struct Reduced {
  template <typename Change>
  struct Named {
    Change change;
    std::string name;  // its distinct id or key as PostgreSQL can hold it
  };
  std::vector<event::PersonChange> persons, deleted;
  std::vector<Named<event::DistinctIdChange>> ids;
  std::vector<Named<event::GroupChange>> groups;
  std::vector<event::GroupTypeChange> group_types;
  std::map<int32_t, int64_t> positions;  // those that rise

  explicit Reduced(const PersonUpdates& updates);
  size_t size() const {
    return persons.size() + deleted.size() + ids.size() + groups.size() + group_types.size();
  }
};

Status put_groups(Connection& connection,
                  const std::vector<Reduced::Named<event::GroupChange>>& groups);
Status put_group_types(Connection& connection, const std::vector<event::GroupTypeChange>& changes);

}  // namespace penstock::persons
