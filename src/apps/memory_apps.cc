#include "apps/memory_apps.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "apps/plugin_lists.h"

namespace penstock::apps {
namespace {

class InMemory : public MemoryApps {
 public:
  explicit InMemory(runtime::Loop& loop) : loop_(loop) {}

  void provide(int64_t plugin_id, MemoryApp process,
               std::function<HookResult(const AppConfig&, const HookCall&)> hook,
               std::string capabilities) override {
    functions_[plugin_id] = {std::move(process), std::move(hook), std::move(capabilities)};
  }
  Status start() override { return {}; }
  void stop(std::move_only_function<void()> done) override { loop_.post(std::move(done)); }

  void set(std::vector<AppConfig> enabled) override {
    std::ranges::sort(enabled, [](const AppConfig& a, const AppConfig& b) {
      return std::pair(a.order, a.id) < std::pair(b.order, b.id);
    });
    configs_ = std::move(enabled);
    for (const AppConfig& config : configs_) statuses_[config.id].config = config.id;
  }

  bool transforms(ProjectId project) const override {
    return std::ranges::any_of(configs_, [&](const AppConfig& c) {
      return c.project == project && process_of(c) != nullptr;
    });
  }

  void transform(std::vector<AppEvent> batch, TransformOptions options,
                 TransformDone done) override {
    std::vector<AppResult> results;
    for (const AppEvent& event : batch) results.push_back(run(event, options));
    loop_.post([results = std::move(results), done = std::move(done)]() mutable {
      done(std::move(results));
    });
  }

  void call(HookCall call, HookDone done) override {
    HookResult result;
    const AppConfig* config = find(call.config);
    const auto functions =
        config == nullptr ? functions_.end() : functions_.find(config->package->plugin_id);
    if (functions == functions_.end() || !functions->second.hook) {
      result.status = fail(Code::kUnavailable, "the app is not loaded");
    } else {
      result = functions->second.hook(*config, call);
    }
    loop_.post([result = std::move(result), done = std::move(done)]() mutable {
      done(std::move(result));
    });
  }

  void try_out(AppConfig candidate, std::string event_json, TryOptions, TryDone done) override {
    AppResult result;
    const AppEvent event{candidate.project, event_json};
    std::string current = event_json;
    pass(candidate, {.diffs = true}, current, result);
    finish(event, current, result);
    loop_.post([result = std::move(result), done = std::move(done)]() mutable {
      done(std::move(result), {});
    });
  }

  Status start_job(ConfigId config, std::string_view name, std::string_view payload) override {
    if (find(config) == nullptr) return fail(Code::kUnavailable, "the app is not enabled");
    HookCall job;
    job.config = config;
    job.hook = Hook::kJob;
    job.name = name;
    job.payload = payload;
    call(std::move(job), [](const HookResult&) {});
    return {};
  }

  void reset(ConfigId config) override { statuses_[config].health = Health::kHealthy; }

  std::vector<AppStatus> statuses() const override {
    std::vector<AppStatus> out;
    for (const AppConfig& config : configs_) {
      AppStatus status = statuses_.at(config.id);
      status.health = process_of(config) ? Health::kHealthy : Health::kLoading;
      status.filters_events = process_of(config) != nullptr;
      const auto found = functions_.find(config.package->plugin_id);
      if (found != functions_.end()) status.capabilities = found->second.capabilities;
      out.push_back(std::move(status));
    }
    return out;
  }

 private:
  struct Functions {
    MemoryApp process;
    std::function<HookResult(const AppConfig&, const HookCall&)> hook;
    std::string capabilities;
  };

  const MemoryApp* process_of(const AppConfig& config) const {
    const auto found = functions_.find(config.package->plugin_id);
    return found == functions_.end() || !found->second.process ? nullptr : &found->second.process;
  }
  const AppConfig* find(ConfigId id) const {
    const auto found = std::ranges::find(configs_, id, &AppConfig::id);
    return found == configs_.end() ? nullptr : &*found;
  }

  AppResult run(const AppEvent& event, const TransformOptions& options) {
    AppResult result;
    std::string current(event.json);
    const auto go = [&](const AppConfig& config) { return pass(config, options, current, result); };
    if (event.through) {
      for (const ConfigId id : *event.through) {
        const AppConfig* config = find(id);
        if (config == nullptr) {
          result.steps.push_back({id});
        } else if (!go(*config)) {
          return result;
        }
      }
    } else {
      for (const AppConfig& config : configs_) {
        if (config.project == event.project && process_of(config) && !go(config)) return result;
      }
    }
    finish(event, current, result);
    return result;
  }

  /// False: the event was dropped.
  bool pass(const AppConfig& config, const TransformOptions& options, std::string& current,
            AppResult& result) {
    AppStep& step = result.steps.emplace_back(AppStep{config.id});
    AppStatus& status = statuses_[config.id];
    const MemoryApp* process = process_of(config);
    if (process == nullptr) return true;
    status.events++;
    auto made = (*process)(config, current);
    if (!made) {
      step.did = AppStep::Did::kFailed;
      step.error = made.error().message;
      status.failed++;
      result.failed.push_back(app_label(config));
      return true;
    }
    if (!*made) {
      step.did = AppStep::Did::kDropped;
      status.dropped++;
      result.fate = Fate::kDropped;
      result.dropped_by = config.id;
      return false;
    }
    step.did = AppStep::Did::kSucceeded;
    status.succeeded++;
    result.succeeded.push_back(app_label(config));
    if (options.diffs && **made != current) step.after = **made;
    current = std::move(**made);
    return true;
  }

  static void finish(const AppEvent& event, const std::string& current, AppResult& result) {
    if (result.fate == Fate::kDropped) return;
    result.json = with_plugin_lists(current, result.succeeded, result.failed);
    if (result.succeeded.empty() && result.failed.empty() && current == event.json) {
      result.json.clear();
      return;
    }
    result.fate = Fate::kChanged;
  }

  runtime::Loop& loop_;
  std::vector<AppConfig> configs_;
  std::unordered_map<int64_t, Functions> functions_;
  std::unordered_map<ConfigId, AppStatus> statuses_;
};

}  // namespace

std::unique_ptr<MemoryApps> make_memory_apps(runtime::Loop& loop) {
  return std::make_unique<InMemory>(loop);
}

}  // namespace penstock::apps
