// MergeNote: a merge as it happens, with what both persons were before, so that it can be undone.
//
// Made by the person step, turned into a PersonMerge record by the cycle, which knows the time and
// the positions. Owns its texts. Belongs to one cycle on the ingest loop.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "event/processed_record.h"
#include "ingest/steps/person_overlay.h"

namespace penstock::ingest {

struct MergeNote {
  ProjectId project;
  Uuid event_uuid;
  std::string event, source_id, target_id;
  std::string source, target;  // encoded PersonChanges; empty: there was no person
  Uuid result;
  std::vector<PersonOverlay::Moved> moved;

  /// Bytes it adds to a cycle: its own record, and a change for each id.
  size_t bytes() const;
  /// Borrows the note's texts; time, place and positions are the caller's.
  event::PersonMerge record() const;
};
using MergeNotes = std::vector<MergeNote>;

/// The person as it stands in the overlay, encoded; empty for null.
std::string snapshot_of(const PersonState* person);

}  // namespace penstock::ingest
