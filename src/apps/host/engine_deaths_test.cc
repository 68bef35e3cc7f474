// Goal: who is blamed for a worker's end: the app that ended it, and nobody for what came from
// outside.
// Method: real workers, ended at any moment and in the middle of an app's run.
#include "apps/host/engine_fixture_test.h"

namespace penstock::apps {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class EngineDeathsTest : public EngineTest {
 protected:
  /// An app that stands still in its first `times` lives: one step of the script engine that goes
  /// on for hours, where nobody asks it whether to stop.
  static AppConfig stands_still(ConfigId id, int times) {
    return js(id, R"(
      let life = 0;
      exports.setupPlugin = async ({ cache }) => { life = await cache.incr('lives') };
      exports.processEvent = (e) => {
        if (e.event === 'long' && life <= )" +
                      std::to_string(times) + R"()
          Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);
        return e;
      })");
  }
  void SetUp() override {
    EngineTest::SetUp();
    options.cpu_ms_max = options.shared_cpu_ms_max = 60'000;
    options.load_cpu_ms_max = 20'000;
  }
  /// Of a process, all of its threads.
  static int64_t cpu_ms(int pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string word;
    int64_t ticks = 0;
    for (int i = 1; i <= 15 && in >> word; i++) {
      if (i >= 14) ticks += std::stoll(word);
    }
    return ticks * 1000 / ::sysconf(_SC_CLK_TCK);
  }
  void begin(const std::vector<std::string>& texts) {
    out.reset();
    on_loop([&] {
      std::vector<AppEvent> events;
      for (const std::string& text : texts) events.push_back({{2}, text});
      apps->transform(std::move(events), {.deadline_ms = 120'000},
                      [&](std::vector<AppResult> r) { out = std::move(r); });
    });
  }
  void end_once_it_has_worked(int pid, int signal) {
    const int64_t before = cpu_ms(pid);
    run_until([&] { return cpu_ms(pid) >= before + 50; }, 60'000);
    ASSERT_GT(pid, 1);
    ::kill(pid, signal);
  }
  /// Ends the worker when it is another one than last time, has its apps and has been busy for a
  /// while, which is with the event that waits.
  void end_in_the_middle(int signal) {
    int pid = -1;
    run_until(
        [&] {
          pid = child_pid();
          return pid > 0 && pid != ended_pid && found(1).health == Health::kHealthy &&
                 found(2).health == Health::kHealthy;
        },
        60'000);
    ended_pid = pid;
    end_once_it_has_worked(pid, signal);
  }
  const std::vector<AppResult>& results() {
    run_until([&] { return out.has_value(); }, 120'000);
    if (!out) out.emplace(3);
    return *out;
  }

  int ended_pid = -1;
  std::optional<std::vector<AppResult>> out;
  const std::vector<std::string> three{event("a"), event("long"), event("b")};
};

TEST_F(EngineDeathsTest, KillingWorkersAtAnyMomentCostsNobodyAnything) {
  make();
  set({js(1, marks(1)), js(2, marks(2))});
  EXPECT_THAT(transform_one("warm").succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  std::vector<std::string> texts;
  for (int i = 0; i < 400; i++) texts.push_back(event("e" + std::to_string(i)));
  for (int round = 0; round < 5; round++) {
    const int before = worker_pid();
    ASSERT_GT(before, 1);
    begin(texts);
    std::this_thread::sleep_for(round * std::chrono::microseconds(400));
    ::kill(before, round % 2 == 0 ? SIGKILL : SIGTERM);
    for (const AppResult& result : results()) {
      EXPECT_THAT(result.succeeded, ElementsAre("app1 (1)", "app2 (2)"));
    }
    // It may have answered everything before it was killed.
    run_until([&] { return child_pid() > 0 && child_pid() != before; });
    EXPECT_THAT(transform_one("next").succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  }
  EXPECT_EQ(status(1).failed + status(2).failed, 0U);
}

TEST_F(EngineDeathsTest, AnAppThatRanWhenItsWorkerWasKilledIsAskedAgain) {
  make();
  set({stands_still(1, 1), js(2, marks(2))});
  begin(three);
  end_in_the_middle(SIGKILL);
  for (const AppResult& result : results()) {
    EXPECT_THAT(result.succeeded, ElementsAre("app1 (1)", "app2 (2)"));
    EXPECT_THAT(result.failed, ElementsAre());
  }
  EXPECT_EQ(status(1).failed, 0U);
  EXPECT_EQ(status(1).health, Health::kHealthy);
  EXPECT_THAT(sink.logs, Not(Contains(HasSubstr("ended its worker"))));
  EXPECT_THAT(sink.logs, Not(Contains(HasSubstr("a worker apart"))));
}

TEST_F(EngineDeathsTest, AnAppThatRanBothTimesIsBlamed) {
  make();
  set({stands_still(1, 2), js(2, marks(2))});
  begin(three);
  end_in_the_middle(SIGKILL);
  end_in_the_middle(SIGKILL);
  for (const size_t other : {0U, 2U}) {
    EXPECT_THAT(results()[other].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  }
  EXPECT_THAT(results()[1].succeeded, ElementsAre("app2 (2)"));
  EXPECT_THAT(results()[1].failed, ElementsAre("app1 (1)"));
  EXPECT_EQ(results()[1].steps[0].error, "the app ended its worker process");
}

TEST_F(EngineDeathsTest, ACrashIsBlamedAtOnce) {
  make();
  set({stands_still(1, 1), js(2, marks(2))});
  begin(three);
  end_in_the_middle(SIGSEGV);
  for (const size_t other : {0U, 2U}) {
    EXPECT_THAT(results()[other].succeeded, ElementsAre("app1 (1)", "app2 (2)"));
  }
  EXPECT_THAT(results()[1].succeeded, ElementsAre("app2 (2)"));
  EXPECT_THAT(results()[1].failed, ElementsAre("app1 (1)"));
  EXPECT_EQ(status(1).failed, 1U);
}

TEST_F(EngineDeathsTest, AHookIsSparedOnce) {
  make();
  set({js(1, R"(
    exports.jobs = { wait: async (_, { cache }) => {
      console.log('begun', await cache.incr('calls'));
      await cache.get('a turn');
      for (;;) {} } })")});
  run_until([&] { return found(1).health == Health::kHealthy; });
  for (const Code expected : {Code::kMaybe, Code::kTimeout}) {
    std::optional<HookResult> ended;
    on_loop([&] {
      apps->call({1, Hook::kJob, "wait", "{}"}, [&](HookResult r) { ended = std::move(r); });
    });
    const std::string line = expected == Code::kMaybe ? "begun 1" : "begun 2";
    run_until([&] { return ::testing::Value(sink.logs, Contains(line)); }, 60'000);
    end_once_it_has_worked(worker_pid(), SIGKILL);
    run_until([&] { return ended.has_value(); }, 60'000);
    ASSERT_TRUE(ended);
    EXPECT_EQ(ended->status.error().code, expected);
    const Health then = expected == Code::kMaybe ? Health::kHealthy : Health::kDegraded;
    run_until([&] { return found(1).health == then; });
  }
}

}  // namespace
}  // namespace penstock::apps
