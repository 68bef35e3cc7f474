#include "ingest/steps/group_step.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;
using testing::Seens;

constexpr int64_t kNoon = 1'785'585'600'000;

EventSpec with_groups(const std::string& groups) {
  EventSpec spec;
  spec.data = R"({"properties":{"$groups":)" + groups + "}}";
  return spec;
}

EventSpec identify(const std::string& properties, int64_t timestamp_ms = kNoon) {
  EventSpec spec;
  spec.event = "$groupidentify";
  spec.data = R"({"properties":)" + properties + "}";
  spec.timestamp_ms = timestamp_ms;
  return spec;
}

EventSpec acme(const std::string& set, int64_t timestamp_ms = kNoon) {
  return identify(R"({"$group_type":"company","$group_key":"acme","$group_set":)" + set + "}",
                  timestamp_ms);
}

std::optional<persons::Group> stored(Fixture& f, uint8_t index, const std::string& key) {
  return (*f.persons().fetch_groups({{{1}, index, key}}))[0];
}

TEST(GroupStep, an_event_gets_its_groups_keys_by_index) {
  Fixture f;
  const auto first = f.run(with_groups(R"({"company":"acme","team":7})"));
  auto p = fields_of(first.outcomes[0].properties);
  EXPECT_EQ(p["$group_0"], R"("acme")");
  EXPECT_EQ(p["$group_1"], "7") << "kept as given";
  ASSERT_EQ(first.group_types.size(), 2U);
  EXPECT_EQ(first.group_types[0].name, "company");
  EXPECT_EQ(first.group_types[0].created_at_ms, kNoon);
  EXPECT_TRUE(first.groups.empty()) << "only $groupidentify makes groups";

  const auto second = f.run(with_groups(R"({"team":"red"})"));
  p = fields_of(second.outcomes[0].properties);
  EXPECT_EQ(p["$group_1"], R"("red")");
  EXPECT_FALSE(p.contains("$group_0"));
  EXPECT_TRUE(second.group_types.empty());
}

TEST(GroupStep, a_sixth_type_is_ignored_without_a_word) {
  Fixture f;
  const auto seen =
      f.run(with_groups(R"({"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6","a":"7"})"));
  const auto p = fields_of(seen.outcomes[0].properties);
  EXPECT_EQ(p.at("$group_4"), R"("5")");
  EXPECT_FALSE(p.contains("$group_5"));
  EXPECT_EQ(seen.group_types.size(), 5U);
  EXPECT_TRUE(seen.warnings.empty());
  const auto sixth = f.run(identify(R"({"$group_type":"g","$group_key":"k","$group_set":{}})"));
  EXPECT_TRUE(sixth.groups.empty());
  EXPECT_EQ(sixth.outcomes[0].kind, event::OutcomeKind::kAccepted);
}

TEST(GroupStep, only_a_plain_object_names_groups) {
  Fixture f;
  for (const char* groups : {R"(["company"])", R"("company")", "7", "null", "{}"}) {
    const auto seen = f.run(with_groups(groups));
    EXPECT_FALSE(fields_of(seen.outcomes[0].properties).contains("$group_0")) << groups;
    EXPECT_TRUE(seen.group_types.empty()) << groups;
  }
  EXPECT_TRUE(f.run(with_groups(R"({"":"x"})")).group_types.empty());
  EXPECT_TRUE(f.run(with_groups("{\"" + std::string(401, 't') + "\":1}")).group_types.empty());
}

TEST(GroupStep, an_event_without_person_processing_has_no_groups) {
  Fixture f;
  EventSpec spec;
  spec.data = R"({"properties":{"$process_person_profile":false,"$groups":{"company":"acme"},)"
              R"("$group_0":"x"}})";
  const auto seen = f.run(spec);
  const auto p = fields_of(seen.outcomes[0].properties);
  EXPECT_FALSE(p.contains("$group_0"));
  EXPECT_TRUE(p.contains("$groups"));
  EXPECT_TRUE(seen.group_types.empty());
}

