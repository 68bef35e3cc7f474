// What people do to events in quarantine, as the log carries it.
//
// A command comes through kTopicPersonCommands, and what it does is appended to `processed` as
// QuarantineChanges, so that quarantine can be rebuilt from the log like everything else. A
// re-driven record names the entry it came from, and its outcome takes the entry out.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.h"

namespace penstock::event {

/// Kinds of commands (event/person_command.h) and their bodies; `select` is what
/// ledger/quarantine_filter.h reads.
/// `{"id":text,"data":text}`: another text for the event; the one that came stays beside it.
inline constexpr std::string_view kQuarantineEdit = "quarantine_edit";
/// `{"select":{…}}`: they are dropped.
inline constexpr std::string_view kQuarantineDiscard = "quarantine_discard";
/// `{"select":{…},"per_second":n}`: they are received again, at most n a second.
inline constexpr std::string_view kQuarantineRedrive = "quarantine_redrive";
/// `{"job":uuid,"state":"done"|"stopped"}`: the re-drive that this command began has ended.
inline constexpr std::string_view kQuarantineRedriveEnd = "quarantine_redrive_end";

/// Why the ledger counts what an operator discarded as dropped.
inline constexpr std::string_view kDiscarded = "discarded_by_operator";

struct QuarantineChange {
  enum class Action : uint8_t { kEdit = 1, kDiscard = 2, kRedriveBegins = 3, kRedriveEnds = 4 };
  Action action = Action::kEdit;
  ProjectId project;
  std::string_view entry;  // the entry's id in 20 bytes; empty for a re-drive
  Uuid command;            // who asked for it; names the re-drive
  std::string_view who;
  int64_t time_ms = 0;
  /// kEdit: the event's text from now on; empty: the original again. Re-drive: a JSON object.
  std::string_view data;
};

}  // namespace penstock::event
