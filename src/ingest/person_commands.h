// PersonCommands: what people ask to be done to persons, carried out by ingest.
//
// Commands come through the log (event/person_command.h) and are carried out one after the other,
// in their order; each exactly once: what it changes is appended to `processed` together with its
// report. A deletion goes on outside: the places where data of a person lies are given by whoever
// owns them and must bear being asked again. Threads: `ErasePlace::erase` is called on the ingest
// loop and answers on it; `CommandStatus`es are copies, any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace penstock::ingest {

/// Distinct ids that a deleted person may have; more: it is refused.
inline constexpr size_t kDeletedIdsMax = 200'000;

/// A deleted person, and those that had become part of it.
struct ErasedPerson {
  ProjectId project;
  std::vector<Uuid> persons;
  std::vector<std::string> distinct_ids;
  int64_t time_ms = 0;  // when it was asked: what comes later is somebody else
};

/// One place where something of a person lies. `done` gets a JSON object that says what was there;
/// kInvalid: it cannot be cleared, other errors may pass and are tried again.
struct ErasePlace {
  std::string name;
  using Done = std::move_only_function<void(Result<std::string>)>;
  std::function<void(const ErasedPerson&, Done)> erase;
};

struct PersonCommandOptions {
  std::vector<ErasePlace> places;
  /// Rows on their way must be in the store before they are deleted there.
  bool wait_for_load = false;
  /// Other processes store them, if anybody does: where nobody ever has, nobody is waited for.
  bool load_is_elsewhere = false;
  int64_t load_poll_ms = 200;
  int64_t retry_ms_min = 50, retry_ms_max = 5000;
  int attempts_max = 20;  // of one place, before its failure is the report
};

/// A command that is not done yet.
struct CommandStatus {
  Uuid id;
  ProjectId project;
  std::string kind, who;
  int64_t time_ms = 0;
  bool running = false;  // false: waiting for its turn
  std::string step;      // what it does now
  uint64_t done = 0, total = 0;
  std::string last_error;
};

}  // namespace penstock::ingest
