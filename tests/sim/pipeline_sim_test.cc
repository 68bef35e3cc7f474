// The pipeline on a simulated machine that dies: killed at any I/O, reborn on the disk that is
// left, and checked at the end.
//
// Whatever clients were told must hold: every acknowledged event is stored exactly once or has a
// counted reason, rows of a distinct id are in the order they were sent, the books balance, and
// persons are what the log says. One seed is one run.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "recording/block.h"
#include "tests/sim/pipeline_life.h"

namespace penstock::sim {
namespace {

using event::Lane;
using event::OutcomeKind;

struct Found {
  std::map<Uuid, uint64_t> accepted;
  std::map<std::string, std::set<int64_t>> recorded;  // accepted parts of recordings, by session
  std::set<Uuid> with_reason;
  size_t heatmaps = 0;  // accepted events that are points alone
  std::map<OutcomeKind, uint64_t> kinds;
};

Found check_outcomes(Life& life) {
  Found found;
  std::map<std::pair<Lane, int32_t>, int64_t> next;
  std::map<std::string, int64_t> newest;
  for (const auto& partition : life.read(event::kTopicProcessed)) {
    for (const std::string& bytes : partition) {
      const auto record = event::decode_processed(bytes);
      EXPECT_TRUE(record.has_value());
      const auto* o = std::get_if<event::Outcome>(&*record);
      if (o == nullptr) continue;
      int64_t& expected = next[{o->source.lane, o->source.partition.value}];
      EXPECT_EQ(o->source.offset.value, expected);
      expected = o->source.offset.value + 1;
      found.kinds[o->kind]++;
      if (o->kind == OutcomeKind::kDropped || o->kind == OutcomeKind::kQuarantined) {
        EXPECT_FALSE(o->reason.empty());
        found.with_reason.insert(o->uuid);
      }
      if (o->kind != OutcomeKind::kAccepted) continue;
      found.accepted[o->uuid]++;
      if (o->source.lane == Lane::kReplay) {
        found.recorded["session" + std::string(o->row.distinct_id.substr(6))].insert(
            o->row.timestamp_ms - kFirstEventMs);
      }
      if (o->row.heatmap_only) {
        found.heatmaps++;
        continue;
      }
      if (o->redriven) continue;  // re-driven events come when they can
      const std::string id(o->row.distinct_id);
      const int64_t number = o->row.timestamp_ms - kFirstEventMs;
      if (const auto it = newest.find(id); it != newest.end()) {
        EXPECT_GT(number, it->second) << "order of " << id;
      }
      newest[id] = number;
    }
  }
  for (Lane lane : event::kLanes) {
    const auto raw = life.read(event::lane_topic(lane));
    for (size_t p = 0; p < raw.size(); p++) {
      EXPECT_EQ((next[{lane, static_cast<int32_t>(p)}]), static_cast<int64_t>(raw[p].size()));
    }
  }
  return found;
}

void check_books(Life& life, Found& found) {
  const auto balance = life.ledger().balance(life.log());
  EXPECT_TRUE(balance.balanced) << balance.detail;
  const auto all = *life.ledger().totals(std::nullopt);
  EXPECT_EQ(all.received, all.decided());
  EXPECT_EQ(all.accepted, found.kinds[OutcomeKind::kAccepted]);
  EXPECT_EQ(all.stored, all.accepted);
  EXPECT_EQ(all.deduplicated, found.kinds[OutcomeKind::kDuplicate]);
  EXPECT_EQ(all.quarantined + all.redriven, found.kinds[OutcomeKind::kQuarantined]);
}

/// What was accepted is in the store, each row once.
void check_store(Machine& m, const Found& found) {
  std::map<Uuid, uint64_t> rows;
  for (const auto& row : m.events.events()) rows[row.uuid]++;
  size_t recorded = 0;
  for (const auto& [session, parts] : found.recorded) recorded += parts.size();
  EXPECT_EQ(rows.size() + recorded + found.heatmaps, found.accepted.size());
  for (const auto& [uuid, count] : rows) {
    EXPECT_EQ(count, 1U) << uuid.text();
    EXPECT_TRUE(found.accepted.contains(uuid)) << uuid.text();
  }
}

/// Every stored event that brought a point has it in the store, once, and not in its properties.
void check_heatmaps(Machine& m, const Found& found) {
  std::multiset<std::string> wanted, there;
  for (const auto& row : m.events.events()) {
    EXPECT_EQ(row.properties.find("$heatmap_data"), std::string::npos) << row.properties;
    const int64_t number = row.timestamp_ms - kFirstEventMs;
    if (row.event != "seen" || !Life::has_heatmap(number)) continue;
    wanted.insert("https://a/" + row.distinct_id + "/" + std::to_string(number));
  }
  for (const auto& row : m.events.heatmaps()) there.insert(row.url);
  EXPECT_EQ(there, wanted);
  EXPECT_EQ(there.size(), found.heatmaps);
  EXPECT_FALSE(there.empty());
}

/// What was accepted of recordings lies in blocks, once, and no object lies about unnamed.
void check_recordings(Machine& m, Life& life, const Found& found) {
  std::map<std::string, std::multiset<int64_t>> read;
  std::set<std::string> named, there;
  for (const auto& row : m.events.replay_blocks()) {
    const auto place = recording::parse_block_url(row.block_url);
    ASSERT_TRUE(place.has_value()) << row.block_url;
    named.insert(place->key);
    const auto bytes =
        life.objects().get(place->key, {place->from, place->size}, std::chrono::hours(1));
    ASSERT_TRUE(bytes.has_value()) << bytes.error().message;
    const auto text = recording::read_block(*bytes);
    ASSERT_TRUE(text.has_value());
    const auto lines = recording::split_lines(*text);
    ASSERT_TRUE(lines.has_value());
    EXPECT_EQ(lines->size(), row.event_count);
    for (const recording::Line& line : *lines) {
      read[row.session_id].insert(line.timestamp_ms - kFirstEventMs);
    }
  }
  for (const auto& [session, parts] : found.recorded) {
    const auto& lines = read[session];
    EXPECT_TRUE(std::ranges::equal(parts, lines))
        << session << ": " << parts.size() << " accepted, " << lines.size() << " in blocks";
  }
  const auto listed = life.objects().list("", "", 10'000, std::chrono::hours(1));
  ASSERT_TRUE(listed.has_value());
  for (const auto& object : *listed) there.insert(object.key);
  EXPECT_EQ(there, named);
}

void check_persons(Life& life) {
  auto fresh = persons::make_person_store(kv::make_memory_kv());
  bool done = false;
  fresh->recover(life.log(), life.loop(), [&](const Status&) { done = true; });
  life.runtime().run_until([&] { return done; });
  for (int64_t project = 1; project <= 2; project++) {
    EXPECT_EQ(*life.persons().count({project}), *fresh->count({project}));
    for (size_t i = 0; i < kClients; i++) {
      const std::string id = "client" + std::to_string(i);
      const auto a = life.persons().fetch({{{project}, id}}), b = fresh->fetch({{{project}, id}});
      ASSERT_EQ((*a)[0].has_value(), (*b)[0].has_value());
      if (!(*a)[0]) continue;
      EXPECT_EQ((*a)[0]->version, (*b)[0]->version);
      EXPECT_EQ((*a)[0]->properties, (*b)[0]->properties);
    }
  }
}

/// Runs lives until none is left, then heals and demands that everything is accounted for.
void simulate(uint64_t seed, const std::vector<uint64_t>& kills) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Machine m(seed);
  uint64_t died = 0;
  for (const uint64_t kill : kills) {
    runtime::SimFaults faults;
    faults.kill_at_io = m.disk->io_count() + kill;
    m.disk->set_faults(faults);
    {
      Life life(m);
      if (life.start()) life.run(std::chrono::milliseconds(400));
      if (m.disk->killed()) died++;
      m.disk->kill();
    }
    m.disk->crash();
    m.ledger_kv->crash(m.random());
    m.persons_kv->crash(m.random());
    if (m.life == 2) m.project_exists = true;
  }
  EXPECT_GT(died, 0U);
  Life life(m);
  ASSERT_TRUE(life.start());
  ASSERT_TRUE(life.run(std::chrono::milliseconds(100)));
  ASSERT_TRUE(life.settle()) << life.error();
  Found found = check_outcomes(life);
  for (const auto& [uuid, what] : m.acknowledged) {
    const auto it = found.accepted.find(uuid);
    const uint64_t rows = it == found.accepted.end() ? 0 : it->second;
    EXPECT_LE(rows, 1U) << uuid.text();
    EXPECT_TRUE(rows == 1 || found.with_reason.contains(uuid))
        << "client " << what.first << " lost event " << what.second;
  }
  EXPECT_GT(m.acknowledged.size(), 10U);
  check_books(life, found);
  check_store(m, found);
  check_heatmaps(m, found);
  check_recordings(m, life, found);
  check_persons(life);
}

TEST(Pipeline, SurvivesAQuietRun) { simulate(1, {1'000'000, 150}); }

TEST(Pipeline, KilledAtEveryIoOfTheFirstLife) {
  for (uint64_t at = 1; at <= 120; at += 3) {
    SCOPED_TRACE("killed at I/O " + std::to_string(at));
    simulate(7, {at, 200});
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Pipeline, KilledAgainAndAgain) {
  // PENSTOCK_SIM_SEEDS=5000 makes it a night's run.
  const char* asked = std::getenv("PENSTOCK_SIM_SEEDS");
  const uint64_t seeds = asked == nullptr ? 30 : std::strtoull(asked, nullptr, 10);
  for (uint64_t seed = 100; seed < 100 + seeds; seed++) {
    std::mt19937_64 random(seed);
    std::vector<uint64_t> kills;
    for (int i = 0; i < 5; i++) kills.push_back(1 + random() % 300);
    simulate(seed, kills);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace penstock::sim
