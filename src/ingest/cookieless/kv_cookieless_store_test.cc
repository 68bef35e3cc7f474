// What a crash may take of the state of cookieless visitors, and what it may not.
#include "ingest/cookieless/kv_cookieless_store.h"

#include <gtest/gtest.h>

#include <array>
#include <map>

#include "kv/memory_kv.h"
#include "runtime/sim_runtime.h"

namespace penstock::ingest {
namespace {

constexpr int32_t kDay = 20'000;

/// State that outlives its stores; a write or flush of a number can fail.
struct State {
  int calls = 0, fails_at = 0;
  std::shared_ptr<kv::MemoryKv> kv =
      std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{true, [this]() -> Status {
                                                           if (++calls != fails_at) return {};
                                                           return fail(Code::kExhausted, "full");
                                                         }});
  runtime::SimRuntime runtime{1, std::make_shared<runtime::SimDisk>(1)};
  std::unique_ptr<CookielessStore> open() {
    return make_cookieless_store(kv::make_view(kv), runtime);
  }
};

TEST(CookielessSalt, IsDurableBeforeAnybodySeesIt) {
  State state;
  const auto salt = state.open()->salt(kDay);
  ASSERT_TRUE(salt);
  EXPECT_EQ(state.kv->unflushed(), 0U);
  state.kv->crash(1);
  EXPECT_EQ(*state.open()->salt(kDay), *salt);
}

TEST(CookielessSalt, IsFlushedByWhoeverFindsItWhenTheFirstAttemptFailed) {
  State state;
  state.fails_at = 2;  // the write went well, the flush does not
  const auto store = state.open();
  EXPECT_FALSE(store->salt(kDay));
  EXPECT_GT(state.kv->unflushed(), 0U);
  const auto salt = store->salt(kDay);
  ASSERT_TRUE(salt);
  EXPECT_EQ(state.kv->unflushed(), 0U) << "a crash makes another one";
}

TEST(CookielessSalt, OfALifeThatEndedBeforeItsFlushIsFlushedByTheNext) {
  State state;
  state.fails_at = 2;
  EXPECT_FALSE(state.open()->salt(kDay));
  ASSERT_TRUE(state.open()->salt(kDay));
  EXPECT_EQ(state.kv->unflushed(), 0U);
  const int calls = state.calls;
  const auto store = state.open();
  ASSERT_TRUE(store->salt(kDay));
  ASSERT_TRUE(store->salt(kDay));
  EXPECT_EQ(state.calls, calls + 1) << "one flush in a life";
}

/// What two processes share.
struct Shared {
  std::map<int32_t, Uuid> salts;
  bool away = false;
};
class SharedHere : public catalog::SharedSalts {
 public:
  explicit SharedHere(Shared& all) : all_(all) {}
  Result<Uuid> take(int32_t day, const Uuid& fresh) override {
    if (all_.away) return fail(Code::kUnavailable, "away");
    return all_.salts.try_emplace(day, fresh).first->second;
  }
  Status forget(int32_t day) override {
    all_.salts.erase(day);
    return {};
  }

 private:
  Shared& all_;
};

TEST(CookielessSalt, IsTheSameInAllProcessesThatShareSalts) {
  Shared all;
  State one, two;
  std::array<uint8_t, 1> one_byte{};
  two.runtime.random().fill(one_byte);  // no twin of the first one's
  const auto open = [&all](State& s) {
    return make_cookieless_store(kv::make_view(s.kv), s.runtime, std::make_unique<SharedHere>(all));
  };
  const auto first = open(one), second = open(two);
  const auto salt = first->salt(kDay);
  ASSERT_TRUE(salt);
  EXPECT_EQ(*second->salt(kDay), *salt);
  EXPECT_NE(*first->salt(kDay + 1), *salt);
  all.away = true;
  EXPECT_EQ(*first->salt(kDay), *salt) << "known already";
  EXPECT_FALSE(open(two)->salt(kDay)) << "another life has to ask";
  EXPECT_FALSE(second->salt(kDay + 2));
  all.away = false;
  EXPECT_TRUE(second->salt(kDay + 2));
  // What a directory made for itself before gives way to what all have.
  State old;
  std::array<uint8_t, 2> some{};
  old.runtime.random().fill(some);
  const auto own = *old.open()->salt(kDay);
  EXPECT_NE(own, *salt);
  EXPECT_EQ(*open(old)->salt(kDay), *salt);
  EXPECT_EQ(*old.open()->salt(kDay), *salt);
}

}  // namespace
}  // namespace penstock::ingest
