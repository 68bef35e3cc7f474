// Machine: what outlives the process: disk, engines' durable state, the event store, the clients.
//
// Also the seed's tempo (sizes and delays that differ from seed to seed, so that different branches
// are common) and the run's findings. Owned by the run; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "deliver/deliver.h"
#include "kv/memory_kv.h"
#include "runtime/sim_runtime.h"
#include "simulation/clients/promises.h"
#include "simulation/simulation.h"
#include "simulation/world/dice.h"
#include "simulation/world/faults.h"
#include "store/memory_store.h"

namespace penstock::simulation {

/// Drawn once for a seed.
struct Tempo {
  explicit Tempo(Dice& dice);

  int32_t partitions;
  uint64_t segment_bytes, retention_bytes, tail_cache_bytes, pending_bytes_max;
  size_t events_per_cycle_max, bulk_unstored_max, rows_per_batch_max, replay_bytes_per_flush;
  int64_t checkpoint_ms, linger_ms, flush_ms;
  uint64_t quarantine_bytes_per_token_max;
  uint32_t overflow_per_second, overflow_burst;
  int64_t think_ms;      // between two requests of a client
  int64_t reconnect_ms;  // after a death, at most: long ones leave a start alone with the log
  size_t clients;
  size_t requests_waiting_max;  // in a capture shard
  uint64_t fat_percent;         // of events
  uint64_t v1_percent;          // of requests
  size_t redrive_entries_max;
  int64_t squash_ms;
  uint64_t deliver_queue_max;
  int64_t attempt_ms, export_attempt_ms;
  int64_t sync_ms;      // of the disk on a good day, at most
  bool persons_remote;  // persons are asked from the pool, as over a network
  uint64_t kill_io_max;
};

/// The store's side that no crash of ours touches.
struct StoreBooks {
  store::MemoryStore rows;
  std::map<Uuid, uint64_t> set_aside;     // events refused by the store and told as a warning
  std::map<Uuid, uint64_t> erased;        // events that a deletion took
  std::set<std::string> erased_heatmaps;  // urls
  std::set<std::string> erased_blocks;    // urls
  std::set<std::string> warnings_taken;   // batch ids
};

/// What apps were called for and what arrived where they send to; no crash of ours touches it.
struct DestinationBooks {
  struct Call {
    int64_t at_ms = 0;  // wall clock, when it was made
    int attempt = 0;    // 0: the first
    uint64_t life = 0;
    bool counts = true;    // as an attempt: the app was asked
    bool failed = false;   // as its caller was told, if it lived to hear of it
    bool arrived = false;  // where the app sends to
    bool retried = false;  // what failed may go well later
  };
  std::map<std::pair<deliver::Method, Uuid>, std::vector<Call>> calls;
};

struct SettingChange {
  ProjectId project;
  std::string name, json;
};

struct Machine {
  Machine(uint64_t seed, const Options& options);

  bool shares_load() const { return shares_from != 0 && lives >= shares_from; }

  void broken(std::string_view invariant, std::string detail);
  /// Virtual time since the run began, over all lives; `mono_ns` is the running life's clock.
  int64_t now_us(int64_t mono_ns) const { return past_us + mono_ns / 1000; }

  uint64_t seed;
  Dice dice;  // of the world; clients and faults have their own
  Faults faults;
  Tempo tempo;
  std::shared_ptr<runtime::SimDisk> disk;
  bool names_stay_volatile = false;  // syncs of folders fail
  std::shared_ptr<kv::MemoryKv> ledger_kv, persons_kv, cookieless_kv, definitions_kv, deliver_kv;
  StoreBooks store;
  DestinationBooks destination;
  Promises promises;
  std::vector<SettingChange> settings;
  bool late_project = false;
  std::set<std::pair<std::string, uint64_t>> bad_pages;  // that cannot be read
  uint64_t lives = 0;
  uint64_t shares_from;  // the first life in which two loaders share the partitions; 0: none
  Dice share_dice;       // of theirs, so that all else in a seed is as it is without them
  uint64_t refused_for_quota = 0;  // as former lives counted it
  int64_t past_us = 0;             // of former lives
  int64_t wall_us = 1'760'000'000'000'000;
  int64_t wall_us_max = wall_us;  // the latest the wall clock ever said
  Report report;
};

}  // namespace penstock::simulation
