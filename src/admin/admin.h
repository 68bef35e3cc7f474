// Admin: the HTTP API of docs/API.md, sessions and keys, and the web UI's files.
//
// One AdminService on a loop of its own, so that nothing asked here delays capture. It reads the
// log, the ledger and the store through their interfaces and never a stage's internals: what the
// Health page shows of the stages comes through AdminSources, plain numbers that main fills in.
// Threads: the admin loop only. Failure: every answer is a status and an Error as JSON.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "admin/app_sources.h"
#include "catalog/catalog.h"
#include "config/option_table.h"
#include "definitions/definition_store.h"
#include "event/slice.h"
#include "ledger/ledger.h"
#include "ledger/watch.h"
#include "log/log.h"
#include "log/scrub.h"
#include "objects/object_store.h"
#include "persons/person_store.h"
#include "runtime/runtime.h"
#include "store/event_store.h"
#include "usage/usage.h"
#include "wire/http.h"

namespace penstock::admin {

struct CaptureStatus {
  std::string address;
  uint64_t connections = 0, requests = 0, events = 0, refused = 0;
  int64_t latency_us_p50 = 0, latency_us_p99 = 0;
};
struct IngestStatus {
  uint64_t events = 0, lag_records = 0;
  double cpu_us_per_event = 0;
  std::string last_error;
};
struct LoadStatus {
  uint64_t rows = 0, batches = 0, lag_records = 0, retries = 0;
  int64_t last_insert_us = 0;
  std::string last_error;
};

/// Events of Penstock's own, sent as clients do and looked for in SQL.
struct SelfAuditStatus {
  int64_t every_ms = 0;    // 0: none are sent
  int64_t at_ms = 0;       // when the last one ended; 0: none yet
  int64_t visible_ms = 0;  // how long the last one that was found took
  uint64_t audits = 0, failures = 0;
  std::string last_error;  // of the last one; empty: it was found
};

struct ReplayStatus {
  uint64_t messages = 0, blocks = 0, objects = 0, object_bytes = 0, lag_records = 0;
  std::string last_error;
};

struct DefinitionsStatus {
  uint64_t lag_records = 0;
  double cpu_us_per_record = 0;
  std::string last_error;
};

/// A consumer group of a log on Kafka in one topic, all partitions together.
struct GroupStatus {
  std::string group, topic;
  uint64_t lag_records = 0;
  int32_t partitions = 0;
};

struct SquashStatus {
  bool running = false;
  std::string phase;
  uint64_t attempts = 0;   // since the start
  uint64_t overrides = 0;  // waiting in the store
  uint64_t run_overrides = 0, rows_rewritten = 0, partitions = 0, partitions_done = 0;
  int64_t last_ended_ms = 0, last_elapsed_ms = 0;
  std::string last_error;
};

/// A command about persons that is not done yet.
struct PersonCommandStatus {
  Uuid id;
  ProjectId project;
  std::string kind, who;
  int64_t time_ms = 0;
  bool running = false;  // false: it waits for its turn
  std::string step;
  uint64_t done = 0, total = 0;
  std::string last_error;
};

/// A re-drive that runs or waits, as far as this process knows.
struct RedriveProgress {
  Uuid job;
  uint64_t appended = 0, waiting = 0, left_out = 0;
  bool running = false;
  std::string last_error;
};

/// The background check of what is stored beside the log.
struct DataScrubStatus {
  struct Damage {
    std::string place, item, problem;  // "state", "objects", "store"; its name there
    int64_t found_ms = 0;
  };
  bool running = false;
  uint64_t bytes_checked = 0;                    // since the start
  int64_t pass_began_ms = 0, last_ended_ms = 0;  // 0: none yet
  uint64_t last_bytes = 0, last_items = 0;       // of the last full pass
  uint64_t damaged_items = 0;
  std::vector<Damage> damage;  // the first ones only
  std::string last_error;      // what keeps it from going on; empty: nothing
};

struct AdminSources {
  std::function<CaptureStatus()> capture;  // any may be empty: the stage does not run here
  std::function<IngestStatus()> ingest;
  std::function<ReplayStatus()> replay;
  std::function<LoadStatus()> load;
  std::function<DefinitionsStatus()> definitions;
  std::function<SquashStatus()> squash;
  std::function<void()> squash_now;
  std::function<std::vector<PersonCommandStatus>()> person_commands;
  std::function<ledger::LedgerCheck()> ledger_check;
  std::function<SelfAuditStatus()> self_audit;
  std::function<log::ScrubStatus()> scrub;
  std::function<std::vector<GroupStatus>()> groups;
  std::function<DataScrubStatus()> data_scrub;
  std::function<std::vector<RedriveProgress>()> redrives;
  /// What would become of a raw record now: records of the processed topic. Asked and answered on
  /// the admin loop.
  using TriedOut = std::move_only_function<void(Result<std::vector<std::string>>)>;
  std::function<void(event::Source, std::string record, TriedOut)> try_out;
  AppSources apps;
  std::function<std::vector<config::OptionInfo>()> options;
  std::vector<std::string> stages;
  std::string data_dir;
  std::string capture_url;
  int32_t partitions = 8;
};

struct AdminOptions {
  event::Layout layout;                        // of the log's partitions
  int32_t first_slice = 0, last_slice = -1;    // that are looked at here; last below first: all
  size_t tails_max = 64;                       // open live views; more: 503
  size_t tail_pending_bytes_max = 512U << 10;  // unread bytes of one view before it waits
  size_t queries_max = 16;                     // running at once; more: 503
  int64_t query_ms_max = 60'000;
  uint64_t query_memory_bytes_max = 1U << 30;
  uint64_t query_rows_max = 100'000;
  size_t body_bytes_max = 1U << 20;
  size_t app_body_bytes_max = 8U << 20;           // of requests about apps, which carry packages
  size_t recordings_max = 8;                      // streamed at once; more: 503
  size_t recording_open_bytes_max = 32U << 20;    // decompressed blocks of one stream
  size_t recording_blocks_max = 100'000;          // of one session
  size_t recording_pending_bytes_max = 1U << 20;  // unread bytes before a stream waits
};

class AdminService : public wire::Handler {
 public:
  struct Parts {
    runtime::Loop& loop;
    runtime::Runtime& runtime;
    log::Log& log;
    catalog::Catalog& catalog;
    ledger::Ledger& ledger;
    store::EventStore& store;
    usage::Usage& usage;
    runtime::Loop& store_loop;  // the loop the store is called from
    objects::ObjectStore& objects;
    persons::PersonStore& persons;
    definitions::DefinitionStore& definitions;
  };
  static std::unique_ptr<AdminService> make(Parts parts, AdminSources sources,
                                            AdminOptions options);
  /// Ends live views so that the server can drain.
  virtual void stop() = 0;
};

}  // namespace penstock::admin
