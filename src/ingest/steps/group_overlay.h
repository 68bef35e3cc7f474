// GroupOverlay: the groups and types of groups one cycle reads and changes, between store and log.
//
// As PersonOverlay: steps read and change them here, and at the end every group and type that has
// to be written yields one record, in the partition of the event that touched it last. A group's
// version counts its events that changed something, not cycles, so that it is the same however a
// history is cut into batches. Belongs to one cycle on the ingest loop. Failure: the store's; the
// cycle is then repeated.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "event/json_fields.h"
#include "event/processed_record.h"
#include "ingest/steps/property_text.h"
#include "persons/person_store.h"

namespace penstock::ingest {

class GroupState {
 public:
  GroupState(persons::Group group, bool stored);

  const ProjectId project;
  const uint8_t type_index;
  const std::string key;
  int64_t created_at_ms;
  uint64_t version;  // 0: never written
  bool stored;       // known to the store
  bool write = false;
  Partition partition;  // of the event that changed it last

  bool exists() const { return version > 0; }
  const event::JsonFields& fields() const { return properties_.fields(); }
  void set(std::string_view property, std::string_view raw) { properties_.set(property, raw); }
  /// Properties as JSON text; valid until the next change.
  const std::string& text() const { return properties_.text(); }

 private:
  PropertyText properties_;
};

class GroupOverlay {
 public:
  explicit GroupOverlay(const persons::PersonStore& store) : store_(store) {}

  /// The index of a project's type of groups; a new name takes the lowest one that is free.
  /// Nullopt: none is, or it is no name a type can have.
  Result<std::optional<uint8_t>> type_index(ProjectId project, std::string_view name,
                                            int64_t event_ms, Partition partition);
  /// The group as it is now; one that does not exist has version 0.
  Result<GroupState*> group(ProjectId project, uint8_t type_index, std::string_view key);

  struct Changes {
    struct Group {
      Partition partition;
      event::GroupChange change;
    };
    struct Type {
      Partition partition;
      event::GroupTypeChange change;
    };
    std::vector<Group> groups;
    std::vector<Type> types;
  };
  /// What has to be written; views point into the overlay.
  Changes changes() const;

 private:
  struct TypeState {
    persons::GroupType type;
    bool fresh = false;
    Partition partition;
  };
  using Types = std::vector<std::unique_ptr<TypeState>>;  // in the order they came

  Result<Types*> types_of(ProjectId project);

  const persons::PersonStore& store_;
  std::map<ProjectId, Types> types_;
  std::unordered_map<std::string, std::unique_ptr<GroupState>> groups_;
  std::vector<GroupState*> group_order_;
};

}  // namespace penstock::ingest
