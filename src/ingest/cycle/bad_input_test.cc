// Clients that mean no good or do not know better: illegal ids, cycles of aliases, storms of
// merges, one id that never stops, properties without end. Counted, warned, bounded, and the others
// go on.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.h"
#include "ingest/testing/fixture.h"
#include "ingest/testing/world.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;
using testing::Seens;
using testing::World;

EventSpec event(std::string name, std::string id, const std::string& properties) {
  return {.data = R"({"properties":)" + properties + "}",
          .distinct_id = std::move(id),
          .event = std::move(name)};
}
EventSpec alias(std::string into, const std::string& other, std::string name = "$create_alias") {
  return event(std::move(name), std::move(into), R"({"alias":")" + other + "\"}");
}

std::vector<std::string> ids_of(Fixture& f, const std::string& id, size_t ids_max) {
  const auto found = f.persons().fetch({{{1}, id}});
  if (!found || !(*found)[0]) return {};
  return f.persons()
      .distinct_ids({1}, (*found)[0]->id, ids_max)
      .value_or(std::vector<std::string>{});
}

size_t warnings_of(const Seens& seen, std::string_view type) {
  return static_cast<size_t>(
      std::ranges::count_if(seen.warnings, [&](const auto& w) { return w.first == type; }));
}

TEST(BadInput, IdsThatMayNotBeMergedStayAlone) {
  const std::string long_id(401, 'x'), longest(400, 'y');
  Fixture f;
  for (const std::string& bad :
       {std::string("anonymous"), std::string("NULL"), std::string("null"), std::string("  "),
        std::string("'undefined'"), std::string("[object Object]"), long_id}) {
    const Seens seen = f.run(event("$identify", "me", R"({"$anon_distinct_id":")" + bad + "\"}"));
    ASSERT_EQ(seen.outcomes.size(), 1U);
    EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted) << bad;
  }
  // "NULL" is an id like any other: the list has "null" in small letters only.
  EXPECT_EQ(ids_of(f, "me", 100), (std::vector<std::string>{"NULL", "me"}));
  f.run(event("$identify", "me", R"({"$anon_distinct_id":")" + longest + "\"}"));
  EXPECT_EQ(ids_of(f, "me", 100).size(), 3U);
  const Seens seen = f.run(event("seen", long_id, "{}"));
  EXPECT_EQ(seen.outcomes[0].reason, "invalid_distinct_id");
}

TEST(BadInput, CyclesOfAliasesEndAsOnePerson) {
  for (const bool known : {false, true}) {
    Fixture f;
    if (known) {
      for (const char* id : {"a", "b", "c"}) f.run(event("seen", id, "{}"));
    }
    for (int round = 0; round < 3; round++) {
      f.add(alias("a", "b", "$merge_dangerously"));
      f.add(alias("b", "c", "$merge_dangerously"));
      f.add(alias("c", "a", "$merge_dangerously"));
      f.add(alias("a", "a", "$merge_dangerously"));
      f.decide();
    }
    EXPECT_EQ(ids_of(f, "b", 100), (std::vector<std::string>{"a", "b", "c"}));
    EXPECT_EQ(*f.persons().count({1}), 1U);
  }
}

TEST(BadInput, AHundredThousandIdsOfOnePerson) {
  constexpr size_t kIds = 100'000, kBatch = 2000;
  Fixture f;
  for (size_t i = 0; i < kIds; i++) {
    f.add(alias("hub", fmt::format("id{}", i)));
    if (i % kBatch != kBatch - 1) continue;
    const Seens seen = f.decide();
    ASSERT_EQ(seen.outcomes.size(), kBatch);
    // Whatever the storm's size, a cycle writes what it added and the person once.
    ASSERT_LE(seen.mappings.size(), kBatch + 1);
    ASSERT_LE(seen.persons.size(), 1U);
  }
  EXPECT_EQ(ids_of(f, "hub", kIds * 2).size(), kIds + 1);

  // So many ids are not moved at once: the event stays with its own person, with a warning.
  const Seens seen = f.run(alias("other", "hub", "$merge_dangerously"));
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
  f.run(event("seen", "other", "{}"));
  const Seens moved = f.run(alias("other", "hub", "$merge_dangerously"));
  EXPECT_LE(moved.mappings.size(), 1U);
}

TEST(BadInput, PersonsMergedByTheThousandIntoOne) {
  Fixture f;
  constexpr size_t kIds = 4000;
  for (size_t i = 0; i < kIds; i++) f.add(event("seen", fmt::format("id{}", i), "{}"));
  f.decide();
  for (size_t i = 0; i < kIds; i++) f.add(alias("hub", fmt::format("id{}", i)));
  const Seens seen = f.decide();
  EXPECT_EQ(seen.outcomes.size(), kIds);
  EXPECT_EQ(ids_of(f, "hub", 2 * kIds).size(), kIds + 1);
  EXPECT_EQ(*f.persons().count({1}), 1U);
}

