// MergeTree: the merges that one undo has to know, and which ids each person had before them.
//
// Loaded from the histories of the persons that the merge joined and of all they were merged with
// since. Ids are found by going back from where they lie now (or lay when their person went) past
// everything that came since. Ingest loop only. Failure: the person store's; kExhausted when the
// tree or a person is too large.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "event/processed_record.h"
#include "ingest/steps/person_overlay.h"
#include "persons/person_store.h"

namespace penstock::ingest {

/// Persons that one undo follows, and distinct ids of one of them.
inline constexpr size_t kUndoPersonsMax = 1000;
inline constexpr size_t kUndoIdsMax = 200'000;

class MergeTree {
 public:
  /// Views point into `bytes`.
  struct Entry {
    std::string bytes;
    event::PersonMerge merge;
    Uuid source_person;  // nil: there was none before
    Uuid target_person;
  };

  MergeTree(const persons::PersonStore& store, ProjectId project)
      : store_(store), project_(project) {}

  /// Reads what is new in the histories reachable from these persons.
  Status load(const Uuid& person);
  /// The record about this event, the standing one first; null: none.
  const Entry* find(const Uuid& event) const;
  /// Records about an event: it may have been decided anew by an undo.
  std::vector<const Entry*> about(const Uuid& event) const;
  /// Whether every record about the event says that it was undone.
  bool is_undone(const Uuid& event) const;
  /// All records, in the order of decision.
  std::vector<const Entry*> all() const;
  using Ids = std::vector<PersonOverlay::Moved>;
  /// The ids that this merge moved, as they were.
  static Ids moved_ids(const Entry& merge);
  /// The ids of a side of this merge just before it.
  Result<Ids> ids_before(const Uuid& person, const Entry& merge) const;

 private:
  using Order = std::tuple<int64_t, uint32_t, Uuid, Uuid>;  // time, place, event, result
  static Order order_of(const event::PersonMerge& m) {
    return {m.time_ms, m.place, m.event_uuid, m.result};
  }

  const persons::PersonStore& store_;
  ProjectId project_;
  std::map<Order, std::unique_ptr<Entry>> entries_;
};

}  // namespace penstock::ingest
