// Whole cycles: exactly one outcome per raw record, books that balance, persons that are what the
// log says, through refused appends, unknown outcomes and crashes.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "event/json_fields.h"
#include "ingest/testing/world.h"

namespace penstock::ingest {
namespace {

using event::Lane;
using event::OutcomeKind;
using testing::Sent;
using testing::World;

Uuid uuid_of(uint64_t n) {
  Uuid u;
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  u.bytes[0] = 1;
  return u;
}

Sent event_of(uint64_t n, Lane lane = Lane::kMain, const std::string& token = "phc_one") {
  return {uuid_of(n), "user" + std::to_string(n % 7), "seen", token, lane};
}

struct Totals {
  std::map<OutcomeKind, uint64_t> by_kind;
  std::map<Uuid, uint64_t> accepted;
};

/// Checks the processed topic against the raw ones and answers what it holds.
Totals check_outcomes(World& w) {
  Totals totals;
  std::map<std::pair<Lane, int32_t>, int64_t> next;
  for (const auto& partition : w.processed()) {
    for (const std::string& bytes : partition) {
      const auto record = event::decode_processed(bytes);
      EXPECT_TRUE(record.has_value());
      const auto* o = std::get_if<event::Outcome>(&*record);
      if (o == nullptr) continue;
      int64_t& expected = next[{o->source.lane, o->source.partition.value}];
      EXPECT_EQ(o->source.offset.value, expected) << "in order, each once";
      expected = o->source.offset.value + 1;
      totals.by_kind[o->kind]++;
      if (o->kind == OutcomeKind::kAccepted) totals.accepted[o->uuid]++;
    }
  }
  for (Lane lane : event::kEventLanes) {
    const auto raw = w.read(std::string(event::lane_topic(lane)));
    for (size_t p = 0; p < raw.size(); p++) {
      const int64_t decided = next[{lane, static_cast<int32_t>(p)}];
      EXPECT_EQ(decided, static_cast<int64_t>(raw[p].size()));
    }
  }
  for (const auto& [uuid, n] : totals.accepted) EXPECT_EQ(n, 1U) << uuid.text();
  return totals;
}

void check_books(World& w, const Totals& totals) {
  const auto balance = w.ledger().balance(w.log());
  EXPECT_TRUE(balance.balanced) << balance.detail;
  EXPECT_EQ(balance.uncounted, 0U);
  const auto all = *w.ledger().totals(std::nullopt);
  const auto of = [&](OutcomeKind kind) {
    const auto it = totals.by_kind.find(kind);
    return it == totals.by_kind.end() ? 0 : it->second;
  };
  EXPECT_EQ(all.accepted, of(OutcomeKind::kAccepted));
  EXPECT_EQ(all.deduplicated, of(OutcomeKind::kDuplicate));
  EXPECT_EQ(all.quarantined + all.redriven, of(OutcomeKind::kQuarantined));
  EXPECT_EQ(all.dropped_total(), of(OutcomeKind::kDropped));
  EXPECT_EQ(all.received, all.decided());
  // The same books, rebuilt from the log alone.
  auto fresh = ledger::make_ledger(kv::make_memory_kv(), {});
  bool done = false;
  fresh->recover(w.log(), w.loop(), [&](const Status& s) {
    EXPECT_TRUE(s.has_value());
    done = true;
  });
  w.runtime().run_until([&] { return done; });
  const auto rebuilt = *fresh->totals(std::nullopt);
  EXPECT_EQ(rebuilt.received, all.received);
  EXPECT_EQ(rebuilt.accepted, all.accepted);
  EXPECT_EQ(rebuilt.dropped, all.dropped);
  EXPECT_EQ(rebuilt.deduplicated, all.deduplicated);
}

void check_persons(World& w, const std::vector<std::string>& distinct_ids) {
  auto fresh = persons::make_person_store(kv::make_memory_kv());
  bool done = false;
  fresh->recover(w.log(), w.loop(), [&](const Status& s) {
    EXPECT_TRUE(s.has_value());
    done = true;
  });
  w.runtime().run_until([&] { return done; });
  for (const std::string& id : distinct_ids) {
    const auto a = w.persons().fetch({{{1}, id}}), b = fresh->fetch({{{1}, id}});
    ASSERT_EQ((*a)[0].has_value(), (*b)[0].has_value()) << id;
    if (!(*a)[0]) continue;
    EXPECT_EQ((*a)[0]->id, (*b)[0]->id);
    EXPECT_EQ((*a)[0]->version, (*b)[0]->version);
    EXPECT_EQ((*a)[0]->properties, (*b)[0]->properties);
  }
  EXPECT_EQ(*w.persons().count({1}), *fresh->count({1}));
}

TEST(Ingest, EveryLaneFlows) {
  World w(1);
  w.start();
  std::vector<Sent> events;
  for (uint64_t n = 0; n < 90; n++) events.push_back(event_of(n, event::kEventLanes[n % 3]));
  w.send(events);
  w.send({events[0], events[1], event_of(1000)});
  w.settle();
  const Totals totals = check_outcomes(w);
  EXPECT_EQ(totals.accepted.size(), 91U);
  EXPECT_EQ(totals.by_kind.at(OutcomeKind::kDuplicate), 2U);
  check_books(w, totals);
  w.stop();
}

TEST(Ingest, GoesOnAfterAStop) {
  World w(2);
  for (uint64_t life = 0; life < 4; life++) {
    w.start();
    std::vector<Sent> events;
    for (uint64_t n = 0; n < 20; n++) events.push_back(event_of(life * 10 + n));
    w.send(events);
    w.settle();
    w.stop();
  }
  w.start();
  w.settle();
  const Totals totals = check_outcomes(w);
  EXPECT_EQ(totals.accepted.size(), 50U);
  EXPECT_EQ(totals.by_kind.at(OutcomeKind::kDuplicate), 30U);
  check_books(w, totals);
}

TEST(Ingest, UnknownTokensFlowInWhenTheProjectComes) {
  World w(3);
  w.start();
  std::vector<Sent> events;
  for (uint64_t n = 0; n < 40; n++) {
    events.push_back(event_of(n, n % 4 == 0 ? Lane::kHistorical : Lane::kMain, "phc_late"));
  }
  w.send(events);
  w.settle();
  EXPECT_EQ(w.ledger().totals(std::nullopt)->quarantined, 40U);
  w.create_project("phc_late");
  w.runtime().run_until([&] { return w.ledger().quarantine_usage().entries == 0; });
  w.settle();
  const Totals totals = check_outcomes(w);
  EXPECT_EQ(totals.accepted.size(), 40U);
  check_books(w, totals);
  const auto late = *w.ledger().totals(ProjectId{2});
  EXPECT_EQ(late.received, 40U);
  EXPECT_EQ(late.accepted, 40U);
  EXPECT_EQ(w.ledger().totals(ProjectId{0})->redriven, 40U);
}

TEST(Ingest, ARedriveThatCrashedIsRepeatedWithoutDoubles) {
  for (uint64_t seed = 1; seed <= 10; seed++) {
    SCOPED_TRACE(seed);
    World w(seed);
    w.start();
    std::vector<Sent> events;
    for (uint64_t n = 0; n < 30; n++) events.push_back(event_of(n, Lane::kMain, "phc_late"));
    w.send(events);
    w.settle();
    w.create_project("phc_late");
    w.run_ms(static_cast<int64_t>(seed % 4));
    w.crash(seed);
    w.start();
    w.runtime().run_until([&] { return w.ledger().quarantine_usage().entries == 0; });
    w.settle();
    const Totals totals = check_outcomes(w);
    EXPECT_EQ(totals.accepted.size(), 30U);
  }
}

TEST(Ingest, RefusedAndUnknownAppendsLoseAndDoubleNothing) {
  for (uint64_t seed = 1; seed <= 10; seed++) {
    SCOPED_TRACE(seed);
    World w(seed, {.events_per_cycle_max = 7});
    w.log().percent = 40;
    w.start();
    for (uint64_t round = 0; round < 10; round++) {
      std::vector<Sent> events;
      for (uint64_t n = 0; n < 12; n++) {
        events.push_back(event_of(round * 8 + n, event::kEventLanes[n % 3]));
      }
      w.send(events, R"({"properties":{"$set":{"round":)" + std::to_string(round) + "}}}");
      w.run_ms(5);
    }
    w.settle();
    const Totals totals = check_outcomes(w);
    EXPECT_EQ(totals.accepted.size(), 84U);
    check_books(w, totals);
    check_persons(w, {"user0", "user1", "user2", "user3", "user4", "user5", "user6"});
  }
}

TEST(Ingest, CrashesAnywhereLoseAndDoubleNothing) {
  for (uint64_t seed = 1; seed <= 20; seed++) {
    SCOPED_TRACE(seed);
    World w(seed, {.events_per_cycle_max = 5, .checkpoint_ms = 20});
    w.log().percent = 20;
    std::mt19937_64 random(seed);
    uint64_t sent = 0;
    for (int life = 0; life < 6; life++) {
      w.start();
      for (int round = 0; round < 5; round++) {
        std::vector<Sent> events;
        for (int n = 0; n < 6; n++) {
          sent += random() % 3 == 0 ? 0 : 1;  // now and then the same uuid again
          events.push_back(event_of(sent, event::kEventLanes[random() % 3]));
        }
        // Sometimes capture dies between the append and its report.
        w.send(events, R"({"properties":{"$set":{"n":)" + std::to_string(sent) + "}}}", round != 4);
        w.run_ms(static_cast<int64_t>(random() % 12));
      }
      w.crash(random());
    }
    w.start();
    w.settle();
    const Totals totals = check_outcomes(w);
    check_books(w, totals);
    check_persons(w, {"user0", "user1", "user2", "user3", "user4", "user5", "user6"});
  }
}

TEST(Ingest, LiveLanesGoFirstAndHistoryStillMoves) {
  World w(5, {.events_per_cycle_max = 100, .historical_share_percent = 20});
  std::vector<Sent> history, live;
  for (uint64_t n = 0; n < 3000; n++) history.push_back(event_of(n, Lane::kHistorical));
  for (uint64_t n = 10'000; n < 13'000; n++) live.push_back(event_of(n));
  w.send(history, "{}", false);
  w.send(live, "{}", false);
  w.run_ms(100);
  w.start();
  w.runtime().run_until([&] { return w.ingest().stats().events >= 2000; });
  const auto all = *w.ledger().rows({1}, 0, 1LL << 40, 10);
  uint64_t of_history = 0, of_live = 0;
  for (const auto& row : all) {
    (row.key.lane == Lane::kHistorical ? of_history : of_live) += row.counts.accepted;
  }
  EXPECT_GE(of_history, 200U);
  EXPECT_LE(of_history, 600U);
  EXPECT_GE(of_live, 1400U);
  w.settle();
}

/// Type and details of every warning in the processed topic.
std::vector<std::pair<std::string, std::string>> warnings_of(World& w) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& partition : w.processed()) {
    for (const std::string& bytes : partition) {
      const auto record = event::decode_processed(bytes);
      EXPECT_TRUE(record.has_value());
      const auto* warning = std::get_if<event::IngestionWarning>(&*record);
      if (warning == nullptr) continue;
      EXPECT_EQ(warning->project.value, 1);
      EXPECT_EQ(warning->source, "capture");
      out.emplace_back(warning->type, warning->details);
    }
  }
  return out;
}

