// The contract of an EventStore's upkeep over every implementation: whose rows they are after a
// merge, before and after the squash, and what an erased person leaves.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/contract/event_store_world.h"

namespace penstock::store {
namespace {

using testing::person_id;
using testing::Row;
using testing::World;

class UpkeepContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (has_sql() && !World::engine_available()) {
      GTEST_SKIP() << "the engine's library is not there: run tools/setup";
    }
    world_ = std::make_unique<World>(GetParam());
    ASSERT_TRUE(world_->wait_ready()) << world_->store().health().detail;
  }

  bool is_cluster() const { return std::string_view(GetParam()) == "cluster"; }
  bool has_sql() const { return std::string_view(GetParam()) != "memory"; }

  static Row row(uint32_t number, const std::string& distinct_id, uint8_t person,
                 int64_t project = 1) {
    Row out{project, number};
    out.distinct_id = distinct_id;
    out.person = person;
    return out;
  }

  /// Rows by person as queries see them.
  std::map<uint8_t, size_t> by_person(int64_t project = 1) {
    std::map<uint8_t, size_t> out;
    if (!has_sql()) {
      for (const MemoryStore::Row& r : world_->memory()->events()) {
        if (r.project.value == project) out[world_->memory()->person_of(r).bytes[0]]++;
      }
      return out;
    }
    std::istringstream lines(world_->ask(
        "SELECT reinterpretAsUInt8(unhex(substring(toString(person_id), 1, 2))), count() "
        "FROM events GROUP BY 1",
        project));
    for (std::string line; std::getline(lines, line);) {
      const size_t comma = line.find(',');
      out[static_cast<uint8_t>(std::stoul(line.substr(0, comma)))] =
          std::stoul(line.substr(comma + 1));
    }
    return out;
  }

  static std::map<std::string, uint64_t> counts(const Result<std::vector<ErasedTable>>& erased) {
    std::map<std::string, uint64_t> out;
    if (!erased) return {{erased.error().message, 0}};
    for (const ErasedTable& t : *erased) out[t.table] = t.rows;
    return out;
  }

  std::unique_ptr<World> world_;
};

INSTANTIATE_TEST_SUITE_P(Stores, UpkeepContract, ::testing::ValuesIn(World::kinds()),
                         [](const auto& test) { return std::string(test.param); });

using People = std::map<uint8_t, size_t>;

TEST_P(UpkeepContract, TheNewestOverrideSaysWhoseARowIsWhateverTheOrder) {
  ASSERT_TRUE(
      world_->insert("rows", {row(1, "a", 1), row(2, "a", 1), row(3, "b", 2), row(4, "a", 1, 2)})
          .has_value());
  EXPECT_EQ(by_person(), (People{{1, 2}, {2, 1}}));
  for (int i = 0; i < 2; i++) {
    ASSERT_TRUE(world_->insert_mappings("m2", {{{1}, "a", person_id(3), false, 2}}).has_value());
    ASSERT_TRUE(world_->insert_mappings("m1", {{{1}, "a", person_id(9), false, 1}}).has_value());
    EXPECT_EQ(by_person(), (People{{3, 2}, {2, 1}}));
  }
  EXPECT_EQ(by_person(2), (People{{1, 1}})) << "another project's distinct id of the same text";
  // Version 0 is no override: rows carry its person already.
  ASSERT_TRUE(world_->insert_mappings("m0", {{{1}, "b", person_id(7), false, 0}}).has_value());
  EXPECT_EQ(by_person(), (People{{3, 2}, {2, 1}}));
  // A mapping that was deleted overrides nothing.
  ASSERT_TRUE(world_->insert_mappings("gone", {{{1}, "a", person_id(3), true, 3}}).has_value());
  EXPECT_EQ(by_person(), (People{{1, 2}, {2, 1}}));
}

