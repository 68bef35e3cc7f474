// HogApps: apps written in Hog, run on events in this process, on the pool.
//
// A transformation as PostHog has them (contract delivery, section 6): what it returns becomes the
// event's properties, name and distinct id; null drops the event; a failure leaves it as it is. A
// program that uses up its time or memory rests by the HealthRule that all apps have; events pass
// it by meanwhile, and probes bring it back. What it prints and
// why it failed go to `log`, a hundred lines a second at most and without its secrets. `run` on the
// ingest loop; programs run on a pool thread, one batch of one app at a time.
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
#include "catalog/app_catalog.h"
#include "hog/inputs.h"
#include "hog/machine.h"
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

class HogApps {
 public:
  using Done = std::move_only_function<void(std::vector<HogResult>)>;

  using Log = std::function<void(apps::LogEntry)>;

  /// Without `places` geoipLookup knows no address; without `log` nothing is logged.
  HogApps(runtime::Loop& loop, runtime::Runtime& runtime,
          std::shared_ptr<const apps::Places> places = nullptr, Log log = nullptr)
      : loop_(loop), runtime_(runtime), places_(std::move(places)), log_(std::move(log)) {}
  ~HogApps() { *alive_ = false; }
  HogApps(const HogApps&) = delete;
  HogApps& operator=(const HogApps&) = delete;

  void run(std::shared_ptr<const catalog::EnabledApp> app, std::vector<std::string> events,
           Done done);
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
  void take(int64_t config, Job& job);
  void note(Ready& of, const HogResult& result);
  void turn(Ready& of, bool failed, bool costly);
  void log(Ready& of, apps::LogEntry::Source source, apps::LogEntry::Level level,
           std::string message);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  std::shared_ptr<const apps::Places> places_;
  Log log_;
  std::map<int64_t, Ready> ready_;                       // by configuration
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
