// AppHost: the apps of this process: their engine, what they log and capture, and their health.
//
// Keeps the engine's configurations those of the catalog's snapshot, notes errors and capabilities
// in the catalog, and answers the admin API from copies. Lives on the loop it was made with;
// `statuses`, `logs` and `serve_capture` from any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "admin/app_sources.h"
#include "apps/apps.h"
#include "catalog/catalog.h"
#include "deliver/deliver.h"
#include "ingest/app_chain.h"
#include "ingest/app_filters.h"
#include "ingest/hog_apps.h"
#include "kv/key_value.h"
#include "main/apps/app_captures.h"
#include "main/apps/app_counts.h"
#include "main/apps/app_exports.h"
#include "main/apps/app_groups.h"
#include "main/apps/app_logs.h"
#include "main/apps/app_tallies.h"
#include "main/disk_watch.h"
#include "main/settings.h"
#include "persons/person_store.h"
#include "runtime/real_runtime.h"
#include "usage/usage.h"

namespace penstock::cli {

class AppHost final : public apps::AppSink {
 public:
  AppHost(runtime::Loop& loop, runtime::Runtime& runtime, catalog::Catalog& catalog,
          usage::Usage& usage, std::unique_ptr<kv::KeyValue> state,
          const persons::PersonStore* groups, bool groups_block);
  /// Before `start`: apps are called for stored events here, and by the clock.
  void deliver(log::Log& log, std::unique_ptr<kv::KeyValue> state);
  ~AppHost() override { *alive_ = false; }

  /// Before `start`: where stored events are read, on the same loop.
  void read_from(store::EventStore& store) { store_ = &store; }
  /// Starts the engine, whose sink is this. On the loop.
  Status start(runtime::Poller& poller, const AppSettings& settings);
  void stop(runtime::Task done);
  /// For ingest, after `start`.
  ingest::EventApps* chain() { return chain_.get(); }
  void serve_capture(const Instance& instance) { captures_.serve(instance); }
  /// Of the stage deliver; empty while healthy. Any thread.
  std::string delivery_error() const {
    return deliver_ ? deliver_->stats().last_error : std::string();
  }
  /// The catalog has changed; any thread.
  void on_change();

  std::vector<admin::AppRunStatus> statuses() const;
  /// `admin`: where trials are asked and answered.
  admin::AppSources sources(runtime::Loop& admin);

  // apps::AppSink
  void log(apps::LogEntry entry) override;
  Status capture(ProjectId project, std::string event) override;
  void metric(apps::ConfigId config, std::string_view name, std::string_view kind,
              double value) override;
  void ran(apps::ConfigId config, std::string_view category, bool succeeded) override;
  Status export_past(ProjectId project, apps::ConfigId config, std::string_view payload) override;
  void slow(ProjectId project) override;
  void changed(const apps::AppStatus& status) override;

 private:
  using Packages = std::map<std::pair<int64_t, int64_t>, std::shared_ptr<const apps::AppPackage>>;
  void configure();
  Status open_exports(const deliver::DeliverOptions& options);
  void refresh();
  std::shared_ptr<const catalog::EnabledApp> app_of(int64_t config) const;
  void note(int64_t config, apps::LogEntry::Level level, std::string message);
  Status start_job(int64_t config, const std::string& job, const std::string& payload);
  void save_counts();
  void add_calls(admin::AppRunStatus& out) const;
  void try_out(const catalog::Project& project, const catalog::EnabledApp& app, std::string event,
               admin::AppSources::Tried done);
  void try_hog(const catalog::EnabledApp& app, std::string event, admin::AppSources::Tried done);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  catalog::Catalog& catalog_;
  usage::Usage& usage_;
  std::unique_ptr<kv::KeyValue> state_;  // what apps keep
  AppGroups groups_;
  std::string npm_registry_;
  AppCaptures captures_;
  std::unique_ptr<ingest::HogApps> hog_;  // for trials
  AppLogs logs_;
  AppCounts counts_;
  AppTallies tallies_;
  int saves_ = 0;
  std::unique_ptr<apps::Apps> engine_;
  std::unique_ptr<ingest::AppChain> chain_;
  store::EventStore* store_ = nullptr;  // of `read_from`
  std::unique_ptr<AppExports> exports_;
  log::Log* log_ = nullptr;  // of `deliver`, as the next one
  std::unique_ptr<kv::KeyValue> queues_;
  std::unique_ptr<deliver::Deliver> deliver_;
  std::vector<std::shared_ptr<const catalog::EnabledApp>> enabled_;  // as the engine has them
  Packages packages_;
  mutable std::mutex mutex_;  // of the copies
  std::vector<admin::AppRunStatus> statuses_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

struct AppParts {
  runtime::Runtime& runtime;
  runtime::LoopThread& pipeline;
  catalog::Catalog& catalog;
  usage::Usage& usage;
  DiskWatch& disk;
  log::Log& log;
  const std::string& data_dir;
  store::EventStore* store;             // past events for exports; null: they are not here
  const persons::PersonStore* persons;  // groups' properties for filters; null: they are not here
};
/// Null: no stage here needs apps. Made and started on the pipeline's loop, with its state in
/// <data>/state/apps and <data>/state/deliver.
Result<std::unique_ptr<AppHost>> open_apps(const Settings& settings, AppParts parts);

}  // namespace penstock::cli
