#include "ingest/steps/project_rules.h"

#include <gtest/gtest.h>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;

constexpr int64_t kNoon = 1'785'585'600'000;

void set_rules(Fixture& f, std::string_view json) {
  auto settings = std::make_shared<catalog::ProjectSettings>();
  const Status s = catalog::apply_setting("ingestion", json, *settings);
  ASSERT_TRUE(s.has_value()) << s.error().message;
  f.project().settings = std::move(settings);
}

EventSpec named(const std::string& event, const std::string& properties = "{}") {
  EventSpec spec;
  spec.event = event;
  spec.data = R"({"properties":)" + properties + "}";
  return spec;
}

TEST(ProjectRules, an_event_that_is_too_old_is_dropped) {
  Fixture f;
  auto spec = named("seen");
  spec.now_ms = spec.timestamp_ms + 61'000;
  EXPECT_EQ(f.run(spec).outcomes[0].kind, event::OutcomeKind::kAccepted) << "by default none is";
  set_rules(f, R"({"drop_events_older_than_seconds":60})");
  const auto seen = f.run(spec);
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kDropped);
  EXPECT_EQ(seen.outcomes[0].reason, "event_dropped_too_old");
  ASSERT_EQ(seen.warnings.size(), 1U);
  EXPECT_EQ(seen.warnings[0].first, "event_dropped_too_old");
  EXPECT_EQ(fields_of(seen.warnings[0].second)["ageSeconds"], "61");
  EXPECT_EQ(fields_of(seen.warnings[0].second)["severity"], R"("info")");
  spec.now_ms = spec.timestamp_ms + 60'000;
  EXPECT_EQ(f.run(spec).outcomes[0].kind, event::OutcomeKind::kAccepted);
}

TEST(ProjectRules, a_filter_drops_what_matches_and_only_when_it_is_live) {
  Fixture f;
  const std::string filter = R"(,"filter":{"or":[{"event":{"exact":"ping"}},)"
                             R"({"distinct_id":{"contains":"bot"}}]}}})";
  set_rules(f, R"({"event_filters":{"mode":"live")" + filter);
  const auto seen = f.run(named("ping"));
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kDropped);
  EXPECT_EQ(seen.outcomes[0].reason, "event_filtered");
  EXPECT_TRUE(seen.warnings.empty());
  auto bot = named("seen");
  bot.distinct_id = "a bot";
  EXPECT_EQ(f.run(bot).outcomes[0].kind, event::OutcomeKind::kDropped);
  EXPECT_EQ(f.run(named("seen")).outcomes[0].kind, event::OutcomeKind::kAccepted);
  for (const char* mode : {"dry_run", "disabled"}) {
    set_rules(f, std::string(R"({"event_filters":{"mode":")") + mode + '"' + filter);
    EXPECT_EQ(f.run(named("ping")).outcomes[0].kind, event::OutcomeKind::kAccepted) << mode;
  }
}

TEST(ProjectRules, an_event_that_breaks_its_schema_is_dropped) {
  Fixture f;
  set_rules(f, R"({"schemas":[{"event":"bought","required":{"price":"number","tags":"array"}}]})");
  EXPECT_EQ(f.run(named("bought", R"({"price":1,"tags":[]})")).outcomes[0].kind,
            event::OutcomeKind::kAccepted);
  EXPECT_EQ(f.run(named("other")).outcomes[0].kind, event::OutcomeKind::kAccepted);
  const auto seen = f.run(named("bought", R"({"price":"1","tags":[]})"));
  EXPECT_EQ(seen.outcomes[0].reason, "schema_validation_failed");
  ASSERT_EQ(seen.warnings.size(), 1U);
  auto details = fields_of(seen.warnings[0].second);
  EXPECT_EQ(details["property"], R"("price")");
  EXPECT_EQ(details["expected"], R"("number")");
  EXPECT_EQ(details["received"], R"("string")");
  EXPECT_EQ(f.run(named("bought", R"({"price":1})")).outcomes[0].kind,
            event::OutcomeKind::kDropped);
}

