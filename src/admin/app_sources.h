// AppSources: what the admin API asks of the apps that run, as plain values.
//
// Filled in by main, which owns whatever runs them. `statuses`, `logs` and `reset` from any thread;
// `try_out` is asked and answered on the admin loop.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/app_catalog.h"
#include "catalog/catalog.h"

namespace penstock::admin {

/// One function that is called for stored events, or one of the clock's, since the installation.
struct AppCallCounts {
  std::string category;  // onEvent, composeWebhook, exportEvents, scheduledTask, job
  uint64_t successes = 0, successes_on_retry = 0, failures = 0, waiting = 0;
};

/// Past events that are handed to an app's exportEvents.
struct AppExport {
  std::string state;                                   // running, done, failed, cancelled
  int64_t from_ms = 0, to_ms = 0, at_ms = 0;           // the range, and how far it has come
  uint64_t exported = 0, failed = 0, passed_over = 0;  // events; passed over by its filters
  int repeated = 0;                                    // the page that comes next, in a row
  int64_t next_ms = 0;                                 // when it is tried again; 0: now
  std::string error;                                   // of the last page that failed; empty: none
};

/// One configuration. Counts are since it was installed; a crash loses what two seconds counted.
struct AppRunStatus {
  int64_t config = 0;
  std::string health;  // loading, healthy, degraded, disabled, failed
  std::string error;   // JSON object; empty: none
  int attempts = 0;    // to load, that failed in a row
  int64_t retry_at_ms = 0;
  uint64_t events = 0, succeeded = 0, failed = 0, dropped = 0, changed = 0;
  uint64_t filtered = 0, filtering_failed = 0;  // events that its filters kept from it
  std::string filters_error;                    // one sentence; empty: none
  uint64_t cpu_us = 0, memory_bytes = 0;
  std::map<std::string, double> metrics;  // the app's own
  std::vector<AppCallCounts> calls;
  std::optional<AppExport> exporting;  // the last one
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
  std::string fate;   // unchanged, changed, dropped, failed, quarantined; skipped by its filters
  std::string event;  // JSON object, of "changed"
  std::string error;
  int64_t cpu_us = 0;
  std::vector<AppLogLine> logs;
};

/// How many of some events filters match.
struct FilterMatches {
  std::vector<bool> matched;  // one for each event
  uint64_t failed = 0;        // of those that do not: the filter failed
  std::string error;          // why it cannot be compiled, else its last failure; empty: none
};

/// A mistake in a file of an app, as its engine finds it without running anything.
struct AppMistake {
  std::string file, message;
  int64_t line = 0, column = 0;  // from 1; 0: nowhere in particular
  bool runs = true;              // in what the app would run; false: beside it, a test or a page
};

struct AppSources {
  using Compiled = std::move_only_function<void(Result<std::vector<AppMistake>>)>;
  /// Of JavaScript and TypeScript; asked and answered on the admin loop.
  std::function<void(std::shared_ptr<const catalog::AppFiles>, Compiled)> compile;
  using Tried = std::move_only_function<void(Result<AppTrialResult>)>;
  std::function<std::vector<AppRunStatus>()> statuses;  // any may be empty: no apps run here
  std::function<std::vector<AppLogLine>(const AppLogsAsked&)> logs;
  std::function<void(catalog::Project, catalog::EnabledApp, std::string event, Tried)> try_out;
  std::function<void(int64_t config)> reset;
  /// `events` as apps are shown them; project 0: before groups are known. Blocks, a second at most:
  /// a pool job.
  std::function<FilterMatches(ProjectId, const catalog::ProjectSettings&,
                              const std::string& filters, const std::vector<std::string>& events)>
      match_filters;
  using Begun = std::move_only_function<void(Status)>;
  /// Hands stored events of [from, to) to the app's exportEvents; asked and answered on the admin
  /// loop, as the next one, which stops it. kUnavailable: the events are not stored here.
  std::function<void(ProjectId, int64_t config, int64_t from_ms, int64_t to_ms, Begun)>
      begin_export;
  std::function<void(int64_t config, Begun)> cancel_export;
  /// Puts a job into the app's queue; `payload` is a JSON object. As the one before.
  std::function<void(int64_t config, std::string job, std::string payload, Begun)> start_job;
  /// Calls for one stored event, a JSON array; any thread.
  std::function<Result<std::string>(const Uuid& event)> calls_for;
  /// A package of the npm registry as its archive's bytes. Blocks: a pool job.
  std::function<Result<std::string>(const std::string& package)> fetch_npm;
};

}  // namespace penstock::admin