TEST(RefusalWarnings, ACountBecomesOneWarningAndNothingInTheBooks) {
  World w(5);
  w.start();
  w.refuse({{1}, 1000, 413, 7, "message_size_too_large", "/batch/", "too \"large\""});
  w.refuse({{1}, 1001, 400, 1, "invalid_json", "/e/", "no JSON"});
  w.run_ms(100);
  const auto warnings = warnings_of(w);
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_EQ(warnings[0].first, "message_size_too_large");
  EXPECT_EQ(warnings[0].second,
            R"({"requests":7,"status":413,"path":"/batch/","message":"too \"large\"",)"
            R"("category":"size","severity":"error","pipelineStep":"capture"})");
  EXPECT_EQ(warnings[1].first, "invalid_json");
  const auto all = *w.ledger().totals(std::nullopt);
  EXPECT_EQ(all.received, 0U);
  EXPECT_EQ(all.decided(), 0U);
  w.stop();
}

TEST(RefusalWarnings, EachIsToldOnceThroughFailuresAndCrashesBesideEvents) {
  World w(6);
  w.start();
  uint64_t told = 0;
  for (uint64_t round = 0; round < 12; round++) {
    w.log().percent = 60;
    for (uint64_t n = 0; n < 4; n++) {
      w.refuse({{1}, 1000, 400, ++told, "invalid_json", "/e/", ""});
      w.send({event_of(round * 100 + n)});
    }
    w.run_ms(static_cast<int64_t>(round) * 7);
    if (round % 3 == 2) {
      w.crash(round);
      w.log().percent = 0;
      w.start();
    }
  }
  w.log().percent = 0;
  w.settle();
  w.run_ms(10'000);
  std::multiset<std::string> requests;
  for (const auto& [type, details] : warnings_of(w)) {
    requests.insert(details.substr(0, details.find(',')));
  }
  std::multiset<std::string> wanted;
  for (uint64_t n = 1; n <= told; n++) wanted.insert("{\"requests\":" + std::to_string(n));
  EXPECT_EQ(requests, wanted);
  check_outcomes(w);
  EXPECT_TRUE(w.ledger().balance(w.log()).balanced);
  w.stop();
}

TEST(Ingest, ACookielessVisitorIsOneThroughFaultsAndCrashes) {
  const std::string data =
      R"({"properties":{"$cookieless_mode":true,"$ip":"10.0.0.1","$host":"example.com",)"
      R"("$raw_user_agent":"Mozilla/5.0"}})";
  for (uint64_t seed = 1; seed <= 4; seed++) {
    World w(seed);
    const ProjectId project = w.catalog().snapshot()->find_token("phc_one")->id;
    ASSERT_TRUE(w.catalog()
                    .set_project_setting({}, project, "cookieless",
                                         R"({"cookieless_server_hash_mode":"stateful"})")
                    .has_value());
    w.start();
    w.log().percent = 30;
    uint64_t n = 0;
    const auto send = [&](const std::string& event, const std::string& distinct_id) {
      w.send({{uuid_of(++n), distinct_id, event, "phc_one", Lane::kMain}}, data);
    };
    for (int life = 0; life < 4; life++) {
      for (int i = 0; i < 10; i++) {
        send("seen", "$posthog_cookieless");
        w.run_ms(200 * (i % 3));
      }
      w.crash(seed * 10 + static_cast<uint64_t>(life));
      w.start();
    }
    // One identify, in whatever life it is decided: whoever comes next is somebody else.
    send("$identify", "$posthog_cookieless");
    for (int i = 0; i < 10; i++) send("after", "$posthog_cookieless");
    w.crash(seed);
    w.start();
    w.log().percent = 0;
    w.settle();
    check_books(w, check_outcomes(w));
    std::map<std::string, std::set<std::string>> ids, sessions;
    for (const auto& partition : w.processed()) {
      for (const std::string& bytes : partition) {
        const auto record = event::decode_processed(bytes);
        const auto* o = std::get_if<event::Outcome>(&*record);
        if (o == nullptr) continue;
        ASSERT_EQ(o->kind, OutcomeKind::kAccepted) << o->reason;
        const auto properties = event::JsonFields::parse(o->row.properties);
        ids[std::string(o->row.event)].emplace(o->row.distinct_id);
        sessions[std::string(o->row.event)].emplace(*properties->find("$session_id"));
      }
    }
    EXPECT_EQ(ids["seen"].size(), 1U) << seed;
    EXPECT_EQ(sessions["seen"].size(), 1U) << seed;
    EXPECT_EQ(ids["after"].size(), 1U) << seed;
    EXPECT_NE(ids["after"], ids["seen"]);
    EXPECT_EQ(sessions["$identify"], sessions["seen"]);
    w.stop();
  }
}

}  // namespace
}  // namespace penstock::ingest
