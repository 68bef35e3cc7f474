// Person step: which person an event belongs to, and what it changes (contract sections 3–5).
//
// Works on the overlay alone. Merges follow section 4 with ERRATA A1–A3 and B3; updates section 5
// with A11 and A12. Failure: the overlay's reads, and then the whole cycle is repeated.
#pragma once

#include <string>
#include <string_view>

#include "ingest/steps/item.h"
#include "ingest/steps/merge_note.h"
#include "ingest/steps/person_overlay.h"

namespace penstock::ingest {

/// What the event's row says about its person. `properties` may point into the overlay: copy it
/// before the next event.
struct RowPerson {
  Uuid id;
  int64_t created_at_ms = 0;
  std::string_view properties = "{}";
  event::PersonMode mode = event::PersonMode::kFull;
  event::PersonWhy why = event::PersonWhy::kExisting;
};

class PersonStep {
 public:
  PersonStep(PersonOverlay& overlay, Warnings& warnings, MergeNotes& notes)
      : overlay_(overlay), warnings_(warnings), notes_(notes) {}

  Result<RowPerson> run(const Item& item);

 private:
  Result<RowPerson> run_personless(const Item& item);
  Result<RowPerson> run_full(const Item& item);
  // merge_step.cc
  /// The person the event goes to after its merge, or null when there is none yet.
  Result<PersonState*> merge(const Item& item, MappingState& target);
  Result<PersonState*> merge_both(const Item& item, MappingState& source, MappingState& target);
  Result<bool> guard_refuses(const Item& item, const MappingState& source,
                             const MappingState& target);
  bool identified_refuses(const Item& item, const MappingState& source, const MappingState& target);
  Result<bool> move_ids(const Item& item, const MappingState& source_id,
                        const MappingState& target_id, MergeNote& note);
  static void take_properties(const Item& item, const PersonState& source, PersonState& target);
  MergeNote& note(const Item& item, const PersonState* source, const PersonState* target);

  /// Returns whether the person now shows all that the event sets.
  bool update(const Item& item, PersonState& person, persons::PropertyStamp stamp, bool fresh);
  static void put_set(PersonState& person, const event::JsonFields::Field& field,
                      persons::PropertyStamp stamp);
  /// `may_precede`: the event may have happened before others that arrived earlier.
  void gather(const Item& item, const PersonState& person, const persons::PropertyStamp& once,
              bool may_precede, bool fits);
  bool has_room(const Item& item, PersonState& person);
  static void trim(PersonState& person, Partition partition);
  std::string_view row_properties(const Item& item, const PersonState& person, bool updated);
  void mark_identified(PersonState& person, Partition partition);
  static void see(PersonState& person, const Item& item);
  void warn(const Item& item, std::string_view type, std::string_view key_a,
            std::string_view value_a, std::string_view key_b, std::string_view value_b);

  PersonOverlay& overlay_;
  Warnings& warnings_;
  MergeNotes& notes_;
  std::string scratch_;
  /// Of the event at hand; points into its item.
  struct Changes {
    std::vector<const event::JsonFields::Field*> once, set;
    std::vector<const std::string*> unset;
    bool worth_writing = false;
    bool overruled = false;  // something the event sets is older than what there is
    bool any() const { return !once.empty() || !set.empty() || !unset.empty(); }
    void clear() {
      once.clear();
      set.clear();
      unset.clear();
      worth_writing = overruled = false;
    }
  };
  Changes changes_;
};

/// Distinct ids that may never be merged (section 4.2, ERRATA A2).
bool is_unmergeable(std::string_view distinct_id);

}  // namespace penstock::ingest
