// Each step against the contract's rules, as tables: one event in, the stored row out.
#include <gtest/gtest.h>

#include "ingest/steps/elements.h"
#include "ingest/steps/key_lists.h"
#include "ingest/steps/person_step.h"
#include "ingest/steps/text.h"
#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;
using testing::Seens;
using Fields = std::map<std::string, std::string>;

TEST(Text, CutsByCharactersNotBytes) {
  EXPECT_EQ(cut_characters("abc", 2), "ab");
  EXPECT_EQ(cut_characters("äöü", 2), "äö");
  EXPECT_EQ(cut_characters("äöü", 3), "äöü");
  EXPECT_TRUE(longer_than("äöü", 2));
  EXPECT_FALSE(longer_than("äöü", 3));
}

TEST(Text, SplitsArraysWithoutBeingFooledByStrings) {
  EXPECT_EQ(split_array(R"([1, "a,]b\"", [2,3], {"k":[4,5]}])"),
            (std::vector<std::string_view>{"1", R"("a,]b\"")", "[2,3]", R"({"k":[4,5]})"}));
  EXPECT_TRUE(split_array("[]").empty());
  EXPECT_TRUE(split_array("{}").empty());
}

TEST(Sanitise, FoldsTopLevelAndAddsWhatCaptureKnows) {
  struct Row {
    const char* name;
    EventSpec spec;
    Fields expected;
  };
  const std::vector<Row> rows{
      {"nothing", {.data = R"({"properties":{"a":1}})"}, {{"a", "1"}}},
      {"no properties at all", {.data = R"({"event":"x"})"}, {}},
      {"null properties", {.data = R"({"properties":null})"}, {}},
      {"ip", {.data = R"({"properties":{}})", .ip = "1.2.3.4"}, {{"$ip", R"("1.2.3.4")"}}},
      {"own ip stays",
       {.data = R"({"properties":{"$ip":"9.9.9.9"}})", .ip = "1.2.3.4"},
       {{"$ip", R"("9.9.9.9")"}}},
      {"sent_at",
       {.data = "{}", .sent_at_ms = 1'785'585'600'123},
       {{"$sent_at", R"("2026-08-01T12:00:00.123Z")"}}},
      {"top level $set wins",
       {.data = R"({"$set":{"a":1},"properties":{"$set":{"a":2,"b":3}}})"},
       {{"$set", R"({"a":1,"b":3})"}}},
      {"$set_once alone at the top",
       {.data = R"({"$set_once":{"a":1},"properties":{}})"},
       {{"$set_once", R"({"a":1})"}}},
      {"$set that is no object",
       {.data = R"({"properties":{"$set":"x","$set_once":[1]}})"},
       {{"$set", "{}"}, {"$set_once", "{}"}}},
      {"session id lower-cased",
       {.data = R"({"properties":{"$session_id":"0190A5B2-7C3D-7E4F-8A9B-0C1D2E3F4A5B"}})",
        .session_id = "0190A5B2-7C3D-7E4F-8A9B-0C1D2E3F4A5B"},
       {{"$session_id", R"("0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b")"}}},
      {"other session ids stay",
       {.data = R"({"properties":{"$session_id":"ABC"}})", .session_id = "ABC"},
       {{"$session_id", R"("ABC")"}}},
      {"unknown top-level keys go",
       {.data = R"({"foo":1,"token":"t","properties":{"a":1}})"},
       {{"a", "1"}}},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Fixture f;
    const Seens seen = f.run(row.spec);
    ASSERT_EQ(seen.outcomes.size(), 1U);
    EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
    EXPECT_EQ(fields_of(seen.outcomes[0].properties), row.expected);
  }
}

TEST(Parse, WhatIsNoEventGoesToQuarantineWithItsBytes) {
  for (const char* data : {"[]", "{", R"({"properties":[]})", R"({"properties":"x"})",
                           R"({"$set":1})", R"({"$set_once":"x"})"}) {
    SCOPED_TRACE(data);
    Fixture f;
    f.add({.data = data, .uuid = 7});
    f.add({.data = R"({"properties":{"fine":1}})"});
    const Seens seen = f.decide();
    ASSERT_EQ(seen.outcomes.size(), 2U);
    EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kQuarantined);
    EXPECT_EQ(seen.outcomes[0].reason, "failed_parse_message");
    EXPECT_EQ(seen.outcomes[0].stage, "parse");
    const auto raw = event::decode_raw(seen.outcomes[0].raw);
    ASSERT_TRUE(raw.has_value());
    EXPECT_EQ(raw->data, data);
    EXPECT_EQ(seen.outcomes[1].kind, event::OutcomeKind::kAccepted);
  }
}

