// SimDestination: what apps do with stored events, and the service that they send them to.
//
// One app, that of the first project, with onEvent and exportEvents. It loads some time after each
// start; a call of it reaches the destination, which answers late, with 5xx, with 429, or closes
// the connection before it answers (kDestination…); the app may hang until its deadline, and its
// worker may be ended by another app (kApp…). Every call is noted in Machine::destination, which
// outlives the process, with what arrived. Transformations are SimApps' part. Pipeline loop.
#pragma once

#include <memory>
#include <vector>

#include "apps/apps.h"
#include "runtime/runtime.h"
#include "simulation/world/machine.h"

namespace penstock::simulation {

class SimDestination : public apps::Apps {
 public:
  SimDestination(Machine& machine, runtime::Runtime& runtime, runtime::Loop& loop);

  Status start() override { return {}; }
  void stop(std::move_only_function<void()> done) override { loop_.post(std::move(done)); }
  void set(std::vector<apps::AppConfig>) override {}
  bool transforms(ProjectId) const override { return false; }
  void transform(std::vector<apps::AppEvent>, apps::TransformOptions,
                 apps::TransformDone done) override {
    done({});
  }
  void call(apps::HookCall call, apps::HookDone done) override;
  void try_out(apps::AppConfig, std::string, apps::TryOptions, apps::TryDone done) override {
    done(fail(Code::kUnavailable, "not in a simulated run"), {});
  }
  Status start_job(apps::ConfigId, std::string_view, std::string_view) override {
    return fail(Code::kUnavailable, "not in a simulated run");
  }
  void reset(apps::ConfigId) override {}
  std::vector<apps::AppStatus> statuses() const override;

 private:
  /// What becomes of a call, and when the app's caller hears of it.
  struct Fate {
    apps::HookResult result;
    bool failed = false, arrived = false, retried = false;
    int64_t us = 0;
  };
  Fate fate_of(size_t events);
  bool loaded() const;

  Machine& m_;
  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  int64_t loaded_ns_;
};

}  // namespace penstock::simulation
