// What a Process is made of; its start and stop are in process.cc, what the admin API sees of it in
// process_admin.cc.
#pragma once

#include <future>
#include <optional>

#include "catalog/catalog.h"
#include "definitions/definitions.h"
#include "event/lane.h"
#include "ledger/follow.h"
#include "log/kafka_lease.h"
#include "main/apps/app_host.h"
#include "main/catalog_engine.h"
#include "main/disk_watch.h"
#include "main/edge.h"
#include "main/erase_places.h"
#include "main/health.h"
#include "main/log_engine.h"
#include "main/move/held_log.h"
#include "main/object_engine.h"
#include "main/on_loop.h"
#include "main/person_engine.h"
#include "main/process.h"
#include "main/quarantine_source.h"
#include "main/redirect_topics.h"
#include "main/scrub/data_scrub.h"
#include "main/self_audit.h"
#include "main/shard.h"
#include "main/squash_source.h"
#include "main/stage_status.h"
#include "main/stages.h"
#include "main/store_engine.h"
#include "main/topics.h"
#include "objects/object_store.h"
#include "persons/person_store.h"
#include "publish/publish.h"
#include "runtime/lock_file.h"
#include "runtime/real_runtime.h"
#include "runtime/signals.h"

namespace penstock::cli {

struct Process::Parts {
  Settings settings;
  const config::OptionTable& table;
  std::string data_dir;
  Instance instance;
  runtime::LockFile lock;
  std::unique_ptr<runtime::Runtime> runtime;
  runtime::LoopThread log_thread{"log"}, pipeline{"pipeline"}, admin_thread{"admin"};
  Edge edge;                               // on the admin loop
  std::unique_ptr<DiskWatch> disk;         // on the pipeline loop
  std::unique_ptr<log::KafkaLease> lease;  // of deciding; ends behind the log
  std::vector<int32_t> slices{0};          // that are decided here
  std::unique_ptr<log::Log> log;
  move::SealedLog* sealed = nullptr;  // `log` of a process that is held
  std::unique_ptr<move::HeldLog> held_log;
  std::unique_ptr<log::Scrub> scrub;  // on the pipeline loop
  std::unique_ptr<RedirectTopics> redirects;
  std::unique_ptr<catalog::Catalog> catalog;
  std::optional<CatalogLook> catalog_look;
  std::unique_ptr<ledger::Ledger> ledger;
  std::shared_ptr<ledger::LedgerWatch> ledger_watch;
  std::shared_ptr<ledger::LedgerFollow> follow;  // on the pipeline loop
  std::unique_ptr<SelfAudit> self_audit;         // on the pipeline loop
  std::unique_ptr<persons::PersonStore> persons;
  std::unique_ptr<definitions::DefinitionStore> definition_store;
  std::unique_ptr<ingest::CookielessStore> cookieless;
  std::shared_ptr<usage::Usage> usage;
  std::shared_ptr<usage::UsageKeeper> usage_keeper;
  std::unique_ptr<store::EventStore> store;
  std::unique_ptr<scrub::DataScrub> data_scrub;  // on the pipeline loop
  std::unique_ptr<load::Loader> loader;
  std::unique_ptr<log::KafkaLease> load_lease;  // of partitions; ends before the loader
  bool load_ends = false;                       // pipeline loop
  int64_t squashes_since_ns = 0;                // 0: another process does; pipeline loop
  std::unique_ptr<definitions::Definitions> definitions;
  std::unique_ptr<load::Squash> squash;  // beside the loader
  std::unique_ptr<AppHost> apps;         // on the pipeline loop
  std::unique_ptr<ingest::Ingest> ingest;
  std::unique_ptr<objects::ObjectStore> objects;
  std::unique_ptr<replay::Replay> replay;
  std::unique_ptr<publish::Publish> publisher;
  std::vector<std::unique_ptr<Shard>> shards;
  std::unique_ptr<admin::AdminService> admin;
  std::unique_ptr<wire::Server> admin_server;
  Health health;  // asked on the admin loop
  std::unique_ptr<wire::Server> health_server;
  std::promise<void> asked_to_stop;
  std::shared_future<void> asked{asked_to_stop.get_future().share()};
  Woken woken = Woken::kAsked;  // admin loop, then whoever waited
  int signals_seen = 0;         // admin loop only
  bool is_woken = false;        // the same
  std::unique_ptr<runtime::SignalWatch> signals;
  bool started = false;

  Parts(Settings s, const config::OptionTable& t, std::string d)
      : settings(std::move(s)), table(t), data_dir(std::move(d)) {}

  Status watch_signals();
  Status open_directory();
  Status choose_project();
  Status stand_by();
  Status join_lease();
  bool holds_slices(int64_t wait_ms);
  void watch_lease();
  void wake(Woken why);
  void give_way();
  Status open_log();
  Status open_usage();
  Status open_state();
  Status open_catalog();
  Status recover();
  Status start_store();
  Status start_load();
  /// Of several loads; these on the pipeline's loop.
  Status join_loads();
  void join_loads_again();
  void share_load();
  bool squashes() const;
  Status start_publish();
  Status start_capture();
  Status start_admin();
  Status start_health();
  void watch_stages();
  admin::AdminSources admin_sources();
  void stop();
};

}  // namespace penstock::cli