TEST(ProjectRules, groupidentify_without_persons_is_dropped_or_kept) {
  Fixture f;
  const std::string properties =
      R"({"$process_person_profile":false,"$group_type":"t","$group_key":"k","$group_set":{}})";
  EXPECT_EQ(f.run(named("$groupidentify", properties)).outcomes[0].reason,
            "invalid_event_when_process_person_profile_is_false");
  set_rules(f, R"({"groupidentify_without_person_processing":"keep"})");
  const auto seen = f.run(named("$groupidentify", properties));
  EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
  EXPECT_TRUE(seen.groups.empty());
  EXPECT_TRUE(seen.group_types.empty());
}

TEST(ProjectRules, the_switches_of_the_setting_act) {
  Fixture f;
  set_rules(f, R"({"anonymize_ips":true,"person_processing_opt_out":true})");
  auto spec = named("seen");
  spec.ip = "1.2.3.4";
  const auto seen = f.run(spec);
  EXPECT_FALSE(fields_of(seen.outcomes[0].properties).contains("$ip"));
  EXPECT_EQ(seen.outcomes[0].mode, event::PersonMode::kPropertyless);
}

TEST(ProjectRules, a_flag_call_makes_no_person_unless_there_is_one) {
  Fixture f;
  const auto call = [&](const std::string& id, const std::string& properties = "{}") {
    auto spec = named("$feature_flag_called", properties);
    spec.distinct_id = id;
    return f.run(spec);
  };
  EXPECT_EQ(call("a").persons.size(), 1U) << "by default it is as any other event";
  set_rules(f, R"({"feature_flag_called_personless":true})");
  const auto seen = call("b");
  EXPECT_TRUE(seen.persons.empty());
  EXPECT_EQ(seen.outcomes[0].mode, event::PersonMode::kPropertyless);
  EXPECT_EQ(fields_of(seen.outcomes[0].properties)["$process_person_profile"], "false");
  EXPECT_EQ(call("a").outcomes[0].mode, event::PersonMode::kFull) << "the person exists";
  EXPECT_EQ(call("c", R"({"$process_person_profile":true})").persons.size(), 1U);
  EXPECT_EQ(call("d", R"({"$groups":{"company":"acme"}})").persons.size(), 1U);
  EXPECT_TRUE(call("e", R"({"$groups":{}})").persons.empty());
}

TEST(ProjectRules, what_sdks_remember_for_themselves_is_not_stored) {
  Fixture f;
  const std::string state =
      R"("ph_product_tours":[],"$product_tours_activated":1,"$override_feature_flag_payloads":{})";
  auto p =
      fields_of(f.run(named("seen", "{" + state + R"(,"plan":"pro"})")).outcomes[0].properties);
  EXPECT_EQ(p.size(), 1U) << "the rest stays";
  EXPECT_EQ(p["plan"], R"("pro")");

  const std::string call = R"({"plan":"pro","$feature_flag":"f","utm_source":"x","$lib":"web",)"
                           R"("$feature/f":true,"$feature_flag_response":)";
  p = fields_of(f.run(named("$feature_flag_called", call + "true}")).outcomes[0].properties);
  EXPECT_FALSE(p.contains("plan"));
  for (const char* key :
       {"$feature_flag", "utm_source", "$lib", "$feature/f", "$feature_flag_response"}) {
    EXPECT_TRUE(p.contains(key)) << key;
  }
  p = fields_of(f.run(named("$feature_flag_called", call + R"("a"})")).outcomes[0].properties);
  EXPECT_TRUE(p.contains("plan")) << "a variant's name is worth its context";
  set_rules(f, R"({"strip_sdk_state":false})");
  p = fields_of(f.run(named("$feature_flag_called", call + "true}")).outcomes[0].properties);
  EXPECT_TRUE(p.contains("plan"));
  EXPECT_TRUE(fields_of(f.run(named("seen", "{" + state + "}")).outcomes[0].properties)
                  .contains("ph_product_tours"));
}

