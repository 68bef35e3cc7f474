// The real loop and pool: order, timers, posts from other threads, bounds. Method: tasks note what
// they did; the loop runs on the test's own thread, or on its own with futures to wait on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <thread>

#include "runtime/real_runtime.h"

namespace penstock::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

TEST(EpollLoop, tasks_run_in_order_and_a_turn_ends_after_them) {
  LoopThread thread("test");
  Loop& loop = thread.loop();
  std::string log;
  loop.post([&] {
    log += "1";
    loop.at_turn_end([&] {
      log += "e";
      loop.at_turn_end([&] { log += "E"; });
    });
    loop.post([&] {
      log += "3";
      loop.post([&] { log += "4"; });
    });
  });
  loop.post([&] { log += "2"; });
  loop.after(milliseconds(2), [&] { thread.stop(); });
  thread.run();
  EXPECT_EQ(log, "123e4E");
}

TEST(EpollLoop, timers_fire_in_order_of_their_time_and_can_be_cancelled) {
  LoopThread thread("test");
  Loop& loop = thread.loop();
  const auto clock = make_real_runtime();
  const int64_t start = clock->clock().mono_ns();
  std::string log;
  loop.after(milliseconds(3), [&] {
    log += "c";
    EXPECT_GE(clock->clock().mono_ns() - start, 3'000'000);
    thread.stop();
  });
  const TimerId gone = loop.after(milliseconds(1), [&] { log += "x"; });
  loop.after(microseconds(300), [&] { log += "a"; });
  TimerId later = 0;
  loop.after(milliseconds(2), [&] {
    log += "b";
    loop.cancel(later);
  });
  later = loop.after(microseconds(2500), [&] { log += "y"; });
  loop.cancel(gone);
  loop.cancel(gone);
  loop.cancel(12345);
  thread.run();
  EXPECT_EQ(log, "abc");
}

TEST(EpollLoop, a_timer_may_set_and_cancel_others_that_are_due) {
  LoopThread thread("test");
  Loop& loop = thread.loop();
  std::string log;
  TimerId second = 0;
  loop.post([&] {
    loop.after(microseconds(0), [&] {
      log += "1";
      loop.cancel(second);
      loop.after(microseconds(0), [&] {
        log += "3";
        thread.stop();
      });
    });
    second = loop.after(microseconds(0), [&] { log += "2"; });
  });
  thread.run();
  EXPECT_EQ(log, "13");
}

// Also for the thread sanitizer: many threads, a loop that goes to sleep in between.
TEST(EpollLoop, posts_from_other_threads_all_arrive_each_thread_in_order) {
  constexpr int kThreads = 4, kPosts = 2000;
  LoopThread thread("test");
  thread.start();
  std::array<int, kThreads> next{};
  bool ordered = true;
  std::latch all(kThreads * kPosts);
  std::vector<std::thread> posters;
  posters.reserve(kThreads);
  for (int t = 0; t < kThreads; t++) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kPosts; i++) {
        thread.loop().post([&, t, i] {
          ordered &= next[static_cast<size_t>(t)]++ == i && thread.loop().on_this_thread();
          all.count_down();
        });
        if (i % 64 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& poster : posters) poster.join();
  all.wait();
  EXPECT_FALSE(thread.loop().on_this_thread());
  thread.stop();
  thread.join();
  EXPECT_TRUE(ordered);
}

TEST(EpollLoop, a_sleeping_loop_wakes_for_every_single_post) {
  LoopThread thread("test");
  thread.start();
  for (int i = 0; i < 300; i++) {
    std::promise<void> ran;
    thread.loop().post([&] { ran.set_value(); });
    ran.get_future().wait();  // the loop has nothing left and goes back to sleep
  }
}

TEST(EpollLoop, two_loops_pass_work_to_each_other) {
  LoopThread a("a"), b("b");
  a.start();
  b.start();
  std::promise<int> done;
  std::function<void(int)> ping = [&](int left) {
    LoopThread& to = left % 2 == 0 ? a : b;
    to.loop().post([&, left] {
      if (left == 0) return done.set_value(left);
      ping(left - 1);
    });
  };
  ping(1000);
  EXPECT_EQ(done.get_future().get(), 0);
}

TEST(BlockingPool, runs_jobs_beside_each_other_and_answers_on_the_home_loop) {
  LoopThread thread("test");
  const auto runtime = make_real_runtime({.pool_threads = 2, .pool_queue_max = 8});
  thread.start();
  std::latch both(2), answered(2);
  bool home = true;
  for (int i = 0; i < 2; i++) {
    const Status s = runtime->pool().submit(
        [&] { both.arrive_and_wait(); },  // returns only if the other job runs meanwhile
        thread.loop(),
        [&] {
          home &= thread.loop().on_this_thread();
          answered.count_down();
        });
    EXPECT_TRUE(s);
  }
  answered.wait();
  EXPECT_TRUE(home);
}

TEST(BlockingPool, refuses_what_it_cannot_queue) {
  LoopThread thread("test");
  const auto runtime = make_real_runtime({.pool_threads = 1, .pool_queue_max = 2});
  thread.start();
  std::latch started(1), release(1), answered(3);
  const auto done = [&] { answered.count_down(); };
  ASSERT_TRUE(runtime->pool().submit(
      [&] {
        started.count_down();
        release.wait();
      },
      thread.loop(), done));
  started.wait();
  EXPECT_TRUE(runtime->pool().submit([] {}, thread.loop(), done));
  EXPECT_TRUE(runtime->pool().submit([] {}, thread.loop(), done));
  EXPECT_EQ(runtime->pool().submit([] {}, thread.loop(), done).error().code, Code::kBusy);
  release.count_down();
  answered.wait();
  EXPECT_TRUE(runtime->pool().submit([] {}, thread.loop(), [] {}));
}

TEST(RealRuntime, randomness_differs_and_clocks_move) {
  const auto runtime = make_real_runtime();
  std::array<uint8_t, 3000> a{}, b{};
  runtime->random().fill(a);
  runtime->random().fill(b);
  EXPECT_NE(a, b);
  EXPECT_NE(runtime->random().next(), runtime->random().next());
  const int64_t before = runtime->clock().mono_ns();
  EXPECT_GE(runtime->clock().mono_ns(), before);
  EXPECT_GT(runtime->clock().wall_ms(), 1'600'000'000'000);
}

}  // namespace
}  // namespace penstock::runtime