TEST_P(UpkeepContract, ASquashWritesDownWhatQueriesSaidAndForgetsTheOverridesItApplied) {
  ASSERT_TRUE(world_->insert("rows", {row(1, "a", 1), row(2, "b", 2), row(3, "c", 3)}).has_value());
  ASSERT_TRUE(world_
                  ->insert_mappings("m", {{{1}, "a", person_id(4), false, 1},
                                          {{1}, "b", person_id(4), false, 2},
                                          {{1}, "b", person_id(8), false, 1}})
                  .has_value());
  EXPECT_EQ(world_->freeze().value_or(0), 2U);
  // Meanwhile "b" goes on to another person, and an older row of it comes in.
  ASSERT_TRUE(world_->insert_mappings("later", {{{1}, "b", person_id(5), false, 3}}).has_value());
  ASSERT_TRUE(world_->insert("late", {row(4, "b", 2), row(5, "a", 1)}).has_value());
  const People truth{{4, 2}, {5, 2}, {3, 1}};
  EXPECT_EQ(by_person(), truth);
  const auto done = world_->squash();
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ(done->overrides, 2U);
  EXPECT_EQ(done->rows_rewritten, 4U);
  EXPECT_EQ(by_person(), truth);
  // What came meanwhile still overrides; what was applied is gone.
  ASSERT_TRUE(world_->insert("old", {row(6, "b", 2), row(7, "a", 4)}).has_value());
  EXPECT_EQ(by_person(), (People{{4, 3}, {5, 3}, {3, 1}}));
  EXPECT_EQ(world_->freeze().value_or(0), 1U);
  // A cluster writes down the frozen person, the same on every replica; so the two rows of "b" that
  // went on meanwhile are written a second time.
  EXPECT_EQ(world_->squash().value_or(SquashProgress{}).rows_rewritten, is_cluster() ? 3U : 1U);
  EXPECT_EQ(world_->freeze().value_or(9), 0U);
  EXPECT_EQ(world_->squash().value_or(SquashProgress{9, 9}).rows_rewritten, 0U);
  EXPECT_EQ(by_person(), (People{{4, 3}, {5, 3}, {3, 1}}));
}

TEST_P(UpkeepContract, AnErasedPersonLeavesNothingAndTheOthersEverything) {
  const auto erased_person = person_id(1);
  ASSERT_TRUE(world_
                  ->insert("rows", {row(1, "u", 1), row(2, "alias", 2), row(3, "other", 3),
                                    row(4, "u", 1, 2), row(5, "left", 1), row(6, "merged", 4)})
                  .has_value());
  ASSERT_TRUE(world_->insert_people("people", {1, 2}).has_value());
  ASSERT_TRUE(world_->insert_recordings("recordings", {1, 2}).has_value());
  ASSERT_TRUE(world_->insert_heatmaps("heat", {1, 2}).has_value());
  const std::vector<std::string> warnings{R"({"distinctId":"alias","n":1})",
                                          R"({"sourcePersonDistinctId":"nobody's '\\","x":"y"})",
                                          R"({"otherPersonId":")" + erased_person.text() + "\"}",
                                          R"({"distinctId":"other","x":["u"]})"};
  ASSERT_TRUE(world_->insert_warnings("warnings", {1}, warnings).has_value());
  // "left" was split off, "merged" came in.
  ASSERT_TRUE(world_
                  ->insert_mappings("m", {{{1}, "left", person_id(7), false, 1},
                                          {{1}, "merged", erased_person, false, 1}})
                  .has_value());
  const EraseRequest request{"erasure-1", {1}, erased_person, {"u", "alias", "nobody's '\\"}};
  // Two versions of one mapping in one insert are one row for the engine.
  const std::map<std::string, uint64_t> expected{{"events", 3},
                                                 {"person", 1},
                                                 {"person_distinct_id2", has_sql() ? 2 : 3},
                                                 {"person_distinct_id_overrides", 2},
                                                 {"session_replay_blocks", 2},
                                                 {"log_entries", 1},
                                                 {"heatmaps", 2},
                                                 {"ingestion_warnings", 3}};
  for (int i = 0; i < 2; i++) {
    const auto erased = world_->erase(request);
    EXPECT_EQ(counts(erased), expected) << "attempt " << i;
  }
  EXPECT_EQ(by_person(), (People{{3, 1}, {7, 1}}));
  EXPECT_EQ(by_person(2), (People{{2, 1}}));
  const auto again = world_->erase({"erasure-2", {1}, erased_person, {"u"}});
  for (const auto& [table, rows] : counts(again)) EXPECT_EQ(rows, 0U) << table;
  const auto others = world_->erase({"erasure-3", {2}, person_id(2), {"u"}});
  EXPECT_EQ(counts(others)["events"], 1U);
  EXPECT_EQ(counts(others)["session_replay_blocks"], 2U);
  EXPECT_EQ(by_person(), (People{{3, 1}, {7, 1}}));
  EraseRequest many{"erasure-4", {1}, erased_person, {}};
  many.distinct_ids.resize(kEraseIdsMax + 1);
  EXPECT_FALSE(world_->erase(many).has_value());
}

/// What only SQL has.
class EngineUpkeep : public UpkeepContract {};
INSTANTIATE_TEST_SUITE_P(Stores, EngineUpkeep, ::testing::ValuesIn(World::kinds(true)),
                         [](const auto& test) { return std::string(test.param); });

