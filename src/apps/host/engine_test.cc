// Goal: an app can hurt itself and nobody else: not its neighbours, not the pipeline.
// Method: real worker processes (this very test program), a real loop, a local HTTP server for
// fetch.
#include "apps/host/engine_fixture_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
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
      case 'floods': for (let i = 0; i < 10000; i++) console.log('line ' + i); return e;
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
  // It may take seconds on a busy machine; each of them has its hundred lines and the word about
  // the rest. The first and the last one are not whole.
  const auto began = std::chrono::steady_clock::now();
  EXPECT_THAT(transform_one("floods").succeeded, Contains("app1 (1)"));
  const auto took =
      std::chrono::ceil<std::chrono::seconds>(std::chrono::steady_clock::now() - began);
  const auto seconds = static_cast<size_t>(took.count()) + 1;
  EXPECT_LE(sink.logs.size(), seconds * 101) << "a hundred lines a second";
  EXPECT_LT(sink.logs.size(), 10'000U / 2);
  EXPECT_THAT(sink.logs, Contains(HasSubstr("more log lines")));
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

TEST_F(EngineTest, AnEventOnItsWayWhileItsAppIsSavedAgainGoesThroughIt) {
  make();
  const auto saved = [&](int version) {
    // Slow enough that the worker still has a queue when it is told of the next version.
    AppConfig one = js(1,
                       "function processEvent(e) { for (let i = 0; i < 20000; i++) e.n = i;"
                       " e.properties.m = 1; return e }");
    one.version = version;
    set({one});
  };
  saved(1);
  transform_one("first");
  constexpr size_t kBatches = 40, kEvents = 20;
  const std::string order = event("order");
  size_t done = 0, marked = 0;
  for (size_t i = 0; i < kBatches; i++) {
    if (i % 4 == 0) saved(static_cast<int>(2 + i));
    on_loop([&] {
      std::vector<AppEvent> batch;
      for (size_t k = 0; k < kEvents; k++) batch.push_back({{2}, order});
      apps->transform(std::move(batch), {}, [&](const std::vector<AppResult>& results) {
        done++;
        for (const AppResult& one : results) marked += one.succeeded.size();
      });
    });
  }
  run_until([&] { return done == kBatches; });
  EXPECT_EQ(marked, kBatches * kEvents);
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
                  event("a"), {}, done);
  });
  run_until([&] { return out.has_value(); });
  ASSERT_TRUE(*out) << out->error().message;
  EXPECT_THAT((*out)->steps[0].after, HasSubstr(R"("x":1)"));
  ASSERT_EQ(logs.size(), 1U);
  EXPECT_EQ(logs[0].message, "seen");
  out.reset();
  on_loop([&] { apps->try_out(js(7, "throw new Error('no')"), event("a"), {}, done); });
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
