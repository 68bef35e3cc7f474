// Persons of events: creation, updates, write suppression, merges (contract sections 3 to 5).
#include <gtest/gtest.h>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;
using testing::Seens;
using Fields = std::map<std::string, std::string>;

std::string set(const std::string& object) { return R"({"properties":{"$set":)" + object + "}}"; }

persons::Person person_of(Fixture& f, const std::string& distinct_id) {
  const auto found = f.persons().fetch({{{1}, distinct_id}});
  EXPECT_TRUE(found.has_value());
  EXPECT_TRUE((*found)[0].has_value()) << distinct_id;
  return (*found)[0].value_or(persons::Person{});
}

TEST(Person, IsCreatedWithItsDeterministicId) {
  Fixture f;
  const Seens seen =
      f.run({.data = R"({"properties":{"$set":{"a":1},"$set_once":{"a":2,"b":3}}})", .uuid = 5});
  const Uuid id = persons::person_uuid({1}, "u1");
  ASSERT_EQ(seen.persons.size(), 1U);
  EXPECT_EQ(seen.persons[0].id, id);
  EXPECT_EQ(seen.persons[0].version, 0U);
  EXPECT_EQ(seen.persons[0].created_at_ms, 1'785'585'600'000);
  EXPECT_FALSE(seen.persons[0].is_identified);
  const Fields expected{
      {"a", "1"}, {"b", "3"}, {"$creator_event_uuid", "\"" + f.uuid_of(5).text() + "\""}};
  EXPECT_EQ(fields_of(seen.persons[0].properties), expected);
  EXPECT_EQ(fields_of(seen.outcomes[0].person_properties), expected);
  ASSERT_EQ(seen.mappings.size(), 1U);
  EXPECT_EQ(seen.mappings[0].distinct_id, "u1");
  EXPECT_EQ(seen.mappings[0].version, 0);
  EXPECT_EQ(seen.outcomes[0].person_id, id);
  EXPECT_EQ(person_of(f, "u1").last_seen_at_ms, 1'785'585'600'000);
}

TEST(Person, IdIsThePersonNamespacesUuid5) {
  // From another implementation of RFC 4122.
  EXPECT_EQ(persons::person_uuid({2}, "test").text(), "00ce873a-549c-548e-bbec-cc804a385dd8");
}

TEST(Person, UpdatesFollowSetOnceSetUnset) {
  Fixture f;
  f.run({.data = set(R"({"a":1,"b":1,"c":1})")});
  const Seens seen = f.run({.data = R"({"properties":{"$set":{"a":2,"b":1},
      "$set_once":{"c":9,"d":4},"$unset":["b"]}})"});
  ASSERT_EQ(seen.persons.size(), 1U);
  EXPECT_EQ(seen.persons[0].version, 1U);
  Fields stored = fields_of(seen.persons[0].properties);
  stored.erase("$creator_event_uuid");
  EXPECT_EQ(stored, (Fields{{"a", "2"}, {"c", "1"}, {"d", "4"}}));
  Fields shown = fields_of(seen.outcomes[0].person_properties);
  EXPECT_EQ(shown["b"], "1");  // the event's own $set lies over the person
  EXPECT_EQ(shown["a"], "2");
}

TEST(Person, UnsetTakesArraysAndObjects) {
  Fixture f;
  f.run({.data = set(R"({"a":1,"b":1,"c":1})")});
  f.run({.data = R"({"properties":{"$unset":["a",5]}})"});
  f.run({.data = R"({"properties":{"$unset":{"b":""}}})"});
  Fields stored = fields_of(person_of(f, "u1").properties);
  stored.erase("$creator_event_uuid");
  EXPECT_EQ(stored, (Fields{{"c", "1"}}));
}

TEST(Person, NothingChangedNothingWritten) {
  Fixture f;
  f.run({.data = set(R"({"a":1})")});
  const Seens seen = f.run({.data = set(R"({"a":1})")});
  EXPECT_TRUE(seen.persons.empty());
  EXPECT_TRUE(seen.mappings.empty());
}

