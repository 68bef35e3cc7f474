// What carrying out a command about persons needs from the ingest service.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ledger/ledger.h"
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
  /// Runs `work` and then, on the loop, `then`: at once, or in the pool where persons live on
  /// another machine. Whoever reads persons does it so; ingest stops after it.
  virtual void off_loop(std::move_only_function<void()> work, runtime::Task then) = 0;
  virtual const ledger::Ledger& books() const = 0;
  /// Whether outcomes of the projects of this host are in that partition.
  virtual bool decides(Partition processed) const = 0;
  /// A command about quarantine is done.
  virtual void quarantine_changed() = 0;
};

/// Runs `work`, which reads persons, off the loop, and then `then` with its result on the loop.
template <typename Value>
void read_persons(CommandHost& host, const persons::PersonStore& store,
                  std::move_only_function<Value()> work,
                  std::move_only_function<void(Value)> then) {
  auto result = std::make_shared<std::optional<Value>>();
  host.off_loop(
      [&store, result, work = std::move(work)]() mutable {
        if (Status s = store.caught_up(); !s) {
          result->emplace(std::unexpected(std::move(s).error()));
        } else {
          result->emplace(work());
        }
      },
      [result, then = std::move(then)]() mutable { then(std::move(**result)); });
}

/// What a command came to: records for the processed topic, and its report.
struct CommandResult {
  std::vector<std::string> records;
  std::string state = "done";  // "done", "failed", "running": there is more to do elsewhere
  std::string report = "{}";   // JSON object
};
using CommandDone = std::move_only_function<void(Result<CommandResult>)>;

}  // namespace penstock::ingest
