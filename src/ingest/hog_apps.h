// HogApps: apps written in Hog, run on events in this process, on the pool.
//
// A transformation as PostHog has them (contract delivery, section 6): what it returns becomes the
// event's properties, name and distinct id; null drops the event; a failure leaves it as it is. A
// program that uses up its time or memory rests by the HealthRule that all apps have; events pass
// it by meanwhile, and probes bring it back. A batch has `deadline_ms` of a thread; what it has not
// reached by then has failed. Whose batch takes long is told of and goes round, as in Apps. What it
// prints and why it failed go to `log`, a hundred lines a second at most and without its secrets.
// `run` on the ingest loop; programs run on the pool, in turns (hog_turns.h).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/apps.h"
#include "apps/health_rule.h"
#include "apps/places.h"
#include "apps/round.h"
#include "catalog/app_catalog.h"
#include "catalog/catalog.h"
#include "hog/inputs.h"
#include "hog/machine.h"
#include "ingest/hog_turns.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

enum class HogDid : uint8_t { kSucceeded, kFailed, kDropped, kSkipped };

struct HogResult {
  HogDid did = HogDid::kSkipped;
  std::string event;  // JSON; empty: as it was
  std::string error;
  int64_t cpu_us = 0;
  size_t memory_bytes = 0;
  std::vector<std::string> printed{};
  bool costly = false;  // of kFailed: it used up its time or memory
};

struct HogAppsOptions {
  std::shared_ptr<const apps::Places> places{};  // none: geoipLookup knows no address
  std::function<void(apps::LogEntry)> log{};     // none: nothing is logged
  /// The project's events go round; told again while they come.
  std::function<void(ProjectId)> slow{};
  int64_t deadline_ms = 5000;  // for a batch in one app
};

class HogApps {
 public:
  using Done = std::move_only_function<void(std::vector<HogResult>)>;
  /// The answer will not come soon: told once fifty milliseconds of a thread went into it, and
  /// again.
  using Waits = std::function<void()>;

  HogApps(runtime::Loop& loop, runtime::Runtime& runtime, HogAppsOptions options = {})
      : loop_(loop),
        runtime_(runtime),
        turns_(loop, runtime.pool()),
        options_(std::move(options)) {}
  ~HogApps() { *alive_ = false; }
  HogApps(const HogApps&) = delete;
  HogApps& operator=(const HogApps&) = delete;

  void run(std::shared_ptr<const catalog::EnabledApp> app, std::vector<std::string> events,
           Done done, Waits waits = {});
  /// Its apps took long lately, or are about to be tried after they were disabled for that.
  bool goes_round(const catalog::Project& project) const;
  /// Health and counts since the process started. Failed: it cannot be compiled.
  apps::AppStatus status(const std::shared_ptr<const catalog::EnabledApp>& app);
  /// Begins again with no failures.
  void reset(int64_t config);
  /// Forgets all other configurations.
  void keep_only(const std::set<int64_t>& configs);

 private:
  struct Job;
  /// A configuration, ready to run.
  struct Ready {
    std::shared_ptr<const catalog::EnabledApp> of;
    std::shared_ptr<const hog::Program> program;
    std::shared_ptr<const hog::HogInputs> inputs;
    std::vector<std::string> secrets;
    std::string error;  // why there is none
    apps::HealthRule rule{apps::kRestMsMin, apps::kRestMsMax};
    apps::AppStatus status;
    int64_t log_second = 0;  // and how many lines it has logged in it
    int lines = 0;
  };
  Ready& ready(const std::shared_ptr<const catalog::EnabledApp>& app);
  void go_round(ProjectId project);
  void tell(ProjectId project) const;
  std::unique_ptr<hog::Machine> take_machine();
  void take(Job& job);
  void note(Ready& of, const HogResult& result);
  void turn(Ready& of, bool failed, bool costly);
  void log(Ready& of, apps::LogEntry::Source source, apps::LogEntry::Level level,
           std::string message);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  HogTurns turns_;
  HogAppsOptions options_;
  std::map<int64_t, Ready> ready_;  // by configuration
  std::map<ProjectId, apps::Round> round_;
  std::vector<std::unique_ptr<hog::Machine>> machines_;  // that nobody uses
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// "Name (id)", as the lists `$transformations_…` have it.
std::string transformation_label(const catalog::EnabledApp& app);
/// The event with the transformations that were not asked about it in its properties.
std::string with_skipped(const std::string& event, const std::vector<std::string>& labels);
/// Why a program cannot be one; empty: it can.
std::string hog_problem(const std::string& source);

}  // namespace penstock::ingest
