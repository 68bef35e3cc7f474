// SimRuntime: one seed is one run, different seeds interleave differently, a kill stops the world.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "runtime/sim_runtime.h"

namespace penstock::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Two loops, a timer, jobs that write: the order of everything, as text.
std::string story(uint64_t seed, uint64_t* trace = nullptr) {
  SimRuntime sim(seed);
  std::string log;
  Loop& a = sim.make_loop();
  Loop& b = sim.make_loop();
  for (int i = 0; i < 4; i++) {
    a.post([&log, i] { log += "a" + std::to_string(i); });
    b.post([&log, i] { log += "b" + std::to_string(i); });
  }
  a.after(milliseconds(1), [&log] { log += "t"; });
  for (int i = 0; i < 4; i++) {
    const auto job = [&, i] {
      const auto file = sim.files().open("f" + std::to_string(i), {.create = true});
      log += (*file)->pwrite("x", 0) && (*file)->sync() ? "j" + std::to_string(i) : "?";
    };
    EXPECT_TRUE(sim.pool().submit(job, b, [&log, i] { log += "d" + std::to_string(i); }));
  }
  EXPECT_EQ(sim.run(), SimEnd::kIdle);
  log += std::to_string(sim.random().next() % 1000) + "@" + std::to_string(sim.clock().mono_ns());
  if (trace != nullptr) *trace = sim.trace();
  return log;
}

TEST(SimRuntime, the_same_seed_gives_the_same_run) {
  std::set<std::string> stories;
  std::set<uint64_t> traces;
  for (uint64_t seed = 0; seed < 20; seed++) {
    uint64_t first = 0, second = 0;
    const std::string once = story(seed, &first);
    EXPECT_EQ(once, story(seed, &second));
    EXPECT_EQ(first, second);
    stories.insert(once);
    traces.insert(first);
  }
  EXPECT_EQ(stories.size(), 20U);
  EXPECT_EQ(traces.size(), 20U);
}

TEST(SimRuntime, every_loop_keeps_its_order_and_everything_runs_once) {
  for (uint64_t seed = 0; seed < 20; seed++) {
    const std::string log = story(seed);
    for (const char loop : {'a', 'b'}) {
      size_t at = 0;
      for (char i = '0'; i < '4'; i++) {
        const size_t next = log.find(std::string{loop, i});
        ASSERT_NE(next, std::string::npos) << log;
        EXPECT_GE(next, at) << log;
        at = next;
      }
    }
    for (char i = '0'; i < '4'; i++) {
      EXPECT_LT(log.find(std::string{'j', i}), log.find(std::string{'d', i})) << log;
    }
  }
}

