// Goal: an app can hurt itself and nobody else: not its neighbours, not the pipeline.
// Method: real worker processes (this very test program), a real loop, a local HTTP server for
// fetch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>
#include <type_traits>

#include "apps/app_worker.h"
#include "apps/worker_apps.h"
#include "event/json_fields.h"
#include "kv/key_value.h"
#include "runtime/real_runtime.h"

namespace penstock::apps {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  std::vector<std::string> logs, captured, metrics, healths;
};

class EngineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options.cpu_ms_max = 100;
    options.load_cpu_ms_max = 1000;
    options.load_retry_ms = 2;
    options.probe_ms_min = 50;
    options.memory_bytes_max = 32U << 20;
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
  /// The one worker: this process's only child.
  static int worker_pid() {
    int pid = -1;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      std::ifstream in(task.path() / "children");
      in >> pid;
      if (in) break;
      pid = -1;
    }
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

TEST_F(EngineTest, EventsGoThroughTheirProjectsAppsInOrder) {
  make();
  set({js(2, "function processEvent(e) { e.properties.second = e.properties.first; return e }"),
       js(1, "function processEvent(e) { e.properties.first = 1; return e }"),
       js(3, marks(3), {4})});
  const auto results = transform({event("a")});
  EXPECT_EQ(results[0].fate, Fate::kChanged);
  EXPECT_EQ(results[0].json, R"j({"event":"a","team_id":2,"properties":{"first":1,"second":1,)j"
                             R"j("$plugins_succeeded":["app1 (1)","app2 (2)"]}})j");
  EXPECT_THAT(results[0].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  EXPECT_TRUE(on_loop([&] { return apps->transforms({4}); }));
  EXPECT_FALSE(on_loop([&] { return apps->transforms({5}); }));
  EXPECT_EQ(transform({event("b")}, {5})[0].fate, Fate::kUnchanged);
}

TEST_F(EngineTest, BadAppsHurtThemselvesAlone) {
  make();
  set({js(1, R"(function processEvent(e) {
    switch (e.event) {
      case 'throws': throw new Error('the secret is s3cret');
      case 'loops': for (;;) {}
      case 'memory': { const all = []; for (;;) all.push(new Array(1e5).fill(all.length)) }
      case '2 GB': { let s = 'x'; for (;;) s += s; }
      case 'recursion': { const f = (n) => f(n + 1) + 1; f(0) }
      case 'garbage': return 17;
      case 'cycle': e.properties.self = e; return e;
      case 'shared': Object.prototype.stolen = 1; Array.prototype.push = null; return e;
      case 'floods': for (let i = 0; i < 100000; i++) console.log('line ' + i); return e;
      case 'drops': return null;
      default: return e;
    } })"),
       js(2, marks(2)),
       js(3,
          "function processEvent(e) { e.properties.pure = "
          "({}).stolen === undefined && [].push(1) === 1; return e }")});
  for (const char* name : {"throws", "recursion", "garbage", "cycle", "loops", "memory", "2 GB"}) {
    const AppResult result = transform_one(name);
    EXPECT_EQ(result.fate, Fate::kChanged) << name;
    EXPECT_THAT(result.failed, ElementsAre("app1 (1)")) << name << result.json;
    EXPECT_THAT(result.json, HasSubstr(R"("m2":1,"pure":true)")) << name;
    on_loop([&] { apps->reset(1); });
  }
  EXPECT_THAT(transform_one("shared").json, HasSubstr(R"("pure":true)"));
  EXPECT_EQ(transform_one("drops").fate, Fate::kDropped);
  sink.logs.clear();
  EXPECT_THAT(transform_one("floods").succeeded, Contains("app1 (1)"));
  EXPECT_LT(sink.logs.size(), 205U) << "a hundred lines a second";
  EXPECT_THAT(sink.logs, Contains(HasSubstr("more log lines")));
}

