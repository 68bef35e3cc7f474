// Scrub: reads the log's sealed segments again and again, slowly, and tells which are damaged.
//
// Old segments are read by nobody until they are needed, and bits rot meanwhile. A pass walks over
// every block of every segment that is not written to any more, past the page cache and at a
// bounded rate, and compares checksums; a day after its begin comes the next one. Where it stands
// and what it found is kept in a small file (docs/formats/log_segment.md), so that a restart goes
// on there. It only reads, and needs nothing of the running log: a segment that retention takes
// away meanwhile is passed over.
//
// Threads: `make`, `start` and the end on `loop`; `status` from any; files are read in the pool,
// one job at a time. Failure: what cannot be read is looked at a second time before it counts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/runtime.h"

namespace penstock::log {

struct ScrubOptions {
  std::string directory;                 // the log's
  std::string state_path;                // beside it, not in it
  uint64_t bytes_per_second = 2U << 20;  // 0: never
  int64_t every_ms = 86'400'000;         // from the begin of a pass to the next
  int64_t again_ms = 1000;               // until what looks damaged is looked at again
};

struct ScrubDamage {
  std::string file, problem;
  int64_t found_ms = 0;
};

struct ScrubStatus {
  bool running = false;                     // a pass is under way
  std::string file;                         // that is read now
  uint64_t bytes_checked = 0;               // since the start
  int64_t pass_began_ms = 0;                // of the one under way; else of the last
  int64_t last_ended_ms = 0;                // of the last full pass; 0: none yet
  uint64_t last_bytes = 0, last_files = 0;  // and what it read
  std::vector<ScrubDamage> damage;          // of files that are still there; the first ones only
  uint64_t damaged_files = 0;
  std::string last_error;  // what keeps it from going on; empty: nothing
};

class Scrub {
 public:
  static std::unique_ptr<Scrub> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                     ScrubOptions options);
  virtual ~Scrub() = default;
  /// Goes on where the last life stopped.
  virtual void start() = 0;
  virtual ScrubStatus status() const = 0;
};

}  // namespace penstock::log
