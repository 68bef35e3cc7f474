// Reduced: what is left of a cycle's changes when only the highest version of each key counts.
//
// In a fixed order, so that two writers lock rows in the same one. Views are those of the updates.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/replay.h"
#include "persons/person_store.h"
#include "persons/postgres/session.h"

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
  std::vector<event::PersonMerge> merges;
  struct Reference {
    Uuid source;
    event::PersonMerge merge;
  };
  std::vector<Reference> references;  // of merges, from the persons that went
  std::vector<event::PersonCommandReport> reports;
  std::set<int64_t> deleted_in;  // projects of which a distinct id was deleted
  log::Positions positions;      // those that rise

  explicit Reduced(const PersonUpdates& updates);
  size_t size() const {
    return persons.size() + deleted.size() + ids.size() + groups.size() + group_types.size() +
           merges.size() + reports.size();
  }

 private:
  void take_history(const PersonUpdates& updates);
};

// postgres_history.cc
Status put_history(Connection& connection, const Reduced& changes);
Result<std::set<int64_t>> load_deleted_in(Connection& connection);

Status put_groups(Connection& connection,
                  const std::vector<Reduced::Named<event::GroupChange>>& groups);
Status put_group_types(Connection& connection, const std::vector<event::GroupTypeChange>& changes);

}  // namespace penstock::persons