TEST(SimRuntime, time_is_virtual_and_timers_keep_to_it) {
  SimRuntime sim(1);
  Loop& loop = sim.make_loop();
  std::vector<int> fired;
  const int64_t start = sim.clock().wall_ms();
  loop.after(seconds(30), [&] { fired.push_back(30); });
  loop.after(seconds(10), [&] { fired.push_back(10); });
  const TimerId cancelled = loop.after(seconds(20), [&] { fired.push_back(20); });
  loop.post([&] { loop.cancel(cancelled); });
  EXPECT_EQ(sim.run_for(seconds(15)), SimEnd::kTimeLimit);
  EXPECT_THAT(fired, testing::ElementsAre(10));
  EXPECT_GE(sim.clock().wall_ms() - start, 15'000);
  EXPECT_EQ(sim.run_until([&] { return fired.size() == 2; }), SimEnd::kDone);
  EXPECT_THAT(fired, testing::ElementsAre(10, 30));
  sim.jump_wall(std::chrono::hours(1));
  EXPECT_GE(sim.clock().wall_ms() - start, 3'630'000);
  EXPECT_EQ(sim.run(), SimEnd::kIdle);
}

TEST(SimRuntime, a_thread_can_stand_still_while_others_go_on) {
  SimRuntime sim(1);
  Loop& a = sim.make_loop();
  Loop& b = sim.make_loop();
  std::string log;
  sim.stall(a, seconds(10));
  a.post([&] { log += "a"; });
  a.after(seconds(1), [&] { log += "t"; });
  b.after(seconds(5), [&] { log += "b"; });
  EXPECT_EQ(sim.run_for(seconds(9)), SimEnd::kTimeLimit);
  EXPECT_EQ(log, "b");
  EXPECT_EQ(sim.run(), SimEnd::kIdle);
  EXPECT_EQ(log, "bat");
}

TEST(SimRuntime, a_turn_ends_after_its_tasks) {
  SimRuntime sim(5);
  Loop& loop = sim.make_loop();
  std::string log;
  loop.post([&] {
    loop.at_turn_end([&] { log += "e"; });
    loop.post([&] { log += "n"; });
    log += "p";
  });
  EXPECT_EQ(sim.run(), SimEnd::kIdle);
  EXPECT_EQ(log, "pen");
}

TEST(SimRuntime, the_pool_is_bounded) {
  SimRuntime sim(1, nullptr, {.pool_queue_max = 2});
  Loop& loop = sim.make_loop();
  int done = 0;
  const auto submit = [&] { return sim.pool().submit([] {}, loop, [&] { done++; }); };
  EXPECT_TRUE(submit() && submit());
  EXPECT_EQ(submit().error().code, Code::kBusy);
  EXPECT_EQ(sim.run(), SimEnd::kIdle);
  EXPECT_EQ(done, 2);
  EXPECT_TRUE(submit());
}

TEST(SimRuntime, on_this_thread_tells_loops_and_jobs_apart) {
  SimRuntime sim(1);
  Loop& a = sim.make_loop();
  Loop& b = sim.make_loop();
  EXPECT_TRUE(a.on_this_thread());
  int asked = 0;
  a.post([&] { asked += a.on_this_thread() && !b.on_this_thread() ? 1 : 0; });
  ASSERT_TRUE(sim.pool().submit([&] { asked += a.on_this_thread() ? 0 : 1; }, b, [] {}));
  EXPECT_EQ(sim.run(), SimEnd::kIdle);
  EXPECT_EQ(asked, 2);
}

// A writer that acknowledges after a sync, killed at each of its I/Os, with power loss: what was
// acknowledged is there in the next life.
TEST(SimRuntime, kill_at_every_io_and_reboot) {
  constexpr int kRecords = 6;
  const auto live = [](SimRuntime& sim, Loop& loop, int& acknowledged) {
    const auto made = sim.files().open("log", {.create = true});
    if (!made || !sim.files().sync_directory(".")) return SimEnd::kKilled;
    std::function<void(int)> write_next = [&](int i) {
      if (i == kRecords) return;
      auto wrote = std::make_shared<Status>();
      const auto job = [&made, i, wrote] {
        *wrote = (*made)->pwrite(std::string(600, static_cast<char>('a' + i)),
                                 static_cast<uint64_t>(i) * 600);
        if (*wrote) *wrote = (*made)->sync();
      };
      EXPECT_TRUE(sim.pool().submit(job, loop, [&, i, wrote] {
        if (!*wrote) return;
        acknowledged = i + 1;
        write_next(i + 1);
      }));
    };
    write_next(0);
    return sim.run();
  };
  uint64_t kills = 0;
  for (uint64_t kill_at = 1;; kill_at++) {
    auto disk = std::make_shared<SimDisk>(kill_at);
    disk->set_faults({.kill_at_io = kill_at});
    int acknowledged = 0;
    {
      SimRuntime sim(kill_at, disk);
      const SimEnd end = live(sim, sim.make_loop(), acknowledged);
      EXPECT_EQ(end == SimEnd::kKilled, disk->killed());
    }
    const bool killed = disk->killed();
    kills += killed ? 1 : 0;
    disk->crash();
    SimRuntime again(kill_at, disk);
    if (acknowledged > 0) {
      const auto text = read_file(again.files(), "log", 1U << 20);
      ASSERT_TRUE(text);
      for (int i = 0; i < acknowledged; i++) {
        EXPECT_EQ(text->substr(static_cast<size_t>(i) * 600, 600),
                  std::string(600, static_cast<char>('a' + i)))
            << kill_at;
      }
    }
    if (!killed) break;
  }
  EXPECT_EQ(kills, 2U + 2U * kRecords);
}

TEST(SimRuntime, after_a_kill_no_task_starts) {
  SimRuntime sim(1);
  Loop& loop = sim.make_loop();
  std::string log;
  loop.post([&] {
    log += "a";
    sim.disk().kill();
    loop.at_turn_end([&] { log += "e"; });
  });
  loop.post([&] { log += "b"; });
  EXPECT_EQ(sim.run(), SimEnd::kKilled);
  EXPECT_EQ(sim.run_for(seconds(1)), SimEnd::kKilled);
  EXPECT_EQ(log, "a");
}

}  // namespace
}  // namespace penstock::runtime