TEST(ProjectRules, survey_shown_dates_the_person) {
  Fixture f;
  const auto seen = f.run(named("survey shown"));
  EXPECT_EQ(fields_of(seen.persons[0].properties)["$survey_last_seen_date"],
            R"("2026-08-01T12:00:00.000Z")");
}

TEST(ProjectRules, last_seen_follows_the_events_where_it_is_wanted) {
  constexpr int64_t kHour = 3'600'000;
  const auto at = [](int64_t ms, const std::string& properties = "{}", std::string event = "seen") {
    EventSpec spec = named(std::move(event), properties);
    spec.timestamp_ms = ms;
    return spec;
  };
  Fixture f;
  const auto last_seen = [&] {
    return f.persons().fetch({{{1}, "u1"}}).value()[0]->last_seen_at_ms.value_or(0);
  };
  f.run(at(kNoon + 5));
  EXPECT_TRUE(f.run(at(kNoon + 3 * kHour)).persons.empty());
  EXPECT_EQ(last_seen(), kNoon) << "not wanted by default";
  set_rules(f, R"({"person_last_seen":true})");
  EXPECT_EQ(f.run(at(kNoon + 3 * kHour + 7)).persons.size(), 1U) << "a write of its own";
  EXPECT_EQ(last_seen(), kNoon + 3 * kHour);
  EXPECT_TRUE(f.run(at(kNoon + 3 * kHour + 60'000)).persons.empty()) << "the same hour";
  EXPECT_TRUE(f.run(at(kNoon + kHour)).persons.empty()) << "an earlier one";
  EXPECT_TRUE(
      f.run(at(kNoon + 9 * kHour, R"({"$update_person_last_seen_at":false})")).persons.empty());
  EXPECT_TRUE(f.run(at(kNoon + 9 * kHour, R"({"$process_person_profile":false})")).persons.empty());
  EXPECT_TRUE(f.run(at(kNoon + 9 * kHour, "{}", "$exception")).persons.empty());
  // Of two persons that become one, whoever was seen last.
  EventSpec other = at(kNoon + 20 * kHour);
  other.distinct_id = "other";
  f.run(other);
  f.run(at(kNoon + 4 * kHour, R"({"$anon_distinct_id":"other"})", "$identify"));
  EXPECT_EQ(last_seen(), kNoon + 20 * kHour);
}

TEST(ProjectRules, verified_is_not_for_clients_to_say) {
  Fixture f;
  const auto seen = f.run(named("seen", R"({"$verified":true,"a":1})"));
  auto p = fields_of(seen.outcomes[0].properties);
  EXPECT_FALSE(p.contains("$verified"));
  EXPECT_TRUE(p.contains("a"));
}

TEST(ProjectRules, a_session_id_that_is_no_uuid_is_told) {
  Fixture f;
  const auto warned = [&](const std::string& session) {
    Fixture fresh;
    auto spec = named("seen", R"({"$session_id":)" + session + "}");
    if (session.starts_with('"')) spec.session_id = session.substr(1, session.size() - 2);
    const auto seen = fresh.run(spec);
    EXPECT_EQ(seen.outcomes[0].kind, event::OutcomeKind::kAccepted);
    return seen.warnings.size() == 1 && seen.warnings[0].first == "invalid_event_session_id";
  };
  EXPECT_TRUE(warned(R"("my session")"));
  EXPECT_TRUE(warned("7"));
  EXPECT_FALSE(warned("null"));
  EXPECT_FALSE(warned(R"("0190B1C2-d3e4-7f60-8a1b-2c3d4e5f6071")"));
}

}  // namespace
}  // namespace penstock::ingest
