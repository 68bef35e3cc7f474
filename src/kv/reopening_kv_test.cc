// ReopeningKv: no write without room, and a new engine after one that failed.
#include "kv/reopening_kv.h"

#include <gtest/gtest.h>

#include <string>

#include "kv/memory_kv.h"

namespace penstock::kv {
namespace {

struct World {
  /// Engines fail while this does; what they have confirmed outlives them.
  Status disk;
  Status room;
  int opened = 0;
  uint64_t asked = 0;
  std::shared_ptr<MemoryKv> kept = std::make_shared<MemoryKv>(
      MemoryKvOptions{.crashable = false, .gate = [this] { return disk; }});

  std::unique_ptr<KeyValue> make() {
    auto kv = open_reopening_kv({.open = [this]() -> Result<std::unique_ptr<KeyValue>> {
                                   opened++;
                                   if (!disk) return std::unexpected(disk.error());
                                   return make_view(kept);
                                 },
                                 .room =
                                     [this](uint64_t bytes) {
                                       asked = bytes;
                                       return room;
                                     }});
    EXPECT_TRUE(kv);
    return std::move(*kv);
  }
};

WriteBatch one(std::string_view key, std::string_view value) {
  WriteBatch batch;
  batch.put(key, value);
  return batch;
}

TEST(ReopeningKv, asks_for_room_and_does_not_trouble_the_engine_without) {
  World w;
  const auto kv = w.make();
  EXPECT_GT(w.asked, 1U << 20);  // opening needs some, too
  ASSERT_TRUE(kv->write(one("a", std::string(1000, 'x'))));
  EXPECT_GE(w.asked, 1001U);
  EXPECT_LT(w.asked, 1U << 20);
  w.room = fail(Code::kExhausted, "full");
  w.disk = fail(Code::kBug, "the engine was asked");
  EXPECT_EQ(kv->write(one("b", "1")).error().code, Code::kExhausted);
  EXPECT_EQ(kv->erase_range("a", "b").error().code, Code::kExhausted);
  EXPECT_EQ(kv->flush().error().code, Code::kExhausted);
  EXPECT_TRUE(kv->get("a")->has_value());
  EXPECT_EQ(w.opened, 1);
}

TEST(ReopeningKv, opens_a_new_engine_after_a_failed_write_and_keeps_what_was_confirmed) {
  World w;
  const auto kv = w.make();
  ASSERT_TRUE(kv->write(one("a", "1")));
  w.disk = fail(Code::kExhausted, "no space left");
  EXPECT_EQ(kv->write(one("b", "2")).error().code, Code::kExhausted);
  EXPECT_EQ(*kv->get("a"), "1");  // reads go on
  // Not one more call to the broken engine: the next change opens, which fails, too.
  EXPECT_EQ(kv->flush().error().code, Code::kExhausted);
  EXPECT_EQ(w.opened, 2);
  EXPECT_EQ(kv->get("a").error().code, Code::kUnavailable);
  w.disk = {};
  ASSERT_TRUE(kv->write(one("c", "3")));
  EXPECT_EQ(w.opened, 3);
  EXPECT_EQ(*kv->get("a"), "1");
  EXPECT_EQ(*kv->get("b"), std::nullopt);
  EXPECT_EQ(*kv->get("c"), "3");
  ASSERT_TRUE(kv->flush());
  EXPECT_EQ(w.opened, 3);
}

TEST(ReopeningKv, an_engine_that_does_not_open_is_told_at_once) {
  World w;
  w.disk = fail(Code::kCorrupt, "damaged");
  const auto kv = open_reopening_kv({.open = [&]() -> Result<std::unique_ptr<KeyValue>> {
                                       return std::unexpected(w.disk.error());
                                     },
                                     .room = [](uint64_t) { return Status(); }});
  ASSERT_FALSE(kv);
  EXPECT_EQ(kv.error().code, Code::kCorrupt);
}

}  // namespace
}  // namespace penstock::kv
