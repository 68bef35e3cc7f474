// EventStore: where processed events become rows that SQL can read.
//
// Batch in, batch out. Inserts are all-or-nothing per table and repeat-safe by batch id: a batch
// repeated with the same id and the same rows is stored once, whatever died in between. Tables
// are PostHog's (ingestion contract, section 14). Implementations: MemoryStore (tests, simulation),
// EngineStore (embedded ClickHouse in a child process), later a ClickHouse server.
//
// Upkeep changes rows that are there: erasing a person, and squashing person overrides into the
// event rows. One such job runs at a time beside inserts and queries, the others wait; each may be
// repeated from its beginning after it failed or its process died.
//
// Threads: calls come from one loop, callbacks run on it. Failure: kMaybe and kUnavailable mean
// repeat the same batch; kInvalid in a query is the asker's mistake, with the engine's text;
// kTimeout and kExhausted are its limits.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "event/processed_record.h"
#include "runtime/runtime.h"

namespace penstock::store {

/// Rows for all tables of one batch; the views must live until `insert` has called back.
struct InsertBatch {
  std::string id;  // the same content always carries the same id
  struct EventEntry {
    ProjectId project;
    Uuid uuid;
    event::EventRow row;
  };
  std::vector<EventEntry> events;
  std::vector<event::PersonChange> persons;
  std::vector<event::DistinctIdChange> distinct_ids;
  std::vector<event::IngestionWarning> warnings;
  std::vector<event::ReplayBlock> replay_blocks;
  std::vector<event::LogEntry> log_entries;
  struct HeatmapEntry {
    ProjectId project;
    std::string_view session_id, distinct_id;
    int64_t timestamp_ms = 0;
    int16_t viewport_width = 0, viewport_height = 0;
    event::HeatmapPoint point;
  };
  std::vector<HeatmapEntry> heatmaps;
  std::vector<event::GroupChange> groups;
  std::shared_ptr<const void> owner;  // keeps the views alive
};

enum class QueryFormat : uint8_t { kJsonCompact, kCsvWithNames, kPretty };

struct QueryLimits {
  int64_t time_ms_max = 60'000;
  uint64_t memory_bytes_max = 1U << 30;
  uint64_t result_rows_max = 100'000;
  uint64_t result_bytes_max = 64U << 20;
};

struct Query {
  std::string id;     // names the query for `cancel`; unique
  std::string sql;    // one read-only statement
  ProjectId project;  // rows of other projects are invisible; 0: the operator, sees all
  QueryFormat format = QueryFormat::kJsonCompact;
  QueryLimits limits;
};

struct QueryResult {
  std::string body;  // in the asked format; JSONCompact carries meta, data, rows, statistics
  uint64_t rows_read = 0, bytes_read = 0;
  int64_t elapsed_us = 0;
};

/// A person of whom nothing shall be left. Rows that are stored later are not found: whoever asks
/// waits until everything from before the deletion is stored (load::Loader::when_all_stored).
struct EraseRequest {
  std::string id;  // of the deletion; repeated, it goes on where the last attempt stopped
  ProjectId project;
  Uuid person_id;
  std::vector<std::string> distinct_ids;  // kEraseIdsMax at most
};
inline constexpr size_t kEraseIdsMax = 200'000;
inline constexpr size_t kUpkeepJobsMax = 64;  // running and waiting; more: kBusy

/// What was found to erase in one table, over all attempts under the same id.
struct ErasedTable {
  std::string table;
  uint64_t rows = 0;
};

/// Overrides that were frozen are written into the event rows and then deleted.
struct SquashProgress {
  uint64_t overrides = 0;       // frozen
  uint64_t rows_rewritten = 0;  // so far
  size_t partitions = 0, partitions_done = 0;
};

struct StoreHealth {
  bool ready = false;
  std::string engine;  // "clickhouse (embedded)", "memory"
  std::string version;
  std::string detail;  // why it is not ready
  uint64_t restarts = 0;
  uint64_t memory_bytes = 0, disk_bytes = 0;
  uint64_t damaged_parts = 0;     // set aside by the engine because they could not be read
  uint64_t unfinished_parts = 0;  // likewise, but all their rows are in other parts
  uint64_t overrides = 0;         // distinct ids whose rows may still carry an older person
};

using InsertDone = std::move_only_function<void(Status)>;
using QueryDone = std::move_only_function<void(Result<QueryResult>)>;
using EraseStep = std::function<void(const ErasedTable&)>;
using EraseDone = std::move_only_function<void(Result<std::vector<ErasedTable>>)>;
using FreezeDone = std::move_only_function<void(Result<uint64_t>)>;
/// False: it stops here with kCancelled, what is rewritten stays.
using SquashStep = std::function<bool(const SquashProgress&)>;
using SquashDone = std::move_only_function<void(Result<SquashProgress>)>;

class EventStore {
 public:
  virtual ~EventStore() = default;
  /// Begins start-up (engine, migrations) in the background; calls answer kUnavailable until
  /// `health().ready`.
  virtual Status start() = 0;
  /// Finishes the insert in progress and closes; blocks for at most the grace time.
  virtual void stop() = 0;
  virtual void insert(std::shared_ptr<const InsertBatch> batch, InsertDone done) = 0;
  virtual void query(Query query, QueryDone done) = 0;
  /// Stops a running query: its callback gets kCancelled. Unknown ids are ignored.
  virtual void cancel(const std::string& query_id) = 0;
  /// Deletes the person's rows from every table that has them; `step` is told each table that is
  /// through, `done` all of them.
  virtual void erase_person(EraseRequest request, EraseStep step, EraseDone done) = 0;
  /// Notes which overrides the next squash applies; answers how many.
  virtual void freeze_overrides(FreezeDone done) = 0;
  /// Rewrites the event rows that frozen overrides concern, then deletes these and no newer ones.
  /// Every row of before the freezing must be stored by now: one that comes later with an older
  /// person would stay with it.
  virtual void squash_overrides(SquashStep step, SquashDone done) = 0;
  virtual StoreHealth health() const = 0;
};

}  // namespace penstock::store
