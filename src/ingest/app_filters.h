// AppFilters: which events an app's configuration wants, asked before the app has any work.
//
// A configuration's filters (PostHog's JSON) are compiled once, to Hog bytecode. An event matches
// when that gives exactly true; filters that cannot be compiled, fail or take too long match
// nothing, are counted and say why. What filters see is the event as it is at the app's turn: names
// as for PostHog's filters (`event` is its name). Before an event is stored there is no person, so
// `person` and `pdi` are null and groups have no properties. Ingest loop only; a filter's run is
// bounded by kTimeUsMax.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "catalog/app_catalog.h"
#include "catalog/project_settings.h"
#include "event/json_fields.h"
#include "hog/machine.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

/// Of one configuration, since the process started.
struct FilterCounts {
  uint64_t filtered = 0;  // events that did not match
  uint64_t failed = 0;    // events for which the filter failed: not matched either
  std::string error;      // why it cannot be compiled, else its last failure; empty: none
};

class AppFilters {
 public:
  static constexpr int64_t kTimeUsMax = 10'000;  // of one run
  static constexpr int kOvertimeMax = 5;         // such runs in a row, then it rests
  static constexpr int64_t kRestMs = 30'000;

  /// A group's properties as FilterGlobals wants them; called by `matches`.
  using Groups = std::function<std::string(ProjectId, uint8_t index, std::string_view key)>;

  explicit AppFilters(runtime::Runtime& runtime, Groups groups = {})
      : runtime_(runtime), groups_(std::move(groups)) {}

  /// False: every event goes through the app, there is nothing to ask. `project` is the settings of
  /// the app's.
  bool filters(const catalog::EnabledApp& app, const catalog::ProjectSettings& project);
  /// `event` is the event's members, as the plugin contract's section 5 shapes it.
  bool matches(const catalog::EnabledApp& app, const catalog::ProjectSettings& project,
               const event::JsonFields& event);
  /// Whether the filters of an app ask for properties of groups.
  bool ask_groups(const catalog::EnabledApp& app, const catalog::ProjectSettings& project) {
    return of(app, project).asks_groups;
  }
  const FilterCounts& counts(const catalog::EnabledApp& app,
                             const catalog::ProjectSettings& project) {
    return of(app, project).counts;
  }
  /// Forgets all other configurations.
  void keep_only(const std::set<int64_t>& configs);

 private:
  struct Compiled {
    std::string text, test_accounts;  // what it was compiled from; empty: nothing was yet
    bool all = true;                  // every event matches
    bool asks_groups = false;
    std::shared_ptr<const hog::Program> program;
    std::vector<std::string> names;  // events that can match at all; empty: any
    int overtime = 0;                // in a row
    int64_t rests_until_ms = 0;
    FilterCounts counts;
  };
  Compiled& of(const catalog::EnabledApp& app, const catalog::ProjectSettings& project);
  bool run(Compiled& filter, ProjectId project, const event::JsonFields& event);

  runtime::Runtime& runtime_;
  Groups groups_;
  hog::Machine machine_;
  std::map<int64_t, Compiled> compiled_;  // by configuration
};

}  // namespace penstock::ingest
