// bench_apps FILE EVENTS: what a JavaScript app costs per event, its worker process and the way
// there and back included. FILE holds one event a line; prints microseconds of CPU per event of
// this process and of its worker. bench/apps/run compares it with Node.
//
// bench_apps idle APPS: milliseconds from naming the first app to its being loaded, worker process
// and all, and megabytes that each further app adds to the worker.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/app_worker.h"
#include "apps/worker_apps.h"
#include "kv/key_value.h"
#include "runtime/real_runtime.h"

namespace {

using namespace penstock;

constexpr size_t kBatch = 100, kUnderWay = 4;

class Quiet : public apps::AppSink {
 public:
  void log(apps::LogEntry) override {}
  Status capture(ProjectId, std::string) override { return {}; }
  void metric(apps::ConfigId, std::string_view, std::string_view, double) override {}
  void changed(const apps::AppStatus&) override {}
};

double own_us() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(used.ru_utime) + us(used.ru_stime);
}

/// Of the one child: fields 14 and 15 of its stat, in clock ticks.
double worker_us() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    std::string pid;
    if (!(children >> pid)) continue;
    std::ifstream in("/proc/" + pid + "/stat");
    std::string word;
    double ticks = 0;
    for (int i = 1; in >> word && i <= 15; i++) {
      if (i >= 14) ticks += std::atof(word.c_str());
    }
    return ticks * 1e6 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  return 0;
}

double worker_mb() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    std::string pid, word;
    if (!(children >> pid)) continue;
    std::ifstream in("/proc/" + pid + "/statm");
    in >> word >> word;
    return std::atof(word.c_str()) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / 1e6;
  }
  return 0;
}

int idle(size_t count) {
  auto runtime = runtime::make_real_runtime();
  runtime::LoopThread thread("bench");
  auto state = kv::make_memory_kv();
  Quiet sink;
  auto made = apps::make_apps(*runtime, thread.loop(), thread.poller(), *state, sink, {});
  if (!made || !(*made)->start()) return 1;
  auto package = std::make_shared<apps::AppPackage>();
  package->name = "idle";
  package->files["index.js"] = "exports.processEvent = (event) => event";
  std::vector<apps::AppConfig> all;
  const int64_t began = runtime->clock().mono_ns();
  double first_ms = 0, first_mb = 0;
  const auto add = [&](size_t until) {
    for (size_t i = all.size(); i < until; i++) {
      apps::AppConfig config;
      config.id = static_cast<int64_t>(i + 1);
      config.project = {1};
      config.package = package;
      all.push_back(std::move(config));
    }
    (*made)->set(all);
  };
  std::function<void()> look = [&] {
    size_t loaded = 0;
    for (const auto& status : (*made)->statuses()) {
      loaded += status.health == apps::Health::kHealthy ? 1 : 0;
    }
    if (loaded == 1 && first_ms == 0) {
      first_ms = static_cast<double>(runtime->clock().mono_ns() - began) / 1e6;
      first_mb = worker_mb();
      add(count);
    }
    if (loaded == count) return thread.stop();
    thread.loop().after(std::chrono::milliseconds(1), [&] { look(); });
  };
  add(1);
  look();
  thread.run();
  const auto further = static_cast<double>(count - 1);
  fmt::print("{{\"first_ms\":{:.1f},\"worker_mb\":{:.1f},\"app_mb\":{:.2f}}}\n", first_ms, first_mb,
             (worker_mb() - first_mb) / further);
  return 0;
}

int measure(const std::string& file, size_t count, const std::string& code) {
  std::vector<std::string> events;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) events.push_back(line);
  if (events.empty()) return 1;

  auto runtime = runtime::make_real_runtime();
  runtime::LoopThread thread("bench");
  auto state = kv::make_memory_kv();
  Quiet sink;
  auto made = apps::make_apps(*runtime, thread.loop(), thread.poller(), *state, sink, {});
  if (!made || !(*made)->start()) return 1;
  apps::Apps& engine = **made;
  auto package = std::make_shared<apps::AppPackage>();
  package->name = "bench";
  package->files["index.js"] = code;
  apps::AppConfig config;
  config.id = 1;
  config.project = {1};
  config.package = package;
  engine.set({config});

  size_t sent = 0, done = 0, at = 0;
  const size_t warm = count / 5;
  double own_begin = 0, worker_begin = 0;
  std::function<void()> next = [&] {
    std::vector<apps::AppEvent> batch;
    for (size_t i = 0; i < kBatch; i++) batch.push_back({{1}, events[at++ % events.size()], {}});
    sent += kBatch;
    engine.transform(std::move(batch), {}, [&](std::vector<apps::AppResult> results) {
      for (const auto& result : results) done += result.succeeded.size();
      if (own_begin == 0 && done >= warm) {
        own_begin = own_us();
        worker_begin = worker_us();
        sent = done = 0;
      }
      if (own_begin == 0 || sent < count) return next();
      if (done >= count) thread.stop();
    });
  };
  for (size_t i = 0; i < kUnderWay; i++) next();
  thread.run();
  const auto events_done = static_cast<double>(done);
  fmt::print("{:.3f} {:.3f}\n", (own_us() - own_begin) / events_done,
             (worker_us() - worker_begin) / events_done);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "app-worker") {
    return penstock::apps::app_worker_main(argc, argv);
  }
  if (argc == 3 && std::string_view(argv[1]) == "idle")
    return idle(std::strtoull(argv[2], nullptr, 10));
  if (argc != 4) return 2;
  std::ifstream in(argv[3]);
  const std::string code((std::istreambuf_iterator<char>(in)), {});
  return measure(argv[1], std::strtoull(argv[2], nullptr, 10), code);
}
