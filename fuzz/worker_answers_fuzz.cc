// What an app worker sends to Penstock, written by whoever took the worker over: batches' answers,
// hooks' ends, what apps ask for, logs and metrics. It speaks for the apps of its own worker alone,
// every batch is answered once, and an event stays JSON of its own project's making.
#include <set>

#include "apps/host/engine.h"
#include "fuzz/fuzz.h"
#include "runtime/sim_runtime.h"

namespace penstock::apps {

class NoPoller : public runtime::Poller {
 public:
  Status watch(const runtime::Socket&, runtime::SocketHandler&, bool, bool) override { return {}; }
  void change(const runtime::Socket&, runtime::SocketHandler&, bool, bool) override {}
  void unwatch(const runtime::Socket&) override {}
};

/// Remembers whom it was told about.
class Ears : public AppSink {
 public:
  void log(LogEntry entry) override {
    fuzz::hold(entry.source <= LogEntry::Source::kConsole, "a log line has a source");
    fuzz::hold(entry.level <= LogEntry::Level::kError, "a log line has a level");
    projects.insert(entry.project.value);
  }
  Status capture(ProjectId project, std::string) override {
    projects.insert(project.value);
    return {};
  }
  void metric(ConfigId config, std::string_view, std::string_view, double) override {
    projects.insert(config);
  }
  void changed(const AppStatus& status) override { projects.insert(status.config); }
  std::set<int64_t> projects;  // a configuration has its project's number here
};

/// An engine whose workers never run, loaded with one app each, and with a batch under way.
struct EngineProbe {
  explicit EngineProbe(Engine& all) : engine(all) {
    for (const int64_t id : {kMine, kOthers}) {
      AppConfig config;
      config.id = id;
      config.project = {id};
      auto package = std::make_shared<AppPackage>();
      package->name = "app";
      config.package = std::move(package);
      engine.configs_.push_back(config);
      engine.by_project_[id] = {engine.configs_.size() - 1};
      auto slot = std::make_shared<Slot>("c" + std::to_string(id), config, engine.options_);
      slot->worker = id == kMine ? 0 : 1;
      slot->instance = static_cast<uint64_t>(id) + 10;
      slot->loading = static_cast<uint64_t>(id) + 20;
      slot->status.filters_events = true;
      for (const uint64_t instance : {slot->instance, slot->loading}) {
        engine.instances_[instance] = {slot, slot->worker};
      }
      engine.slots_[slot->key] = slot;
      engine.by_config_[id] = slot;
      WorkerState& worker = engine.workers_[slot->worker];
      worker.link = std::make_unique<WorkerLink>(
          poller, WorkerLink::Options{.binary = "", .geoip_file = ""}, [](std::string_view) {},
          [](const WorkerDeath&) {});
      worker.hooks[30] = {slot, "onEvent", [this](const HookResult&) { hooks_told++; }, 2};
    }
    auto pending = std::make_shared<Pending>();
    pending->events.assign(2, AppEvent{{kMine}, kEvent});
    pending->results.resize(2);
    pending->parts_left = 1;
    pending->done = [this](const std::vector<AppResult>& results) {
      batches_told++;
      for (const AppResult& result : results) {
        fuzz::hold(result.fate <= Fate::kQuarantined, "an event has a fate");
      }
    };
    auto part = std::make_unique<Part>();
    part->pending = std::move(pending);
    part->id = kBatch;
    part->indexes = {0, 1};
    for (size_t i = 0; i < 2; i++) part->plans.push_back(engine.plan(*part, i, 0));
    engine.workers_[0].parts[kBatch] = std::move(part);
  }

  void frame(std::string_view body) { engine.on_frame(0, body); }

  static constexpr int64_t kMine = 1, kOthers = 2;
  static constexpr uint64_t kBatch = 40;
  static constexpr std::string_view kEvent =
      R"({"event":"a","distinct_id":"d","team_id":1,"properties":{"$os":"Linux","n":1}})";
  Engine& engine;
  NoPoller poller;
  int batches_told = 0, hooks_told = 0;
};

namespace {

/// One frame: an operation, an instance or a number that is known or not, and bytes.
std::string next_frame(fuzz::Choices& in) {
  std::string out(1, static_cast<char>(in.below(9)));
  ByteWriter w(out);
  constexpr uint64_t kKnown[] = {11, 21, 12, 22, 30, 40, 0, 99};
  w.u64(kKnown[in.below(8)]);
  if (in.chance(64)) w.u64(kKnown[in.below(8)]);
  out += in.take(in.below(400));
  return out;
}

}  // namespace
}  // namespace penstock::apps

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace penstock;
  runtime::SimRuntime runtime(1);
  auto state = kv::make_memory_kv();
  apps::NoPoller poller;
  apps::Ears ears;
  apps::AppsOptions options;
  options.binary = "/nowhere";
  options.workers = 2;
  options.fetch_ms_max = 1;
  apps::Engine engine(runtime, runtime.make_loop(), poller, *state, ears, options,
                      *apps::AllowedHosts::parse(""));
  apps::EngineProbe probe(engine);
  fuzz::Choices in(fuzz::text_of(data, size));
  for (int frames = 0; frames < 20 && !in.empty(); frames++) {
    const std::string body = apps::next_frame(in);
    const std::string owned(body);  // exactly as long: reading on is seen
    probe.frame(owned);
    fuzz::hold(!ears.projects.contains(apps::EngineProbe::kOthers),
               "a worker speaks for its own apps alone");
  }
  runtime.run_for(std::chrono::seconds(1));
  fuzz::hold(probe.batches_told <= 1 && probe.hooks_told <= 1, "what was asked is answered once");
  return 0;
}
