// Visitors without cookies: their ids, what is dropped, what is never kept, and what a day is.
#include "ingest/steps/cookieless.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include "ingest/steps/cookieless_host.h"
#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using event::OutcomeKind;
using testing::EventSpec;
using testing::fields_of;
using testing::Fixture;
using testing::Seen;
using testing::Seens;

constexpr int64_t kNoon = 1'785'585'600'000;  // 2026-08-01T12:00:00Z
constexpr int32_t kDay = 20666;
constexpr int64_t kMinuteMs = 60'000, kHourMs = 60 * kMinuteMs;

TEST(RootDomain, IsTheRegistrableDomainWithItsPort) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"example.com", "example.com"},
      {"WWW.Sub.Example.com", "example.com"},
      {"a.b.example.co.uk:8080", "example.co.uk:8080"},
      {"https://app.example.com:443/path?x#y", "example.com"},
      {"http://user@app.example.com:80", "example.com"},
      {"example.com:443", "example.com:443"},
      {"somebody.github.io", "github.io"},  // a private suffix is none to ICANN
      {"co.uk", "co.uk"},
      {"localhost", "127.0.0.1"},
      {"localhost:3000", "127.0.0.1:3000"},
      {"intranet", "intranet"},
      {"shop.intranet", "shop.intranet"},
      {"10.1.2.3:8000", "10.1.2.3:8000"},
      {"10.1.2.3", "10.1.2.3"},
      {"2001:DB8:0:0::1", "[2001:db8::1]"},
      {"[2001:db8::1]:8443", "[2001:db8::1]:8443"},
      {"xn--bcher-kva.example.de", "example.de"},
      {"://", "://"},
  };
  for (const auto& [host, root] : cases) EXPECT_EQ(root_domain(host), root) << host;
}

TEST(ZoneDays, KnowsTheDateAndItsBeginning) {
  ZoneDays zones;
  const auto utc = zones.day_of("UTC", kNoon);
  ASSERT_TRUE(utc.has_value());
  EXPECT_EQ(utc->day, kDay);
  EXPECT_EQ(utc->start_ms, kNoon - 12 * kHourMs);
  const auto kiritimati = zones.day_of("Pacific/Kiritimati", kNoon);  // UTC+14
  EXPECT_EQ(kiritimati->day, kDay + 1);
  EXPECT_EQ(kiritimati->start_ms, kNoon - 2 * kHourMs);
  const auto berlin = zones.day_of("Europe/Berlin", kNoon + 10 * kHourMs);  // midnight there
  EXPECT_EQ(berlin->day, kDay + 1);
  EXPECT_EQ(berlin->start_ms, kNoon + 10 * kHourMs);
  EXPECT_EQ(zones.day_of("Europe/Berlin", kNoon + 10 * kHourMs - 1)->day, kDay);
  // 25 hours long: the clock goes back on 2026-10-25.
  const int64_t late = 1'792'965'600'000;  // 2026-10-25T23:00+01:00 there
  EXPECT_EQ(zones.day_of("Europe/Berlin", late)->start_ms, late - 24 * kHourMs);
  EXPECT_EQ(zones.day_of("UTC", -1)->day, -1);
  for (std::string_view none : {"", "Mars/Olympus", "Europe/Berlin\xc3\xa9"}) {
    EXPECT_FALSE(zones.day_of(none, kNoon).has_value()) << none;
  }
  for (int i = 0; i < 2000; i++) zones.day_of("No/Zone" + std::to_string(i), kNoon);
  EXPECT_EQ(zones.day_of("UTC", kNoon)->day, kDay);
}

TEST(CookielessDays, AreOpenFromTheFirstZoneToTheLastWithThreeDaysMore) {
  const int64_t start = kNoon - 12 * kHourMs;
  EXPECT_FALSE(cookieless_day_is_open(kDay, start - 12 * kHourMs - 1));
  EXPECT_TRUE(cookieless_day_is_open(kDay, start - 12 * kHourMs));
  EXPECT_TRUE(cookieless_day_is_open(kDay, start + 86 * kHourMs - 1));
  EXPECT_FALSE(cookieless_day_is_open(kDay, start + 86 * kHourMs));
}

TEST(CookielessHash, IsWhatPostHogsLibraryAnswers) {
  SipBytes salt;
  for (size_t i = 0; i < salt.size(); i++) salt[i] = static_cast<uint8_t>(i);
  CookielessTraits traits{.ip = "10.0.0.1", .domain = "example.com", .agent = "Mozilla/5.0"};
  EXPECT_EQ(cookieless_distinct_id(cookieless_hash(salt, {1}, traits, 0)),
            "cookieless_D8vQj521CYswZYOyufad9Q");
  traits.extra = "extra";
  EXPECT_EQ(cookieless_distinct_id(cookieless_hash(salt, {1}, traits, 1)),
            "cookieless_U3waas6O4bfDChJgUApmVg");
}

