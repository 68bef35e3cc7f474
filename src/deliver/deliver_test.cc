// Goal: an app is called for every stored event at least once, again when that may help, and what
// it costs others when it cannot be called is nothing.
#include "deliver/deliver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "apps/memory_apps.h"
#include "deliver/event_json.h"
#include "deliver/queue/queue.h"
#include "event/lane.h"
#include "event/processed_record.h"
#include "kv/memory_kv.h"
#include "log/memory_log.h"
#include "log/testing/batch.h"
#include "runtime/sim_runtime.h"

namespace penstock::deliver {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kAll = R"({"methods":["onEvent","composeWebhook","exportEvents"]})";
constexpr std::string_view kOnEvent = R"({"methods":["onEvent"]})";
constexpr std::string_view kExport = R"({"methods":["exportEvents"]})";

class DeliverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(log->start({{.name = std::string(event::kTopicProcessed), .required_groups = {}}}));
    ASSERT_TRUE(catalog->create_project({}, "One", "phc_one"));
    apps = apps::make_memory_apps(loop);
    options.queue_events_max = 50;
  }

  /// An enabled app that says to have these functions; `called` hears of it.
  int64_t app(std::string_view capabilities, const std::string& config = "{}") {
    auto& all = catalog->apps();
    const auto made = all.create_app(
        {}, project, {{"plugin.json", R"({"name":"x"})"}, {"index.js", "1"}}, "upload");
    const auto made_config = all.create_config({}, project, made->id, {.enabled = true});
    EXPECT_TRUE(made && made_config);
    apps->provide(
        made->id, {},
        [this](const apps::AppConfig& c, const apps::HookCall& call) {
          for (const std::string& text : call.events) called.push_back(name_in(text));
          calls.push_back(call);
          return answer(c, call);
        },
        std::string(capabilities));
    apps::AppConfig running;
    running.id = made_config->id;
    running.project = project;
    running.config_json = config;
    auto package = std::make_shared<apps::AppPackage>();
    package->plugin_id = made->id;
    running.package = package;
    running_.push_back(running);
    apps->set(running_);
    return made_config->id;
  }

  static std::string name_in(const std::string& text) {
    const auto fields = event::JsonFields::parse(text);
    return fields ? event::decode_string(fields->find("event").value_or("\"?\"")) : "?";
  }

  void start() {
    stage = Deliver::make(loop, runtime, *log, *catalog, *apps, kv::make_view(disk),
                          {.look_up = look_up,
                           .wants = wants,
                           .log = [this](const apps::LogEntry& e) { said.push_back(e.message); }},
                          options);
    loop.post([this] { ASSERT_TRUE(stage->start()); });
    run(50);
  }
  /// As a crash: nothing is told, and what is in memory is gone.
  void crash() {
    loop.post([this] { stage.reset(); });
    run(1);
  }
  void run(int64_t ms) { runtime.run_for(std::chrono::milliseconds(ms)); }

  static event::Outcome outcome(uint8_t n, std::string_view name) {
    event::Outcome o;
    o.project = o.received_for = ProjectId{1};
    o.uuid.bytes[15] = n;
    o.row.event = name;
    o.row.properties = R"({"a":1,"$ip":"1.2.3.4","$groups":{"company":"acme"}})";
    o.row.distinct_id = "d";
    o.row.person_properties = R"({"plan":"pro"})";
    o.row.elements_chain = R"(a.big.link:attr__x="1"href="/b"nth-child="2"text="Say \"hi\"";div)";
    return o;
  }
  void store(uint8_t n, std::string_view name) {
    std::string record;
    event::encode(outcome(n, name), record);
    loop.post([this, record] {
      log->append(loop, std::string(event::kTopicProcessed), {log::batch_of(0, {record})},
                  [](const auto& done) { EXPECT_TRUE(done); });
    });
  }
  static apps::HookResult good(const apps::HookCall& call) {
    apps::HookResult out;
    for (size_t i = 0; i < call.events.size(); i++) out.events.push_back({.ok = true});
    return out;
  }
  static apps::HookResult bad(const apps::HookCall& call, bool retry) {
    apps::HookResult out;
    out.status = fail(Code::kInvalid, "no");
    for (size_t i = 0; i < call.events.size(); i++) {
      out.events.push_back({.ok = false, .retry = retry, .error = "no"});
    }
    return out;
  }
  std::vector<Attempt> attempts(uint8_t n) {
    return stage->attempts(outcome(n, "").uuid).value_or(std::vector<Attempt>{});
  }

  runtime::SimRuntime runtime{7};
  runtime::Loop& loop = runtime.make_loop();
  std::unique_ptr<log::Log> log = log::make_memory_log(runtime);
  std::unique_ptr<catalog::Catalog> catalog = catalog::make_memory_catalog(runtime);
  std::unique_ptr<apps::MemoryApps> apps;
  std::shared_ptr<kv::KeyValue> disk = kv::make_memory_kv();
  const ProjectId project{1};
  DeliverOptions options;
  std::unique_ptr<Deliver> stage;
  std::function<apps::HookResult(const apps::AppConfig&, const apps::HookCall&)> answer =
      [](const auto&, const auto& call) { return good(call); };
  std::vector<std::string> called, said;
  decltype(DeliverHooks::look_up) look_up;
  decltype(DeliverHooks::wants) wants;
  std::vector<apps::HookCall> calls;

 private:
  std::vector<apps::AppConfig> running_;
};