TEST_F(EngineTest, AWorkerThatDiesCostsTheKillersEventItsAppAndNothingElse) {
  make();
  // Stands still inside one step of the engine, where no interrupt is asked for.
  set({js(1,
          "const big = [...Array(3e5).keys()]; function processEvent(e) { if (e.event === 'kill')"
          " e.properties.r = big.sort(() => 0).length; return e }"),
       js(2, marks(2))});
  EXPECT_THAT(transform_one("warm").succeeded, Contains("app2 (2)"));
  const int before = worker_pid();
  std::vector<std::string> batch;
  for (int i = 0; i < 200; i++) batch.push_back(event("e" + std::to_string(i)));
  std::optional<std::vector<AppResult>> out;
  on_loop([&] {
    std::vector<AppEvent> events;
    for (const std::string& e : batch) events.push_back({{2}, e});
    apps->transform(std::move(events), {}, [&](std::vector<AppResult> r) { out = std::move(r); });
  });
  ASSERT_GT(before, 1);
  ::kill(before, SIGKILL);
  run_until([&] { return out.has_value(); });
  ASSERT_TRUE(out);
  for (const AppResult& result : *out) EXPECT_THAT(result.succeeded, Contains("app2 (2)"));
  EXPECT_NE(worker_pid(), before);
}

