// Goal: an append put down from another thread is never left lying: either the loop said that it
// would look by itself, or the one who put it is told to wake it, once.
#include "log/embedded/inbox.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace penstock::log {
namespace {

struct Item {
  uint64_t records = 0, bytes = 0;
};

TEST(Inbox, the_first_wakes_and_the_next_does_not) {
  Inbox<Item> inbox(1000);
  EXPECT_TRUE(inbox.put({1, 10}));
  EXPECT_FALSE(inbox.put({1, 10}));
  EXPECT_EQ(inbox.take().size(), 2U);
  EXPECT_TRUE(inbox.put({1, 10}));
}

TEST(Inbox, nothing_wakes_before_enough_records_or_bytes_are_there) {
  Inbox<Item> inbox(1000);
  EXPECT_FALSE(inbox.wait_for(3));
  EXPECT_FALSE(inbox.put({2, 10}));
  EXPECT_TRUE(inbox.put({1, 10}));
  EXPECT_EQ(inbox.take().size(), 2U);
  EXPECT_FALSE(inbox.wait_for(UINT64_MAX));
  EXPECT_FALSE(inbox.put({1, 999}));
  EXPECT_TRUE(inbox.put({1, 1}));
}

TEST(Inbox, what_came_before_the_loop_says_what_it_waits_for_counts) {
  Inbox<Item> inbox(1000);
  EXPECT_FALSE(inbox.wait_for(UINT64_MAX));
  EXPECT_FALSE(inbox.put({5, 10}));
  EXPECT_FALSE(inbox.wait_for(6));
  EXPECT_TRUE(inbox.wait_for(5));
  EXPECT_TRUE(inbox.wait_for(0));
  EXPECT_EQ(inbox.take().size(), 1U);
  EXPECT_FALSE(inbox.wait_for(0));
}

TEST(Inbox, many_threads_put_and_nothing_is_lost) {
  constexpr int kThreads = 4, kEach = 2000;
  Inbox<Item> inbox(uint64_t{1} << 40);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; t++) {
    threads.emplace_back([&inbox] {
      for (int i = 0; i < kEach; i++) inbox.put({1, 1});
    });
  }
  size_t taken = 0;
  while (taken < size_t{kThreads} * kEach) taken += inbox.take().size();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(taken, size_t{kThreads} * kEach);
}

}  // namespace
}  // namespace penstock::log
