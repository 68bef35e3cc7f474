// Merges: what is recorded of them, the guards, and what a storm of them costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;
using testing::Seens;

EventSpec identify(const std::string& anon, const std::string& id, const std::string& extra = "") {
  return {.data = R"({"properties":{"$anon_distinct_id":")" + anon + "\"" + extra + "}}",
          .distinct_id = id,
          .event = "$identify"};
}
EventSpec dangerous(const std::string& other, const std::string& id) {
  return {.data = R"({"properties":{"alias":")" + other + "\"}}",
          .distinct_id = id,
          .event = "$merge_dangerously"};
}
EventSpec seen(const std::string& id, const std::string& set = R"({"a":1})") {
  return {.data = R"({"properties":{"$set":)" + set + "}}", .distinct_id = id};
}

void settings(Fixture& f, const char* json) {
  auto made = std::make_shared<catalog::ProjectSettings>();
  ASSERT_TRUE(catalog::apply_setting("merges", json, *made));
  f.project().settings = made;
}

std::vector<std::string> warned(const Seens& seens) {
  std::vector<std::string> out;
  for (const auto& [type, details] : seens.warnings) out.push_back(type);
  return out;
}

TEST(MergeRecord, HoldsBothPersonsAsTheyWere) {
  Fixture f;
  f.run(seen("anon", R"({"a":"anon"})"));
  f.run(seen("me", R"({"a":"me"})"));
  f.add(seen("me", R"({"b":1})"));
  f.add(identify("anon", "me", R"(,"$set":{"c":1})"));
  const Seens seens = f.decide();
  ASSERT_EQ(seens.merges.size(), 1U);
  const auto& m = seens.merges[0];
  EXPECT_EQ(fields_of(m.source)["a"], R"("anon")");
  EXPECT_EQ(fields_of(m.target)["a"], R"("me")");
  EXPECT_EQ(fields_of(m.target)["b"], "1") << "what came before it in the same cycle is in";
  EXPECT_FALSE(fields_of(m.target).contains("c"));
  EXPECT_EQ(m.result, persons::person_uuid({1}, "me"));
  EXPECT_EQ(m.moved, std::vector<std::string>{"anon"});
  EXPECT_EQ(m.place, 1U);
  EXPECT_EQ(f.persons().merges({1}, m.result)->records.size(), 1U);
  EXPECT_EQ(f.persons().merges({1}, persons::person_uuid({1}, "anon"))->records.size(), 1U);
}

TEST(MergeRecord, IsMadeWhereverAnIdComesToAPerson) {
  Fixture f;
  Seens seens = f.run(identify("x", "y"));
  ASSERT_EQ(seens.merges.size(), 1U);
  EXPECT_EQ(seens.merges[0].source + seens.merges[0].target, "");
  EXPECT_EQ(seens.merges[0].moved, std::vector<std::string>{"x"});
  seens = f.run(identify("z", "y"));
  EXPECT_EQ(seens.merges.at(0).moved, std::vector<std::string>{"z"});
  EXPECT_EQ(seens.merges.at(0).source, "");
  EXPECT_NE(seens.merges.at(0).target, "");
  f.run(seen("anon"));
  seens = f.run(identify("anon", "new"));
  EXPECT_EQ(seens.merges.at(0).moved, std::vector<std::string>{"new"});
  EXPECT_NE(seens.merges.at(0).source, "");
  EXPECT_TRUE(f.run(identify("anon", "new")).merges.empty()) << "they are one already";
  EXPECT_TRUE(f.run(identify("y", "new")).merges.empty()) << "refused";
}

TEST(MergeGuard, IdentifiedIntoIdentified) {
  for (const bool refuse : {false, true}) {
    Fixture f;
    if (refuse) settings(f, R"({"identified_into_identified":"refuse"})");
    f.run(identify("a", "one"));
    f.run(identify("b", "two"));
    const Seens seens = f.run(dangerous("one", "two"));
    EXPECT_EQ(seens.merges.size(), refuse ? 0U : 1U);
    EXPECT_EQ(warned(seens), std::vector<std::string>{refuse ? "cannot_merge_already_identified"
                                                             : "merge_of_identified_persons"});
  }
}

