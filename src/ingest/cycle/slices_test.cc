// Slices of the projects: each raw record is decided once, by its slice, whoever has that slice in
// which life; what is passed over is not read again; commands and re-drives go to their project's.
// The same where lanes have partitions for each slice.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "event/person_command.h"
#include "event/processed_record.h"
#include "event/quarantine_change.h"
#include "ingest/testing/world.h"

namespace penstock::ingest {
namespace {

using event::Lane;
using event::OutcomeKind;
using testing::Sent;
using testing::World;

constexpr int32_t kSlices = 4;
constexpr int kProjects = 9;  // the first is World's own; a tenth token is nobody's

std::string token_of(int n) { return n == 0 ? "phc_one" : "phc_project_" + std::to_string(n); }
int32_t slice_of(int n) { return event::slice_of(token_of(n), kSlices); }
Uuid uuid_of(uint64_t n) {
  Uuid u;
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  u.bytes[0] = 3;
  return u;
}

IngestOptions sliced(bool apart = false) {
  IngestOptions out;
  out.lanes_apart = apart;
  out.slice_count = kSlices;
  out.slices = {0, 1, 2, 3};
  return out;
}

void create_projects(World& w) {
  for (int n = 1; n < kProjects; n++) w.create_project(token_of(n));
}

/// Events of all projects mixed, in two lanes; each ninth a copy of one before it.
void send(World& w, uint64_t from, uint64_t count) {
  std::vector<Sent> events;
  for (uint64_t n = from; n < from + count; n++) {
    const uint64_t id = n % 9 == 8 ? n - 1 : n;
    const int project = static_cast<int>(id % (kProjects + 1));
    events.push_back({uuid_of(id), "user" + std::to_string(id % 5), "seen", token_of(project),
                      n % 4 == 0 ? Lane::kExceptions : Lane::kMain});
  }
  w.send(events);
}

/// Of so many events; what is nobody's is kept whatever came before.
uint64_t copies(uint64_t count) {
  uint64_t out = 0;
  for (uint64_t n = 8; n < count; n += 9) out += (n - 1) % (kProjects + 1) == kProjects ? 0 : 1;
  return out;
}

struct Found {
  std::map<OutcomeKind, uint64_t> by_kind;
  uint64_t raw = 0, decided = 0;
};

/// Every raw record has at most one outcome, in its slice's partition for its own, in order.
Found check(World& w, bool apart = false) {
  const event::Layout layout{World::kPartitions, kSlices, apart};
  Found out;
  std::map<std::tuple<Lane, int32_t, int64_t>, std::string> tokens;
  for (const Lane lane : event::kEventLanes) {
    const auto raw = w.read(std::string(event::lane_topic(lane)));
    for (size_t p = 0; p < raw.size(); p++) {
      for (size_t i = 0; i < raw[p].size(); i++) {
        const auto record = event::decode_raw(raw[p][i]);
        tokens[{lane, static_cast<int32_t>(p), static_cast<int64_t>(i)}] = record->token;
        out.raw++;
      }
    }
  }
  std::set<std::tuple<Lane, int32_t, int64_t>> decided;
  const auto processed = w.processed();
  EXPECT_EQ(processed.size(), static_cast<size_t>(World::kPartitions * kSlices));
  for (size_t p = 0; p < processed.size(); p++) {
    std::map<Lane, int64_t> last;
    for (const std::string& bytes : processed[p]) {
      const auto record = event::decode_processed(bytes);
      const auto* o = std::get_if<event::Outcome>(&*record);
      if (o == nullptr) continue;
      const std::tuple at(o->source.lane, o->source.partition.value, o->source.offset.value);
      EXPECT_TRUE(decided.insert(at).second) << "decided twice";
      const auto token = tokens.find(at);
      EXPECT_NE(token, tokens.end());
      if (token == tokens.end()) continue;
      const int32_t slice = event::slice_of(token->second, kSlices);
      EXPECT_EQ(layout.outcomes(slice, o->source.lane, o->source.partition).value,
                static_cast<int32_t>(p));
      EXPECT_TRUE(layout.may_have(o->source.lane, o->source.partition, slice));
      const auto [before, first] = last.emplace(o->source.lane, -1);
      EXPECT_LT(before->second, o->source.offset.value) << "in order";
      before->second = o->source.offset.value;
      out.by_kind[o->kind]++;
    }
  }
  out.decided = decided.size();
  return out;
}

/// Whether lanes are apart.
class SliceLanes : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Lanes, SliceLanes, ::testing::Bool(), [](const auto& which) {
  return std::string(which.param ? "apart" : "everybodys");
});

TEST(Slices, tokens_are_where_they_have_always_been) {
  // These never change: processes of two versions would decide a record twice, or not at all.
  const std::map<std::string, int32_t> of64{{"phc_one", 44}, {"phc_two", 2}, {"", 25}};
  for (const auto& [token, slice] : of64) {
    EXPECT_EQ(event::slice_of(token, 64), slice) << token;
    EXPECT_EQ(event::slice_of(token, 1), 0);
  }
  std::set<int32_t> used;
  for (int n = 0; n <= kProjects; n++) used.insert(slice_of(n));
  EXPECT_EQ(used.size(), static_cast<size_t>(kSlices)) << "the tests below need all of them";
}

TEST_P(SliceLanes, one_process_with_all_of_them_decides_each_record_once) {
  World w(1, sliced(GetParam()));
  create_projects(w);
  w.start();
  for (uint64_t n = 0; n < 3000; n += 300) {
    send(w, n, 300);
    w.run_ms(20);
  }
  w.settle();
  const Found all = check(w, GetParam());
  EXPECT_EQ(all.decided, 3000U);
  EXPECT_EQ(all.by_kind.at(OutcomeKind::kDuplicate), copies(3000)) << "all in the first's slice";
  EXPECT_GT(all.by_kind.at(OutcomeKind::kQuarantined), 200U) << "nobody's token";
  const auto balance = w.ledger().balance(w.log());
  EXPECT_TRUE(balance.balanced) << balance.detail;
  w.stop();
}

TEST_P(SliceLanes, lives_with_other_slices_lose_and_double_nothing) {
  const std::vector<std::vector<int32_t>> lives{{0, 1, 2, 3}, {0, 2}, {1, 3}, {3}, {0, 1, 2}, {2}};
  for (uint64_t seed = 1; seed <= 4; seed++) {
    World w(seed, sliced(GetParam()));
    create_projects(w);
    uint64_t sent = 0;
    for (size_t life = 0; life < lives.size(); life++) {
      w.decide_slices(lives[life]);
      w.start();
      w.log().percent = 30;
      for (int round = 0; round < 5; round++) {
        send(w, sent, 100);
        sent += 100;
        w.run_ms(300);
      }
      w.log().percent = 0;
      if (life % 2 == 0) {
        w.crash(seed * 100 + life);
      } else {
        w.stop();
      }
    }
    w.decide_slices({0, 1, 2, 3});
    w.start();
    w.settle();
    const Found all = check(w, GetParam());
    EXPECT_EQ(all.raw, sent);
    EXPECT_EQ(all.decided, sent);
    EXPECT_EQ(all.by_kind.at(OutcomeKind::kDuplicate), copies(sent));
    const auto balance = w.ledger().balance(w.log());
    EXPECT_TRUE(balance.balanced) << balance.detail;
    w.stop();
  }
}

TEST(Slices, what_another_slice_decides_is_not_read_again) {
  World w(1, sliced());
  create_projects(w);
  w.decide_slices({slice_of(0)});
  w.start();
  // Of a project of another slice alone.
  int other = 1;
  while (slice_of(other) == slice_of(0)) other++;
  std::vector<Sent> events;
  for (uint64_t n = 0; n < 500; n++) {
    events.push_back({uuid_of(n), "u" + std::to_string(n), "seen", token_of(other)});
  }
  w.send(events);
  w.run_ms(5000);
  EXPECT_EQ(w.ingest().stats().lag_records, 0U) << "all is looked at";
  EXPECT_EQ(check(w).decided, 0U);
  w.stop();
  const std::string group = "ingest-" + std::to_string(slice_of(0));
  const std::string topic(event::kTopicMain);
  std::map<int32_t, int64_t> at;
  for (const log::Position& p : w.log().committed(group, topic))
    at[p.partition.value] = p.next.value;
  const auto bounds = w.log().bounds(topic);
  for (const log::PartitionBounds& b : *bounds) EXPECT_EQ(at[b.partition.value], b.end.value);
  w.start();
  EXPECT_EQ(w.ingest().stats().lag_records, 0U) << "nothing is read again";
  w.stop();
  w.decide_slices({slice_of(other)});
  w.start();
  w.settle();
  EXPECT_EQ(check(w).decided, 500U);
  w.stop();
}

TEST_P(SliceLanes, a_command_is_carried_out_by_its_projects_slice) {
  World w(1, sliced(GetParam()));
  create_projects(w);
  const int n = 3;
  const ProjectId project = w.catalog().snapshot()->find_token(token_of(n))->id;
  w.start();
  w.send({{uuid_of(1), "anon", "seen", token_of(n)}, {uuid_of(2), "known", "seen", token_of(n)}});
  w.settle();
  w.send({{uuid_of(3), "known", "$identify", token_of(n)}},
         R"({"properties":{"$anon_distinct_id":"anon"}})");
  w.settle();
  const auto merged = w.persons().fetch({{project, "anon"}, {project, "known"}});
  ASSERT_TRUE((*merged)[0] && (*merged)[1]);
  ASSERT_EQ((*merged)[0]->id, (*merged)[1]->id);
  w.stop();
  // Not here: it waits for who has the slice.
  std::vector<int32_t> others;
  for (int32_t s = 0; s < kSlices; s++) {
    if (s != slice_of(n)) others.push_back(s);
  }
  w.decide_slices(others);
  w.start();
  const Uuid asked = w.command(
      event::kUndoMerge,
      R"({"person":")" + (*merged)[0]->id.text() + R"(","event":")" + uuid_of(3).text() + R"("})",
      project);
  w.run_ms(5000);
  EXPECT_FALSE(*w.persons().command_report(project, asked));
  w.stop();
  w.decide_slices({slice_of(n)});
  w.start();
  const World::Report report = w.report_of(asked, project);
  EXPECT_EQ(report.state, "done") << report.report;
  EXPECT_NE(report.report.find("\"exact\":true"), std::string::npos) << report.report;
  const auto apart = w.persons().fetch({{project, "anon"}, {project, "known"}});
  EXPECT_NE((*apart)[0]->id, (*apart)[1]->id);
  w.stop();
}

TEST_P(SliceLanes, events_of_a_token_that_becomes_a_projects_are_driven_again_by_its_slice) {
  World w(1, sliced(GetParam()));
  create_projects(w);
  const std::string token = token_of(kProjects);
  w.start();
  std::vector<Sent> events;
  for (uint64_t n = 0; n < 50; n++) events.push_back({uuid_of(n), "u", "seen", token});
  w.send(events);
  w.settle();
  EXPECT_EQ(w.ledger().totals(std::nullopt)->quarantined, 50U);
  w.create_project(token);
  EXPECT_EQ(w.runtime().run_until([&] { return w.ledger().totals(std::nullopt)->quarantined == 0; },
                                  std::chrono::minutes(10)),
            runtime::SimEnd::kDone);
  w.settle();
  const Found all = check(w, GetParam());
  EXPECT_EQ(all.by_kind.at(OutcomeKind::kAccepted), 50U);
  EXPECT_EQ(all.decided, 100U) << "each once before and once after";
  w.stop();
}

TEST(Slices, a_lane_that_is_apart_is_read_by_its_slice_alone) {
  World w(1, sliced(true));
  create_projects(w);
  w.decide_slices({slice_of(0)});
  w.start();
  send(w, 0, 500);
  w.run_ms(5000);
  EXPECT_EQ(w.ingest().stats().lag_records, 0U);
  const Found some = check(w, true);
  EXPECT_GT(some.decided, 0U);
  EXPECT_LT(some.decided, 500U);
  w.stop();
  // The others find theirs where they left off: at the beginning.
  w.decide_slices({0, 1, 2, 3});
  w.start();
  w.settle();
  const Found all = check(w, true);
  EXPECT_EQ(all.decided, 500U);
  EXPECT_EQ(all.by_kind.at(OutcomeKind::kDuplicate), copies(500));
  w.stop();
}

TEST(Slices, what_lies_with_another_slice_waits_in_quarantine_until_it_is_driven_again) {
  World w(1, sliced(true));
  create_projects(w);
  w.start();
  int other = 1;
  while (slice_of(other) == slice_of(0)) other++;
  std::vector<Sent> events;
  for (uint64_t n = 0; n < 20; n++) {
    events.push_back({uuid_of(n), "u", "seen", token_of(other), Lane::kMain, token_of(0)});
    events.push_back({uuid_of(100 + n), "u", "seen", token_of(other), Lane::kMain, {}});
  }
  w.send(events);
  w.settle();
  const ProjectId project = w.catalog().snapshot()->find_token(token_of(other))->id;
  auto total = *w.ledger().totals(project);
  EXPECT_EQ(total.quarantined, 20U);
  EXPECT_EQ(total.accepted, 20U);
  const auto entries = w.ledger().quarantined(token_of(other), "", 100);
  ASSERT_FALSE(entries->empty());
  EXPECT_EQ(entries->front().reason, "wrong_slice");
  w.command(event::kQuarantineRedrive, R"({"select":{"reason":"wrong_slice"}})", project);
  EXPECT_EQ(w.runtime().run_until([&] { return w.ledger().totals(project)->quarantined == 0; },
                                  std::chrono::minutes(10)),
            runtime::SimEnd::kDone);
  w.settle();
  total = *w.ledger().totals(project);
  EXPECT_EQ(total.accepted, 40U);
  EXPECT_EQ(total.redriven, 20U);
  const auto balance = w.ledger().balance(w.log());
  EXPECT_TRUE(balance.balanced) << balance.detail;
  w.stop();
}

}  // namespace
}  // namespace penstock::ingest