TEST(GroupStep, groupidentify_writes_the_group_and_no_person_properties) {
  Fixture f;
  const auto seen = f.run(identify(
      R"({"$group_type":"company","$group_key":42,"$group_set":{"name":"Acme"},"$set":{"x":1}})"));
  ASSERT_EQ(seen.groups.size(), 1U);
  EXPECT_EQ(seen.groups[0].key, "42");
  EXPECT_EQ(seen.groups[0].properties, R"({"name":"Acme"})");
  EXPECT_EQ(seen.groups[0].version, 1U);
  EXPECT_EQ(seen.groups[0].created_at_ms, kNoon);
  EXPECT_FALSE(fields_of(seen.outcomes[0].properties).contains("$set"));
  EXPECT_FALSE(fields_of(seen.outcomes[0].person_properties).contains("x"));
}

TEST(GroupStep, properties_are_merged_and_what_says_nothing_new_is_not_written) {
  Fixture f;
  f.run(acme(R"({"a":{"x":1,"y":[1,2]},"b":1})"));
  EXPECT_TRUE(f.run(acme(R"({"a":{"y":[1.0,2],"x":1}})")).groups.empty()) << "deeply equal";
  EXPECT_TRUE(f.run(acme("{}")).groups.empty());
  const auto changed = f.run(acme(R"({"b":2,"c":null})", kNoon + 5));
  ASSERT_EQ(changed.groups.size(), 1U);
  EXPECT_EQ(changed.groups[0].version, 2U);
  auto p = fields_of(changed.groups[0].properties);
  EXPECT_EQ(p["b"], "2");
  EXPECT_EQ(p["c"], "null");
  EXPECT_TRUE(p.contains("a"));
  EXPECT_EQ(changed.groups[0].created_at_ms, kNoon) << "the earliest time stays";
  EXPECT_TRUE(f.run(acme("{}", kNoon - 5)).groups.empty()) << "a time alone says nothing";
  const auto earlier = f.run(acme(R"({"d":1})", kNoon - 5));
  ASSERT_EQ(earlier.groups.size(), 1U);
  EXPECT_EQ(earlier.groups[0].created_at_ms, kNoon - 5);
}

TEST(GroupStep, a_group_is_not_created_in_the_future) {
  Fixture f;
  const int64_t received = EventSpec{}.now_ms;
  EXPECT_EQ(f.run(acme("{}", kNoon + 3'600'000)).groups[0].created_at_ms, received);
}

TEST(GroupStep, an_invalid_group_set_is_a_warning_and_the_event_stays) {
  Fixture f;
  for (const char* set : {"[1]", R"("x")", "7", "false", "null"}) {
    auto spec = acme(set);
    spec.distinct_id = set;  // warnings are limited by sender
    const auto seen = f.run(spec);
    EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted) << set;
    ASSERT_EQ(seen.warnings.size(), 1U) << set;
    EXPECT_EQ(seen.warnings[0].first, "invalid_group_set");
    EXPECT_TRUE(seen.groups.empty()) << set;
  }
  const auto none = f.run(identify(R"({"$group_type":"company","$group_key":"acme"})"));
  EXPECT_EQ(none.groups.size(), 1U) << "none is an empty one";
}

TEST(GroupStep, a_group_needs_a_type_and_a_key) {
  Fixture f;
  for (const char* properties :
       {R"({"$group_type":"company"})", R"({"$group_key":"acme"})",
        R"({"$group_type":"","$group_key":"acme"})", R"({"$group_type":"company","$group_key":0})",
        R"({"$group_type":"company","$group_key":null})"}) {
    const auto seen = f.run(identify(properties));
    EXPECT_TRUE(seen.groups.empty()) << properties;
    EXPECT_TRUE(seen.group_types.empty()) << properties;
  }
}

TEST(GroupStep, a_key_that_is_too_long_drops_the_event) {
  Fixture f;
  const std::string long_key(kGroupKeyCharsMax + 1, 'k');
  const auto seen = f.run(
      identify(R"({"$group_type":"company","$group_key":")" + long_key + R"(","$group_set":{}})"));
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kDropped);
  EXPECT_EQ(seen.outcomes[0].reason, "group_key_too_long");
  ASSERT_EQ(seen.warnings.size(), 1U);
  EXPECT_EQ(seen.warnings[0].first, "group_key_too_long");
  const std::string fits(kGroupKeyCharsMax, 'k');
  EXPECT_EQ(
      f.run(identify(R"({"$group_type":"company","$group_key":")" + fits + R"("})")).groups.size(),
      1U);
}

