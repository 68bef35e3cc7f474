// Merges by the thousand and by the wrong: what is told of them, and what the others notice.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.h"
#include "ingest/testing/fixture.h"
#include "ingest/testing/world.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::Fixture;
using testing::Seens;
using testing::World;

EventSpec event(std::string name, std::string id, const std::string& properties) {
  return {.data = R"({"properties":)" + properties + "}",
          .distinct_id = std::move(id),
          .event = std::move(name)};
}

size_t warnings_of(const Seens& seen, std::string_view type) {
  return static_cast<size_t>(
      std::ranges::count_if(seen.warnings, [&](const auto& w) { return w.first == type; }));
}

TEST(BadMerges, EachIllegalIdIsToldEveryTimeFromEitherSide) {
  const std::string too_long(401, 'x');
  constexpr std::string_view kType = "cannot_merge_with_illegal_distinct_id";
  Fixture f;
  for (const std::string& bad :
       {std::string("anonymous"), std::string("null"), std::string("  "),
        std::string("'undefined'"), std::string("[object Object]"), std::string("0"), too_long}) {
    for (int again = 0; again < 2; again++) {
      const Seens source =
          f.run(event("$identify", "me", R"({"$anon_distinct_id":")" + bad + "\"}"));
      EXPECT_EQ(source.outcomes.at(0).kind, event::OutcomeKind::kAccepted) << bad;
      EXPECT_EQ(warnings_of(source, kType), 1U) << bad;
      EXPECT_TRUE(source.merges.empty()) << bad;
    }
    if (bad == too_long) continue;  // no event has such an id
    const Seens target = f.run(event("$create_alias", bad, R"({"alias":"me"})"));
    EXPECT_EQ(target.outcomes.at(0).kind, event::OutcomeKind::kAccepted) << bad;
    EXPECT_EQ(warnings_of(target, kType), 1U) << bad;
    EXPECT_TRUE(target.merges.empty()) << bad;
  }
}

TEST(BadMerges, TooManyIdsAreToldAndTheEventStaysWithItsOwnPerson) {
  constexpr size_t kIds = 12'000, kBatch = 2000;
  Fixture f;
  for (size_t i = 0; i < kIds; i++) {
    f.add(event("$create_alias", "hub", fmt::format(R"({{"alias":"id{}"}})", i)));
    if (i % kBatch == kBatch - 1) f.decide();
  }
  f.run(event("seen", "other", "{}"));
  const Seens refused = f.run(event("$merge_dangerously", "other", R"({"alias":"hub"})"));
  EXPECT_EQ(refused.outcomes.at(0).kind, event::OutcomeKind::kAccepted);
  EXPECT_EQ(warnings_of(refused, "merge_move_limit_exceeded"), 1U);
  EXPECT_TRUE(refused.mappings.empty());
  EXPECT_EQ(*f.persons().count({1}), 2U);
}

TEST(BadMerges, AnIdThatIsTooLargeAgainAndAgainIsToldOnce) {
  Fixture f;
  f.run(event("seen", "me", R"({"$set":{"email":"x"}})"));
  const std::string properties = R"({"$set":{"big":")" + std::string(700'000, 'x') + "\"}}";
  size_t told = 0;
  for (int i = 0; i < 20; i++) {
    const Seens seen = f.run(event("seen", "me", properties));
    EXPECT_EQ(seen.outcomes.at(0).kind, event::OutcomeKind::kAccepted);
    EXPECT_TRUE(seen.persons.empty());
    told += warnings_of(seen, "person_properties_size_violation");
  }
  EXPECT_EQ(told, 1U) << "at most once an hour";
}

// A person who gets ids without end delays others by what is read ahead, never by all of it.
TEST(BadMerges, AStormIntoOnePersonLeavesTheOthersTheirShare) {
  constexpr size_t kStorm = 9000, kOthers = 50;
  IngestOptions options;
  options.events_per_cycle_max = 200;
  World world(1, options);
  uint64_t sent = 0;
  const auto make = [&](std::string id, std::string name) {
    testing::Sent s;
    sent++;
    for (size_t i = 0; i < 8; i++) s.uuid.bytes[15 - i] = static_cast<uint8_t>(sent >> (8 * i));
    s.uuid.bytes[0] = 1;
    s.distinct_id = std::move(id);
    s.event = std::move(name);
    s.token = "phc_one";
    return s;
  };
  const auto partition = [](const std::string& id) {
    return partition_of("phc_one:" + id, World::kPartitions);
  };
  const int32_t of_storm = partition("hub");
  for (size_t i = 0; i < kStorm; i++) {
    world.send({make("hub", "$create_alias")},
               fmt::format(R"({{"properties":{{"alias":"id{}"}}}})", i), false);
  }
  std::vector<testing::Sent> others;
  for (size_t i = 0; others.size() < kOthers; i++) {
    const std::string id = fmt::format("calm{}", i);
    if (partition(id) != of_storm) others.push_back(make(id, "seen"));
  }
  world.send(others, R"({"properties":{}})", false);
  world.run_ms(10);
  world.start();
  const auto decided = [&](bool storm) {
    int64_t n = 0;
    const auto bounds = world.log().bounds(std::string(event::kTopicProcessed));
    for (const auto& b : *bounds) {
      if ((b.partition.value == of_storm) == storm) n += b.end.value;
    }
    return n;
  };
  const auto end = world.runtime().run_until(
      [&] { return decided(false) >= static_cast<int64_t>(kOthers); }, std::chrono::minutes(10));
  ASSERT_EQ(end, runtime::SimEnd::kDone);
  EXPECT_LT(decided(true), static_cast<int64_t>(kStorm) / 3);
  world.settle();
  const auto hub = world.persons().fetch({{{1}, "hub"}});
  ASSERT_TRUE(hub.has_value() && (*hub)[0].has_value());
  EXPECT_EQ(world.persons().distinct_ids({1}, (*hub)[0]->id, 2 * kStorm)->size(), kStorm + 1);
  world.stop();
}

}  // namespace
}  // namespace penstock::ingest
