// Capture: the public endpoints that take events.
//
// A CaptureService belongs to one shard (one loop). A request is decoded, validated and answered
// as contract/capture says; its events are handed to the log with everything else of the same turn,
// and the 200 leaves when they are on stable storage. Nothing here reads persons or the store.
//
// Threads: the shard's loop only. Failure: the log's kBusy and kExhausted become 503 with
// Retry-After; a request is refused whole or accepted whole.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "capture/options.h"
#include "catalog/catalog.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"
#include "usage/usage.h"
#include "wire/http.h"

namespace penstock::capture {

struct CaptureStats {
  uint64_t requests = 0, events = 0, refused = 0;
  int64_t latency_us_p50 = 0, latency_us_p99 = 0;  // from the whole request to its answer
};

class CaptureService : public wire::Handler {
 public:
  /// `ledger` may be null (a capture-only process whose books are kept elsewhere). `usage` is
  /// shared by all shards.
  static std::unique_ptr<CaptureService> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                              log::Log& log, catalog::Catalog& catalog,
                                              ledger::Ledger* ledger,
                                              std::shared_ptr<usage::Usage> usage,
                                              CaptureOptions options);
  /// False makes `/_readiness` answer 503 and new events 503 (draining, or not recovered yet).
  virtual void set_ready(bool ready) = 0;
  /// Any thread.
  virtual CaptureStats stats() const = 0;
  /// Runs once every accepted request has been answered.
  virtual void when_idle(runtime::Task done) = 0;
};

}  // namespace penstock::capture