/// A server of one's own is not killed.
class EngineUpkeepKilled : public UpkeepContract {};
INSTANTIATE_TEST_SUITE_P(Stores, EngineUpkeepKilled, ::testing::Values("engine", "clickhouse"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(EngineUpkeep, AConditionOnThePersonFollowsEveryChangeAtOnce) {
  ASSERT_TRUE(world_->insert("rows", {row(1, "a", 1), row(2, "b", 2)}).has_value());
  const auto of = [this](uint8_t person) {
    return world_->ask(
        "SELECT count() FROM events WHERE person_id = '" + person_id(person).text() + "'", 1);
  };
  for (uint8_t to = 3; to < 6; to++) {
    EXPECT_EQ(of(to), "0\n");  // an answer that must not be remembered
    const std::string batch = "m" + std::to_string(to);
    ASSERT_TRUE(world_->insert_mappings(batch, {{{1}, "a", person_id(to), false, to}}).has_value());
    EXPECT_EQ(of(to), "1\n");
  }
  ASSERT_TRUE(world_->freeze().has_value());
  ASSERT_TRUE(world_->squash().has_value());
  EXPECT_EQ(of(5), "1\n");
  EXPECT_EQ(of(4), "0\n");
  EXPECT_EQ(world_->ask("SELECT person_id FROM sharded_events WHERE distinct_id = 'a'", 1),
            "\"" + person_id(5).text() + "\"\n");
}

TEST_P(EngineUpkeep, ViewsShowAProjectItsOwnAndWhatIsTrueNow) {
  ASSERT_TRUE(world_->insert("rows", {row(1, "u", 9), row(2, "u", 9, 2)}).has_value());
  ASSERT_TRUE(world_->insert_people("people", {1, 2}).has_value());
  ASSERT_TRUE(world_->insert_mappings("gone", {{{1}, "x", person_id(1), false, 1}}).has_value());
  ASSERT_TRUE(world_->insert_mappings("gone2", {{{1}, "x", person_id(1), true, 2}}).has_value());
  for (const int64_t project : {1, 2}) {
    const std::string own = "\"" + person_id(static_cast<uint8_t>(project)).text() + "\"\n";
    EXPECT_EQ(world_->ask("SELECT person_id FROM events", project), own);
    EXPECT_EQ(world_->ask("SELECT person_id FROM events WHERE team_id IN (1, 2)", project), own);
    EXPECT_EQ(world_->ask("SELECT id FROM persons WHERE team_id > 0 OR 1", project), own);
    EXPECT_EQ(world_->ask("SELECT person_id FROM person_distinct_ids", project), own);
    EXPECT_EQ(
        world_->ask("SELECT p.id FROM events e JOIN persons p ON e.person_id = p.id", project),
        own);
  }
  EXPECT_EQ(world_->ask("SELECT count() FROM events", 3), "0\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM persons", 3), "0\n");
}

TEST_P(EngineUpkeep, FiltersReachTheIndexAndOnlyThePersonCostsALookUp) {
  if (is_cluster()) GTEST_SKIP() << "overrides are joined there, not looked up in memory";
  ASSERT_TRUE(world_->insert("rows", {row(1, "a", 1)}).has_value());
  ASSERT_TRUE(world_->insert_mappings("m", {{{1}, "a", person_id(3), false, 1}}).has_value());
  const std::string where =
      " FROM events WHERE team_id = 1 AND event = 'seen' AND timestamp > '2026-07-01 00:00:00'";
  const std::string plain = world_->ask("EXPLAIN indexes = 1, actions = 1 SELECT uuid" + where);
  for (const char* key : {"Keys:\"\n\" *team_id", "toDate\\(timestamp\\)\"\n\" *event"}) {
    EXPECT_TRUE(std::regex_search(plain, std::regex(key))) << plain;
  }
  EXPECT_EQ(plain.find("joinGet"), std::string::npos) << plain;
  EXPECT_EQ(plain.find("person_id"), std::string::npos) << plain;
  const std::string person = world_->ask("EXPLAIN actions = 1 SELECT person_id" + where);
  EXPECT_NE(person.find("joinGet"), std::string::npos) << person;
}

TEST_P(EngineUpkeep, ASquashBeginsOnlyWhereItsRewritingFits) {
  EngineOptions options;
  options.squash_room_bytes = 1ULL << 60;
  world_ = std::make_unique<World>(GetParam(), "", options);
  ASSERT_TRUE(world_->wait_ready());
  ASSERT_TRUE(world_->insert("rows", {row(1, "a", 1), row(2, "b", 2)}).has_value());
  ASSERT_TRUE(world_->insert_mappings("m", {{{1}, "a", person_id(3), false, 1}}).has_value());
  ASSERT_TRUE(world_->freeze().has_value());
  const auto refused = world_->squash();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::kExhausted);
  EXPECT_NE(refused.error().message.find("too little disk"), std::string::npos);
  // Nothing has changed: rows as they were, the override still waiting.
  EXPECT_EQ(by_person(), (People{{2, 1}, {3, 1}}));
  EXPECT_EQ(world_->ask("SELECT count() FROM person_distinct_id_overrides"), "1\n");
  EXPECT_EQ(world_->ask("SELECT countIf(person_id = '" + person_id(3).text() +
                        "') FROM "
                        "sharded_events"),
            "0\n");
}

