// Loader: carries accepted events and person changes from the processed topic into the EventStore.
//
// Batches are large and their boundaries are recorded before they are sent (intent: partition
// ranges and batch id), so a batch repeated after a crash carries the same rows under the same id
// and the store keeps it once. Progress is committed under kGroupLoad and counted in the ledger
// after the store has answered. When the store is down it retries with backoff and nothing else
// notices: memory is bounded by one batch in flight and one being gathered.
//
// One process loads alone and records in its data directory, or several share the partitions of
// one store and record in a topic (LoaderOptions::intents_topic): each gathers what it `shares`,
// and repeats what a process left that had those partitions before. That two think they have the
// same one doubles nothing: the topic's order says whose batch counts. Their ledgers count what is
// stored from the log (LedgerOptions::stored_elsewhere). A loader may read some partitions only
// (LoaderOptions::some): those that the log has bounds of. The others are other loaders' (of a
// store of their own, or of the same one and with the same intents_topic).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ledger/ledger.h"
#include "log/log.h"
#include "runtime/runtime.h"
#include "store/event_store.h"

namespace penstock::load {

/// Where loaders that share the partitions write down what they begin; of one partition.
inline constexpr std::string_view kIntentsTopic = "load_intents";

struct LoaderOptions {
  std::string state_path;     // the intent file
  std::string intents_topic;  // of several loaders; empty: this one is alone
  int32_t partitions = 8;     // of the processed topic
  bool some = false;          // the log looks at some of them, and others load the rest
  size_t rows_per_batch_max = 50'000;
  size_t bytes_per_batch_max = 64U << 20;
  int64_t linger_ms = 250;  // how long a batch gathers at low load
  /// And with rows of a backfill or flood in it, which is worth an insert sooner: ingest waits for
  /// it, and live rows wait behind it.
  int64_t bulk_linger_ms = 100;
  int64_t retry_ms_min = 100, retry_ms_max = 10'000;
  int64_t adopt_ms = 1000;  // until a batch that another loader left is repeated here
};

struct LoaderStats {
  uint64_t batches = 0, rows = 0, retries = 0;
  uint64_t lag_records = 0;  // in the processed topic, not yet stored
  int64_t last_insert_us = 0;
  std::string last_error;  // empty while healthy
};

class Loader {
 public:
  static std::unique_ptr<Loader> make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                      store::EventStore& store, ledger::Ledger& ledger,
                                      LoaderOptions options);
  virtual ~Loader() = default;
  virtual Status start() = 0;
  /// Stores what is gathered if the store answers within `grace_ms`, then stops.
  virtual void stop(int64_t grace_ms, runtime::Task done) = 0;
  /// Which partitions are this loader's from here on; before, with others: none. On its loop.
  virtual void share(const std::vector<Partition>& mine) { (void)mine; }
  virtual LoaderStats stats() const = 0;
  /// Runs `done` on the loader's loop as soon as everything that lies in the processed topic by now
  /// is stored, whoever appended it and whoever loads it into this store; kCancelled when the
  /// loader ends before, or what the log answers when it cannot say. On its loop.
  using Stored = std::move_only_function<void(Status)>;
  virtual void when_all_stored(Stored done) = 0;
};

}  // namespace penstock::load