TEST(Parse, LongDistinctIdsAreDroppedWithAWarning) {
  Fixture f;
  f.add({.distinct_id = std::string(400, 'x')});
  f.add({.distinct_id = std::string(401, 'x')});
  const Seens seen = f.decide();
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
  EXPECT_EQ(seen.outcomes[1].kind, event::OutcomeKind::kDropped);
  EXPECT_EQ(seen.outcomes[1].reason, "invalid_distinct_id");
  ASSERT_EQ(seen.warnings.size(), 1U);
  EXPECT_EQ(seen.warnings[0].first, "skipping_event_invalid_distinct_id");
}

TEST(Parse, EventNamesAreCut) {
  Fixture f;
  std::string name;
  for (int i = 0; i < 201; i++) name += "é";
  const Seens seen = f.run({.event = name});
  EXPECT_EQ(seen.outcomes[0].event, name.substr(0, 400));
}

struct NormaliseRow {
  const char* name;
  const char* properties;
  Fields set, set_once;
};

TEST(Normalise, LiftsListedKeysToThePerson) {
  const std::vector<NormaliseRow> rows{
      {"nothing listed", R"({"a":1})", {}, {}},
      {"browser",
       R"({"$browser":"Firefox"})",
       {{"$browser", R"("Firefox")"}},
       {{"$initial_browser", R"("Firefox")"}}},
      {"campaign",
       R"({"utm_source":"x"})",
       {{"utm_source", R"("x")"}},
       {{"$initial_utm_source", R"("x")"}}},
      {"given $set wins",
       R"({"$browser":"F","$set":{"$browser":"mine"}})",
       {{"$browser", R"("mine")"}},
       {{"$initial_browser", R"("F")"}}},
      {"given $set_once wins",
       R"({"$browser":"F","$set_once":{"$initial_browser":"mine"}})",
       {{"$browser", R"("F")"}},
       {{"$initial_browser", R"("mine")"}}},
      {"null is not an initial value", R"({"gclid":null})", {{"gclid", "null"}}, {}},
      {"server's own system",
       R"({"$is_server":true,"$os":"Linux","$os_version":"6","$browser":"B"})",
       {{"$browser", R"("B")"}},
       {{"$initial_browser", R"("B")"}}},
      {"only true is a server",
       R"({"$is_server":"true","$os":"Linux"})",
       {{"$os", R"("Linux")"}},
       {{"$initial_os", R"("Linux")"}}},
      {"$os_name is $os",
       R"({"$os_name":"iOS"})",
       {{"$os", R"("iOS")"}},
       {{"$initial_os", R"("iOS")"}}},
      {"$os_name of a server",
       R"({"$is_server":true,"$os_name":"Linux"})",
       {{"$os_name", R"("Linux")"}},
       {{"$initial_os_name", R"("Linux")"}}},
      {"fbc",
       R"({"fbclid":"Ab_-9"})",
       {{"fbclid", R"("Ab_-9")"}, {"$fbc", R"("fb.1.1785542400000.Ab_-9")"}},
       {{"$initial_fbclid", R"("Ab_-9")"}}},
      {"no fbc from rubbish",
       R"({"fbclid":"a b"})",
       {{"fbclid", R"("a b")"}},
       {{"$initial_fbclid", R"("a b")"}}},
  };
  for (const NormaliseRow& row : rows) {
    SCOPED_TRACE(row.name);
    Fixture f;
    const Seens seen = f.run({.data = std::string(R"({"properties":)") + row.properties + "}"});
    Fields properties = fields_of(seen.outcomes[0].properties);
    EXPECT_EQ(properties.contains("$set") ? fields_of(properties["$set"]) : Fields{}, row.set);
    EXPECT_EQ(properties.contains("$set_once") ? fields_of(properties["$set_once"]) : Fields{},
              row.set_once);
  }
}