TEST(BadInput, OneIdTenThousandTimesInABatchIsOneWrite) {
  Fixture f;
  constexpr size_t kEvents = 10'000;
  for (size_t i = 0; i < kEvents; i++) {
    f.add(event("seen", "busy", fmt::format(R"({{"$set":{{"n":{}}}}})", i)));
  }
  const Seens seen = f.decide();
  EXPECT_EQ(seen.outcomes.size(), kEvents);
  ASSERT_EQ(seen.persons.size(), 1U);
  EXPECT_EQ(fields_of(seen.persons[0].properties).at("n"), "9999");
  EXPECT_EQ(seen.mappings.size(), 1U);
}

TEST(BadInput, PropertiesWithoutEndAreRefusedAndWarned) {
  Fixture f;
  f.run(event("seen", "me", R"({"$set":{"email":"x"}})"));
  const std::string megabyte(1U << 20, 'x');
  const Seens big = f.run(event("seen", "me", R"({"$set":{"big":")" + megabyte + "\"}}"));
  EXPECT_EQ(big.outcomes[0].kind, event::OutcomeKind::kAccepted);
  EXPECT_EQ(warnings_of(big, "person_properties_size_violation"), 1U);

  for (int round = 0; round < 20; round++) {
    std::string set;
    for (int i = 0; i < 5000; i++)
      set += fmt::format(R"({}"key{}_{}":{})", i ? "," : "", round, i, i);
    const Seens seen = f.run(event("seen", "me", R"({"$set":{)" + set + "}}"));
    EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
  }
  const auto person = f.persons().fetch({{{1}, "me"}});
  ASSERT_TRUE(person && (*person)[0]);
  EXPECT_LE((*person)[0]->properties.size(), 655'360U);
  EXPECT_EQ(fields_of((*person)[0]->properties).at("email"), R"("x")");
}

// A key's backlog delays others by what is read ahead, never by its own length.
TEST(BadInput, AStormOfOneKeyLeavesTheOthersTheirShare) {
  constexpr size_t kStorm = 60'000, kOthers = 50;
  IngestOptions options;
  options.events_per_cycle_max = 200;
  World world(1, options);
  const auto sent = [](uint64_t n, std::string id) {
    testing::Sent s;
    for (size_t i = 0; i < 8; i++) s.uuid.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
    s.uuid.bytes[0] = 1;
    s.distinct_id = std::move(id);
    s.event = "seen";
    s.token = "phc_one";
    return s;
  };
  const auto partition = [](const std::string& id) {
    return partition_of("phc_one:" + id, World::kPartitions);
  };
  const int32_t storm_partition = partition("storm");
  const std::string data = R"({"properties":{"x":")" + std::string(1000, 'x') + "\"}}";
  for (size_t at = 0; at < kStorm; at += 2000) {
    std::vector<testing::Sent> storm;
    for (size_t i = 0; i < 2000; i++) storm.push_back(sent(at + i, "storm"));
    world.send(storm, data, false);
  }
  std::vector<testing::Sent> others;
  for (size_t i = 0; others.size() < kOthers; i++) {
    const std::string id = fmt::format("id{}", i);
    if (partition(id) != storm_partition) others.push_back(sent(kStorm + i, id));
  }
  world.send(others, data, false);
  world.run_ms(10);
  world.start();

  // Person changes and outcomes: both say that a partition was worked on.
  const auto decided = [&](bool of_storm) {
    int64_t n = 0;
    const auto bounds = world.log().bounds(std::string(event::kTopicProcessed));
    for (const auto& b : *bounds) {
      if ((b.partition.value == storm_partition) == of_storm) n += b.end.value;
    }
    return n;
  };
  const auto end = world.runtime().run_until(
      [&] { return decided(false) >= static_cast<int64_t>(kOthers); }, std::chrono::minutes(10));
  ASSERT_EQ(end, runtime::SimEnd::kDone);
  EXPECT_LT(decided(true), static_cast<int64_t>(kStorm) / 3);
}

TEST(BadInput, PersonsOfHalfAMegabyteFitIntoTheLogAllTogether) {
  // 60 persons of 600 KB in one cycle: 36 MB of rows and as much of changes.
  World world(1, {.bytes_per_cycle_max = 1U << 30});
  world.start();
  std::vector<testing::Sent> events;
  for (uint8_t i = 0; i < 60; i++) {
    testing::Sent e;
    e.token = "phc_one";
    e.uuid.bytes = {1, i};
    e.distinct_id = "big" + std::to_string(i);
    e.event = "seen";
    events.push_back(std::move(e));
  }
  const std::string properties = R"({"$set":{"x":")" + std::string(600'000, 'x') + "\"}}";
  for (size_t from = 0; from < events.size(); from += 10) {
    const auto at = events.begin() + static_cast<std::ptrdiff_t>(from);
    world.send({at, at + 10}, R"({"properties":)" + properties + "}");
  }
  world.settle();
  EXPECT_EQ(world.persons().count({1}).value_or(0), 60U);
  EXPECT_EQ(world.ledger().totals(std::nullopt)->accepted, 60U);
  world.stop();
}

}  // namespace
}  // namespace penstock::ingest
