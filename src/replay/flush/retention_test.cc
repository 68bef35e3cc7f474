// Old recordings leave, younger ones and what is no recording stay.
#include <gtest/gtest.h>

#include "recording/block.h"
#include "replay/flush/replay_service.h"

namespace penstock::replay {
namespace {

constexpr int64_t kNow = 1'785'585'600'000, kDayMs = 86'400'000;
constexpr std::chrono::seconds kPatience{5};

TEST(Retention, RemovesFromTheFrontAndStopsAtTheFirstYoungOne) {
  const auto store = objects::make_memory_objects();
  const auto put = [&](const std::string& key) {
    ASSERT_TRUE(store->put(key, "x", kPatience).has_value());
  };
  // More than one page of the listing, and numbers across a folder's end.
  for (uint64_t n = 0; n < 250; n++) {
    put(recording::object_key(99'900 + n, kNow - 40 * kDayMs + static_cast<int64_t>(n) * 1000, n));
  }
  put("replay/notes");
  put("another/kind");
  const std::string edge = recording::object_key(200'000, kNow - 30 * kDayMs, 1);
  const std::string young = recording::object_key(200'001, kNow, 1);
  put(edge);
  put(young);
  const auto removed = remove_old_objects(*store, kNow - 30 * kDayMs, kPatience);
  ASSERT_TRUE(removed.has_value());
  EXPECT_EQ(*removed, 250U);
  const auto left = store->list("", "", 100, kPatience);
  ASSERT_TRUE(left.has_value());
  std::vector<std::string> keys;
  for (const auto& object : *left) keys.push_back(object.key);
  EXPECT_EQ(keys, (std::vector<std::string>{"another/kind", edge, young, "replay/notes"}));
  EXPECT_EQ(*remove_old_objects(*store, kNow - 30 * kDayMs, kPatience), 0U);
}

}  // namespace
}  // namespace penstock::replay