class CookielessTest : public ::testing::Test {
 protected:
  Fixture f_;

  void mode(catalog::CookielessMode mode, std::string zone = "UTC") { set(f_, mode, zone); }
  static void set(Fixture& f, catalog::CookielessMode mode, const std::string& zone = "UTC") {
    auto settings = std::make_shared<catalog::ProjectSettings>();
    settings->cookieless = {mode, zone};
    f.project().settings = settings;
  }

  /// As posthog-js sends it; `more` begins with a comma.
  static EventSpec visit(const std::string& more = "", int64_t after_ms = 0,
                         const std::string& agent = "Mozilla/5.0") {
    EventSpec spec;
    spec.data = R"({"properties":{"$cookieless_mode":true,"$host":"www.example.com",)"
                R"("$raw_user_agent":")" +
                agent + R"(","distinct_id":"$posthog_cookieless","$device_id":null)" + more + "}}";
    spec.distinct_id = std::string(kCookielessSentinel);
    spec.ip = "10.0.0.1";
    spec.timestamp_ms = kNoon + after_ms;
    return spec;
  }
  static EventSpec named(std::string event, std::string distinct_id, int64_t after_ms,
                         const std::string& more = "") {
    EventSpec spec = visit(more, after_ms);
    spec.event = std::move(event);
    spec.distinct_id = std::move(distinct_id);
    return spec;
  }
  Seen one(const EventSpec& spec) { return f_.run(spec).outcomes.at(0); }
};

std::string session_of(const Seen& row) { return fields_of(row.properties)["$session_id"]; }

TEST_F(CookielessTest, StatelessIdsAreHashesOfTheDay) {
  mode(catalog::CookielessMode::kStateless);
  const Seen row = one(visit(R"(,"$set":{"$raw_user_agent":"Mozilla/5.0","plan":"a"},)"
                             R"("$cookieless_extra":"x")"));
  ASSERT_EQ(row.kind, OutcomeKind::kAccepted) << row.reason;
  const SipBytes sip =
      siphash128(*f_.cookieless().salt(kDay), "1-10.0.0.1-example.com-Mozilla/5.0-0-x");
  EXPECT_EQ(row.distinct_id.size(), 11U + 22U);
  EXPECT_TRUE(row.distinct_id.starts_with("cookieless_")) << row.distinct_id;
  auto p = fields_of(row.properties);
  EXPECT_EQ(p["$distinct_id"], "\"" + row.distinct_id + "\"");
  EXPECT_EQ(p["$device_id"], "\"cookielessd_" + row.distinct_id.substr(11) + "\"");
  // UUIDv7 of the day's start, its random part the hash.
  EXPECT_EQ(
      p["$session_id"].substr(1, 13),
      fmt::format("{:08x}-{:04x}", (kNoon - 12 * kHourMs) >> 16, (kNoon - 12 * kHourMs) & 0xffff));
  EXPECT_EQ(p["$session_id"].substr(15, 4), fmt::format("7{:x}{:02x}", sip[12] & 0x0f, sip[13]));
  for (const char* gone : {"$ip", "$raw_user_agent", "$cookieless_extra"}) {
    EXPECT_FALSE(p.contains(gone)) << gone;
  }
  EXPECT_EQ(row.properties.find("Mozilla"), std::string::npos) << row.properties;
  EXPECT_EQ(row.properties.find("10.0.0.1"), std::string::npos);
  EXPECT_EQ(row.person_properties.find("Mozilla"), std::string::npos) << row.person_properties;

  const Seen again = one(visit(R"(,"$cookieless_extra":"x")", 9 * kHourMs));
  EXPECT_EQ(again.distinct_id, row.distinct_id);
  EXPECT_EQ(session_of(again), p["$session_id"]);
  EXPECT_NE(one(visit()).distinct_id, row.distinct_id) << "the extra takes part";
  EXPECT_NE(one(visit("", 0, "Opera")).distinct_id, one(visit()).distinct_id);
  EXPECT_NE(one(visit("", -13 * kHourMs)).distinct_id, one(visit()).distinct_id) << "another day";
  EXPECT_EQ(one(visit(R"(,"$timezone":"Pacific/Kiritimati")", -13 * kHourMs)).distinct_id,
            one(visit()).distinct_id)
      << "there it was that day already";
  EXPECT_NE(one(visit(R"(,"$timezone":"no/zone")", -13 * kHourMs)).distinct_id,
            one(visit()).distinct_id);
}

