// Goal: events whose apps let them wait hold up nobody else's, lose nothing, are shown to their
// apps once, and those of one distinct id keep their order.
#include "event/json_fields.h"
#include "ingest/testing/app_gate_fixture.h"

namespace penstock::ingest {
namespace {

using app_gate_testing::AppGateTest;
using app_gate_testing::event_of;
using app_gate_testing::uuid_of;
using event::Lane;
using event::OutcomeKind;
using testing::Sent;

class AppGateAsideTest : public AppGateTest {
 protected:
  /// Of both projects in turns, in the same partitions.
  void send_mixed(uint64_t from, uint64_t to) {
    std::vector<Sent> events;
    for (uint64_t n = from; n < to; n++) {
      events.push_back(event_of(n, "seen", n % 2 == 0 ? "phc_one" : "phc_two"));
    }
    world->send(events);
  }
  size_t decided(const std::string& which) {
    size_t out = 0;
    for (const auto& [uuid, seen] : outcomes()) {
      const bool round = seen.kind == OutcomeKind::kQuarantined;
      out += (which == "quarantined") == round ? 1 : 0;
    }
    return out;
  }
  /// The outcomes of accepted events by distinct id, as their numbers, in the order of the log.
  std::map<std::string, std::vector<uint64_t>> accepted_by_id() {
    std::map<std::string, std::vector<uint64_t>> out;
    for (const auto& partition : world->processed()) {
      for (const std::string& bytes : partition) {
        const auto record = event::decode_processed(bytes);
        const auto* o = record ? std::get_if<event::Outcome>(&*record) : nullptr;
        if (o == nullptr || o->kind != OutcomeKind::kAccepted) continue;
        uint64_t n = 0;
        for (size_t i = 8; i < 16; i++) n = n << 8 | o->uuid.bytes[i];
        out[std::to_string(o->project.value) + std::string(o->row.distinct_id)].push_back(n);
      }
    }
    return out;
  }
  void check_all_accepted_in_order(size_t events) {
    size_t accepted = 0;
    for (const auto& [id, numbers] : accepted_by_id()) {
      accepted += numbers.size();
      EXPECT_TRUE(std::ranges::is_sorted(numbers))
          << id << " " << ::testing::PrintToString(numbers);
    }
    EXPECT_EQ(accepted, events);
    EXPECT_TRUE(world->ledger().balance(world->log()).balanced);
    const auto all = *world->ledger().totals(std::nullopt);
    EXPECT_EQ(all.quarantined, 0U);
    EXPECT_EQ(all.received, all.decided());
  }
};

TEST_F(AppGateAsideTest, NobodyElseWaitsAndEachIsAskedOnce) {
  apps_.delay_ms["phc_one"] = 5000;
  apps_.waits_ms["phc_one"] = 50;
  send_mixed(0, 200);
  world->run_ms(400);
  const auto soon = outcomes();
  for (uint64_t n = 1; n < 200; n += 2) EXPECT_TRUE(soon.contains(uuid_of(n))) << n;
  EXPECT_EQ(decided("accepted"), 100U) << "only the other project's";
  send_mixed(200, 300);  // these are on their way behind the others
  world->run_ms(400);
  EXPECT_EQ(decided("accepted"), 150U);
  world->run_ms(30'000);
  world->settle();
  check_all_accepted_in_order(300);
  EXPECT_EQ(apps_.asked, 150U) << "what was asked before it went round is not asked again";
}

TEST_F(AppGateAsideTest, WhoGoesRoundIsNotAskedInFrontOfOthers) {
  apps_.round.insert("phc_one");
  apps_.delay_ms["phc_one"] = 3000;
  send_mixed(0, 100);
  world->run_ms(300);
  EXPECT_EQ(decided("accepted"), 50U);
  apps_.round.clear();
  send_mixed(100, 160);  // not before those that are on their way
  world->run_ms(300);
  EXPECT_EQ(decided("accepted"), 80U);
  world->run_ms(20'000);
  send_mixed(160, 200);
  world->settle();
  check_all_accepted_in_order(200);
  EXPECT_EQ(apps_.asked, 100U);
}

TEST_F(AppGateAsideTest, WithNobodyBesideThemTheyWaitWhereTheyAre) {
  apps_.round.insert("phc_one");
  apps_.delay_ms["phc_one"] = 4000;
  apps_.waits_ms["phc_one"] = 50;
  std::vector<Sent> own;
  for (uint64_t n = 0; n < 40; n++) own.push_back(event_of(n));
  world->send(own);
  world->run_ms(3000);
  EXPECT_EQ(outcomes().size(), 0U);
  world->settle();
  EXPECT_EQ((*world->ledger().totals(std::nullopt)).redriven, 0U);
  EXPECT_EQ(apps_.asked, 40U);

  // Somebody comes while the next ones wait. They are told of again, as long as they wait.
  own.clear();
  for (uint64_t n = 40; n < 80; n++) own.push_back(event_of(n));
  world->send(own);
  apps_.waits_ms["phc_one"] = 600;
  world->run_ms(100);
  std::vector<Sent> others;
  for (uint64_t n = 80; n < 120; n++) others.push_back(event_of(n, "seen", "phc_two"));
  world->send(others);
  world->run_ms(300);
  EXPECT_EQ(decided("accepted"), 40U);
  world->run_ms(600);
  EXPECT_EQ(decided("accepted"), 80U) << "and not theirs, whose app takes four seconds";
  world->settle();
  check_all_accepted_in_order(120);
}

TEST_F(AppGateAsideTest, InTheOtherLanesTheyWait) {
  apps_.round.insert("phc_one");
  world->send({event_of(1, "seen", "phc_one", Lane::kHistorical),
               event_of(2, "seen", "phc_one", Lane::kOverflow)});
  world->settle();
  EXPECT_EQ((*world->ledger().totals(std::nullopt)).redriven, 0U);
  EXPECT_EQ(apps_.asked, 2U);
}

/// Capture is told, too, and sends what comes next by `overflow`: there it may be looked at before
/// what it has sent by `main`.
TEST_F(AppGateAsideTest, WhatCaptureSendsByOverflowDoesNotOvertake) {
  apps_.delay_ms["phc_one"] = 400;
  apps_.waits_ms["phc_one"] = 40;
  uint64_t next = 1000;
  const auto send_round = [&](Lane lane, size_t events) {
    std::vector<Sent> own;
    for (size_t i = 0; i < events; i++) own.push_back(event_of(next++, "seen", "phc_one", lane));
    world->send(own);
  };
  bool told = false;
  apps_.on_told = [&] {
    if (std::exchange(told, true)) return;
    send_round(Lane::kOverflow, 7);  // is there before the first of `main` is
  };
  std::vector<Sent> others;
  for (uint64_t n = 0; n < 50; n++) others.push_back(event_of(n, "seen", "phc_two"));
  world->send(others);
  send_round(Lane::kMain, 70);
  for (int ms = 0; !told && ms < 1000; ms++) world->run_ms(1);
  ASSERT_TRUE(told);
  for (int i = 0; i < 40; i++) {  // until long after all has come again
    world->run_ms(50);
    send_round(Lane::kOverflow, 7);
  }
  world->run_ms(10'000);
  send_round(Lane::kOverflow, 7);
  world->run_ms(10'000);
  world->settle();
  check_all_accepted_in_order(50 + 70 + 7 + 280 + 7);
  const uint64_t round = (*world->ledger().totals(std::nullopt)).redriven;
  EXPECT_GT(round, 70U) << "some of `overflow`, too";
  EXPECT_LT(round, 70U + 7U + 280U)
      << "once those of its id have passed nothing goes round any more";
}

TEST_F(AppGateAsideTest, CrashesOnTheWayLeaveOneOutcomeOfEveryEvent) {
  apps_.delay_ms["phc_one"] = 300;
  apps_.waits_ms["phc_one"] = 40;
  world->log().percent = 20;
  for (uint64_t round = 0; round < 6; round++) {
    send_mixed(round * 60, round * 60 + 60);
    world->run_ms(30 + static_cast<int64_t>(round) * 37);
    world->crash(round + 1);
    world->start();
  }
  world->run_ms(5000);
  world->settle();
  world->run_ms(10'000);
  world->settle();
  size_t accepted = 0;
  for (const auto& [id, numbers] : accepted_by_id()) accepted += numbers.size();
  EXPECT_EQ(accepted, 360U);
  EXPECT_EQ(outcomes().size(), 360U);
  EXPECT_TRUE(world->ledger().balance(world->log()).balanced);
  EXPECT_EQ((*world->ledger().totals(std::nullopt)).quarantined, 0U);
}

}  // namespace
}  // namespace penstock::ingest
