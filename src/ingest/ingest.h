// Ingest: decides what becomes of every captured event.
//
// One Ingest runs on one loop and reads all lanes and partitions it is given. A cycle fetches a
// bounded batch, computes in plain synchronous code (dedup, parse, sanitise, timestamps, elements,
// persons), appends one outcome per event and the person changes to the processed topic in one
// atomic append whose sequence is the input offset, and, once that is durable, applies it to the
// ledger and the person store. After a crash the last sequence says where to go on: nothing is
// lost, nothing is decided twice. A poisoned event goes to quarantine with its reason; the batch
// goes on. When the log, ledger or person store is unavailable the same batch is retried. Between
// cycles it carries out what people ask to be done to persons (person_commands.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "event/slice.h"
#include "ingest/cookieless_store.h"
#include "ingest/event_apps.h"
#include "ingest/person_commands.h"
#include "ingest/redrive.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "persons/person_store.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct IngestOptions {
  int32_t partitions = 8;  // of every raw lane
  /// Of so many slices of the projects (event/slice.h) these are decided here; the processed topic
  /// has `partitions` for each. Each is decided on its own, as if it were all.
  int32_t slice_count = 1;
  std::vector<int32_t> slices{0};
  bool lanes_apart = false;            // event::Layout::apart
  size_t events_per_cycle_max = 2000;  // live lanes; bounds the time a cycle holds the loop
  size_t bytes_per_cycle_max = 16U << 20;
  size_t historical_share_percent = 20;  // of what live lanes decide; overflow's at least, too
  /// Who stores what is decided: beside live traffic, backfills and floods keep no more than
  /// `bulk_unstored_max` records before it. Empty: nobody is looked at.
  std::string store_group{};
  size_t bulk_unstored_max = 3000;
  int64_t retry_ms_min = 50, retry_ms_max = 5000;
  int64_t checkpoint_ms = 1000;
  int64_t redrive_per_second = 2000;
  // In one append: well below what may wait to be written (the log's pending_bytes_max), or it
  // would never be taken.
  size_t redrive_entries_max = 500, redrive_bytes_max = 4U << 20;
  /// The person store waits for another machine: deciding and applying are then jobs of the pool.
  bool persons_block = false;
  PersonCommandOptions commands{};
  /// Without one, events of cookieless visitors are quarantined.
  CookielessStore* cookieless = nullptr;
  /// Without them events pass no apps, whatever projects have enabled.
  EventApps* apps = nullptr;

  event::Layout layout() const { return {partitions, slice_count, lanes_apart}; }
};

struct IngestStats {
  uint64_t events = 0, accepted = 0, dropped = 0, duplicates = 0, quarantined = 0, cycles = 0;
  uint64_t lag_records = 0;  // durable in the raw topics, not yet decided
  int64_t cpu_ns = 0;        // of the compute part
  std::string last_error;    // empty while healthy
};

class Ingest {
 public:
  static std::unique_ptr<Ingest> make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                      catalog::Catalog& catalog, persons::PersonStore& persons,
                                      ledger::Ledger& ledger, IngestOptions options);
  virtual ~Ingest() = default;
  /// Begins at the positions the processed topic implies. Loop thread.
  virtual Status start() = 0;
  /// Finishes the cycle in progress; `done` runs on the loop.
  virtual void stop(runtime::Task done) = 0;
  /// Any thread.
  virtual IngestStats stats() const = 0;
  /// Commands about persons that wait or run, in their order. Any thread.
  virtual std::vector<CommandStatus> commands() const = 0;
  /// Re-drives that operators asked for and that run or wait. Any thread.
  virtual std::vector<RedriveStatus> redrives() const = 0;
  /// What would become of a raw record if it came now: the records that would be written to the
  /// processed topic, its outcome first. Nothing is written. Loop thread; `done` runs on it.
  using TriedOut = std::move_only_function<void(Result<std::vector<std::string>>)>;
  virtual void try_out(event::Source source, std::string record, TriedOut done) = 0;
};

}  // namespace penstock::ingest