TEST_P(EngineUpkeepKilled, KilledInTheMiddleASquashIsRepeatedAndNoRowIsLostOrDoubled) {
  constexpr uint32_t kRows = 20'000, kIds = 500;
  std::vector<Row> rows;
  for (uint32_t i = 0; i < kRows; i++) {
    rows.push_back(row(i, "id" + std::to_string(i % kIds), 1));
    rows.back().timestamp_ms += static_cast<int64_t>(i % 4) * 31 * 86'400'000;
  }
  // Several parts a month, so that merges go on beside it.
  for (uint32_t i = 0; i < 5; i++) {
    const auto from = rows.begin() + i * (kRows / 5);
    ASSERT_TRUE(world_->insert("b" + std::to_string(i), {from, from + kRows / 5}).has_value());
  }
  std::vector<std::string> names;
  for (uint32_t i = 0; i < kIds; i += 2) names.push_back("id" + std::to_string(i));
  std::vector<event::DistinctIdChange> changes;
  for (const std::string& n : names) changes.push_back({{1}, n, person_id(2), false, 1});
  ASSERT_TRUE(world_->insert_mappings("m", changes).has_value());
  const People truth{{1, kRows / 2}, {2, kRows / 2}};
  int failed = 0;
  for (int i = 0; i < 6; i++) {
    const uint64_t restarts = world_->store().health().restarts;
    ASSERT_TRUE(world_->freeze().has_value());
    auto running = world_->start_squash();
    running.wait_for(std::chrono::milliseconds(20 + i * 60));
    ASSERT_TRUE(world_->kill_engine());
    if (!running.get()) failed++;
    ASSERT_TRUE(world_->wait_restarts(restarts + 1));
    EXPECT_EQ(by_person(), truth) << "after kill " << i;
  }
  EXPECT_GT(failed, 0);
  ASSERT_TRUE(world_->freeze().has_value());
  const auto done = world_->squash();
  ASSERT_TRUE(done.has_value()) << done.error().message;
  EXPECT_EQ(by_person(), truth);
  EXPECT_EQ(world_->ask("SELECT count(), uniqExact(uuid) FROM sharded_events"), "20000,20000\n");
  EXPECT_EQ(
      world_->ask("SELECT countIf(person_id != '" + person_id(1).text() + "') FROM sharded_events"),
      "10000\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM person_distinct_id_overrides"), "0\n");
}

TEST_P(EngineUpkeepKilled, KilledInTheMiddleAnErasureIsRepeatedAndItsCountsStay) {
  std::vector<Row> rows;
  for (uint32_t i = 0; i < 6000; i++)
    rows.push_back(row(i, i % 3 == 0 ? "u" : "other", static_cast<uint8_t>(1 + i % 3)));
  ASSERT_TRUE(world_->insert("rows", rows).has_value());
  const EraseRequest request{"e", {1}, person_id(1), {"u"}};
  for (int i = 0; i < 3; i++) {
    const uint64_t restarts = world_->store().health().restarts;
    auto running = world_->start<Result<std::vector<ErasedTable>>>(
        [&](auto done) { world_->store().erase_person(request, nullptr, std::move(done)); });
    running.wait_for(std::chrono::milliseconds(10 + i * 30));
    ASSERT_TRUE(world_->kill_engine());
    (void)running.get();
    ASSERT_TRUE(world_->wait_restarts(restarts + 1));
  }
  EXPECT_EQ(counts(world_->erase(request))["events"], 2000U);
  EXPECT_EQ(world_->ask("SELECT count(), countIf(distinct_id = 'u') FROM events"), "4000,0\n");
}

TEST_P(EngineUpkeep, JobsWaitForEachOtherAndTooManyAreRefused) {
  if (is_cluster()) GTEST_SKIP() << "the same line of jobs, with twice the statements";
  ASSERT_TRUE(world_->insert("rows", {row(1, "a", 1)}).has_value());
  std::vector<std::future<Result<std::vector<ErasedTable>>>> all;
  for (size_t i = 0; i < kUpkeepJobsMax + 4; i++) {
    all.push_back(world_->start<Result<std::vector<ErasedTable>>>([this, i](auto done) {
      world_->store().erase_person({"e" + std::to_string(i), {7}, person_id(1), {}}, nullptr,
                                   std::move(done));
    }));
  }
  size_t busy = 0;
  for (auto& one : all) {
    const auto answer = one.get();
    if (!answer) busy += answer.error().code == Code::kBusy ? 1 : 100;
  }
  EXPECT_GT(busy, 0U);
  EXPECT_LE(busy, 4U);
  EXPECT_EQ(world_->ask("SELECT count() FROM events"), "1\n");
}

}  // namespace
}  // namespace penstock::store
