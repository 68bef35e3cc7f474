// PersonCommand: something that people ask to be done to persons: undo a merge, take ids off,
// delete.
//
// Appended to kTopicPersonCommands by whoever is asked, carried out in order by ingest, the only
// writer of persons. What became of it is a PersonCommandReport in the processed topic. Layout:
// docs/formats/records.md. A decoded record is a view into the encoded bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"

namespace penstock::event {

struct PersonCommand {
  Uuid id;  // version 7: sorts by time
  ProjectId project;
  int64_t time_ms = 0;
  std::string_view kind;  // kUndoMerge, kTakeIds or kDeletePerson
  std::string_view who;   // who asked, for the report
  std::string_view body;  // JSON object text; its members depend on the kind
};

/// `{"person":uuid,"event":uuid}`: the merge that this event made in this person's history.
inline constexpr std::string_view kUndoMerge = "undo_merge";
/// `{"person":uuid,"distinct_ids":[text…]}`: each becomes a person of its own.
inline constexpr std::string_view kTakeIds = "take_ids";
/// `{"person":uuid}`: with all events.
inline constexpr std::string_view kDeletePerson = "delete_person";

void encode(const PersonCommand& command, std::string& out);
/// kCorrupt when the bytes are not a command of a known version.
Result<PersonCommand> decode_person_command(std::string_view bytes);

}  // namespace penstock::event