TEST(Normalise, OsNameFillsOsOfTheEvent) {
  Fixture f;
  const Seens seen = f.run({.data = R"({"properties":{"$os_name":"iOS"}})"});
  EXPECT_EQ(fields_of(seen.outcomes[0].properties)["$os"], R"("iOS")");
}

TEST(Normalise, SnapshotsAreLeftAlone) {
  Fixture f;
  const Seens seen = f.run({.data = R"({"properties":{"$browser":"B"}})", .event = "$snapshot"});
  EXPECT_EQ(fields_of(seen.outcomes[0].properties), (Fields{{"$browser", R"("B")"}}));
}

TEST(Normalise, ImpossibleTimestampsBecomeNow) {
  Fixture f;
  const Seens seen = f.run({.timestamp_ms = 999'999'999'999'999});
  EXPECT_EQ(seen.outcomes[0].timestamp_ms, 1'785'585'600'900);
  ASSERT_EQ(seen.warnings.size(), 1U);
  EXPECT_EQ(seen.warnings[0].first, "ignored_invalid_timestamp");
}

TEST(Profile, FollowsTheTable) {
  struct Row {
    const char* name;
    const char* event;
    const char* properties;
    event::OutcomeKind kind;
    event::PersonMode mode;
    const char* warning;
    const char* left;  // the flag in the stored event
  };
  using event::OutcomeKind;
  using event::PersonMode;
  const std::vector<Row> rows{
      {"absent", "e", "{}", OutcomeKind::kAccepted, PersonMode::kFull, "", ""},
      {"true", "e", R"({"$process_person_profile":true})", OutcomeKind::kAccepted,
       PersonMode::kFull, "", ""},
      {"false", "e", R"({"$process_person_profile":false})", OutcomeKind::kAccepted,
       PersonMode::kPropertyless, "", "false"},
      {"other", "e", R"({"$process_person_profile":"false"})", OutcomeKind::kAccepted,
       PersonMode::kFull, "invalid_process_person_profile", ""},
      {"null", "e", R"({"$process_person_profile":null})", OutcomeKind::kAccepted,
       PersonMode::kFull, "invalid_process_person_profile", ""},
      {"identify", "$identify", R"({"$process_person_profile":false})", OutcomeKind::kDropped,
       PersonMode::kFull, "invalid_event_when_process_person_profile_is_false", ""},
      {"alias", "$create_alias", R"({"$process_person_profile":false})", OutcomeKind::kDropped,
       PersonMode::kFull, "invalid_event_when_process_person_profile_is_false", ""},
      {"groupidentify", "$groupidentify", R"({"$process_person_profile":false})",
       OutcomeKind::kDropped, PersonMode::kFull,
       "invalid_event_when_process_person_profile_is_false", ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    Fixture f;
    const Seens seen = f.run(
        {.data = std::string(R"({"properties":)") + row.properties + "}", .event = row.event});
    ASSERT_EQ(seen.outcomes.size(), 1U);
    EXPECT_EQ(seen.outcomes[0].kind, row.kind);
    EXPECT_EQ(seen.warnings.empty() ? "" : seen.warnings[0].first, row.warning);
    if (!seen.warnings.empty()) {
      const bool dropped = row.kind == OutcomeKind::kDropped;
      EXPECT_EQ(fields_of(seen.warnings[0].second)["severity"],
                dropped ? R"("error")" : R"("warning")");
    }
    if (row.kind != OutcomeKind::kAccepted) continue;
    EXPECT_EQ(seen.outcomes[0].mode, row.mode);
    Fields properties = fields_of(seen.outcomes[0].properties);
    EXPECT_EQ(properties["$process_person_profile"], row.left);
  }
}

TEST(Profile, PersonlessEventsCarryNothingForThePerson) {
  Fixture f;
  const Seens seen = f.run({.data = R"({"$set":{"a":1},"properties":{
      "$process_person_profile":false,
      "$set":{"b":1},"$set_once":{"c":1},"$unset":["d"],"$group_0":"g","$browser":"B","x":1}})"});
  EXPECT_EQ(fields_of(seen.outcomes[0].properties),
            (Fields{{"$process_person_profile", "false"}, {"$browser", R"("B")"}, {"x", "1"}}));
  EXPECT_EQ(seen.outcomes[0].person_properties, "{}");
  EXPECT_EQ(seen.outcomes[0].person_created_at_ms, 5000);
  EXPECT_EQ(seen.outcomes[0].person_id, persons::person_uuid({1}, "u1"));
  EXPECT_TRUE(seen.persons.empty());
  EXPECT_TRUE(seen.mappings.empty());
}

