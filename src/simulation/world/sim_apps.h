// SimApps: a project's apps in a run: they answer late, and now and then only at their deadline,
// after which the project's events go round others' for a while.
//
// Events of three names are transformed, all others left as they are, so that every invariant of
// events holds with them as without. Struck by kAppHangs (nothing is done to the batch) and
// kAppGarbles (what comes back of an event is none). Pipeline loop.
#pragma once

#include <memory>
#include <set>

#include "ingest/event_apps.h"
#include "runtime/runtime.h"
#include "simulation/world/machine.h"

namespace penstock::simulation {

/// Events that the app changes (it sets the property "app"), drops, or makes something else of.
inline constexpr char kAppChanges[] = "app_changes", kAppDrops[] = "app_drops",
                      kAppBreaks[] = "app_breaks";
inline constexpr char kAppMark[] = R"("app":true)";

class SimApps : public ingest::EventApps {
 public:
  SimApps(Machine& machine, runtime::Loop& loop) : m_(machine), loop_(loop) {}

  bool transforms(const catalog::Project& project) const override {
    return project.apps != nullptr;
  }
  bool goes_round(const catalog::Project& project) const override {
    return round_->contains(project.id);
  }
  void run(const catalog::Project& project, std::vector<std::string> events, Done done,
           Waits waits) override;

 private:
  Machine& m_;
  runtime::Loop& loop_;
  std::shared_ptr<std::set<ProjectId>> round_ = std::make_shared<std::set<ProjectId>>();
};

/// One enabled app for the project.
Status enable_app(catalog::Catalog& catalog, ProjectId project);

}  // namespace penstock::simulation
