// Goal: a project whose app takes too long is taken from where other projects' events would wait
// behind it, and loses none of its own.
#include "apps/host/engine_fixture_test.h"

namespace penstock::apps {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kOther = R"({"event":"other","team_id":4,"properties":{}})";

TEST_F(EngineTest, OtherProjectsDoNotWaitForALoop) {
  options.cpu_ms_max = 700;
  make();
  set({js(1, "function processEvent(e) { if (e.event === 'loop') for (;;) {} return e }"),
       js(2, marks(2)), js(3, marks(3), {4})});
  transform({kOther}, {4});
  transform_one("warm");
  std::optional<std::vector<AppResult>> looped;
  size_t told = 0;
  const std::vector<std::string> texts{event("a"), event("loop"), event("b")};
  on_loop([&] {
    std::vector<AppEvent> batch;
    for (const std::string& text : texts) batch.push_back({{2}, text});
    apps->transform(std::move(batch),
                    {.deadline_ms = 120'000, .waits = [&](ProjectId) { told += looped ? 0 : 1; }},
                    [&](std::vector<AppResult> r) { looped = std::move(r); });
  });
  EXPECT_THAT(transform({kOther}, {4})[0].succeeded, ElementsAre("app3 (3)"));
  EXPECT_FALSE(on_loop([&] { return looped.has_value(); })) << "it waited for the loop";
  run_until([&] { return looped.has_value(); }, 130'000);
  ASSERT_TRUE(looped);
  EXPECT_GT(told, 10U) << "as long as it runs apart: its events stand before others' until then";
  EXPECT_THAT((*looped)[0].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  EXPECT_THAT((*looped)[1].failed, ElementsAre("app1 (1)"));
  EXPECT_THAT((*looped)[1].succeeded, ElementsAre("app2 (2)"));
  EXPECT_THAT((*looped)[2].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  EXPECT_THAT(sink.logs, Contains(HasSubstr("a worker apart")));
  run_until([&] { return sink.slowed.contains(2); });
}

TEST_F(EngineTest, OtherProjectsDoNotWaitForWhatAwaitsForEver) {
  options.workers = 2;
  make();
  // Both projects are of the same one of the two workers.
  set({js(1, "async function processEvent(e) { await new Promise(() => {}); return e }"),
       js(3, marks(3), {4})});
  transform({kOther}, {4});
  const std::string text = event("a");
  size_t answered = 0;
  on_loop([&] {
    for (int i = 0; i < 2; i++) {
      apps->transform(std::vector<AppEvent>(200, {{2}, text}), {.deadline_ms = 6000},
                      [&](std::vector<AppResult>) { answered++; });
    }
  });
  EXPECT_THAT(transform({kOther}, {4})[0].succeeded, ElementsAre("app3 (3)"));
  EXPECT_EQ(on_loop([&] { return answered; }), 0U) << "it waited for those that await";
  run_until([&] { return sink.slowed.contains(2) || answered > 0; });
  EXPECT_EQ(on_loop([&] { return answered; }), 0U) << "nobody was told before it was too late";
  run_until([&] { return answered == 2; });
}

TEST_F(EngineTest, WhoLetsEventsWaitIsToldOfAtOnceAndGoesRound) {
  make();
  set({js(1, "async function processEvent(e) { await new Promise(() => {}); return e }"),
       js(3, marks(3), {4})});
  transform({kOther}, {4});
  EXPECT_FALSE(on_loop([&] { return apps->goes_round({2}); }));
  std::set<int64_t> waits;
  size_t answered = 0;
  const std::string text = event("a");
  on_loop([&] {
    apps->transform({{{2}, text}},
                    {.deadline_ms = 60'000, .waits = [&](ProjectId p) { waits.insert(p.value); }},
                    [&](std::vector<AppResult>) { answered++; });
  });
  run_until([&] { return waits.contains(2); });
  EXPECT_EQ(on_loop([&] { return answered; }), 0U);
  EXPECT_TRUE(on_loop([&] { return apps->goes_round({2}); }));
  run_until([&] { return sink.slowed.contains(2); });
  EXPECT_FALSE(on_loop([&] { return apps->goes_round({4}) || sink.slowed.contains(4); }));
}

/// The rest of a batch has what its apps made of it, and who waits to the end is disabled.
TEST_F(EngineTest, WaitingToTheEndOfTheTimeCountsForTheHealthRule) {
  options.probe_ms_min = options.probe_ms_max = 600'000;
  make();
  set({js(1,
          "async function processEvent(e) {"
          " if (e.event === 'wait') await new Promise(() => {}); return e }"),
       js(2, marks(2))});
  transform_one("warm");
  const std::string waits = event("wait"), goes = event("go");
  std::optional<std::vector<AppResult>> made;
  on_loop([&] {
    apps->transform({{{2}, goes}, {{2}, waits}, {{2}, goes}}, {.deadline_ms = 400},
                    [&](std::vector<AppResult> results) { made = std::move(results); });
  });
  run_until([&] { return made.has_value(); });
  ASSERT_TRUE(made);
  EXPECT_THAT((*made)[0].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  EXPECT_THAT((*made)[1].failed, ElementsAre("app1 (1)", "app2 (2)"));
  EXPECT_THAT((*made)[1].json, HasSubstr(R"x("$plugins_failed":["app1 (1)","app2 (2)"])x"));
  EXPECT_THAT((*made)[1].steps.at(0).error, HasSubstr("timed out after promise waited for"));
  EXPECT_LT((*made)[1].steps.at(0).cpu_us, 300'000) << "it only waited";
  EXPECT_THAT((*made)[2].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  run_until([&] { return found(1).health == Health::kDegraded; });  // apart, once it is there
  run_until([&] { return found(2).health == Health::kHealthy; });
  on_loop([&] {
    apps->transform({{{2}, waits}, {{2}, waits}}, {.deadline_ms = 400},
                    [](std::vector<AppResult>) {});
  });
  run_until([&] { return found(1).health == Health::kDisabled; });
  EXPECT_EQ(status(2).health, Health::kHealthy);
  EXPECT_THAT(transform({goes})[0].succeeded, ElementsAre("app2 (2)"));
}

TEST_F(EngineTest, WhatAnAppWaitsIsNotWhatItRan) {
  options.cpu_ms_max = 5000;
  make();
  set({js(1,
          "async function processEvent(e) {"
          " await new Promise((done) => setTimeout(done, 700)); return e }")});
  const AppResult made = transform_one("a");
  ASSERT_EQ(made.steps.size(), 1U);
  EXPECT_EQ(made.steps[0].did, AppStep::Did::kSucceeded);
  EXPECT_LT(made.steps[0].cpu_us, 500'000);
  EXPECT_LT(status(1).cpu_us, 500'000U);
}

/// One step of the script engine, where nobody asks it whether to stop.
TEST_F(EngineTest, OtherProjectsWaitOnceAndNotLongForWhatCannotBeStopped) {
  options.cpu_ms_max = 30'000;  // by the clock it would be a minute
  make();
  set({js(1,
          "function processEvent(e) { if (e.event === 'hang')"
          " Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1); return e }"),
       js(3, marks(3), {4})});
  transform({kOther}, {4});
  std::optional<std::vector<AppResult>> hung;
  const std::string text = event("hang");
  on_loop([&] {
    apps->transform({{{2}, text}}, {.deadline_ms = 60'000},
                    [&](std::vector<AppResult> r) { hung = std::move(r); });
  });
  EXPECT_THAT(transform({kOther}, {4})[0].succeeded, ElementsAre("app3 (3)"));
  run_until([&] { return hung.has_value(); }, 65'000);
  ASSERT_TRUE(hung);
  EXPECT_THAT((*hung)[0].failed, ElementsAre("app1 (1)"));
  run_until([&] { return sink.slowed.contains(2); });
}

}  // namespace
}  // namespace penstock::apps
