// Events and their project's apps, in whole cycles: what apps make of events, order, waiting,
// crashes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "event/json_fields.h"
#include "ingest/testing/world.h"

namespace penstock::ingest {
namespace {

using event::Lane;
using event::OutcomeKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Sent;
using testing::World;

Uuid uuid_of(uint64_t n) {
  Uuid u;
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  u.bytes[0] = 1;
  return u;
}

Sent event_of(uint64_t n, const std::string& event = "seen", const std::string& token = "phc_one",
              Lane lane = Lane::kMain) {
  return {uuid_of(n), "user" + std::to_string(n % 7), event, token, lane};
}

/// Apps that answer what a function says, after a while, or never.
class FakeApps : public EventApps {
 public:
  explicit FakeApps(World*& world) : world_(world) {}

  bool transforms(const catalog::Project& project) const override {
    return project.apps != nullptr;
  }
  void run(const catalog::Project& project, std::vector<std::string> events, Done done) override {
    asked += events.size();
    batches++;
    std::vector<AppsAnswer> answers;
    for (const std::string& event : events) answers.push_back(make(event));
    const int64_t wait_ms = delay_ms[project.token];
    world_->loop().after(std::chrono::milliseconds(wait_ms),
                         [done = std::move(done), answers = std::move(answers)]() mutable {
                           done(std::move(answers));
                         });
  }

  std::function<AppsAnswer(const std::string&)> make = [](const std::string&) {
    return AppsAnswer{};
  };
  std::map<std::string, int64_t> delay_ms;  // by token
  size_t asked = 0, batches = 0;

 private:
  World*& world_;
};

struct Seen {
  OutcomeKind kind{};
  std::string reason, stage, event, distinct_id, properties, apps;
  int64_t timestamp_ms = 0;
};

class AppGateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    IngestOptions options;
    options.apps = &apps_;
    world = std::make_unique<World>(3, options);
    world_ = world.get();
    world->create_project("phc_two");
    enable({1});
    world->start();
  }

  void enable(ProjectId project) {
    auto& catalog = world->catalog().apps();
    const auto app = catalog.create_app(
        {}, project, {{"plugin.json", R"({"name":"x"})"}, {"index.js", "1"}}, "upload");
    ASSERT_TRUE(catalog.create_config({}, project, app->id, {.enabled = true}));
  }

  std::map<Uuid, Seen> outcomes() {
    std::map<Uuid, Seen> out;
    std::map<std::pair<Lane, int32_t>, int64_t> next;
    for (const auto& partition : world->processed()) {
      for (const std::string& bytes : partition) {
        const auto record = event::decode_processed(bytes);
        const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
        if (o == nullptr) continue;
        EXPECT_EQ(o->source.offset.value, (next[{o->source.lane, o->source.partition.value}]++))
            << "in order, each once";
        Seen seen{o->kind,
                  std::string(o->reason),
                  std::string(o->stage),
                  std::string(o->row.event),
                  std::string(o->row.distinct_id),
                  std::string(o->row.properties),
                  std::string(o->apps),
                  o->row.timestamp_ms};
        if (o->kind != OutcomeKind::kDuplicate) out[o->uuid] = std::move(seen);
      }
    }
    return out;
  }
  Seen outcome(uint64_t n) {
    const auto all = outcomes();
    const auto found = all.find(uuid_of(n));
    EXPECT_NE(found, all.end());
    return found == all.end() ? Seen{} : found->second;
  }
  void answer(AppsAnswer::Fate fate, std::string event = "", std::string why = "") {
    apps_.make = [=](const std::string&) {
      return AppsAnswer{fate, event, R"([{"id":1,"status":"succeeded"}])", why};
    };
  }
  Seen run(const std::string& data = R"({"properties":{"a":1}})") {
    world->send({event_of(++sent_)}, data);
    world->settle();
    return outcome(sent_);
  }

  std::unique_ptr<World> world;
  World* world_ = nullptr;
  FakeApps apps_{world_};
  uint64_t sent_ = 100;
};

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
