// SimApps: a project's apps in a run: they answer late, and now and then only at their deadline.
//
// What they answer leaves events as they are, so that every invariant of events holds with them as
// without. Struck by kAppHangs. Pipeline loop.
#pragma once

#include <memory>

#include "ingest/event_apps.h"
#include "runtime/runtime.h"
#include "simulation/world/machine.h"

namespace penstock::simulation {

class SimApps : public ingest::EventApps {
 public:
  SimApps(Machine& machine, runtime::Loop& loop) : m_(machine), loop_(loop) {}

  bool transforms(const catalog::Project& project) const override {
    return project.apps != nullptr;
  }
  void run(const catalog::Project& project, std::vector<std::string> events, Done done) override;

 private:
  Machine& m_;
  runtime::Loop& loop_;
};

/// One enabled app for the project.
Status enable_app(catalog::Catalog& catalog, ProjectId project);

}  // namespace penstock::simulation