TEST(GroupStep, a_group_does_not_grow_without_bound) {
  Fixture f;
  f.run(acme(R"({"a":")" + std::string(kGroupBytesMax - 100, 'x') + "\"}"));
  const auto seen = f.run(acme(R"({"b":")" + std::string(200, 'x') + "\"}"));
  EXPECT_TRUE(seen.groups.empty());
  ASSERT_EQ(seen.warnings.size(), 1U);
  EXPECT_EQ(seen.warnings[0].first, "group_upsert_message_size_too_large");
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
}

TEST(GroupStep, texts_are_written_as_javascript_writes_them) {
  EXPECT_EQ(truthy_text("1.50"), "1.5");
  EXPECT_EQ(truthy_text("1e3"), "1000");
  EXPECT_EQ(truthy_text("1e21"), "1e+21");
  EXPECT_EQ(truthy_text("0.0000001"), "1e-7");
  EXPECT_EQ(truthy_text("12345678901234567890"), "12345678901234567000");
  EXPECT_EQ(truthy_text("-12.5e1"), "-125");
  EXPECT_EQ(truthy_text("0.000001"), "0.000001");
  EXPECT_EQ(truthy_text("-1.5e-9"), "-1.5e-9");
  EXPECT_EQ(truthy_text("100"), "100");
  EXPECT_EQ(truthy_text("7.25"), "7.25");
  EXPECT_EQ(truthy_text("-0"), std::nullopt);
  EXPECT_EQ(truthy_text("true"), "true");
  EXPECT_EQ(truthy_text("false"), std::nullopt);
  EXPECT_EQ(truthy_text(R"("a\u0000b")"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(truthy_text(R"("")"), std::nullopt);
  EXPECT_EQ(truthy_text(std::nullopt), std::nullopt);
}

/// What a history leaves behind: rows' group columns, groups, types.
std::map<std::string, std::string> play(const std::vector<EventSpec>& history,
                                        const std::vector<size_t>& batches) {
  Fixture f;
  std::map<std::string, std::string> out;
  size_t at = 0;
  const auto take = [&](const Seens& seen) {
    for (const auto& o : seen.outcomes) {
      const auto p = fields_of(o.properties);
      for (const auto& [key, value] : p) {
        if (key.starts_with("$group_")) out[o.uuid.text() + key] = value;
      }
    }
  };
  for (const size_t size : batches) {
    for (size_t i = 0; i < size && at < history.size(); i++) f.add(history[at++]);
    take(f.decide());
  }
  const auto types = f.persons().group_types({1});
  for (const persons::GroupType& type : *types) {
    out["type " + type.name] =
        std::to_string(type.index) + "/" + std::to_string(type.created_at_ms);
    for (const char* key : {"k0", "k1", "k2"}) {
      const auto group = stored(f, type.index, key);
      if (!group) continue;
      out[type.name + "/" + key] = group->properties + std::to_string(group->version) + "@" +
                                   std::to_string(group->created_at_ms);
    }
  }
  return out;
}

TEST(GroupStep, where_batches_end_does_not_matter) {
  // Goal: cycles are not visible in what they leave. Method: random histories, cut at random.
  std::mt19937 random(7);
  const auto pick = [&random](size_t n) { return std::to_string(random() % n); };
  for (int round = 0; round < 30; round++) {
    std::vector<EventSpec> history;
    for (int i = 0; i < 40; i++) {
      const std::string type = "t" + pick(7), key = "k" + pick(3);
      EventSpec spec = random() % 3 == 0
                           ? with_groups("{\"" + type + "\":\"" + key + "\"}")
                           : identify(R"({"$group_type":")" + type + R"(","$group_key":")" + key +
                                      R"(","$group_set":{"p)" + pick(3) + "\":" + pick(3) + "}}");
      spec.timestamp_ms = kNoon - static_cast<int64_t>(random() % 1000);
      history.push_back(spec);
    }
    std::vector<size_t> cuts;
    for (size_t left = history.size(); left > 0; left -= std::min(left, cuts.back())) {
      cuts.push_back(1 + random() % 9);
    }
    const auto whole = play(history, {history.size()});
    EXPECT_EQ(whole, play(history, std::vector<size_t>(history.size(), 1))) << round;
    EXPECT_EQ(whole, play(history, cuts)) << round;
  }
}

}  // namespace
}  // namespace penstock::ingest
