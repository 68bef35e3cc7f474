// Events and their project's apps, in whole cycles: what apps make of events, order, waiting,
// crashes.
#include "event/json_fields.h"
#include "ingest/testing/app_gate_fixture.h"

namespace penstock::ingest {
namespace {

using app_gate_testing::AppGateTest;
using app_gate_testing::event_of;
using app_gate_testing::Seen;
using app_gate_testing::uuid_of;
using event::Lane;
using event::OutcomeKind;
using ::testing::HasSubstr;
using testing::Sent;

TEST_F(AppGateTest, AnAppIsShownTheEventAsTheContractSays) {
  std::string seen;
  apps_.make = [&](const std::string& event) {
    seen = event;
    return AppsAnswer{};
  };
  EXPECT_EQ(run(R"({"properties":{"a":1,"$set":{"b":2},"$transformations_failed":["x"]},
                    "$set":{"c":3}})")
                .kind,
            OutcomeKind::kAccepted);
  const auto fields = event::JsonFields::parse(seen);
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->find("uuid"), '"' + uuid_of(sent_).text() + '"');
  EXPECT_EQ(fields->find("event"), R"("seen")");
  EXPECT_EQ(fields->find("team_id"), "1");
  EXPECT_TRUE(fields->contains("distinct_id") && fields->contains("now") &&
              fields->contains("timestamp") && fields->contains("ip"));
  EXPECT_EQ(fields->find("properties"), R"({"a":1,"$set":{"b":2,"c":3}})");
}

TEST_F(AppGateTest, WhatAnAppMakesOfAnEventIsStored) {
  answer(AppsAnswer::Fate::kChanged,
         R"({"event":"looked","distinct_id":"user9","timestamp":"2026-01-02T03:04:05.000Z",
             "properties":{"a":2,"$set":{"plan":"pro"}}})");
  const Seen seen = run();
  EXPECT_EQ(seen.kind, OutcomeKind::kAccepted);
  EXPECT_EQ(seen.event, "looked");
  EXPECT_EQ(seen.distinct_id, "user9");
  EXPECT_EQ(seen.timestamp_ms, 1'767'323'045'000);
  EXPECT_THAT(seen.properties, HasSubstr(R"("a":2)"));
  EXPECT_EQ(seen.apps, R"([{"id":1,"status":"succeeded"}])");
  const auto person = world->persons().fetch({{{1}, "user9"}});
  ASSERT_TRUE(person && person->front());
  EXPECT_THAT(person->front()->properties, HasSubstr(R"("plan":"pro")"));
}

TEST_F(AppGateTest, ADroppedEventIsCountedWithItsReason) {
  answer(AppsAnswer::Fate::kDropped);
  const Seen seen = run();
  EXPECT_EQ(seen.kind, OutcomeKind::kDropped);
  EXPECT_EQ(seen.reason, "dropped_by_app");
  EXPECT_THAT(seen.apps, HasSubstr("succeeded"));
  EXPECT_TRUE(world->ledger().balance(world->log()).balanced);
}

TEST_F(AppGateTest, WhatIsNoEventGoesToQuarantine) {
  answer(AppsAnswer::Fate::kQuarantined, "", "app_result_too_large");
  EXPECT_EQ(run().reason, "app_result_too_large");
  for (const char* garbage : {"", "[]", R"({"properties":1})", R"({"properties":{},"event":5})",
                              R"({"properties":{},"distinct_id":{}})"}) {
    answer(AppsAnswer::Fate::kChanged, garbage);
    const Seen seen = run();
    EXPECT_EQ(seen.kind, OutcomeKind::kQuarantined) << garbage;
    EXPECT_EQ(seen.stage, "apps");
    EXPECT_EQ(seen.reason, "app_result_invalid");
  }
}

TEST_F(AppGateTest, ProjectsWithoutAppsAreNotAsked) {
  answer(AppsAnswer::Fate::kDropped);
  world->send({event_of(1, "seen", "phc_two"), event_of(2, "seen", "phc_none")});
  world->settle();
  EXPECT_EQ(apps_.asked, 0U);
  EXPECT_EQ(outcome(1).kind, OutcomeKind::kAccepted);
}

TEST_F(AppGateTest, AppsSeeNoEventThatIsDecidedWithoutThem) {
  world->send({event_of(1)});
  world->settle();
  EXPECT_EQ(apps_.asked, 1U);
  world->send({event_of(1), event_of(2, "$$client_ingestion_warning")});
  world->settle();
  EXPECT_EQ(apps_.asked, 1U);
}

TEST_F(AppGateTest, ASlowProjectHoldsBackNoOtherLane) {
  apps_.delay_ms["phc_one"] = 60'000;
  world->send({event_of(1), event_of(2, "seen", "phc_two", Lane::kOverflow)});
  world->run_ms(1000);
  EXPECT_FALSE(outcomes().contains(uuid_of(1)));
  EXPECT_EQ(outcome(2).kind, OutcomeKind::kAccepted);
  // Nor what comes later in its own lane in front of nothing that waits.
  std::vector<Sent> others;
  for (uint64_t n = 10; n < 40; n++) {
    others.push_back({uuid_of(n), "other" + std::to_string(n), "seen", "phc_two", Lane::kMain});
  }
  world->send(others);
  world->run_ms(1000);
  EXPECT_GT(outcomes().size(), 10U);
  world->settle();
  EXPECT_EQ(outcomes().size(), 32U);
}

TEST_F(AppGateTest, AnswersAreAskedForInBoundedBatches) {
  apps_.delay_ms["phc_one"] = 10;
  std::vector<Sent> many;
  for (uint64_t n = 0; n < 3000; n++) many.push_back(event_of(n));
  world->send(many);
  world->settle();
  EXPECT_EQ(apps_.asked, 3000U);
  EXPECT_GE(apps_.batches, 15U);
  EXPECT_EQ(outcomes().size(), 3000U);
}

TEST_F(AppGateTest, ACrashLeavesOneOutcomeOfEveryEvent) {
  apps_.delay_ms["phc_one"] = 7;
  int calls = 0;
  // No two runs answer alike: what is stored is what was appended once.
  apps_.make = [&](const std::string&) {
    return AppsAnswer{AppsAnswer::Fate::kChanged,
                      R"({"properties":{"call":)" + std::to_string(++calls) + "}}", "", ""};
  };
  world->log().percent = 30;
  std::vector<Sent> many;
  for (uint64_t n = 0; n < 600; n++) many.push_back(event_of(n));
  for (uint64_t round = 0; round < 4; round++) {
    world->send({many.begin() + static_cast<ptrdiff_t>(round * 150),
                 many.begin() + static_cast<ptrdiff_t>((round + 1) * 150)},
                R"({"properties":{}})", false);
    world->run_ms(5 + static_cast<int64_t>(round) * 9);
    world->crash(round + 1);
    world->start();
  }
  world->settle();
  const auto all = outcomes();
  EXPECT_EQ(all.size(), 600U);
  for (const auto& [uuid, seen] : all) {
    EXPECT_EQ(seen.kind, OutcomeKind::kAccepted);
    EXPECT_THAT(seen.properties, HasSubstr("\"call\":"));
  }
  EXPECT_TRUE(world->ledger().balance(world->log()).balanced);
}

}  // namespace
}  // namespace penstock::ingest