TEST(Person, ChangesOfOnlyFilteredKeysAreShownButNotWritten) {
  Fixture f;
  f.run({.data = R"({"properties":{"$current_url":"/a"}})"});
  Seens seen = f.run({.data = R"({"properties":{"$current_url":"/b"}})"});
  EXPECT_TRUE(seen.persons.empty());
  EXPECT_EQ(fields_of(seen.outcomes[0].person_properties)["$current_url"], R"("/b")");
  EXPECT_EQ(fields_of(person_of(f, "u1").properties)["$current_url"], R"("/a")");
  // With an unfiltered change beside it, or in a person event, it is written.
  seen = f.run({.data = R"({"properties":{"$current_url":"/c","$set":{"plan":"x"}}})"});
  EXPECT_EQ(fields_of(seen.persons.at(0).properties)["$current_url"], R"("/c")");
  seen = f.run({.data = R"({"properties":{"$current_url":"/d"}})", .event = "$set"});
  EXPECT_EQ(fields_of(seen.persons.at(0).properties)["$current_url"], R"("/d")");
}

TEST(Person, ExceptionsNeverUpdate) {
  Fixture f;
  f.run({.data = set(R"({"a":1})")});
  const Seens seen = f.run({.data = set(R"({"a":2})"), .event = "$exception"});
  EXPECT_TRUE(seen.persons.empty());
  EXPECT_EQ(fields_of(seen.outcomes[0].person_properties)["a"], "2");
  EXPECT_EQ(fields_of(person_of(f, "u1").properties)["a"], "1");
}

TEST(Person, AnExceptionThatMakesThePersonGivesItWhatItSets) {
  // Section 5: who is not found is created with what the event sets; only updates are never made.
  Fixture f;
  f.run({.data = set(R"({"a":1})"), .event = "$exception"});
  EXPECT_EQ(fields_of(person_of(f, "u1").properties)["a"], "1");
  EXPECT_TRUE(f.run({.data = set(R"({"b":2})"), .event = "$exception"}).persons.empty());
}

TEST(Person, ManyChangesOfABatchAreOne) {
  Fixture f;
  for (int i = 0; i < 5; i++) {
    f.add({.data = set(R"({"n":)" + std::to_string(i) + "}"), .partition = i % 2});
  }
  const Seens seen = f.decide();
  ASSERT_EQ(seen.persons.size(), 1U);
  EXPECT_EQ(seen.persons[0].version, 0U);
  EXPECT_EQ(seen.mappings.size(), 1U);
  for (const auto& o : seen.outcomes) EXPECT_EQ(o.person_id, seen.persons[0].id);
}

TEST(Person, TooLargeIsRefusedWithAWarning) {
  Fixture f;
  f.run({.data = set(R"({"a":1})")});
  const Seens seen = f.run({.data = set(R"({"big":")" + std::string(700'000, 'x') + "\"}")});
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
  EXPECT_TRUE(seen.persons.empty());
  ASSERT_EQ(seen.warnings.size(), 1U);
  EXPECT_EQ(seen.warnings[0].first, "person_properties_size_violation");
}

