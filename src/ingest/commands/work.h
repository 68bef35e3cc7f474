// What carrying out a command about persons needs from the ingest service.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "log/log.h"
#include "persons/person_store.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

/// The ingest service as its commands see it. Loop thread.
class CommandHost {
 public:
  virtual ~CommandHost() = default;
  /// Runs `work` when no cycle is running; none begins until `resume` is called.
  virtual void pause(runtime::Task work) = 0;
  virtual void resume() = 0;
  /// While paused: applies everything the processed topic holds, then runs `done`.
  virtual void apply_log(std::move_only_function<void(Status)> done) = 0;
  /// The time of the last cycle that is applied; later ones have later times.
  virtual int64_t last_cycle_ms() const = 0;
};

/// What a command came to: records for the processed topic, and its report.
struct CommandResult {
  std::vector<std::string> records;
  std::string state = "done";  // "done", "failed", "running": there is more to do elsewhere
  std::string report = "{}";   // JSON object
};
using CommandDone = std::move_only_function<void(Result<CommandResult>)>;

}  // namespace penstock::ingest
