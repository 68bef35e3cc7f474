// Squash: the stage that keeps the store's list of person overrides short.
//
// A merge leaves event rows with the person of the moment and an override that says whose they are
// now; queries follow overrides at once, and a squash writes them into the rows and deletes them.
// It freezes the overrides, waits until everything that was in the processed topic by then is
// stored (a row that still carries an older person was appended before its override), and then lets
// the store rewrite partition by partition. Runs by a clock, when overrides become many, and when
// asked; one run at a time. A run that fails or dies is begun anew and repeats nothing wrongly.
//
// Threads: `make`, `start`, `stop` and everything it does on `loop`; `run_now` and `status` from
// any thread. What it has done last is kept in a small file (docs/formats/store.md).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "load/loader.h"
#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::load {

struct SquashOptions {
  std::string state_path;
  int64_t interval_ms = 86'400'000;    // from the end of a run to the next; 0: only when asked
  uint64_t overrides_max = 1'000'000;  // as many begin a run before its time
  /// So many already, where runs are short: queries over persons are dearer while they wait. Then
  /// runs take a hundredth of the time at most. 0: never.
  uint64_t overrides_early = 10'000;
  int64_t early_ms_min = 600'000;  // from the end of a run to such a one
  int64_t look_ms = 5000;
  /// Where several processes load, whether this one squashes: one at a time does. Asked again and
  /// again, on the loop; empty: it does.
  std::function<bool()> leads{};
  int64_t retry_ms = 60'000, retry_ms_max = 3'600'000;  // growing, while runs fail
};

struct SquashStatus {
  bool running = false;
  std::string phase;          // "idle", "freezing", "waiting for rows", "rewriting"
  uint64_t overrides = 0;     // in the store, waiting
  store::SquashProgress run;  // of this run, else of the last one
  uint64_t attempts = 0;      // since the start, the running one included
  int64_t last_ended_ms = 0, last_elapsed_ms = 0;  // 0: never
  std::string last_error;                          // of the last run; empty: it went well
};

class Squash {
 public:
  static std::unique_ptr<Squash> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                      store::EventStore& store, Loader& loader,
                                      SquashOptions options);
  virtual ~Squash() = default;
  virtual void start() = 0;
  virtual void stop() = 0;
  /// Begins a run unless one is under way.
  virtual void run_now() = 0;
  virtual SquashStatus status() const = 0;
};

}  // namespace penstock::load
