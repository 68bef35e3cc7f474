// Blocks and their merge: what is written is read, damage is told, order is by time. Method: round
// trips, every prefix and many bit flips of a block, and random blocks merged against a sort.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "event/timestamp.h"
#include "recording/block.h"
#include "recording/merge.h"

namespace penstock::recording {
namespace {

constexpr int64_t kNoon = 1'785'585'600'000;

std::string event_at(int64_t ms, std::string_view text = "x") {
  return R"({"type":3,"data":{"t":")" + std::string(text) + R"("},"timestamp":)" +
         std::to_string(ms) + "}";
}

TEST(Block, LinesComeBackAsTheyWereWritten) {
  std::string lines, object = "before";
  append_line("w\"1", event_at(kNoon), lines);
  append_line("w2", "{\n\"timestamp\" :\r\n 5.75 ,\"a\":\"\\n\"}", lines);
  const uint64_t size = append_block(lines, object);
  EXPECT_EQ(object.size(), 6 + size);
  const auto block = read_block(std::string_view(object).substr(6));
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(*block, lines);
  const auto split = split_lines(*block);
  ASSERT_TRUE(split.has_value()) << split.error().message;
  ASSERT_EQ(split->size(), 2U);
  EXPECT_EQ((*split)[0].timestamp_ms, kNoon);
  EXPECT_EQ((*split)[0].text, R"(["w\"1",)" + event_at(kNoon) + "]");
  EXPECT_EQ((*split)[1].timestamp_ms, 5);
  EXPECT_EQ((*split)[1].text, "[\"w2\",{ \"timestamp\" :   5.75 ,\"a\":\"\\n\"}]");
}

TEST(Block, OnlyPositiveNumbersAreTimestamps) {
  for (const char* event :
       {"{}", "[]", "7", R"({"timestamp":0})", R"({"timestamp":-1})", R"({"timestamp":"5"})",
        R"({"timestamp":null})", R"({"timestamp":1e300})", R"({"a":{"timestamp":5}})",
        R"({"timestamp":5,"timestamp":0})", R"({"timestamp":5)", "", "{"}) {
    EXPECT_EQ(event_timestamp_ms(event), std::nullopt) << event;
  }
  EXPECT_EQ(event_timestamp_ms(R"({"timestamp":1.5e3})"), 1500);
  EXPECT_EQ(event_timestamp_ms(R"( { "timestamp" : 12 } )"), 12);
}

TEST(Block, DamageIsToldAndNeverCrashes) {
  std::string lines, block;
  for (int i = 0; i < 50; i++) append_line("window", event_at(kNoon + i, "some text"), lines);
  append_block(lines, block);
  for (size_t n = 0; n < block.size(); n++) {
    EXPECT_FALSE(read_block(std::string_view(block).substr(0, n)).has_value());
  }
  std::mt19937 random(3);
  for (int i = 0; i < 3000; i++) {
    std::string bad = block;
    bad[random() % bad.size()] ^= static_cast<char>(1U << (random() % 8));
    if (const auto read = read_block(bad)) (void)split_lines(*read);
  }
  EXPECT_EQ(split_lines("[\"w\",{}]\n").error().code, Code::kCorrupt);
  EXPECT_EQ(split_lines("nonsense").error().code, Code::kCorrupt);
}

TEST(Block, KeysSortAsTheyWereWrittenAndTellTheirTime) {
  const std::string a = object_key(7, kNoon, 0xab), b = object_key(99'999, kNoon, 1),
                    c = object_key(100'000, kNoon - 5000, 1);
  EXPECT_EQ(a, "replay/000000000000/00000000000000007-20260801T120000-00000000000000ab.blocks");
  EXPECT_TRUE(a < b && b < c);
  EXPECT_TRUE(a.starts_with(object_key_prefix(7)));
  EXPECT_FALSE(a.starts_with(object_key_prefix(70)));
  EXPECT_EQ(written_ms(a), kNoon);
  EXPECT_EQ(written_ms(c), kNoon - 5000);
  for (const char* key : {"", "replay/", "replay/x-y", "other/1-20260801T120000-0.blocks"}) {
    EXPECT_EQ(written_ms(key), std::nullopt) << key;
  }
}

TEST(Block, UrlsNameAPlace) {
  const BlockPlace place{object_key(7, kNoon, 1), 10, 20};
  EXPECT_EQ(block_url(place), "object:" + place.key + "?range=bytes=10-29");
  EXPECT_EQ(parse_block_url(block_url(place)), place);
  for (const char* url :
       {"", "object:a", "s3:a?range=bytes=0-1", "object:a?range=bytes=5-4",
        "object:a?range=bytes=-4", "object:a?range=bytes=1-", "object:a?range=bytes=1-2x",
        "object:a?range=bytes=0-999999999999", "object:a?range=bytes=0-99999999999999999999"}) {
    EXPECT_EQ(parse_block_url(url), std::nullopt) << url;
  }
}

/// Everything a merge answers, and the most it held.
struct Merged {
  std::vector<std::string> lines;
  size_t bytes_max = 0, opened_before_first = 0;
};
Merged merge_all(const std::vector<std::string>& blocks, const std::vector<int64_t>& firsts,
                 size_t bytes_max) {
  BlockMerge merge(firsts, bytes_max);
  Merged out;
  while (!merge.done()) {
    if (merge.wants_block()) {
      EXPECT_TRUE(merge.open(blocks[merge.next_block()]).has_value());
      if (out.lines.empty()) out.opened_before_first++;
    } else {
      out.lines.emplace_back(merge.pop());
    }
    out.bytes_max = std::max(out.bytes_max, merge.bytes_open());
  }
  return out;
}

TEST(BlockMerge, RandomBlocksComeInTheOrderOfTime) {
  std::mt19937 random(5);
  for (int round = 0; round < 50; round++) {
    std::vector<std::pair<int64_t, std::vector<int64_t>>> made;
    std::vector<std::pair<int64_t, std::string>> all;
    const size_t n = 1 + random() % 8;
    for (size_t i = 0; i < n; i++) {
      std::vector<int64_t> times;
      const int64_t base = kNoon + static_cast<int64_t>(random() % 100);
      for (size_t k = 0; k < 1 + random() % 10; k++) {
        times.push_back(base + static_cast<int64_t>(random() % 60));
      }
      std::ranges::sort(times);
      made.emplace_back(times.front(), times);
    }
    std::ranges::stable_sort(made, {}, &std::pair<int64_t, std::vector<int64_t>>::first);
    std::vector<std::string> blocks;
    std::vector<int64_t> firsts;
    for (size_t i = 0; i < n; i++) {
      firsts.push_back(made[i].first);
      std::string& block = blocks.emplace_back();
      for (size_t k = 0; k < made[i].second.size(); k++) {
        const std::string name = std::to_string(i) + "." + std::to_string(k);
        std::string line;
        append_line("w", event_at(made[i].second[k], name), line);
        block += line;
        line.pop_back();
        all.emplace_back(made[i].second[k], line);
      }
    }
    std::ranges::stable_sort(all, {}, &std::pair<int64_t, std::string>::first);
    const Merged merged = merge_all(blocks, firsts, 1U << 20);
    ASSERT_EQ(merged.lines.size(), all.size());
    for (size_t i = 0; i < all.size(); i++) EXPECT_EQ(merged.lines[i], all[i].second) << i;
  }
}

TEST(BlockMerge, BlocksThatFollowEachOtherAreOpenOneAtATime) {
  std::vector<std::string> blocks;
  std::vector<int64_t> firsts;
  for (int i = 0; i < 20; i++) {
    firsts.push_back(kNoon + i * 100);
    std::string& block = blocks.emplace_back();
    for (int k = 0; k < 10; k++) append_line("w", event_at(kNoon + i * 100 + k * 10), block);
  }
  const Merged merged = merge_all(blocks, firsts, 1U << 20);
  EXPECT_EQ(merged.lines.size(), 200U);
  EXPECT_EQ(merged.opened_before_first, 1U);
  EXPECT_LE(merged.bytes_max, blocks[0].size());
}

TEST(BlockMerge, MoreThanFitsComesLateAndIsNotLost) {
  std::vector<std::string> blocks;
  std::vector<int64_t> firsts;
  for (int i = 0; i < 40; i++) {
    firsts.push_back(kNoon + i);
    std::string& block = blocks.emplace_back();
    append_line("w", event_at(kNoon + i), block);
    append_line("w", event_at(kNoon + 1000 - i), block);
  }
  const Merged merged = merge_all(blocks, firsts, blocks[0].size() * 4);
  EXPECT_EQ(merged.lines.size(), 80U);
  EXPECT_LE(merged.bytes_max, blocks[0].size() * 5);
}

}  // namespace
}  // namespace penstock::recording
