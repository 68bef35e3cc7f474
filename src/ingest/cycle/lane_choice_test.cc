// Whose turn it is: live lanes never wait, bulk lanes wait beside live traffic for a store that is
// behind, and always move. Method: a small world of counters, cycle by cycle.
#include "ingest/cycle/lane_choice.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace penstock::ingest {
namespace {

using event::Lane;

class Lanes : public testing::Test {
 protected:
  /// One cycle; how many it decided of which lane.
  std::optional<std::pair<Lane, size_t>> cycle() {
    const auto turn = choice.next([this](Lane lane) { return waiting[at(lane)] > 0; }, now_ms,
                                  [this] { return store; });
    if (!turn) return std::nullopt;
    const size_t events = std::min(turn->events_max, waiting[at(turn->lane)]);
    waiting[at(turn->lane)] -= events;
    decided[at(turn->lane)] += events;
    store.appended += static_cast<int64_t>(events);
    choice.decided(turn->lane, events, events * bytes_each);
    return std::pair{turn->lane, events};
  }
  static size_t at(Lane lane) { return static_cast<size_t>(lane); }

  LaneChoice choice{{.unstored_max = 1000}};
  std::array<size_t, event::kLanes.size()> waiting{}, decided{};
  StoreProgress store;
  size_t bytes_each = 100;
  int64_t now_ms = 1'000'000;
};

TEST_F(Lanes, without_live_traffic_a_backfill_has_everything) {
  waiting[at(Lane::kHistorical)] = 10'000;
  for (int i = 0; i < 5; i++) EXPECT_EQ(cycle()->second, 2000U) << "though the store is behind";
  EXPECT_FALSE(cycle());
  EXPECT_FALSE(choice.waits());
}

TEST_F(Lanes, beside_live_traffic_bulk_goes_in_small_cycles_and_waits_for_the_store) {
  for (const Lane lane : {Lane::kHistorical, Lane::kOverflow}) {
    waiting[at(Lane::kMain)] = 1;
    waiting[at(lane)] = 10'000;
    std::vector<size_t> sizes;
    for (int i = 0; i < 3; i++) {
      const auto done = cycle();
      ASSERT_TRUE(done);
      if (done->first == lane) sizes.push_back(done->second);
    }
    EXPECT_EQ(sizes, (std::vector<size_t>{500, 500}));
    EXPECT_FALSE(cycle()) << "a thousand are not stored";
    EXPECT_TRUE(choice.waits());
    waiting[at(Lane::kMain)] = 3;
    EXPECT_EQ(*cycle(), (std::pair{Lane::kMain, size_t{3}})) << "live records do not wait";
    store.stored = store.appended;
    EXPECT_EQ(cycle()->first, lane);
    waiting[at(lane)] = 0;
    store.stored = store.appended;
  }
}

TEST_F(Lanes, few_large_events_are_bulk_as_well) {
  bytes_each = 100'000;
  waiting[at(Lane::kMain)] = 1;
  waiting[at(Lane::kOverflow)] = 10'000;
  cycle();
  cycle();  // one of each: 50 MB, which are not stored
  EXPECT_EQ(decided[at(Lane::kOverflow)], 500U);
  EXPECT_FALSE(cycle());
  store.stored = store.appended;
  EXPECT_EQ(cycle()->first, Lane::kOverflow);
}

TEST_F(Lanes, bulk_has_its_share_while_the_store_stands_still) {
  for (int i = 0; i < 2000; i++) {
    waiting[at(Lane::kMain)] = 10;
    waiting[at(Lane::kHistorical)] = waiting[at(Lane::kOverflow)] = 1000;
    cycle();
  }
  EXPECT_GT(decided[at(Lane::kMain)], 15'000U);
  for (const Lane lane : {Lane::kHistorical, Lane::kOverflow}) {
    EXPECT_GT(decided[at(lane)], decided[at(Lane::kMain)] / 6);
    EXPECT_LT(decided[at(lane)], decided[at(Lane::kMain)] / 2);
  }
}

TEST_F(Lanes, when_live_traffic_has_ended_nothing_waits) {
  waiting[at(Lane::kMain)] = 1;
  waiting[at(Lane::kHistorical)] = 10'000;
  while (cycle()) {}
  EXPECT_TRUE(choice.waits());
  now_ms += 6000;
  EXPECT_EQ(cycle()->second, 2000U);
}

TEST_F(Lanes, a_flood_of_live_records_leaves_the_other_live_lane_its_turns) {
  waiting[at(Lane::kMain)] = 100'000;
  waiting[at(Lane::kExceptions)] = 4000;
  for (int i = 0; i < 6; i++) cycle();
  EXPECT_EQ(decided[at(Lane::kExceptions)], 4000U);
}

}  // namespace
}  // namespace penstock::ingest
