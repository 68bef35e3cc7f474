// Definitions: the stage that keeps the DefinitionStore up with the processed topic.
//
// Reads at its own pace behind ingest, so that nothing waits for it: what it has not read yet, the
// log keeps for it (group kConsumerGroup). Positions lie in the store, in the same write as what
// they stand for. Threads: one loop; `stats` from any thread. Failure: reading and writing are
// repeated with a growing delay, nothing else notices; a record of an unknown version stops it, and
// says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "definitions/definition_store.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::definitions {

struct StageOptions {
  int32_t partitions = 8;             // of the processed topic
  size_t fetch_bytes_max = 1U << 20;  // looked at in one turn of the loop
  int64_t pause_ms = 200;             // between looks when little arrives
  int64_t checkpoint_ms = 2000;
  int64_t retry_ms_min = 100, retry_ms_max = 10'000;
};

struct StageStats {
  uint64_t records = 0;
  uint64_t lag_records = 0;
  int64_t cpu_ns = 0;      // spent on them
  std::string last_error;  // empty while healthy
};

class Definitions {
 public:
  static std::unique_ptr<Definitions> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                           log::Log& log, DefinitionStore& store,
                                           StageOptions options);
  virtual ~Definitions() = default;
  virtual Status start() = 0;
  /// Saves the positions, then runs `done`.
  virtual void stop(runtime::Task done) = 0;
  virtual StageStats stats() const = 0;
};

}  // namespace penstock::definitions
