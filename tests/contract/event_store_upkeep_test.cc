// The contract of an EventStore's upkeep over every implementation: whose rows they are after a
// merge, before and after the squash, and what an erased person leaves.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

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

INSTANTIATE_TEST_SUITE_P(Stores, UpkeepContract, ::testing::Values("memory"),
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
  EXPECT_EQ(world_->squash().value_or(SquashProgress{}).rows_rewritten, 1U);
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
                                                 {"heatmaps", 2}};
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

}  // namespace
}  // namespace penstock::store