TEST(Person, OneThatIsTooLargeIsTrimmed) {
  Fixture f;
  // Merges may take a person over the limit: each half alone is within it.
  const std::string half(400'000, 'x');
  f.run(
      {.data = set(R"({"z_big":")" + half + R"(","email":"e","a_small":1})"), .distinct_id = "a"});
  f.run({.data = set(R"({"m_big":")" + half + R"("})"), .distinct_id = "b"});
  f.run({.data = R"({"properties":{"$anon_distinct_id":"a"}})",
         .distinct_id = "b",
         .event = "$identify"});
  f.run({.data = set(R"({"more":1})"), .distinct_id = "b"});
  Fields stored = fields_of(person_of(f, "b").properties);
  EXPECT_EQ(stored["email"], R"("e")");
  EXPECT_FALSE(stored.contains("a_small")) << "in the order of keys, until it fits";
  EXPECT_FALSE(stored.contains("m_big"));
  EXPECT_TRUE(stored.contains("z_big"));
  EXPECT_FALSE(stored.contains("more")) << "what the event brings is not taken";
}

TEST(Personless, AnExistingPersonIsShownWithoutProperties) {
  Fixture f;
  f.run({.data = set(R"({"a":1})")});
  const std::string data = R"({"properties":{"$process_person_profile":false}})";
  Seens seen = f.run({.data = data});
  EXPECT_EQ(seen.outcomes[0].mode, event::PersonMode::kPropertyless);
  EXPECT_EQ(seen.outcomes[0].person_properties, "{}");
  EXPECT_EQ(seen.outcomes[0].person_created_at_ms, 1'785'585'600'000);
  seen = f.run({.data = data, .timestamp_ms = 1'785'585'600'000 + 60'001});
  EXPECT_EQ(seen.outcomes[0].mode, event::PersonMode::kForceUpgrade);
}

EventSpec identify(const std::string& anon, const std::string& id, const std::string& extra = "") {
  return {.data = R"({"properties":{"$anon_distinct_id":")" + anon + "\"" + extra + "}}",
          .distinct_id = id,
          .event = "$identify"};
}

TEST(Merge, NeitherExists) {
  Fixture f;
  const Seens seen = f.run(identify("anon", "me", R"(,"$set":{"email":"x"})"));
  ASSERT_EQ(seen.persons.size(), 1U);
  EXPECT_EQ(seen.persons[0].id, persons::person_uuid({1}, "me"));
  EXPECT_TRUE(seen.persons[0].is_identified);
  EXPECT_EQ(fields_of(seen.persons[0].properties)["email"], R"("x")");
  EXPECT_TRUE(fields_of(seen.persons[0].properties).contains("$creator_event_uuid"));
  ASSERT_EQ(seen.mappings.size(), 2U);
  for (const auto& m : seen.mappings) EXPECT_EQ(m.version, m.distinct_id == "me" ? 0 : 1);
}

TEST(Merge, OneExists) {
  for (const bool anon_exists : {true, false}) {
    Fixture f;
    const std::string first = anon_exists ? "anon" : "me";
    f.run({.data = set(R"({"a":1})"), .distinct_id = first});
    const Seens seen = f.run(identify("anon", "me"));
    EXPECT_EQ(seen.outcomes[0].person_id, persons::person_uuid({1}, first));
    ASSERT_EQ(seen.persons.size(), 1U);
    EXPECT_TRUE(seen.persons[0].is_identified);
    ASSERT_EQ(seen.mappings.size(), 1U);
    EXPECT_EQ(seen.mappings[0].distinct_id, anon_exists ? "me" : "anon");
    EXPECT_EQ(seen.mappings[0].version, 1);
  }
}

TEST(Merge, BothExistAndBecomeOne) {
  Fixture f;
  f.run({.data = set(R"({"a":"anon","b":"anon"})"),
         .distinct_id = "anon",
         .timestamp_ms = 1'785'585'000'000});
  f.run({.data = set(R"({"a":"me"})"), .distinct_id = "me"});
  f.run({.data = set(R"({"v":2})"), .distinct_id = "me"});
  const Seens seen = f.run(identify("anon", "me", R"(,"$set":{"c":1})"));
  const Uuid me = persons::person_uuid({1}, "me"), anon = persons::person_uuid({1}, "anon");
  ASSERT_EQ(seen.persons.size(), 2U);
  for (const auto& p : seen.persons) {
    if (p.id == anon) {
      EXPECT_TRUE(p.is_deleted);
      EXPECT_EQ(p.version, 100U);
    } else {
      EXPECT_EQ(p.id, me);
      EXPECT_EQ(p.version, 2U);  // max(0, 1) + 1
      EXPECT_EQ(p.created_at_ms, 1'785'585'000'000);
      EXPECT_TRUE(p.is_identified);
      Fields properties = fields_of(p.properties);
      EXPECT_EQ(properties["a"], R"("me")");
      EXPECT_EQ(properties["b"], R"("anon")");
      EXPECT_EQ(properties["c"], "1");
    }
  }
  ASSERT_EQ(seen.mappings.size(), 1U);
  EXPECT_EQ(seen.mappings[0].distinct_id, "anon");
  EXPECT_EQ(seen.mappings[0].person_id, me);
  EXPECT_EQ(seen.mappings[0].version, 1);
  EXPECT_EQ(person_of(f, "anon").id, me);
  EXPECT_EQ(*f.persons().count({1}), 1U);
  EXPECT_FALSE(f.persons().get({1}, anon)->has_value());
  // Repeating the merge changes nothing.
  EXPECT_TRUE(f.run(identify("anon", "me")).persons.empty());
}

TEST(Merge, InOneBatchWithTheEventsBeforeIt) {
  Fixture f;
  f.add({.data = set(R"({"a":1})"), .distinct_id = "anon", .partition = 0});
  f.add({.data = set(R"({"b":1})"), .distinct_id = "me", .partition = 1});
  auto spec = identify("anon", "me");
  spec.partition = 1;
  f.add(spec);
  f.add({.distinct_id = "anon", .partition = 2});
  const Seens seen = f.decide();
  const Uuid me = persons::person_uuid({1}, "me");
  EXPECT_EQ(seen.outcomes.back().person_id, me);
  EXPECT_EQ(person_of(f, "anon").id, me);
  EXPECT_EQ(person_of(f, "me").id, me);
  for (const auto& m : seen.mappings) {
    // Version 1: an override for the events before it.
    EXPECT_EQ(m.version, m.distinct_id == "anon" ? 1 : 0);
  }
  EXPECT_EQ(*f.persons().count({1}), 1U);
}

TEST(Merge, ChainsMoveEveryId) {
  Fixture f;
  f.run(identify("a", "b"));
  f.run({.distinct_id = "x"});
  f.run({.data = R"({"properties":{"alias":"b"}})",
         .distinct_id = "x",
         .event = "$merge_dangerously"});
  for (const char* id : {"a", "b", "x"}) {
    EXPECT_EQ(person_of(f, id).id, persons::person_uuid({1}, "x")) << id;
  }
  const auto ids = f.persons().distinct_ids({1}, persons::person_uuid({1}, "x"), 10);
  EXPECT_EQ(ids->size(), 3U);
}

TEST(Merge, IdentifiedPersonsAreNotMerged) {
  Fixture f;
  f.run(identify("a", "b"));
  f.run({.distinct_id = "c"});
  const Seens seen = f.run(identify("b", "c"));
  ASSERT_EQ(seen.warnings.size(), 1U);
  EXPECT_EQ(seen.warnings[0].first, "cannot_merge_already_identified");
  EXPECT_EQ(seen.outcomes[0].person_id, persons::person_uuid({1}, "c"));
  EXPECT_TRUE(person_of(f, "c").is_identified) << "the target is identified all the same";
  EXPECT_NE(person_of(f, "b").id, person_of(f, "c").id);
}

TEST(Merge, RulesOfTheIds) {
  struct Row {
    const char* name;
    EventSpec spec;
    event::OutcomeKind kind;
    const char* warning;
    bool identified;
  };
  using event::OutcomeKind;
  const std::vector<Row> rows{
      {"equal ids", identify("me", "me"), OutcomeKind::kAccepted, "", false},
      {"illegal source", identify("null", "me"), OutcomeKind::kAccepted,
       "cannot_merge_with_illegal_distinct_id", false},
      {"illegal target", identify("a", "undefined"), OutcomeKind::kAccepted,
       "cannot_merge_with_illegal_distinct_id", false},
      {"no anonymous id",
       {.distinct_id = "me", .event = "$identify"},
       OutcomeKind::kAccepted,
       "",
       false},
      {"null anonymous id",
       {.data = R"({"properties":{"$anon_distinct_id":null}})",
        .distinct_id = "me",
        .event = "$identify"},
       OutcomeKind::kAccepted,
       "cannot_merge_with_illegal_distinct_id",
       false},
      {"number",
       {.data = R"({"properties":{"$anon_distinct_id":5}})",
        .distinct_id = "me",
        .event = "$identify"},
       OutcomeKind::kDropped,
       "invalid_anon_distinct_id",
       false},
      {"alias of wrong type",
       {.data = R"({"properties":{"alias":{}}})", .distinct_id = "me", .event = "$create_alias"},
       OutcomeKind::kDropped,
       "invalid_alias",
       false},
      {"empty alias",
       {.data = R"({"properties":{"alias":""}})", .distinct_id = "me", .event = "$create_alias"},
       OutcomeKind::kAccepted,
       "",
       false},
      {"alias",
       {.data = R"({"properties":{"alias":"other"}})",
        .distinct_id = "me",
        .event = "$create_alias"},
       OutcomeKind::kAccepted,
       "",
       true},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Fixture f;
    const Seens seen = f.run(row.spec);
    EXPECT_EQ(seen.outcomes.at(0).kind, row.kind);
    EXPECT_EQ(seen.warnings.empty() ? "" : seen.warnings[0].first, row.warning);
    if (row.kind == OutcomeKind::kAccepted) {
      EXPECT_EQ(person_of(f, row.spec.distinct_id).is_identified, row.identified);
    }
  }
}

}  // namespace
}  // namespace penstock::ingest