TEST(MergeGuard, SharedDevice) {
  for (const bool refuse : {false, true}) {
    Fixture f;
    if (refuse) settings(f, R"({"shared_device":"refuse"})");
    EXPECT_TRUE(f.run(identify("device", "one", R"(,"$device_id":"device")")).warnings.empty());
    EXPECT_TRUE(f.run(identify("anon0", "one", R"(,"$device_id":"device")")).warnings.empty());
    // Somebody else logs in at the same device.
    const Seens seens = f.run(identify("anon2", "two", R"(,"$device_id":"device")"));
    EXPECT_EQ(warned(seens), std::vector<std::string>{refuse ? "merge_refused_shared_device"
                                                             : "merge_shared_device"});
    EXPECT_EQ(fields_of(seens.warnings[0].second)["deviceId"], R"("device")");
    EXPECT_EQ(seens.merges.size(), refuse ? 0U : 1U);
    EXPECT_EQ(seens.outcomes[0].person_id, persons::person_uuid({1}, "two"));
  }
}

TEST(MergeGuard, TooManyIds) {
  for (const bool refuse : {false, true}) {
    Fixture f;
    settings(f, refuse ? R"({"too_many_ids":"refuse","ids_max":3})" : R"({"ids_max":3})");
    f.run(identify("a1", "a"));
    f.run(identify("a2", "a"));
    f.run(identify("a3", "a"));
    f.run(seen("b"));
    const Seens seens = f.run(dangerous("a", "b"));
    EXPECT_EQ(seens.merges.size(), refuse ? 0U : 1U);
    const std::string expected = refuse ? "merge_move_limit_exceeded" : "merge_moved_many_ids";
    EXPECT_EQ(warned(seens).back(), expected);
    EXPECT_EQ(f.persons().distinct_ids({1}, persons::person_uuid({1}, "b"), 9)->size(),
              refuse ? 1U : 5U);
  }
}

TEST(MergeStorm, ALongListOfIdsCostsNoMoreThanAShortOne) {
  // Goal: adding the 100,000th id costs what the first did. Method: the time of a round of 2,000
  // merges into one person, early and late; a quarter of the ids have persons of their own.
  Fixture f;
  constexpr int kRounds = 50, kPerRound = 2000;
  f.run(seen("storm"));
  std::vector<int64_t> took;
  int n = 0;
  for (int round = 0; round < kRounds; round++) {
    for (int i = 0; i < kPerRound / 4; i++) f.add(seen("anon" + std::to_string(n + i)));
    f.decide();
    for (int i = 0; i < kPerRound; i++, n++) f.add(identify("anon" + std::to_string(n), "storm"));
    const auto began = std::chrono::steady_clock::now();
    const Seens seens = f.decide();
    took.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
                       std::chrono::steady_clock::now() - began)
                       .count());
    ASSERT_EQ(seens.merges.size(), static_cast<size_t>(kPerRound));
  }
  const Uuid storm = persons::person_uuid({1}, "storm");
  EXPECT_EQ(f.persons().distinct_ids({1}, storm, 200'000)->size(), 100'001U);
  EXPECT_EQ(f.persons().merges({1}, storm)->records.size(), persons::kMergesKeptMax);
  EXPECT_EQ(f.persons().merges({1}, storm)->forgotten, 100'000 - persons::kMergesKeptMax);
  const auto early = *std::ranges::min_element(took.begin(), took.begin() + 10);
  const auto late = *std::ranges::min_element(took.end() - 10, took.end());
  RecordProperty("early_us", static_cast<int>(early));
  RecordProperty("late_us", static_cast<int>(late));
  EXPECT_LT(late, early * 4) << "the cost must not grow with the number of ids";
}

TEST(MergeStorm, ACycleEndsBeforeItsRecordsAreTooLarge) {
  Fixture f({}, {.output_bytes_max = 1U << 20});
  f.run(seen("big", R"({"x":")" + std::string(200'000, 'x') + "\"}"));
  for (int i = 0; i < 20; i++) f.add(identify("anon" + std::to_string(i), "big"));
  const Seens seens = f.decide(false);
  EXPECT_GE(seens.merges.size(), 1U);
  EXPECT_LE(seens.merges.size(), 4U);
}

}  // namespace
}  // namespace penstock::ingest