TEST_F(CookielessTest, WhatIsDroppedAndWhy) {
  struct Case {
    EventSpec spec;
    std::string reason;
    bool warned = true;
  };
  const auto without = [](std::string_view member) {
    EventSpec spec = visit();
    const size_t at = spec.data.find(member);
    spec.data.erase(at, spec.data.find(',', at) + 1 - at);
    return spec;
  };
  EventSpec no_ip = visit();
  no_ip.ip.clear();
  const std::vector<Case> cases = {
      {without("\"$raw_user_agent\""), "cookieless_missing_user_agent"},
      {without("\"$host\""), "cookieless_missing_host"},
      {no_ip, "cookieless_missing_ip"},
      {visit("", -200 * kHourMs), "cookieless_timestamp_out_of_range"},
      {named("$identify", "me", 0), "cookieless_disallowed_identify", false},
      {named("$create_alias", "me", 0), "cookieless_disallowed_event", false},
      {named("$merge_dangerously", "me", 0), "cookieless_disallowed_event", false},
  };
  mode(catalog::CookielessMode::kStateless);
  for (const Case& c : cases) {
    const Seens seen = f_.run(c.spec);
    EXPECT_EQ(seen.outcomes[0].kind, OutcomeKind::kDropped) << c.reason;
    EXPECT_EQ(seen.outcomes[0].reason, c.reason);
    EXPECT_EQ(seen.warnings.size(), c.warned ? 1U : 0U) << c.reason;
    if (c.warned && !seen.warnings.empty()) {
      EXPECT_EQ(seen.warnings[0].first, c.reason);
    }
    EXPECT_TRUE(seen.persons.empty());
  }
  mode(catalog::CookielessMode::kDisabled);
  EXPECT_EQ(one(visit()).reason, "cookieless_disabled");
  EventSpec plain = visit();
  plain.data = R"({"properties":{"$cookieless_mode":false,"$host":"a.com"}})";
  EXPECT_EQ(one(plain).kind, OutcomeKind::kAccepted) << "an ordinary event";
}

TEST_F(CookielessTest, StatefulSessionsEndAfterHalfAnHourOfSilence) {
  mode(catalog::CookielessMode::kStateful);
  const Seen first = one(visit());
  EXPECT_FALSE(fields_of(first.properties).contains("$distinct_id"));
  EXPECT_EQ(session_of(first).substr(1, 13),
            fmt::format("{:08x}-{:04x}", kNoon >> 16, kNoon & 0xffff));
  const Seen second = one(visit("", 30 * kMinuteMs));
  EXPECT_EQ(session_of(second), session_of(first));
  EXPECT_EQ(second.distinct_id, first.distinct_id);
  const Seen later = one(visit("", 60 * kMinuteMs + 1));
  EXPECT_NE(session_of(later), session_of(first));
  EXPECT_EQ(later.distinct_id, first.distinct_id);
  EXPECT_EQ(session_of(one(visit("", 61 * kMinuteMs))), session_of(later));
}

std::vector<EventSpec> a_visitors_day(EventSpec (*named)(std::string, std::string, int64_t,
                                                         const std::string&)) {
  const std::string nobody(kCookielessSentinel);
  std::vector<EventSpec> out;
  int64_t at = 0;
  const auto add = [&](const char* event, const std::string& id, const std::string& more = "") {
    out.push_back(named(event, id, at += kMinuteMs, more));
    out.back().uuid = 100 + out.size();
  };
  add("a", nobody);                                                          // 0
  add("$identify", "ann", R"(,"$anon_distinct_id":"$posthog_cookieless")");  // 1
  add("b", "ann");                                                           // 2
  add("c", nobody);  // 3: after she logged out
  add("$identify", "bob", R"(,"$anon_distinct_id":"$posthog_cookieless")");  // 4
  add("d", "bob");                                                           // 5
  at += 40 * kMinuteMs;
  add("e", "bob");  // 6
  return out;
}

