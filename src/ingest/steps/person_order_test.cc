// What a person becomes does not depend on batch edges, nor on how events of several distinct ids
// lie between each other (docs/decisions/0008-convergence.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;
using Fields = std::map<std::string, std::string>;

constexpr int64_t kT0 = 1'785'585'600'000;

EventSpec at(int64_t seconds, const std::string& distinct_id, const std::string& properties,
             uint64_t uuid) {
  return {.data = R"({"properties":{)" + properties + "}}",
          .distinct_id = distinct_id,
          .timestamp_ms = kT0 + seconds * 1000,
          .now_ms = kT0 + 3'600'000,
          .uuid = uuid};
}
EventSpec identify(int64_t seconds, const std::string& anon, const std::string& id,
                   const std::string& more, uint64_t uuid) {
  EventSpec spec = at(seconds, id, R"("$anon_distinct_id":")" + anon + "\"" + more, uuid);
  spec.event = "$identify";
  return spec;
}

struct Final {
  Fields properties;
  int64_t created_at_ms = 0;
  bool is_identified = false;
  std::vector<std::string> ids;
  bool operator==(const Final&) const = default;
};

/// The person of a distinct id after these events, each a batch of its own or all of them one.
Final run(const std::vector<EventSpec>& events, const std::string& distinct_id, bool one_batch) {
  Fixture f;
  for (const EventSpec& event : events) {
    f.add(event);
    if (!one_batch) f.decide();
  }
  if (one_batch) f.decide();
  const auto found = f.persons().fetch({{{1}, distinct_id}});
  if (!found || !(*found)[0]) return {};
  const persons::Person& p = *(*found)[0];
  return {fields_of(p.properties), p.created_at_ms, p.is_identified,
          f.persons().distinct_ids({1}, p.id, 100).value_or(std::vector<std::string>{})};
}

/// Every order of two histories of one distinct id each must end in the same person.
void expect_same_in_any_order(const std::vector<EventSpec>& a, const std::vector<EventSpec>& b,
                              const std::string& distinct_id) {
  std::vector<EventSpec> in_order;
  std::merge(
      a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(in_order),
      [](const EventSpec& x, const EventSpec& y) { return x.timestamp_ms < y.timestamp_ms; });
  const Final expected = run(in_order, distinct_id, false);
  ASSERT_FALSE(expected.properties.empty());
  std::vector<bool> from_b(a.size(), false);
  from_b.resize(a.size() + b.size(), true);
  do {
    std::vector<EventSpec> events;
    std::string order;
    size_t next_a = 0, next_b = 0;
    for (const bool pick_b : from_b) {
      events.push_back(pick_b ? b[next_b++] : a[next_a++]);
      order += pick_b ? 'b' : 'a';
    }
    for (const bool one_batch : {false, true}) {
      const Final got = run(events, distinct_id, one_batch);
      EXPECT_EQ(got.properties, expected.properties) << order;
      EXPECT_EQ(got.created_at_ms, expected.created_at_ms) << order;
      EXPECT_EQ(got.ids, expected.ids) << order;
      EXPECT_TRUE(got.is_identified) << order;
    }
  } while (std::next_permutation(from_b.begin(), from_b.end()));
}

TEST(PersonOrder, SuppressedChangesDoNotRideAlongWithOthersOfTheBatch) {
  const std::vector<EventSpec> events{at(1, "me", R"("$current_url":"/a")", 1),
                                      at(2, "me", R"("$current_url":"/b")", 2),
                                      at(3, "me", R"("$set":{"plan":"x"})", 3)};
  const Final one = run(events, "me", true), many = run(events, "me", false);
  EXPECT_EQ(one.properties.at("$current_url"), R"("/a")");
  EXPECT_EQ(one, many);
}

