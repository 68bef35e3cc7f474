// AppSources: what the admin API asks of the apps that run, as plain values.
//
// Filled in by main, which owns whatever runs them. `statuses`, `logs` and `reset` from any thread;
// `try_out` is asked and answered on the admin loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/app_catalog.h"
#include "catalog/catalog.h"

namespace penstock::admin {

/// One configuration, since the process started.
struct AppRunStatus {
  int64_t config = 0;
  std::string health;  // loading, healthy, degraded, disabled, failed
  std::string error;   // JSON object; empty: none
  int attempts = 0;    // to load, that failed in a row
  int64_t retry_at_ms = 0;
  uint64_t events = 0, succeeded = 0, failed = 0, dropped = 0;
  uint64_t filtered = 0, filtering_failed = 0;  // events that its filters kept from it
  std::string filters_error;                    // one sentence; empty: none
  uint64_t cpu_us = 0, memory_bytes = 0;
  std::map<std::string, double> metrics;  // the app's own
};

/// A line of plugin_log_entries.
struct AppLogLine {
  uint64_t number = 0;  // rises by one over all apps
  int64_t config = 0, time_ms = 0;
  std::string source, type, message;  // SYSTEM, PLUGIN, CONSOLE; DEBUG … ERROR
};

struct AppLogsAsked {
  int64_t config = 0;
  uint64_t after = 0;  // only higher numbers
  size_t limit = 100;  // the newest so many, in their order
};

/// What one app made of one event.
struct AppTrialResult {
  std::string fate;   // unchanged, changed, dropped, failed, quarantined
  std::string event;  // JSON object, of "changed"
  std::string error;
  int64_t cpu_us = 0;
  std::vector<AppLogLine> logs;
};

struct AppSources {
  using Tried = std::move_only_function<void(Result<AppTrialResult>)>;
  std::function<std::vector<AppRunStatus>()> statuses;  // any may be empty: no apps run here
  std::function<std::vector<AppLogLine>(const AppLogsAsked&)> logs;
  std::function<void(catalog::Project, catalog::EnabledApp, std::string event, Tried)> try_out;
  std::function<void(int64_t config)> reset;
  /// A package of the npm registry as its archive's bytes. Blocks: a pool job.
  std::function<Result<std::string>(const std::string& package)> fetch_npm;
};

}  // namespace penstock::admin
