// The model alone: examples from the contract, and that what is said to converge does so by its
// rules before any engine is asked.
#include <gtest/gtest.h>

#include "tests/convergence/picture.h"

namespace naive {
namespace {

Event event(const std::string& name, const std::string& id, const std::string& properties,
            int64_t at = 1'000'000) {
  static size_t number = 0;
  Event e;
  e.uuid = "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + number++);
  e.name = name;
  e.distinct_id = id;
  e.data = R"({"properties":)" + properties + "}";
  e.timestamp_ms = at;
  e.now_ms = at;
  return e;
}

// PostHog's documented example of the deterministic uuid is not at hand; this one was computed with
// another implementation of RFC 4122.
TEST(Model, PersonUuidIsNamed) {
  EXPECT_EQ(person_uuid(1, "a"), "84877a1c-03f2-5cfd-8633-cf112f0d565a");
  EXPECT_EQ(person_uuid(23, std::string(200, 'x')), "57084715-8cf2-5f83-9f96-bd7823ccb841");
}

TEST(Model, IdentifyJoinsTwoIds) {
  Model model({});
  model.apply(event("seen", "anon", R"({"$set":{"a":1},"$set_once":{"f":1}})", 5000));
  model.apply(event("seen", "user", R"({"$set":{"a":2},"$set_once":{"f":2}})", 9000));
  const Row row = model.apply(event("$identify", "user", R"({"$anon_distinct_id":"anon"})", 9500));
  ASSERT_EQ(model.persons().size(), 1U);
  const Person& person = model.persons().begin()->second;
  EXPECT_EQ(person.uuid, person_uuid(1, "user"));
  EXPECT_EQ(person.properties.at("a").value, 2);
  EXPECT_EQ(person.properties.at("f").value, 2);
  EXPECT_EQ(person.created_at_ms, 5000);
  EXPECT_TRUE(person.is_identified);
  EXPECT_EQ(model.mappings().at("anon").version, 1);
  EXPECT_EQ(row.person_properties["a"], 2);
}

TEST(Model, PeacefulHistoriesConverge) {
  for (uint64_t seed = 1; seed <= 500; seed++) {
    const History history = peaceful_history(seed, 1);
    const Json expected = joined(model_picture(history.project, history.events), history.events);
    Random random(seed);
    for (int i = 0; i < 4; i++) {
      const auto events = another_arrival(history.events, random);
      const Picture picture = model_picture(history.project, events);
      ASSERT_EQ(differences(expected, joined(picture, events)), "")
          << "seed " << seed << "\n"
          << describe(history.events) << "arrived as\n"
          << describe(events);
    }
  }
}

/// The same events, each at least `step` later than the one before it in the order of arrival.
std::vector<Event> rising(std::vector<Event> events, Random& random, int64_t step) {
  int64_t now = 1'785'585'600'000;
  for (Event& e : events) {
    now += step + static_cast<int64_t>(random() % 3 * (random() % 100'000));
    e.timestamp_ms = e.now_ms = now;
  }
  return events;
}

// Decision 0008 says so: with times that rise in the order of arrival nothing departs from PostHog.
TEST(Model, RisingTimesGiveWhatTheContractSays) {
  for (uint64_t seed = 1; seed <= 1500; seed++) {
    const History history = any_history(seed, 1);
    Random random(seed);
    const auto events = rising(history.events, random, seed % 2 == 0 ? 1 : 0);
    naive::Project alone = history.project;
    alone.contract_alone = true;
    ASSERT_EQ(differences(model_picture(alone, events), model_picture(history.project, events)), "")
        << "seed " << seed << "\n"
        << describe(events);
  }
}

TEST(Model, NoRowIsLost) {
  for (uint64_t seed = 1; seed <= 500; seed++) {
    const History history = any_history(seed, 1);
    const Picture picture = model_picture(history.project, history.events);
    ASSERT_EQ(strays(picture, history.events), "") << "seed " << seed << "\n"
                                                   << describe(history.events);
  }
}

}  // namespace
}  // namespace naive