TEST(PersonOrder, AnonymousEventsMayArriveAfterTheLogin) {
  expect_same_in_any_order(
      {at(1, "anon", R"("$current_url":"/first","utm_source":"ad")", 1),
       at(2, "anon", R"("utm_term":"late","$set_once":{"seen":"anon"})", 2)},
      {identify(5, "anon", "me",
                R"(,"$current_url":"/login","utm_source":"mail","utm_term":"z",)"
                R"("$set":{"email":"x"},"$set_once":{"seen":"me"})",
                3),
       at(6, "me", R"("gclid":"g")", 4)},
      "me");
}

TEST(PersonOrder, TheTargetOfAMergeKeepsWhatItHad) {
  const std::vector<EventSpec> anon{at(1, "anon", R"("$set_once":{"k":"anon","only":1})", 1),
                                    at(4, "anon", R"("$set_once":{"k":"anon2"})", 2)};
  const std::vector<EventSpec> me{at(3, "me", R"("$set_once":{"k":"me"})", 3),
                                  identify(5, "anon", "me", "", 4)};
  std::vector<EventSpec> in_order{anon[0], me[0], anon[1], me[1]};
  EXPECT_EQ(run(in_order, "me", false).properties.at("k"), R"("me")");
  EXPECT_EQ(run(in_order, "me", false).created_at_ms, kT0 + 1000);
  expect_same_in_any_order(anon, me, "me");
}

TEST(PersonOrder, WhatCameWithAMergeIsOlderThanTheMergingEvent) {
  const std::vector<EventSpec> anon{at(1, "anon", R"("$referrer":"ad")", 1)};
  const std::vector<EventSpec> me{at(3, "me", "", 2),
                                  identify(5, "anon", "me", R"(,"$referrer":"login")", 3)};
  const Final got = run({anon[0], me[0], me[1]}, "me", false);
  EXPECT_EQ(got.properties.at("$initial_referrer"), R"("ad")");
  expect_same_in_any_order(anon, {me[0], identify(5, "anon", "me", R"(,"$set_once":{"k":"l"})", 3)},
                           "me");
}

TEST(PersonOrder, EventsAfterTheMergeFollowTheirTimes) {
  expect_same_in_any_order(
      {at(1, "anon", "", 1), at(7, "anon", R"("$set_once":{"k":7})", 2),
       at(8, "anon", R"("$set_once":{"j":8})", 3)},
      {identify(5, "anon", "me", "", 4), at(6, "me", R"("$set_once":{"j":6})", 5),
       at(9, "me", R"("$set_once":{"k":9,"l":9})", 6)},
      "anon");
}

TEST(PersonOrder, AnEarlierBeginningIsWrittenWithItsEvent) {
  Fixture f;
  f.run(identify(5, "anon", "me", "", 1));
  // It changes nothing else, and its partition is the only one of its cycle.
  EventSpec early = at(1, "anon", "", 2);
  early.event = "$exception";
  early.partition = 2;
  const auto seen = f.run(early);
  ASSERT_EQ(seen.persons.size(), 1U);
  EXPECT_EQ(seen.persons[0].created_at_ms, kT0 + 1000);
}

TEST(PersonOrder, OneDistinctIdAloneFollowsTheOrderOfArrival) {
  const Final got = run({at(9, "me", R"("$set_once":{"k":"first"})", 1),
                         at(3, "me", R"("$set_once":{"k":"second"})", 2)},
                        "me", false);
  EXPECT_EQ(got.properties.at("k"), R"("first")");
  EXPECT_EQ(got.created_at_ms, kT0 + 9000);
}

TEST(PersonOrder, SetIsNeverReplacedBySetOnce) {
  const Final got = run({identify(5, "anon", "me", R"(,"$set":{"k":"set"})", 1),
                         at(1, "anon", R"("$set_once":{"k":"once"})", 2)},
                        "me", false);
  EXPECT_EQ(got.properties.at("k"), R"("set")");
}

}  // namespace
}  // namespace penstock::ingest
