// Replay: carries session recordings from the replay lane into the object store.
//
// A flush takes what came in a few seconds (bounded in bytes and records), decides every message
// (dedup, validity), writes the sessions' blocks as one object, and only when that is durable
// appends to `processed`: one outcome per message, one ReplayBlock per session and block, console
// lines, warnings. The append's sequence is the input offset, so a crash in between repeats the
// flush without repeating its effect; the object that nobody names is removed at the next start.
// Then the ledger is caught up with the topic. Ingest appends to the same topic under another
// producer: each repeats only its own lane, and the ledger takes the records in the topic's order,
// whoever hands them over.
//
// Threads: `loop`; building and writing an object run on the pool. Failure: the same flush is
// repeated, bounded memory meanwhile: one flush being written, one gathering, one fetch.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "catalog/catalog.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "objects/object_store.h"
#include "runtime/runtime.h"

namespace penstock::replay {

struct ReplayOptions {
  size_t bytes_per_flush_max = 8U << 20;   // of messages, one larger one excepted
  size_t records_per_flush_max = 10'000;   // and so sessions
  int64_t flush_ms = 5000;                 // how long a small flush gathers
  int64_t put_ms_max = 60'000;             // for an object to be written
  int32_t retention_days = 30;             // 0: recordings are kept for ever
  int64_t retention_check_ms = 3'600'000;  // how often old objects are looked for
  int64_t retry_ms_min = 100, retry_ms_max = 10'000;
  bool shared = false;  // who decided a moment ago may have read what is not known here yet
};

struct ReplayStats {
  uint64_t messages = 0, accepted = 0, dropped = 0, duplicates = 0, quarantined = 0;
  uint64_t blocks = 0, objects = 0, object_bytes = 0;
  uint64_t lag_records = 0;  // durable in the lane, not yet decided
  std::string last_error;    // empty while healthy
};

class Replay {
 public:
  static std::unique_ptr<Replay> make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                      catalog::Catalog& catalog, ledger::Ledger& ledger,
                                      objects::ObjectStore& objects, ReplayOptions options);
  virtual ~Replay() = default;
  /// Begins at the positions the processed topic implies; blocks to remove an unfinished flush's
  /// object. Loop thread; the ledger has recovered.
  virtual Status start() = 0;
  /// Flushes what is gathered, unless that fails; `done` runs on the loop.
  virtual void stop(runtime::Task done) = 0;
  /// Any thread.
  virtual ReplayStats stats() const = 0;
};

}  // namespace penstock::replay
