// PersonOverlay: the persons one cycle reads and changes, between the store and the log.
//
// Persons are fetched for the whole cycle at once; the steps then read and change them here, and at
// the end every person and mapping that has to be written yields one change record, in the
// partition of the event that touched it last. Belongs to one cycle on the ingest loop. Failure:
// the store's, on the few reads that come one by one; the cycle is then repeated.
#pragma once

#include <cstdint>
#include <deque>
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
#include "persons/property_stamps.h"

namespace penstock::ingest {

struct MappingState;

/// Distinct ids that one merge moves, in bytes: they are in its record and in a change each.
inline constexpr size_t kMovedBytesMax = 1U << 20;

class PersonState {
 public:
  /// `founder`: the distinct id that a new one is of.
  PersonState(persons::Person person, bool stored, std::string_view founder = {});

  const ProjectId project;
  const Uuid id;
  bool is_identified;
  std::optional<int64_t> last_seen_at_ms;
  bool deleted = false;
  bool write = false;   // has a change that must be written
  Partition partition;  // of the event that touched it last
  /// The version the next change must exceed; -1: never written.
  int64_t version_floor;
  bool stored;                          // known to the store
  std::optional<int64_t> only_mapping;  // Person::only_mapping, as it was read
  std::vector<MappingState*> ids;       // known in this overlay

  const event::JsonFields& fields() const { return properties_.fields(); }
  std::optional<std::string_view> find(std::string_view key) const { return properties_.find(key); }
  void put(std::string_view key, std::string_view raw, const persons::PropertyStamp& stamp);
  void erase(std::string_view key);
  /// Of a property it has.
  persons::PropertyStamp stamp(std::string_view key) const;
  /// No property came by `$set_once` after this.
  int64_t latest_once_ms() const;
  int64_t created_at_ms() const { return created_at_ms_; }
  /// A person begins with its earliest event.
  void begins_at(int64_t at_ms);
  std::string stamps_bytes() const;
  /// Properties as JSON text; valid until the next change.
  const std::string& text() const { return properties_.text(); }
  /// The record that makes it what it is now; borrows from it and `stamps` until the next change.
  event::PersonChange change(std::string& stamps) const;

 private:
  int64_t created_at_ms_;
  persons::PropertyStamps& stamps() const;

  std::string stamps_loaded_;
  mutable std::optional<persons::PropertyStamps> stamps_;  // read when first needed
  PropertyText properties_;
};

struct MappingState {
  ProjectId project;
  std::string distinct_id;
  PersonState* person = nullptr;  // null: the distinct id has no person
  int64_t version = -1;           // set when `changed`
  int64_t attached_at_ms = 0;     // Person::attached_at_ms
  bool changed = false;
  Partition partition;
  /// What a deletion left: a mapping and a person of this id begin above these versions.
  int64_t last_version = -1, last_person = -1;
};

class PersonOverlay {
 public:
  explicit PersonOverlay(const persons::PersonStore& store) : store_(store) {}

  /// Reads the persons of these ids; ids already known are skipped.
  Status fetch(const std::vector<persons::DistinctIdKey>& keys);
  /// The mapping of an id; fetched on its own if it was not fetched before.
  Result<MappingState*> mapping(ProjectId project, std::string_view distinct_id);

  /// A new person whose first id is `mapping`'s; the caller sets properties.
  PersonState& create(MappingState& mapping, int64_t created_at_ms, Partition partition);
  /// Gives a mapping to a person at this version, because of a merge at `at_ms`.
  void assign(MappingState& mapping, PersonState& person, int64_t version, int64_t at_ms,
              Partition partition);
  struct Moved {
    std::string distinct_id;
    int64_t attached_at_ms = 0;  // before
  };
  /// Moves every id of `source` to `target`, and says which. False: more than `ids_max`, or more
  /// than kMovedBytesMax bytes of them; nothing was moved.
  Result<bool> move_ids(PersonState& source, PersonState& target, size_t ids_max, int64_t at_ms,
                        Partition partition, std::vector<Moved>& moved);

  struct Changes {
    struct Person {
      Partition partition;
      event::PersonChange change;
      bool stored = false;  // PersonUpdates::stored
    };
    struct DistinctId {
      Partition partition;
      event::DistinctIdChange change;
    };
    std::vector<Person> persons;
    std::vector<DistinctId> distinct_ids;
    std::deque<std::string> stamps;  // what the changes point into
  };
  /// What has to be written; views point into the overlay and the answer.
  Changes changes() const;

 private:
  PersonState* add_person(persons::Person person);
  Status read_last_versions(MappingState& mapping) const;

  const persons::PersonStore& store_;
  std::unordered_map<std::string, std::unique_ptr<MappingState>> mappings_;
  std::unordered_map<Uuid, std::unique_ptr<PersonState>> persons_;  // ids are derived per project
  std::vector<PersonState*> person_order_;
  std::vector<MappingState*> mapping_order_;
  std::string lookup_;  // the key of the last look-up
};

}  // namespace penstock::ingest
