// Goal: what may be repeated is repeated within the caller's patience, and nothing else is.
#include "objects/retrying_objects.h"

#include <gtest/gtest.h>

#include <deque>

#include "runtime/sim_runtime.h"

namespace penstock::objects {
namespace {

using namespace std::chrono_literals;

/// A store in memory that answers errors for as long as it is told to.
class Failing final : public ObjectStore {
 public:
  struct Turn {
    Code code;
    bool done = false;  // it happened all the same
  };
  std::deque<Turn> turns;
  int calls = 0;

  Status start() override { return next(); }
  Status put(std::string_view key, std::string_view bytes, Duration within) override {
    return change([&] { return inner_->put(key, bytes, within); });
  }
  Status put_if_absent(std::string_view key, std::string_view bytes, Duration within) override {
    return change([&] { return inner_->put_if_absent(key, bytes, within); });
  }
  Result<std::string> get(std::string_view key, ByteRange range, Duration within) override {
    PENSTOCK_CHECK(next());
    return inner_->get(key, range, within);
  }
  Result<std::vector<ObjectInfo>> list(std::string_view prefix, std::string_view after,
                                       size_t limit, Duration within) override {
    PENSTOCK_CHECK(next());
    return inner_->list(prefix, after, limit, within);
  }
  Status remove(std::string_view key, Duration within) override {
    return change([&] { return inner_->remove(key, within); });
  }
  Result<ObjectInfo> stat(std::string_view key, Duration within) override {
    PENSTOCK_CHECK(next());
    return inner_->stat(key, within);
  }

 private:
  Status next() {
    calls++;
    if (turns.empty()) return {};
    const Turn turn = turns.front();
    turns.pop_front();
    return fail(turn.code, "told to");
  }
  template <class Do>
  Status change(Do act) {
    const bool done = turns.empty() || turns.front().done;
    const Status told = next();
    if (!done) return told;
    const Status s = act();
    return told ? s : told;
  }
  std::unique_ptr<ObjectStore> inner_ = make_memory_objects();
};

class RetryingObjectsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto inner = std::make_unique<Failing>();
    failing = inner.get();
    store = make_retrying_objects(std::move(inner), runtime,
                                  [this](runtime::Duration d) { pauses.push_back(d); });
  }
  runtime::SimRuntime runtime{5};
  Failing* failing = nullptr;
  std::vector<runtime::Duration> pauses;
  std::unique_ptr<ObjectStore> store;
};

TEST_F(RetryingObjectsTest, RepeatsWhatMayHaveFailedForNow) {
  failing->turns = {{Code::kUnavailable}, {Code::kBusy}, {Code::kMaybe, true}};
  EXPECT_TRUE(store->put("a", "1", 60s).has_value());
  EXPECT_EQ(failing->calls, 4);
  ASSERT_EQ(pauses.size(), 3U);
  EXPECT_TRUE(pauses[0] >= 25ms && pauses[0] <= 50ms);
  EXPECT_TRUE(pauses[2] >= 100ms && pauses[2] <= 200ms);
  failing->turns = {{Code::kUnavailable}};
  EXPECT_EQ(*store->get("a", {}, 60s), "1");
  failing->turns = {{Code::kUnavailable}};
  EXPECT_EQ(store->list("", "", 10, 60s)->size(), 1U);
  failing->turns = {{Code::kUnavailable}};
  EXPECT_EQ(store->stat("a", 60s)->size, 1U);
  failing->turns = {{Code::kMaybe, true}};
  EXPECT_TRUE(store->remove("a", 60s).has_value());
}

TEST_F(RetryingObjectsTest, AnswersWhatStaysWrongAtOnce) {
  for (const Code code : {Code::kInvalid, Code::kDenied, Code::kNotFound, Code::kConflict,
                          Code::kTimeout, Code::kExhausted, Code::kCorrupt}) {
    failing->turns = {{code}};
    EXPECT_EQ(store->put("a", "1", 60s).error().code, code);
  }
  EXPECT_TRUE(pauses.empty());
}

TEST_F(RetryingObjectsTest, IsBoundedByTriesAndByPatience) {
  failing->turns.assign(20, {Code::kUnavailable});
  EXPECT_EQ(store->put("a", "1", 60s).error().code, Code::kUnavailable);
  EXPECT_EQ(failing->calls, 5);
  EXPECT_EQ(store->put("a", "1", 10ms).error().code, Code::kUnavailable);
  EXPECT_EQ(failing->calls, 6) << "no pause fits into what is left";
}

TEST_F(RetryingObjectsTest, ItsOwnObjectIsNoConflict) {
  failing->turns = {{Code::kMaybe, true}};
  EXPECT_TRUE(store->put_if_absent("a", "mine", 60s).has_value());
  EXPECT_EQ(store->put_if_absent("a", "mine", 60s).error().code, Code::kConflict)
      << "whoever knows nothing of the object has not put it";
  failing->turns = {{Code::kMaybe}};
  EXPECT_EQ(store->put_if_absent("a", "others", 60s).error().code, Code::kConflict);
  EXPECT_EQ(*store->get("a", {}, 60s), "mine");
}

}  // namespace
}  // namespace penstock::objects
