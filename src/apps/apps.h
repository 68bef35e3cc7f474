// Apps: the JavaScript apps ("plugins") of all projects, run where they can hurt nobody.
//
// The caller says which configurations are enabled (`set`) and hands over batches of events; what
// apps made of them comes back per event, never as an error of the batch: an app that throws,
// loops, runs out of memory or ends its worker process costs its own result and nothing else
// (docs/apps/ENGINE.md). Two implementations: `make_apps` runs QuickJS in worker processes,
// `make_memory_apps` (apps/memory_apps.h) calls C++ functions, for tests and simulation.
//
// Threads: all calls, callbacks and the sink on the loop it was made with. `done` callbacks run on
// that loop, later, exactly once. Failure: answers carry it; kBusy where a queue is full.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"

namespace penstock::apps {

/// posthog_pluginconfig.id; unique over all projects.
using ConfigId = int64_t;

/// What was installed: the files of one version of one app. Immutable and shared.
struct AppPackage {
  int64_t plugin_id = 0;
  std::string name;                          // as shown, and in `$plugins_succeeded`
  std::map<std::string, std::string> files;  // by path from the package's root: "plugin.json", …
  bool stateless = false;                    // one VM for all projects
  std::string main{};                        // the file that is run; empty: by PostHog's rule
};

struct Attachment {
  std::string content_type, file_name, contents;
};

/// One app as one project has configured it.
struct AppConfig {
  ConfigId id = 0;
  ProjectId project;
  std::string project_token;  // what posthog.capture and posthog.api use
  int64_t version = 0;        // rises with every change; unchanged: its VM is kept
  int32_t order = 0;          // of a project's apps; then by id
  std::shared_ptr<const AppPackage> package;
  std::string config_json = "{}";    // object of strings, as `meta.config`
  std::vector<std::string> secrets;  // values that never appear in logs and errors
  std::map<std::string, Attachment> attachments{};
};

/// An event before it is processed, as the plugin contract's section 5 shapes it.
struct AppEvent {
  ProjectId project;
  /// `{"uuid":…,"distinct_id":…,"ip":…,"site_url":…,"team_id":…,"now":…,"event":…,
  /// "properties":{…},"timestamp":…}`, valid JSON. Borrowed until `done`.
  std::string_view json;
  /// Which apps it goes through, in this order; unset: all of its project that transform.
  std::optional<std::vector<ConfigId>> through{};
};

enum class Fate : uint8_t {
  kUnchanged,    // go on with the event as it was
  kChanged,      // go on with `json`
  kDropped,      // `dropped_by` answered nothing for it
  kQuarantined,  // what the apps made of it cannot be an event: too large, not JSON
};

/// What one app did with one event.
struct AppStep {
  enum class Did : uint8_t { kSucceeded, kFailed, kDropped, kSkipped };
  ConfigId config = 0;
  Did did = Did::kSkipped;  // skipped: not loaded, disabled for its failures, or unknown
  int64_t cpu_us = 0;
  std::string error{};  // of kFailed, one line; secrets are cut out
  std::string after{};  // the event behind this app, if steps were asked for and it changed
};

struct AppResult {
  Fate fate = Fate::kUnchanged;
  std::string json;         // of kChanged
  ConfigId dropped_by = 0;  // of kDropped
  std::string why;          // of kQuarantined, a fixed tag: "app_result_too_large", …
  /// "Name (configId)", as they were written to properties.$plugins_succeeded and _failed.
  std::vector<std::string> succeeded, failed;
  std::vector<AppStep> steps;  // one per app passed
};

struct TransformOptions {
  bool diffs = false;            // fill AppStep::after, for `trace` and tests of an app
  int64_t deadline_ms = 30'000;  // then what is missing has failed and goes on unchanged
  /// The project's events will not be answered soon: its apps await something, take long or are not
  /// there. Told within some fifty milliseconds, perhaps again; on the loop, before the answer.
  std::function<void(ProjectId)> waits{};
};

/// How a configuration is tried.
struct TryOptions {
  /// It may read what it has stored and do nothing else to the world: fetch is refused, and what it
  /// would write, enqueue or capture is not.
  bool dry = false;
  /// Its files are only compiled: nothing of it runs, and the event is not looked at.
  bool only_compile = false;
};

/// What an app's hooks other than processEvent are called for.
enum class Hook : uint8_t {
  kOnEvent,         // processed events, one call of the app's function for each
  kComposeWebhook,  // the same, and what it composed is sent
  kExportEvents,    // processed events, one call for all
  kRunEveryMinute,  // …Hour, …Day: by hand; by the clock the engine calls them itself
  kRunEveryHour,
  kRunEveryDay,
  kJob,  // `name` with `payload`: a job of `publicJobs` started by hand
};

struct HookCall {
  ConfigId config = 0;
  Hook hook = Hook::kOnEvent;
  std::string name{};                 // of a job
  std::string payload{};              // JSON, of a job
  std::vector<std::string> events{};  // JSON: ProcessedPluginEvent, the contract's section 5
  int attempt = 0;                    // of kExportEvents: how often it was tried before
};

/// What became of one event of a call.
struct HookEvent {
  bool ok = false;
  bool retry = false;   // later it may go well: a RetryError, or a destination that is away
  std::string error{};  // one line; secrets are cut out
};

struct HookResult {
  /// kInvalid: it threw, for an event at least; kTimeout: it used up its time or ended its worker;
  /// kUnavailable: not loaded, or disabled; kMaybe: another app ended the worker.
  Status status;
  bool retry = false;  // it threw a RetryError
  int64_t cpu_us = 0;
  size_t succeeded = 0;             // of the events
  std::vector<HookEvent> events{};  // one for each, where the call came to its end
};

enum class Health : uint8_t {
  kLoading,  // also between two attempts to load
  kHealthy,
  kDegraded,  // fails more often than the health rule allows; still called
  kDisabled,  // not called; events pass. One is tried after `retry_at_ms`, then it comes back
  kFailed,    // did not load ten times in a row: the caller stores enabled=false
};
std::string_view health_name(Health health);

/// The job that PostHog adds to whatever exports events.
inline constexpr std::string_view kPastEventsJob = "Export historical events";
/// Whether capabilities (AppStatus::capabilities) name a function; `kind` is "methods" or "jobs".
bool is_capability(std::string_view capabilities, std::string_view kind, std::string_view wanted);

struct AppStatus {
  ConfigId config = 0;
  Health health = Health::kLoading;
  std::string error;         // the newest, as JSON {message, time, name?, stack?, event?}; or empty
  std::string capabilities;  // JSON {"methods":[…],"scheduled_tasks":[…],"jobs":[…]}; once loaded
  std::string metrics;       // JSON {"name":"sum"|"max"|"min"} that it declares
  int attempts = 0;          // to load, that failed in a row
  int64_t retry_at_ms = 0;   // the next attempt or probe, wall clock; 0: none is due
  uint64_t events = 0, succeeded = 0, failed = 0, dropped = 0;  // since the process started
  uint64_t cpu_us = 0, memory_bytes = 0;
  bool filters_events = false;  // has processEvent or processEventBatch
  /// Has a function of this name.
  bool has(std::string_view method) const;
  bool has_job(std::string_view name) const;
};

struct LogEntry {
  enum class Source : uint8_t { kSystem, kPlugin, kConsole };
  enum class Level : uint8_t { kDebug, kLog, kInfo, kWarn, kError };
  ProjectId project;
  int64_t plugin_id = 0;
  ConfigId config = 0;
  int64_t time_ms = 0;
  Source source = Source::kSystem;
  Level level = Level::kInfo;
  std::string message;  // at most 8 KiB, secrets cut out
};

/// What apps do to the world beside their answers. All on the apps' loop; must not block.
class AppSink {
 public:
  virtual ~AppSink() = default;
  virtual void log(LogEntry entry) = 0;
  /// posthog.capture: `event` as a client would send it to /capture/ (event, distinct_id,
  /// properties, timestamp), without token. kBusy makes the app's promise fail.
  virtual Status capture(ProjectId project, std::string event) = 0;
  /// A metric of an app; `kind` is "sum", "max" or "min".
  virtual void metric(ConfigId config, std::string_view name, std::string_view kind,
                      double value) = 0;
  /// A job or a task by the clock has ended; `category` as the contract's app metrics name it.
  virtual void ran(ConfigId, std::string_view /*category*/, bool /*succeeded*/) {}
  /// An app has started "Export historical events", which is the host's where an app that exports
  /// has no job of that name: `payload` is a JSON object with dateFrom and dateTo.
  virtual Status export_past(ProjectId, ConfigId, std::string_view /*payload*/) {
    return fail(Code::kUnavailable, "past events are not exported here");
  }
  /// Its events go round others' (Apps::goes_round), for a second by now; told again for as long
  /// as they do, every ten seconds at least.
  virtual void slow(ProjectId) {}
  /// Health, capabilities or error changed.
  virtual void changed(const AppStatus& status) = 0;
};

using TransformDone = std::move_only_function<void(std::vector<AppResult>)>;
using HookDone = std::move_only_function<void(HookResult)>;
using TryDone = std::move_only_function<void(Result<AppResult>, std::vector<LogEntry>)>;

class Apps {
 public:
  virtual ~Apps() = default;
  virtual Status start() = 0;
  /// Calls teardownPlugin of all, flushes their buffers, ends the workers; then `done`.
  virtual void stop(std::move_only_function<void()> done) = 0;

