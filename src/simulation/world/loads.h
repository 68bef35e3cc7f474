// Loads: the loaders of one life: one alone, or two that share the partitions of processed, as
// processes on Kafka do.
//
// From some life on (Machine::shares_from) there are two. Partitions change hands at random, some
// are both loaders' for a while, or nobody's as long as there is trouble; the second one dies and
// comes back with nothing but its data directory. The first one lives as long as the process,
// because squash and erasures wait for it. Pipeline loop.
#pragma once

#include <memory>

#include "ledger/follow.h"
#include "ledger/ledger.h"
#include "load/loader.h"
#include "log/log.h"
#include "runtime/runtime.h"
#include "simulation/world/machine.h"
#include "simulation/world/remote_store.h"

namespace penstock::simulation {

class Loads {
 public:
  Loads(Machine& machine, runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
        RemoteStore& store, ledger::Ledger& ledger);
  ~Loads();
  Loads(const Loads&) = delete;
  Loads& operator=(const Loads&) = delete;

  Status start();
  /// Ends all of them, then runs `done`.
  void stop(int64_t grace_ms, runtime::Task done);
  load::Loader& first() { return *loaders_[0]; }
  /// Whether the first one squashes now.
  bool squashes() const { return leads_; }

 private:
  Status make(size_t which);
  void deal();
  void deal_later();

  Machine& m_;
  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  RemoteStore& store_;
  ledger::Ledger& ledger_;
  std::unique_ptr<load::Loader> loaders_[2];
  std::shared_ptr<ledger::LedgerFollow> follow_;  // what is stored is what the log says
  bool leads_ = true, stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::simulation
