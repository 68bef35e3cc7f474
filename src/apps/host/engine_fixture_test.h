// Apps on real worker processes (the test program itself) and a real loop, for tests.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <sstream>
#include <thread>
#include <type_traits>

#include "apps/app_worker.h"
#include "apps/worker_apps.h"
#include "event/json_fields.h"
#include "kv/key_value.h"
#include "runtime/real_runtime.h"

namespace penstock::apps {

class Sink : public AppSink {
 public:
  void log(LogEntry entry) override { logs.push_back(std::move(entry.message)); }
  Status capture(ProjectId project, std::string event) override {
    captured.push_back(std::to_string(project.value) + " " + event);
    return {};
  }
  void metric(ConfigId, std::string_view name, std::string_view, double) override {
    metrics.emplace_back(name);
  }
  void changed(const AppStatus& status) override {
    healths.emplace_back(health_name(status.health));
  }
  void slow(ProjectId project) override { slowed.insert(project.value); }
  std::vector<std::string> logs, captured, metrics, healths;
  std::set<int64_t> slowed;
};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options.cpu_ms_max = 100;
    options.load_cpu_ms_max = 1000;
    options.load_retry_ms = 2;
    options.probe_ms_min = 50;
    options.memory_bytes_max = 32U << 20;
    options.standby = false;  // `child_pid`
  }
  /// Runs `work` on the apps' loop and waits for it.
  template <class Work>
  auto on_loop(Work work) {
    std::promise<std::invoke_result_t<Work>> promise;
    thread.loop().post([&] {
      if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
        work();
        promise.set_value();
      } else {
        promise.set_value(work());
      }
    });
    return promise.get_future().get();
  }

  void TearDown() override {
    if (apps) {
      std::promise<void> stopped;
      thread.loop().post([&] { apps->stop([&] { stopped.set_value(); }); });
      stopped.get_future().wait();
      on_loop([&] { apps.reset(); });
    }
    thread.stop();
    thread.join();
  }

  void make() {
    thread.start();
    on_loop([&] {
      auto made = make_apps(*runtime, thread.loop(), thread.poller(), *state, sink, options);
      ASSERT_TRUE(made) << made.error().message;
      apps = std::move(*made);
      ASSERT_TRUE(apps->start());
    });
  }
  void set(std::vector<AppConfig> enabled) {
    on_loop([&] { apps->set(std::move(enabled)); });
  }

  static AppConfig config(ConfigId id, std::map<std::string, std::string> files,
                          ProjectId project = {2}) {
    auto package = std::make_shared<AppPackage>();
    package->plugin_id = 100 + id;
    package->name = "app" + std::to_string(id);
    package->files = std::move(files);
    AppConfig out;
    out.id = id;
    out.project = project;
    out.project_token = "phc_x";
    out.order = static_cast<int32_t>(id);
    out.package = std::move(package);
    return out;
  }
  static AppConfig js(ConfigId id, const std::string& code, ProjectId project = {2}) {
    return config(id, {{"index.js", code}}, project);
  }
  static std::string marks(ConfigId id) {
    return "function processEvent(e) { e.properties.m" + std::to_string(id) + " = 1; return e }";
  }

  void run_until(const std::function<bool()>& reached, int64_t ms = 20'000) {
    const int64_t end = runtime->clock().mono_ns() + ms * 1'000'000;
    bool there = false;
    while (!there && runtime->clock().mono_ns() < end) {
      there = on_loop(reached);
      if (!there) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_TRUE(there) << "not in time";
  }

  std::vector<AppResult> transform(const std::vector<std::string>& events,
                                   ProjectId project = {2}) {
    std::optional<std::vector<AppResult>> out;
    on_loop([&] {
      std::vector<AppEvent> batch;
      for (const std::string& event : events) batch.push_back({project, event});
      apps->transform(std::move(batch), {},
                      [&](std::vector<AppResult> results) { out = std::move(results); });
    });
    run_until([&] { return out.has_value(); });
    return out.value_or(std::vector<AppResult>(events.size()));
  }
  AppResult transform_one(const std::string& name) { return transform({event(name)})[0]; }
  static std::string event(const std::string& name) {
    return R"({"event":")" + name + R"(","team_id":2,"properties":{}})";
  }
  /// This process's only child; -1: there is none right now.
  static int child_pid() {
    int pid = -1;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream in(task.path() / "children");
      in >> pid;
      if (in) return pid;
    }
    return -1;
  }
  /// The one worker.
  static int worker_pid() {
    const int pid = child_pid();
    EXPECT_GT(pid, 0);
    return pid;
  }
  AppStatus found(ConfigId id) {
    for (AppStatus& s : apps->statuses()) {
      if (s.config == id) return s;
    }
    return {};
  }
  AppStatus status(ConfigId id) {
    return on_loop([&] { return found(id); });
  }
  HookResult hook(HookCall call) {
    std::optional<HookResult> out;
    on_loop(
        [&] { apps->call(std::move(call), [&](HookResult result) { out = std::move(result); }); });
    run_until([&] { return out.has_value(); });
    return out.value_or(HookResult{});
  }

  AppsOptions options;
  Sink sink;
  std::unique_ptr<runtime::Runtime> runtime = runtime::make_real_runtime();
  runtime::LoopThread thread{"test"};
  std::unique_ptr<kv::KeyValue> state = kv::make_memory_kv();
  std::unique_ptr<Apps> apps;
};

}  // namespace penstock::apps
