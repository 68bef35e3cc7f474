// Life: one life of the process on the simulated machine, from its start to its end.
//
// The real stages over SimRuntime: the log on one loop with the first capture shard, a second shard
// on its own, the pipeline on a third, the clients outside on a fourth. HTTP's bytes alone are left
// out: requests enter at capture's Handler. Started, run and ended by the run; single thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/padded.h"
#include "capture/capture.h"
#include "catalog/catalog.h"
#include "definitions/definitions.h"
#include "deliver/deliver.h"
#include "ingest/ingest.h"
#include "ledger/ledger.h"
#include "load/squash.h"
#include "log/embedded_log.h"
#include "log/scrub.h"
#include "objects/object_store.h"
#include "persons/person_store.h"
#include "replay/replay.h"
#include "runtime/sim_runtime.h"
#include "simulation/clients/clients.h"
#include "simulation/world/destination.h"
#include "simulation/world/loads.h"
#include "simulation/world/machine.h"
#include "simulation/world/remote_store.h"
#include "simulation/world/sim_apps.h"
#include "usage/usage.h"

namespace penstock::simulation {

inline constexpr char kLogDirectory[] = "/data/log";
inline constexpr size_t kShards = 2;

std::vector<log::TopicSpec> topics_of(const Machine& machine);
log::EmbeddedLogOptions log_options_of(const Tempo& tempo);
/// Of a life in which nothing slows the machine down.
runtime::SimOptions pace_of(const Machine& machine);

class Life {
 public:
  Life(Machine& machine, Clients& clients);
  ~Life();

  /// Everything up to capture's readiness. An error: not this time; `dead()` says whether it died.
  Status start();
  bool dead() const { return m_.disk->killed(); }

  /// Lets time pass; false: it died.
  bool run(int64_t us);
  /// Until `done` holds, asked every few milliseconds; false: it died or the time was over.
  bool run_until(const std::function<bool()>& done, int64_t us);
  /// Everything acknowledged is decided and stored, commands are done, clients have their answers.
  bool at_rest();
  /// Why not, for a person.
  std::string unrest();
  /// Ends as `penstock` does when it is told to; false: it did not come to an end.
  bool stop(int64_t us_max);

  /// All records that a topic has, by partition.
  Result<std::vector<std::vector<std::string>>> read(std::string_view topic);

  Machine& machine() { return m_; }
  runtime::SimRuntime& runtime() { return runtime_; }
  runtime::Loop& outside() { return outside_; }
  runtime::Loop& pipeline() { return pipeline_; }
  /// One of the process's three.
  runtime::Loop& thread(size_t i) { return i == 0 ? log_loop_ : i == 1 ? shard_loop_ : pipeline_; }
  log::Log& log() { return *log_; }
  catalog::Catalog& catalog() { return *catalog_; }
  ledger::Ledger& ledger() { return *ledger_; }
  persons::PersonStore& persons() { return *persons_; }
  objects::ObjectStore& objects() { return *objects_; }
  ingest::CookielessStore& cookieless() { return *cookieless_; }
  definitions::DefinitionStore& definitions() { return *definition_store_; }
  ingest::Ingest& ingest() { return *ingest_; }
  load::Loader& loader() { return loads_->first(); }
  deliver::Deliver& deliveries() { return *deliveries_; }

  /// Events that this life's meters counted as over a quota.
  uint64_t refused_for_quota();

  Status change_setting(const SettingChange& change);
  Status make_late_project();

 private:
  Status open_catalog();
  Status recover();
  Status start_stages();
  Status start_definitions();
  Status start_deliveries();
  void start_capture();
  ingest::IngestOptions ingest_options();
  void deliver(size_t client, const ClientRequest& request, Clients::Answered answer);

  Machine& m_;
  Clients& clients_;
  runtime::SimRuntime runtime_;
  runtime::Loop& log_loop_;
  runtime::Loop& shard_loop_;
  runtime::Loop& pipeline_;
  runtime::Loop& outside_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<log::Scrub> scrub_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<persons::PersonStore> persons_;
  std::unique_ptr<ingest::CookielessStore> cookieless_;
  std::unique_ptr<definitions::DefinitionStore> definition_store_;
  std::unique_ptr<objects::ObjectStore> objects_;
  RemoteStore store_;
  SimApps apps_;
  SimDestination destination_;
  std::unique_ptr<Loads> loads_;
  std::unique_ptr<load::Squash> squash_;
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<replay::Replay> replay_;
  std::unique_ptr<definitions::Definitions> definitions_;
  std::unique_ptr<deliver::Deliver> deliveries_;
  std::shared_ptr<usage::Usage> usage_ = std::make_shared<usage::Usage>(kShards);
  std::vector<std::unique_ptr<capture::CaptureService>> shards_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::simulation