  /// All enabled configurations from now on. What is new is loaded, what is gone is torn down,
  /// what has another version or package is replaced once the new one has loaded.
  virtual void set(std::vector<AppConfig> enabled) = 0;
  /// True if events of the project go through an app: without one there is nothing to call.
  virtual bool transforms(ProjectId project) const = 0;
  /// Its apps let their events wait lately, or are about to be tried after they were disabled for
  /// that: whoever has its events and others' in one queue should part them before asking.
  virtual bool goes_round(ProjectId) const { return false; }
  /// One result per event, in order. The views of `batch` must live until `done`.
  virtual void transform(std::vector<AppEvent> batch, TransformOptions options,
                         TransformDone done) = 0;
  virtual void call(HookCall call, HookDone done) = 0;
  /// Loads a configuration that is not enabled in a VM of its own, passes one event through it and
  /// forgets it: `app test`, and "test on a real event". Its storage and network are the real ones,
  /// but for TryOptions::dry.
  virtual void try_out(AppConfig candidate, std::string event_json, TryOptions options,
                       TryDone done) = 0;
  /// Puts a job into the app's queue, as if it had done so itself. kUnavailable: it is not enabled.
  /// kBusy: too many wait.
  virtual Status start_job(ConfigId config, std::string_view name, std::string_view payload) = 0;
  /// Begins again with no failures: after a person said so.
  virtual void reset(ConfigId config) = 0;
  virtual std::vector<AppStatus> statuses() const = 0;
};

}  // namespace penstock::apps