TEST_F(DeliverTest, EveryFunctionIsCalledOnceForWhatIsStoredFromThenOn) {
  store(1, "before");
  run(100);
  app(kAll);
  start();
  store(2, "one");
  store(3, "two");
  run(11'000);
  EXPECT_THAT(called, ::testing::UnorderedElementsAre("one", "one", "one", "two", "two", "two"));
  EXPECT_THAT(attempts(2), SizeIs(3));
  EXPECT_TRUE(attempts(2)[0].ok);
  EXPECT_EQ(stage->stats().waiting, 0U);
  for (const DeliveryCounts& counts : stage->counts()) EXPECT_EQ(counts.successes, 2U);
}

TEST_F(DeliverTest, FiltersAreAskedWhenWhatTheyNeedIsThere) {
  app(kOnEvent);
  int refused = 2;
  bool ready = false;
  std::vector<std::string> asked;
  look_up = [&](const std::vector<Upcoming>& events, auto then) {
    for (const Upcoming& one : events) asked.emplace_back(one.properties);
    loop.post([&, then = std::move(then)]() mutable {
      if (!asked.empty() && refused-- > 0) return then(fail(Code::kUnavailable, "not now"));
      ready = true;
      then(Status());
      ready = false;
    });
  };
  wants = [&](const catalog::EnabledApp&, const event::JsonFields& fields) {
    EXPECT_TRUE(ready);
    return event::decode_string(*fields.find("event")) == "yes";
  };
  start();
  store(1, "no");
  store(2, "yes");
  run(2000);
  EXPECT_THAT(called, ::testing::ElementsAre("yes"));
  EXPECT_THAT(asked, ::testing::Contains(outcome(1, "").row.properties));
  EXPECT_LE(refused, 0);
  EXPECT_EQ(stage->stats().last_error, "");
}

TEST_F(DeliverTest, AConfigurationThatChangesMeanwhileIsLookedUpAgain) {
  app(kOnEvent);
  int looked = 0;
  look_up = [&](const std::vector<Upcoming>& events, auto then) {
    const bool first = !events.empty() && ++looked == 1;
    loop.post([&, first, then = std::move(then)]() mutable {
      if (first) stage->configure();
      then(Status());
    });
  };
  start();
  store(1, "one");
  run(2000);
  EXPECT_EQ(looked, 2);
  EXPECT_THAT(called, ::testing::ElementsAre("one"));
}

TEST_F(DeliverTest, AnEventAsAnAppSeesIt) {
  const std::string json = event_json(outcome(1, "seen"), "https://x");
  EXPECT_THAT(json, HasSubstr(R"("event":"seen","team_id":1,"distinct_id":"d")"));
  EXPECT_THAT(json, HasSubstr(R"("ip":"1.2.3.4")"));
  EXPECT_THAT(json, HasSubstr(R"("groups":{"company":{"type":"company","key":"acme"}})"));
  EXPECT_THAT(json, HasSubstr(R"("properties":{"plan":"pro"})"));
  EXPECT_THAT(json, HasSubstr(R"("posthog_url":"https://x/person/d")"));
  EXPECT_EQ(elements_json(outcome(1, "").row.elements_chain),
            R"([{"tag_name":"a","order":0,"attr_class":["big","link"],"href":"/b","nth_child":2,)"
            R"("text":"Say \"hi\"","attributes":{"attr__x":"1"}},)"
            R"({"tag_name":"div","order":1,"attributes":{}}])");
  EXPECT_EQ(utf16_units("a\u00e4\u20ac\U0001F600"), 5U);
}

TEST_F(DeliverTest, ARetryErrorIsTriedAgainAndAThrownErrorIsNot) {
  app(kOnEvent);
  int failures = 2;
  answer = [&](const auto&, const auto& call) {
    if (name_in(call.events[0]) == "never") return bad(call, false);
    return failures-- > 0 ? bad(call, true) : good(call);
  };
  start();
  store(1, "later");
  store(2, "never");
  run(4000);
  EXPECT_THAT(attempts(2), SizeIs(1));
  EXPECT_EQ(attempts(2)[0].next_ms, 0) << "given up";
  run(20'000);
  ASSERT_THAT(attempts(1), SizeIs(3));
  EXPECT_GE(attempts(1)[1].at_ms - attempts(1)[0].at_ms, 5000);
  EXPECT_LE(attempts(1)[1].at_ms - attempts(1)[0].at_ms, 5200);
  EXPECT_GE(attempts(1)[2].at_ms - attempts(1)[1].at_ms, 10'000);
  EXPECT_TRUE(attempts(1)[2].ok);
  EXPECT_EQ(stage->counts()[0].successes_on_retry, 1U);
  EXPECT_EQ(stage->counts()[0].failures, 1U);
}

TEST_F(DeliverTest, ADeadDestinationIsGivenUpAfterFiveAttemptsAndHoldsNobodyElse) {
  app(kOnEvent);
  const int64_t other = app(kOnEvent);
  answer = [&](const auto& c, const auto& call) {
    return c.id == other ? good(call) : bad(call, true);
  };
  start();
  for (uint8_t n = 1; n <= 50; n++) store(n, "e");
  run(1000);
  for (uint8_t n = 51; n <= 60; n++) store(n, "e");
  run(1000);
  EXPECT_EQ(stage->counts()[1].successes, 60U);
  EXPECT_EQ(stage->counts()[0].waiting, 50U) << "its queue is bounded";
  EXPECT_EQ(stage->counts()[0].failures, 10U);
  EXPECT_THAT(said, ElementsAre(HasSubstr("50 events wait for onEvent")));
  EXPECT_THAT(attempts(60).front().error, HasSubstr("too many events wait"));
  run(90'000);
  EXPECT_EQ(stage->counts()[0].waiting, 0U);
  EXPECT_EQ(stage->counts()[0].failures, 60U);
  EXPECT_THAT(attempts(1), SizeIs(1 + 5)) << "five of this app, one of the other";
}

TEST_F(DeliverTest, WhatACrashCutOffIsCalledAgain) {
  app(kOnEvent);
  answer = [&](const auto&, const auto& call) { return bad(call, true); };
  start();
  store(1, "one");
  run(1000);
  EXPECT_THAT(called, ElementsAre("one"));
  crash();
  store(2, "two");
  answer = [](const auto&, const auto& call) { return good(call); };
  start();
  run(10'000);
  EXPECT_THAT(called, ElementsAre("one", "two", "one")) << "its wait goes on over the restart";
  EXPECT_EQ(stage->stats().waiting, 0U);
  crash();
  start();
  run(10'000);
  EXPECT_THAT(called, SizeIs(3)) << "what is done is done";
  EXPECT_EQ(stage->counts()[0].successes_on_retry, 1U) << "counts are kept";
}

TEST_F(DeliverTest, APowerLossRightAfterTheFirstStartLosesNoEvent) {
  app(kOnEvent);
  options.checkpoint_ms = 60'000;
  for (uint8_t luck = 1; luck <= 12; luck++) {
    const auto engine = std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{true, {}});
    disk = engine;
    start();
    store(luck, "one");
    run(1000);
    crash();
    engine->crash(luck);
    start();
    run(1000);
    EXPECT_EQ(stage->counts()[0].successes, 1U) << "called again, or it was remembered";
    crash();
  }
}

TEST_F(DeliverTest, AWallClockThatGoesBackHoldsNobodyUp) {
  app(kOnEvent);
  answer = [&](const auto&, const auto& call) { return bad(call, true); };
  start();
  store(1, "one");
  run(1000);
  EXPECT_THAT(called, SizeIs(1));
  runtime.jump_wall(-std::chrono::hours(2));
  run(3000);
  EXPECT_THAT(called, SizeIs(1)) << "five seconds are not over";
  run(3000);
  EXPECT_THAT(called, SizeIs(2));
  // Also while nobody looks: what is kept says a time that is far away.
  crash();
  runtime.jump_wall(-std::chrono::hours(2));
  answer = [](const auto&, const auto& call) { return good(call); };
  start();
  run(11'000);
  EXPECT_THAT(called, SizeIs(3));
  EXPECT_EQ(stage->stats().waiting, 0U);
}

TEST_F(DeliverTest, WhatWasGivenUpForWantOfRoomStaysCounted) {
  app(kOnEvent);
  options.queue_events_max = 1;
  answer = [&](const auto&, const auto& call) { return bad(call, true); };
  start();
  store(1, "one");
  run(50);
  store(2, "two");
  run(500);
  EXPECT_EQ(stage->counts()[0].failures, 1U);
  crash();
  start();
  run(50);
  EXPECT_EQ(stage->counts()[0].failures, 1U);
}

TEST_F(DeliverTest, ExportsGoInBatchesByTheirSizeAndAge) {
  app(kExport);
  start();
  for (uint8_t n = 1; n <= 20; n++) store(n, "e");
  run(5000);
  EXPECT_THAT(calls, IsEmpty()) << "neither full nor old";
  run(7000);
  ASSERT_THAT(calls, SizeIs(1));
  EXPECT_THAT(calls[0].events, SizeIs(20));
  answer = [&](const auto&, const auto& call) {
    return call.attempt == 0 ? bad(call, true) : good(call);
  };
  store(21, "e");
  run(11'000);
  EXPECT_THAT(calls, SizeIs(2));
  run(7000);
  ASSERT_THAT(calls, SizeIs(3)) << "after six seconds";
  EXPECT_EQ(calls[2].attempt, 1);
}

TEST_F(DeliverTest, AnAppThatIsAwayHasNotFailed) {
  app(kOnEvent);
  int away = 3;
  answer = [&](const auto&, const auto& call) {
    if (away-- <= 0) return good(call);
    apps::HookResult out;
    out.status = fail(away % 2 == 0 ? Code::kUnavailable : Code::kMaybe, "not loaded");
    return out;
  };
  start();
  store(1, "one");
  run(8000);
  EXPECT_THAT(attempts(1), SizeIs(1));
  EXPECT_EQ(stage->counts()[0].successes, 1U);
}

TEST_F(DeliverTest, AttemptsAreForgottenByAgeAndNumber) {
  auto kv = kv::make_memory_kv();
  Queue queue(*kv);
  for (uint8_t n = 0; n < 10; n++) {
    kv::WriteBatch batch;
    queue.put_attempt(batch, outcome(n, "").uuid, {.config = 1, .at_ms = 1000 + n, .number = 1});
    ASSERT_TRUE(queue.write(batch));
  }
  ASSERT_TRUE(queue.sweep(1003, 100));
  EXPECT_THAT(*queue.attempts(outcome(2, "").uuid), IsEmpty());
  EXPECT_THAT(*queue.attempts(outcome(3, "").uuid), SizeIs(1));
  ASSERT_TRUE(queue.sweep(0, 2));
  EXPECT_THAT(*queue.attempts(outcome(7, "").uuid), IsEmpty());
  EXPECT_THAT(*queue.attempts(outcome(8, "").uuid), SizeIs(1));
  Queue again(*kv);
  ASSERT_TRUE(again.count_attempts());
  ASSERT_TRUE(again.sweep(0, 1));
  EXPECT_THAT(*again.attempts(outcome(8, "").uuid), IsEmpty());
}

}  // namespace
}  // namespace penstock::deliver