TEST_F(EngineTest, WhatCannotBeStoppedIsEndedAndTheBatchGoesOnWithoutIt) {
  make();
  // One step of the engine that goes on for hours: nobody asks it whether to stop.
  set({js(1,
          "function processEvent(e) { if (e.event === 'hang')"
          " Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1); return e }"),
       js(2, marks(2))});
  const std::vector<AppResult> results =
      transform({event("before"), event("hang"), event("after")});
  EXPECT_THAT(results[0].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  EXPECT_THAT(results[1].succeeded, ElementsAre("app2 (2)"));
  EXPECT_THAT(results[1].failed, ElementsAre("app1 (1)"));
  EXPECT_THAT(results[1].json, HasSubstr(R"j("$plugins_failed":["app1 (1)"])j"));
  EXPECT_EQ(results[1].steps[0].error, "the app ended its worker process");
  EXPECT_THAT(results[2].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
}

TEST_F(EngineTest, TheHealthRuleDisablesAndBringsBack) {
  make();
  set({js(1, "function processEvent(e) { if (e.event === 'loop') for (;;) {} return e }"),
       js(2, marks(2))});
  for (int i = 0; i < 3; i++) transform_one("loop");
  EXPECT_EQ(status(1).health, Health::kDisabled);
  EXPECT_GT(status(1).retry_at_ms, 0);
  const AppResult passed = transform_one("a");
  EXPECT_THAT(passed.succeeded, ElementsAre("app2 (2)"));
  EXPECT_EQ(passed.steps[0].did, AppStep::Did::kSkipped);
  run_until([&] { return found(1).retry_at_ms <= runtime->clock().wall_ms(); });
  for (int i = 0; i < 3; i++) transform_one("fine");
  EXPECT_EQ(status(1).health, Health::kHealthy);
  EXPECT_THAT(sink.healths, Contains("disabled"));
  EXPECT_THAT(sink.logs, Contains(HasSubstr("called again")));
}

TEST_F(EngineTest, LoadingIsTriedTenTimes) {
  make();
  set({js(1, "throw new Error('broken')"), js(2, marks(2)),
       js(3, "let n = 0; exports.setupPlugin = () => { throw new Error('not yet') }")});
  const AppResult result = transform_one("a");
  EXPECT_THAT(result.succeeded, ElementsAre("app2 (2)")) << "events pass those that do not load";
  run_until([&] { return found(1).health == Health::kFailed; }, 30'000);
  EXPECT_EQ(status(1).attempts, 10);
  EXPECT_THAT(status(1).error, HasSubstr(R"("message":"broken")"));
}

TEST_F(EngineTest, ASetupThatTakesLongHoldsNobodyElseAndItsOwnForAWhile) {
  make();
  set({js(1, "exports.setupPlugin = () => new Promise(() => {}); " + marks(1)),
       js(2, marks(2), {4})});
  const int64_t began = runtime->clock().mono_ns();
  const std::string other = R"({"event":"a","team_id":4,"properties":{}})";
  EXPECT_THAT(transform({other}, {4})[0].succeeded, ElementsAre("app2 (2)"));
  EXPECT_LT(runtime->clock().mono_ns() - began, 2'000'000'000);
  EXPECT_EQ(transform_one("a").fate, Fate::kUnchanged) << "events pass it";
}

TEST_F(EngineTest, AChangedAppReplacesTheOld) {
  make();
  AppConfig app = js(1,
                     "exports.teardownPlugin = () => console.log('bye');"
                     "exports.processEvent = (e) => ({...e, v: 1})");
  set({app});
  EXPECT_THAT(transform_one("a").json, HasSubstr(R"("v":1)"));
  AppConfig next = js(1, "exports.processEvent = (e) => ({...e, v: 2})");
  next.version = 1;
  set({next});
  run_until([&] { return ::testing::Value(sink.logs, Contains("bye")); });
  EXPECT_THAT(transform_one("a").json, HasSubstr(R"("v":2)"));
  set({});
  EXPECT_EQ(transform_one("a").fate, Fate::kUnchanged);
}

TEST_F(EngineTest, StateJobsMetricsAndCapture) {
  make();
  set({js(1, R"(
    exports.jobs = { later: (payload) => console.log('job', payload) }
    exports.metrics = { seen: 'sum' }
    exports.runEveryMinute = () => { throw new RetryError('tick') }
    exports.onEvent = async (e) => { if (e.event === 'bad') throw new Error('no') }
    exports.processEvent = async (e, { storage, cache, utils, jobs, metrics }) => {
      await storage.set('s', { a: [1] })
      await cache.set('c', 'v', 10)
      await cache.lpush('l', ['x', 'y'])
      await utils.cursor.init('n', 5)
      await jobs.later({ n: 1 }).runNow()
      await metrics.seen.increment(2)
      await posthog.capture('from app', { a: 1, distinct_id: 'd' })
      e.properties.r = [await storage.get('s'), await storage.get('none', 7), await cache.get('c'),
        await cache.get('none', 7), await cache.incr('i'), await cache.lrange('l', 0, -1),
        await cache.lpop('l', 1), await utils.cursor.increment('n', 2),
        await utils.cursor.increment('o')]
      return e
    })")});
  EXPECT_THAT(transform_one("a").json,
              HasSubstr(R"("r":[{"a":[1]},7,"v",null,1,["y","x"],["y"],7,1])"));
  EXPECT_THAT(sink.metrics, ElementsAre("seen"));
  ASSERT_EQ(sink.captured.size(), 1U);
  EXPECT_THAT(sink.captured[0], HasSubstr(R"(2 {"event":"from app","distinct_id":"d")"));
  run_until([&] { return ::testing::Value(sink.logs, Contains(R"(job {"n":1})")); });
  const HookResult tick = hook({1, Hook::kRunEveryMinute});
  EXPECT_TRUE(tick.retry);
  EXPECT_EQ(tick.status.error().code, Code::kInvalid);
  const HookResult some = hook({1, Hook::kOnEvent, "", "", {event("ok"), event("bad")}});
  EXPECT_EQ(some.succeeded, 1U);
  EXPECT_FALSE(some.status);
  EXPECT_TRUE(hook({1, Hook::kJob, "later", "3"}).status);
  EXPECT_EQ(hook({9}).status.error().code, Code::kUnavailable);
}

TEST_F(EngineTest, FetchReachesTheInternetAndNothingNear) {
  make();
  set({js(1,
          "exports.processEvent = async (e) => { try { await fetch(e.event) } catch (x) "
          "{ e.properties.r = x.name + ': ' + x.message } return e }")});
  for (const char* url : {"http://127.0.0.1:1/", "http://localhost:1/", "http://2130706433:1/",
                          "http://[::ffff:127.0.0.1]:1/", "http://0x7f.1:1/"}) {
    EXPECT_THAT(transform_one(url).json, HasSubstr("has a private address")) << url;
  }
  for (const char* url : {"file:///etc/passwd", "gopher://x/", "ftp://x/", "/relative"}) {
    EXPECT_THAT(transform_one(url).json, HasSubstr("TypeError")) << url;
  }
}

TEST_F(EngineTest, AWorkerCannotTouchTheMachine) {
  options.geoip_file = "";
  make();
  set({js(1, marks(1))});
  EXPECT_EQ(transform_one("a").fate, Fate::kChanged);
  const std::string proc = "/proc/" + std::to_string(worker_pid());
  std::ifstream in(proc + "/status");
  std::stringstream text;
  text << in.rdbuf();
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_THAT(text.str(), HasSubstr("Seccomp:\t2"));
#endif
  EXPECT_THAT(text.str(), HasSubstr("NoNewPrivs:\t1"));
  if (::geteuid() == 0) {
    EXPECT_THAT(text.str(), HasSubstr("Uid:\t65534\t65534\t65534"));
  }
}

std::string content(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The published package, byte by byte, with the database of places that it brings for its tests.
TEST_F(EngineTest, PostHogsGeoipPluginRunsUnchanged) {
  const std::string folder = PENSTOCK_GEOIP_PLUGIN;
  options.geoip_file = folder + "/GeoLite2-City-Test.mmdb";
  make();
  AppConfig geoip = config(1, {{"plugin.json", content(folder + "/plugin.json")},
                               {"index.ts", content(folder + "/index.ts")}});
  auto package = std::make_shared<AppPackage>(*geoip.package);
  package->stateless = true;
  geoip.package = package;
  AppConfig second = geoip;
  second.id = 2;
  second.project = {5};
  set({geoip, second});
  const std::string from_sweden =
      R"({"event":"$pageview","distinct_id":"d","team_id":2,"ip":"89.160.20.129","properties":{}})";
  const AppResult result = transform({from_sweden})[0];
  EXPECT_EQ(result.fate, Fate::kChanged);
  for (const char* part :
       {R"("$geoip_city_name":"Linköping")", R"("$geoip_country_code":"SE")",
        R"("$geoip_latitude":58.4167)", R"("$geoip_time_zone":"Europe/Stockholm")",
        R"("$geoip_subdivision_1_name":"Östergötland County")", R"("$set":{"$geoip_city_name")",
        R"("$initial_geoip_continent_code":"EU")"}) {
    EXPECT_THAT(result.json, HasSubstr(part));
  }
  std::string again = from_sweden;
  again.replace(again.find("\"team_id\":2"), 11, "\"team_id\":5");
  const AppResult other = transform({again}, {5})[0];
  EXPECT_THAT(other.succeeded, ElementsAre("app1 (2)")) << "one VM, each configuration's name";
  EXPECT_THAT(other.json, ::testing::Not(HasSubstr(R"("$set":)")))
      << "its cache is one for all projects, so this person's address is known";
}

TEST_F(EngineTest, SecretsAreCutOutOfLogsAndErrors) {
  make();
  AppConfig app = js(1,
                     "exports.processEvent = (e, { config }) => { console.log('key', config.key);"
                     " throw new Error('denied: ' + config.key) }");
  app.config_json = R"({"key":"s3cret"})";
  app.secrets = {"s3cret"};
  set({app});
  const AppResult result = transform_one("a");
  EXPECT_EQ(result.steps[0].error, "Error: denied: ***");
  EXPECT_THAT(sink.logs, Contains("key ***"));
  EXPECT_THAT(sink.logs, ::testing::Not(Contains(HasSubstr("s3cret"))));
  EXPECT_THAT(status(1).error, ::testing::Not(HasSubstr("s3cret")));
}

TEST_F(EngineTest, TriesLeaveNothingBehind) {
  make();
  std::optional<Result<AppResult>> out;
  std::vector<LogEntry> logs;
  const auto done = [&](Result<AppResult> result, std::vector<LogEntry> lines) {
    out = std::move(result);
    logs = std::move(lines);
  };
  on_loop([&] {
    apps->try_out(js(7, "function processEvent(e) { console.log('seen'); e.x = 1; return e }"),
                  event("a"), done);
  });
  run_until([&] { return out.has_value(); });
  ASSERT_TRUE(*out) << out->error().message;
  EXPECT_THAT((*out)->steps[0].after, HasSubstr(R"("x":1)"));
  ASSERT_EQ(logs.size(), 1U);
  EXPECT_EQ(logs[0].message, "seen");
  out.reset();
  on_loop([&] { apps->try_out(js(7, "throw new Error('no')"), event("a"), done); });
  run_until([&] { return out.has_value(); });
  EXPECT_EQ(out->error().message, "no");
  EXPECT_TRUE(on_loop([&] { return apps->statuses(); }).empty());
}

}  // namespace
}  // namespace penstock::apps

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "app-worker") {
    return penstock::apps::app_worker_main(argc, argv);
  }
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