TEST(Profile, OptOutOverridesTrueAndCaptureCanForceIt) {
  Fixture f;
  f.project().person_processing_opt_out = true;
  EXPECT_EQ(f.run({.event = "$identify"}).outcomes[0].kind, event::OutcomeKind::kDropped);
  const Seens on = f.run({.data = R"({"properties":{"$process_person_profile":true}})"});
  EXPECT_EQ(on.outcomes[0].mode, event::PersonMode::kPropertyless);
  f.project().person_processing_opt_out = false;
  // Forced: not even an identify is dropped, nobody is looked up, nothing warns.
  const Seens forced =
      f.run({.data = R"({"$set":{"a":1}})", .event = "$identify", .skip_persons = true});
  EXPECT_EQ(forced.outcomes[0].kind, event::OutcomeKind::kAccepted);
  EXPECT_EQ(forced.outcomes[0].mode, event::PersonMode::kPropertyless);
  EXPECT_TRUE(forced.persons.empty());
  EXPECT_TRUE(forced.warnings.empty());
}

TEST(Special, ClientWarningsAreNoRows) {
  Fixture f;
  const Seens warning =
      f.run({.data = R"({"properties":{"$$client_ingestion_warning_message":"oh"}})",
             .event = "$$client_ingestion_warning"});
  EXPECT_EQ(warning.outcomes[0].reason, "client_ingestion_warning");
  ASSERT_EQ(warning.warnings.size(), 1U);
  EXPECT_EQ(fields_of(warning.warnings[0].second)["message"], R"("oh")");
}

TEST(Edge, WhatCaptureDecidedIsCountedAndTold) {
  Fixture f;
  const Seens limited = f.run({.event = "seen",
                               .disposition = event::Disposition::kDrop,
                               .reason = "billing_limit_exceeded"});
  EXPECT_EQ(limited.outcomes[0].kind, event::OutcomeKind::kDropped);
  EXPECT_EQ(limited.outcomes[0].reason, "billing_limit_exceeded");
  ASSERT_EQ(limited.warnings.size(), 1U);
  EXPECT_EQ(limited.warnings[0].first, "billing_limit_exceeded");
  Fields details = fields_of(limited.warnings[0].second);
  EXPECT_EQ(details["event"], R"("seen")");
  EXPECT_EQ(details["category"], R"("limit")");
  EXPECT_EQ(details["severity"], R"("error")");
  const Seens again = f.run({.distinct_id = "another",
                             .disposition = event::Disposition::kDrop,
                             .reason = "billing_limit_exceeded"});
  EXPECT_TRUE(again.warnings.empty()) << "once an hour, whoever sends";
  const Seens invalid =
      f.run({.disposition = event::Disposition::kDrop, .reason = "event_name_too_long"});
  details = fields_of(invalid.warnings.at(0).second);
  EXPECT_EQ(details["category"], R"("event")");

  const Seens kept =
      f.run({.disposition = event::Disposition::kQuarantine, .reason = "event_restriction"});
  EXPECT_EQ(kept.outcomes[0].kind, event::OutcomeKind::kQuarantined);
  EXPECT_EQ(kept.warnings.at(0).first, "event_restriction");
}

TEST(Special, AnonymizeIpsTakesTheAddressOff) {
  Fixture f;
  f.project().anonymize_ips = true;
  const Seens seen = f.run({.ip = "1.2.3.4"});
  EXPECT_EQ(fields_of(seen.outcomes[0].properties), Fields{});
}

