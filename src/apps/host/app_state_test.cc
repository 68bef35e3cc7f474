// Goal: what apps keep is kept as PostHog keeps it, apart from each other, and bounded.
#include "apps/host/app_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace penstock::apps {
namespace {

class AppStateTest : public ::testing::Test {
 protected:
  std::string call(const StateOwner& owner, std::string_view op, std::string_view arguments,
                   int64_t now = 1000) {
    const auto answer = state.call(owner, op, arguments, now);
    return answer ? *answer : answer.error().message;
  }
  std::unique_ptr<kv::KeyValue> kv = kv::make_memory_kv();
  AppState state{*kv};
  StateOwner a{1, 10, 2}, b{3, 10, 2}, other{4, 10, 5};
};

TEST_F(AppStateTest, StorageIsOfTheConfigurationAndCacheOfTheApp) {
  call(a, "storage.set", R"({"key":"k","value":"1"})");
  call(a, "cache.set", R"({"key":"k","value":"2"})");
  EXPECT_EQ(call(a, "storage.get", R"({"key":"k"})"), R"("1")");
  EXPECT_EQ(call(b, "storage.get", R"({"key":"k"})"), "null");
  EXPECT_EQ(call(b, "cache.get", R"({"key":"k"})"), R"("2")");
  EXPECT_EQ(call(other, "cache.get", R"({"key":"k"})"), "null");
  call(a, "storage.del", R"({"key":"k"})");
  EXPECT_EQ(call(a, "storage.get", R"({"key":"k"})"), "null");
}

TEST_F(AppStateTest, CacheEntriesExpireAndAreSweptAway) {
  call(a, "cache.set", R"({"key":"k","value":"2","ttl":10})");
  EXPECT_EQ(call(a, "cache.get", R"({"key":"k"})", 10'999), R"("2")");
  EXPECT_EQ(call(a, "cache.get", R"({"key":"k"})", 11'000), "null");
  call(a, "cache.set", R"({"key":"k","value":"2"})");
  EXPECT_EQ(call(a, "cache.expire", R"({"key":"k","ttl":1})"), "true");
  EXPECT_EQ(call(a, "cache.expire", R"({"key":"none","ttl":1})"), "false");
  ASSERT_TRUE(state.sweep(5000));
  size_t left = 0;
  ASSERT_TRUE(kv->scan("c", "d", [&](std::string_view, std::string_view) { return ++left > 0; }));
  EXPECT_EQ(left, 0U);
}

TEST_F(AppStateTest, ListsAreRedisLists) {
  EXPECT_EQ(call(a, "cache.lpush", R"({"key":"l","items":["a","b","c","a"]})"), "4");
  EXPECT_EQ(call(a, "cache.lrange", R"({"key":"l","start":0,"end":-1})"), R"(["a","c","b","a"])");
  EXPECT_EQ(call(a, "cache.lrange", R"({"key":"l","start":-2,"end":9})"), R"(["b","a"])");
  EXPECT_EQ(call(a, "cache.lrem", R"({"key":"l","count":-1,"element":"a"})"), "1");
  EXPECT_EQ(call(a, "cache.lpop", R"({"key":"l","count":2})"), R"(["a","c"])");
  EXPECT_EQ(call(a, "cache.llen", R"({"key":"l"})"), "1");
  EXPECT_THAT(call(a, "cache.get", R"({"key":"l"})"), ::testing::HasSubstr("wrong kind"));
}

TEST_F(AppStateTest, CursorsAreSetOnceAndCount) {
  EXPECT_EQ(call(a, "cursor.increment", R"({"key":"n","by":2})"), "2");
  call(a, "cursor.init", R"({"key":"n","value":50})");
  EXPECT_EQ(call(a, "cursor.increment", R"({"key":"n"})"), "3");
  EXPECT_EQ(call(a, "storage.get", R"({"key":"n"})"), R"("3")") << "under storage's keys";
}

TEST_F(AppStateTest, EverythingIsBounded) {
  const std::string large(AppState::kValueBytesMax, 'x');
  EXPECT_THAT(call(a, "storage.set", R"({"key":"k","value":")" + large + R"(x"})"),
              ::testing::HasSubstr("larger than"));
  EXPECT_THAT(call(a, "storage.set", R"({"key":")" + large + R"(","value":"1"})"),
              ::testing::HasSubstr("longer than"));
  std::string answer;
  int kept = 0;
  for (; kept < 100 && !answer.starts_with("Illegal"); kept++) {
    answer = call(a, "storage.set",
                  R"({"key":")" + std::to_string(kept) + R"(","value":")" + large + R"("})");
  }
  EXPECT_EQ(kept, 64);
  call(a, "storage.del", R"({"key":"1"})");
  EXPECT_EQ(call(a, "storage.set", R"({"key":"1","value":"1"})"), "null") << "there is room again";
}

TEST_F(AppStateTest, JobsComeWhenTheyAreDueOnce) {
  call(a, "job", R"({"name":"late","payload":1,"at":2000})");
  call(a, "job", R"({"name":"soon","payload":null,"at":500})");
  call(b, "job", R"({"name":"soon","payload":null,"at":500})");
  EXPECT_EQ(state.take_due(499, 10)->size(), 0U);
  EXPECT_EQ(state.take_due(500, 1)->size(), 1U);
  const auto due = state.take_due(2000, 10);
  ASSERT_EQ(due->size(), 2U);
  EXPECT_EQ((*due)[0].config, 3);
  EXPECT_EQ((*due)[1].body, R"({"name":"late","payload":1})");
  EXPECT_EQ(state.take_due(9999, 10)->size(), 0U);
}

TEST_F(AppStateTest, JobsHaveRoomForOneWhateverTheOthersDo) {
  const auto enqueued = [](AppState& of, const StateOwner& owner) {
    size_t count = 0;
    while (of.call(owner, "job", R"({"name":"n","payload":null,"at":500})", 0)) count++;
    return count;
  };
  AppState small(*kv, 100);
  EXPECT_EQ(enqueued(small, a), 50U);
  EXPECT_EQ(enqueued(small, b), 25U);
  const auto refused = small.call(a, "job", R"({"name":"n","payload":null,"at":500})", 0);
  EXPECT_EQ(refused.error().code, Code::kBusy);
  EXPECT_EQ(refused.error().message,
            "Too many jobs are waiting: 50 of this app and 75 of 100 of all; this one was not "
            "enqueued");
  AppState restarted(*kv, 100);
  EXPECT_EQ(enqueued(restarted, a), 0U) << "what waits is counted again after a restart";
  EXPECT_EQ(enqueued(restarted, other), 13U);
  ASSERT_EQ(restarted.take_due(500, 40)->size(), 40U);
  EXPECT_GT(enqueued(restarted, a), 0U) << "there is room again";
  const auto rest = restarted.take_due(500, 1000);
  ASSERT_TRUE(rest);
  for (const Job& job : *rest) ASSERT_TRUE(restarted.put(job));
}

TEST_F(AppStateTest, AJobThatACrashCutOffRunsAgain) {
  call(a, "job", R"({"name":"n","payload":1,"at":500})");
  auto due = state.take_due(1000, 10);
  ASSERT_EQ(due->size(), 1U);
  EXPECT_TRUE(state.take_due(1000, 10)->empty()) << "it runs";
  AppState next{*kv};
  ASSERT_TRUE(next.take_back());
  due = next.take_due(1000, 10);
  ASSERT_EQ(due->size(), 1U);
  ASSERT_TRUE(next.ran(due->front()));
  AppState last{*kv};
  ASSERT_TRUE(last.take_back());
  EXPECT_TRUE(last.take_due(1000, 10)->empty());
}

}  // namespace
}  // namespace penstock::apps
