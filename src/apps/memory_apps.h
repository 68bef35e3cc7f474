// MemoryApps: apps that are C++ functions, called in this process: for tests and simulation.
//
// Keeps to the page of `Apps` (order, dropping, `$plugins_succeeded`, `through`) with no script
// engine, no worker and no clock. Register functions before `set`. An app without one counts as
// not loaded. Loop thread, as `Apps`.
#pragma once

#include <functional>
#include <memory>

#include "apps/apps.h"
#include "runtime/runtime.h"

namespace penstock::apps {

/// What a function makes of an event: its text, nothing (the event is dropped), or the error of an
/// app that threw.
using MemoryApp =
    std::function<Result<std::optional<std::string>>(const AppConfig& config, std::string event)>;

class MemoryApps : public Apps {
 public:
  /// The functions of the app `plugin_id`: what transforms, and what is called by `call`; and what
  /// it says to have, as AppStatus::capabilities.
  virtual void provide(int64_t plugin_id, MemoryApp process,
                       std::function<HookResult(const AppConfig&, const HookCall&)> hook = {},
                       std::string capabilities = {}) = 0;
};

std::unique_ptr<MemoryApps> make_memory_apps(runtime::Loop& loop);

}  // namespace penstock::apps
