// WhatIf: what persons would be if a merge had not happened.
//
// Holds a person store of its own in memory, filled with what both persons were before the merge,
// and takes the events since then through the same PersonStep that decided them, in the order of
// their decision, with the merge left out: its event becomes an ordinary one. Persons that came to
// either side later come as the records of their merges say they were. Both sides stay apart: an
// event that would join them again joins nobody. Ingest loop only. Failure: the person stores'.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "catalog/catalog.h"
#include "event/processed_record.h"
#include "ingest/commands/merge_tree.h"
#include "ingest/steps/person_step.h"
#include "persons/person_store.h"

namespace penstock::ingest {

class WhatIf {
 public:
  /// `merge` is in the tree; both and the real store must outlive this.
  WhatIf(const persons::PersonStore& real, const MergeTree& tree, const MergeTree::Entry& merge);

  /// Puts both persons as they were. `reaches_back`: the events come from the merge on, so that
  /// what comes before its event is passed over; otherwise they come from later, and the person
  /// that stayed begins as it is now without what the other one brought.
  Status begin(bool reaches_back);
  /// One outcome, in the order of decision. Passed over when it is about others.
  Status take(const event::Outcome& outcome);
  /// Encoded records that make the real persons what they would be; empty: they are.
  Result<std::vector<std::string>> differences();

  uint64_t events() const { return events_; }
  const Uuid& source_person() const { return source_; }
  const Uuid& target_person() const { return target_; }
  size_t ids_of(const Uuid& person) const;

 private:
  enum class Side : uint8_t { kNone, kSource, kTarget };

  bool knows(std::string_view id) const { return ids_.contains(std::string(id)); }
  Status put(const event::PersonChange& person, const MergeTree::Ids& ids);
  Status bring(const event::PersonChange& person, const MergeTree::Entry& by,
               std::string_view named);
  Result<event::PersonChange> without_the_source(std::string& text) const;
  /// Decides what the event's merge is here; false: the event is about others.
  Result<bool> settle_merge(Item& item, bool& refused);
  Status run(const Item& item, bool refused);
  Result<Side> side_of(std::string_view id);
  Status flush();
  std::unordered_set<std::string> every_id() const;
  Result<bool> has_others(const Uuid& person, const std::unordered_set<std::string>& every) const;
  Status compare_persons(std::vector<std::string>& out);
  Status compare_ids(std::vector<std::string>& out);
  void compare_merges(std::vector<std::string>& out);

  const persons::PersonStore& real_;
  const MergeTree& tree_;
  const MergeTree::Entry& merge_;
  catalog::Project project_;
  std::unique_ptr<persons::PersonStore> store_;
  std::unique_ptr<PersonOverlay> overlay_;
  Warnings warnings_;
  MergeNotes notes_;
  std::unique_ptr<PersonStep> step_;
  std::unordered_set<std::string> ids_;
  std::set<Uuid> persons_;
  std::map<Uuid, Side> sides_;
  Uuid source_, target_;
  bool started_ = false;
  uint64_t events_ = 0;
  size_t unflushed_ = 0;
  std::map<Uuid, MergeNote> made_;  // merges that happen here too, by event
  std::set<Uuid> passed_;           // merge events that came by
};

}  // namespace penstock::ingest
