// Engine: the real ingest on a simulated machine, fed with histories, and the picture it leaves.
//
// Every history is a project of its own, so that thousands run in one world. The log is in memory,
// or the embedded one on a disk that loses what was not synced; persons are in memory, which may
// forget what was not flushed, or in RocksDB. Deaths and refused appends are drawn from the seed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "event/processed_record.h"
#include "ingest/ingest.h"
#include "kv/memory_kv.h"
#include "ledger/ledger.h"
#include "log/log.h"
#include "persons/person_store.h"
#include "runtime/sim_runtime.h"
#include "tests/convergence/picture.h"

namespace penstock::convergence {

struct EngineOptions {
  uint64_t seed = 1;
  int32_t partitions = 1;  // 1: the arrival order is one order
  size_t events_per_cycle_max = 2000;
  size_t chunk_max = 500;       // events appended at once
  size_t deaths_percent = 0;    // per chunk
  int refused_percent = 0;      // of appends to `processed`
  bool disk = false;            // the embedded log on a simulated disk
  std::string rocks_directory;  // persons in RocksDB there; empty: in memory
};

class Engine {
 public:
  struct Arrival {
    size_t history;
    naive::Event event;
  };

  Engine(EngineOptions options, const std::vector<naive::Project>& projects);
  ~Engine();

  /// Sends everything, dies on the way as told, and waits until all of it is decided and applied.
  void run(const std::vector<Arrival>& arrivals);

  /// What arrived for a history, in the order of the raw topic (meaningful with one partition), by
  /// the uuids of its events.
  std::vector<std::string> arrived(size_t history) const;
  naive::Picture picture(size_t history, const std::vector<naive::Event>& events) const;
  ingest::IngestStats stats() const { return ingest_->stats(); }
  size_t deaths() const { return deaths_; }
  size_t log_bytes() const { return bytes_; }

 private:
  class FaultyLog;
  struct Decided {
    std::string uuid;
    naive::Row row;
  };

  void boot();
  void make_catalog();
  void start_stages();
  void die();
  bool send(const std::vector<Arrival>& arrivals, size_t from, size_t to);
  bool settle();
  bool settled() const;
  void read_back();
  std::vector<std::vector<std::string>> read(std::string_view topic);
  void take(const event::Outcome& outcome);
  void add_groups(ProjectId project, const std::vector<naive::Event>& events,
                  naive::Picture& out) const;

  EngineOptions options_;
  std::vector<naive::Project> wanted_;
  std::mt19937_64 random_;
  std::shared_ptr<runtime::SimDisk> disk_;
  std::shared_ptr<kv::MemoryKv> ledger_kv_, persons_memory_;
  std::shared_ptr<kv::KeyValue> persons_kv_;

  std::unique_ptr<runtime::SimRuntime> runtime_;
  runtime::Loop* loop_ = nullptr;
  std::unique_ptr<FaultyLog> log_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<persons::PersonStore> persons_;
  std::unique_ptr<ingest::Ingest> ingest_;

  std::map<int64_t, size_t> history_of_;  // by project
  std::vector<std::vector<std::string>> arrived_;
  std::vector<std::vector<Decided>> decided_;
  size_t deaths_ = 0, lives_ = 0, bytes_ = 0;
};

}  // namespace penstock::convergence