TEST_F(CookielessTest, IdentifyEndsAVisitorsIdWhenTheyLogOut) {
  mode(catalog::CookielessMode::kStateful);
  std::vector<Seen> rows;
  for (const EventSpec& spec : a_visitors_day(named)) rows.push_back(one(spec));
  for (const Seen& row : rows) ASSERT_EQ(row.kind, OutcomeKind::kAccepted) << row.reason;
  EXPECT_EQ(rows[1].distinct_id, "ann");
  EXPECT_EQ(fields_of(rows[1].properties)["$anon_distinct_id"], "\"" + rows[0].distinct_id + "\"");
  EXPECT_EQ(rows[1].person_id, rows[0].person_id) << "she is who browsed before";
  EXPECT_EQ(rows[2].distinct_id, "ann");
  EXPECT_NE(rows[3].distinct_id, rows[0].distinct_id) << "whoever comes next is not she";
  EXPECT_EQ(fields_of(rows[4].properties)["$anon_distinct_id"], "\"" + rows[3].distinct_id + "\"");
  EXPECT_NE(rows[4].person_id, rows[1].person_id);
  EXPECT_EQ(session_of(rows[1]), session_of(rows[0]));
  EXPECT_EQ(session_of(rows[2]), session_of(rows[0]));
  EXPECT_NE(session_of(rows[3]), session_of(rows[0]));
  EXPECT_EQ(session_of(rows[5]), session_of(rows[3]));
  EXPECT_NE(session_of(rows[6]), session_of(rows[5])) << "forty minutes later";
  for (const Seen& row : rows) {
    EXPECT_EQ(fields_of(row.properties)["$device_id"], fields_of(rows[0].properties)["$device_id"]);
  }
}

TEST_F(CookielessTest, BatchesAndRepeatsChangeNothing) {
  mode(catalog::CookielessMode::kStateful);
  std::vector<Seen> alone;
  for (const EventSpec& spec : a_visitors_day(named)) {
    f_.add(spec);
    f_.decide(false);  // a cycle whose append failed
    alone.push_back(one(spec));
    EXPECT_EQ(one(spec).kind, OutcomeKind::kDuplicate);
  }
  Fixture together;
  set(together, catalog::CookielessMode::kStateful);
  for (const EventSpec& spec : a_visitors_day(named)) together.add(spec);
  const Seens seen = together.decide();
  ASSERT_EQ(seen.outcomes.size(), alone.size());
  for (size_t i = 0; i < alone.size(); i++) {
    EXPECT_EQ(seen.outcomes[i].distinct_id, alone[i].distinct_id) << i;
    EXPECT_EQ(seen.outcomes[i].properties, alone[i].properties) << i;
  }
}

TEST_F(CookielessTest, PersonsOfABatchAreReadTogether) {
  for (const auto how : {catalog::CookielessMode::kStateless, catalog::CookielessMode::kStateful}) {
    Fixture f;
    set(f, how);
    const auto reads_of = [&](int visitors) {
      const size_t before = f.person_reads();
      for (int i = 0; i < visitors; i++) {
        EventSpec spec = visit("", i * kMinuteMs, "Browser/" + std::to_string(i));
        // Of another name every time: nothing may be remembered.
        spec.data.insert(spec.data.size() - 2, R"(,"$process_person_profile":true)");
        f.add(spec);
      }
      const Seens seen = f.decide();
      EXPECT_EQ(seen.outcomes.size(), static_cast<size_t>(visitors));
      for (const Seen& row : seen.outcomes) EXPECT_EQ(row.kind, OutcomeKind::kAccepted);
      return f.person_reads() - before;
    };
    const size_t few = reads_of(2);
    EXPECT_EQ(reads_of(200), few) << "mode " << static_cast<int>(how);
  }
}

TEST_F(CookielessTest, WithoutItsStoreNothingGoesOn) {
  mode(catalog::CookielessMode::kStateless);
  Decider decider(f_.persons(), f_.ledger(), {});
  catalog::Snapshot snapshot;
  snapshot.projects = {f_.project()};
  snapshot.by_token.emplace("phc_one", 0);
  event::RawRecord raw;
  const EventSpec spec = visit();
  raw.uuid.bytes[0] = 1;
  raw.token = spec.token;
  raw.event = spec.event;
  raw.distinct_id = spec.distinct_id;
  raw.data = spec.data;
  raw.ip = spec.ip;
  raw.now_ms = raw.timestamp_ms = kNoon;
  std::string bytes;
  event::encode(raw, bytes);
  const auto decided = decider.decide(event::Lane::kMain, {{{0}, {0}, {bytes}}}, snapshot, kNoon);
  ASSERT_TRUE(decided.has_value());
  const auto record = event::decode_processed(decided->outputs[0].records()[0]);
  EXPECT_EQ(std::get<event::Outcome>(*record).reason, "cookieless_failed");
}

}  // namespace
}  // namespace penstock::ingest