TEST(Elements, ChainsFollowTheContract) {
  struct Row {
    const char* elements;
    const char* chain;
  };
  const std::vector<Row> rows{
      {"[]", ""},
      {R"("x")", ""},
      {R"([{"tag_name":"a","attr__class":"z b a"}])",
       R"(a.a.b.z:attr__class="z b a"nth-child="0"nth-of-type="0")"},
      {R"([{"tag_name":"a","nth_child":2,"nth_of_type":3,"$el_text":"hi \"x\"","attr__href":"/h",)"
       R"("attr__id":"i"},{"tag_name":"div"}])",
       R"(a:attr__href="/h"attr__id="i"attr_id="i"href="/h"nth-child="2"nth-of-type="3")"
       R"(text="hi \"x\"";div:nth-child="0"nth-of-type="0")"},
      {R"([{"tag_name":"p","attr__class":"a  b"}])",
       R"(p..a.b:attr__class="a  b"nth-child="0"nth-of-type="0")"},
      {R"([{"tag_name":"p","attr__class":["q\"r","a"]}])",
       R"(p.a.qr:attr__class="q\"r,a"nth-child="0"nth-of-type="0")"},
      {R"([{"tag_name":"p","$el_text":"","attr__data-x":"1","attr__data_x":"2"}])",
       R"(p:attr__data_x="2"attr__data-x="1"nth-child="0"nth-of-type="0")"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.elements);
    EXPECT_EQ(elements_chain(row.elements), row.chain);
  }
  EXPECT_EQ(elements_chain(R"([{"$el_text":")" + std::string(500, 'x') + R"("}])"),
            R"(:nth-child="0"nth-of-type="0"text=")" + std::string(400, 'x') + "\"");
}

TEST(Elements, AttributeOrderIsIcus) {
  const std::vector<std::string_view> ordered{"attr__a", "attr__A", "attr__b", "attr__Z",
                                              "attr_id", "data_x",  "data-x",  "data1",
                                              "datab",   "dataB",   "href"};
  for (size_t i = 0; i + 1 < ordered.size(); i++) {
    EXPECT_LT(compare_attribute_names(ordered[i], ordered[i + 1]), 0)
        << ordered[i] << " " << ordered[i + 1];
    EXPECT_GT(compare_attribute_names(ordered[i + 1], ordered[i]), 0);
  }
}

TEST(Elements, MoveOutOfTheProperties) {
  Fixture f;
  Seens seen =
      f.run({.data = R"({"properties":{"$elements_chain":"given","$elements":[],"a":1}})"});
  EXPECT_EQ(seen.outcomes[0].elements_chain, "given");
  EXPECT_EQ(fields_of(seen.outcomes[0].properties), (Fields{{"a", "1"}}));
  seen = f.run({.data = R"({"properties":{"$elements":[{"tag_name":"b"}]}})"});
  EXPECT_EQ(seen.outcomes[0].elements_chain, R"(b:nth-child="0"nth-of-type="0")");
}

TEST(KeyLists, SuppressedKeys) {
  EXPECT_TRUE(is_suppressed_key("$current_url"));
  EXPECT_TRUE(is_suppressed_key("$geoip_latitude"));
  EXPECT_FALSE(is_suppressed_key("$geoip_country_name"));
  EXPECT_FALSE(is_suppressed_key("email"));
  EXPECT_EQ(find_lifted("$os_name")->initial, "$initial_os_name");
  EXPECT_EQ(find_lifted("gclid")->initial, "$initial_gclid");
  EXPECT_EQ(find_lifted("$lib"), nullptr);
}

TEST(Merge, UnmergeableIds) {
  for (const char* id : {"", "  ", "anonymous", "GUEST", "'null'", "\"undefined\"", "0", "NaN",
                         "[object Object]", "Email"}) {
    EXPECT_TRUE(is_unmergeable(id)) << id;
  }
  EXPECT_TRUE(is_unmergeable(std::string("a\0b", 3)));
  EXPECT_TRUE(is_unmergeable(std::string(401, 'x')));
  for (const char* id : {"nan", "NULL", "00", "anonymous1", "'", "me@example.com"}) {
    EXPECT_FALSE(is_unmergeable(id)) << id;
  }
}

}  // namespace
}  // namespace penstock::ingest
