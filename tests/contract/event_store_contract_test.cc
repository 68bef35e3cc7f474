// The contract of EventStore over every implementation: batches are stored once, whatever is
// repeated; and for those with SQL: what a query sees, may do and may cost.
//
// The engine's suite runs the real engine in a child process without sanitizers (penstock-engine,
// beside the tests); without the engine's library it is visibly skipped.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <sstream>

#include "store/dialect/query_guard.h"
#include "store/engine/schema.h"
#include "tests/contract/event_store_world.h"

namespace penstock::store {
namespace {

using testing::Row;
using testing::World;

class EventStoreContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (has_sql() && !World::engine_available()) {
      GTEST_SKIP() << "the engine's library is not there: run tools/setup";
    }
    world_ = std::make_unique<World>(GetParam());
    ASSERT_TRUE(world_->wait_ready()) << world_->store().health().detail;
  }

  bool has_sql() const { return std::string_view(GetParam()) != "memory"; }
  std::unique_ptr<World> world_;
};

INSTANTIATE_TEST_SUITE_P(Stores, EventStoreContract, ::testing::ValuesIn(World::kinds()),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(EventStoreContract, KeepsABatchOnceHoweverOftenItIsRepeated) {
  for (int i = 0; i < 3; i++) {
    ASSERT_TRUE(world_->insert("a", {{1, 1}, {1, 2}, {2, 3}}).has_value());
  }
  ASSERT_TRUE(world_->insert("b", {{1, 4}}).has_value());
  EXPECT_EQ(world_->stored_events(), 4U);
}

TEST_P(EventStoreContract, AnEmptyBatchIsStoredAtOnce) {
  EXPECT_TRUE(world_->insert("empty", {}).has_value());
  EXPECT_EQ(world_->stored_events(), 0U);
}

TEST_P(EventStoreContract, TextsOfEveryKindComeBackAsTheyWere) {
  Row row{1, 1};
  row.event = "it's \"quoted\" \\ \n\t";
  row.distinct_id = std::string("z\0ero ü 😀", 12);
  row.properties = R"({"a":"\u0000","deep":{"x":[1,2.5,null]}})";
  ASSERT_TRUE(world_->insert("texts'\\", {row}).has_value());
  if (!has_sql()) return;
  EXPECT_EQ(world_->ask("SELECT hex(event), hex(distinct_id), hex(properties) FROM events"),
            "\"" + World::hex(row.event) + "\",\"" + World::hex(row.distinct_id) + "\",\"" +
                World::hex(row.properties) + "\"\n");
}

TEST_P(EventStoreContract, QueriesWithoutSqlSaySo) {
  if (has_sql()) return;
  const auto answer = world_->query("SELECT 1", 1);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
}

/// One store of each kind for all of these.
class EngineStoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  static void TearDownTestSuite() { worlds().clear(); }
  void SetUp() override {
    if (!World::engine_available()) {
      GTEST_SKIP() << "the engine's library is not there: run tools/setup";
    }
    auto& own = worlds()[GetParam()];
    world_ = own.get();
    if (own != nullptr) return;
    own = std::make_unique<World>(GetParam());
    world_ = own.get();
    ASSERT_TRUE(world_->wait_ready()) << world_->store().health().detail;
    ASSERT_TRUE(world_->insert("one", {{1, 1}, {1, 2}, {2, 3}, {2, 4}, {2, 5}}).has_value());
    ASSERT_TRUE(world_->insert_people("people", {1, 2, 2}).has_value());
    for (int i = 0; i < 2; i++) {
      ASSERT_TRUE(world_->insert_recordings("recordings", {1, 2}).has_value());
    }
  }
  void expect_refused(const std::string& sql, int64_t project = 1) {
    const auto answer = world_->query(sql, project);
    EXPECT_FALSE(answer.has_value()) << sql << " answered " << answer->body;
    if (answer) return;
    EXPECT_TRUE(answer.error().code == Code::kDenied || answer.error().code == Code::kInvalid)
        << sql << ": " << answer.error().message;
    EXPECT_EQ(answer.error().message.find("DB::"), std::string::npos) << answer.error().message;
    EXPECT_EQ(answer.error().message.find("(version"), std::string::npos);
  }
  World* world_ = nullptr;

 private:
  static std::map<std::string, std::unique_ptr<World>>& worlds() {
    static std::map<std::string, std::unique_ptr<World>> all;
    return all;
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, EngineStoreTest, ::testing::ValuesIn(World::kinds(true)),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(EngineStoreTest, AProjectSeesItsRowsAndTheOperatorAll) {
  EXPECT_EQ(world_->ask("SELECT count() FROM events", 1), "2\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM events", 2), "3\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM events", 3), "0\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM events", 0), "5\n");
  for (const char* table : {"person", "person_distinct_id2", "person_distinct_id_overrides"}) {
    EXPECT_EQ(world_->ask(std::string("SELECT count() FROM ") + table, 1), "1\n") << table;
  }
}

TEST_P(EngineStoreTest, RecordingsAreAddedUpPerSessionAndOnlyOnesOwn) {
  for (const char* table : {"session_replay_events", "log_entries"}) {
    EXPECT_EQ(world_->ask(std::string("SELECT count() FROM ") + table, 1), "1\n") << table;
    EXPECT_EQ(world_->ask(std::string("SELECT count() FROM ") + table, 3), "0\n") << table;
    EXPECT_EQ(world_->ask(std::string("SELECT count() FROM ") + table, 0), "2\n") << table;
    EXPECT_EQ(world_->ask(std::string("SELECT any(team_id) FROM ") + table, 2), "2\n");
  }
  EXPECT_EQ(world_->ask("SELECT count() FROM session_replay_blocks", 2), "2\n");
  EXPECT_EQ(world_->ask("SELECT click_count, event_count, message_count, length(block_urls), "
                        "arraySort(all_urls)[2], toUnixTimestamp(max_last_timestamp), "
                        "retention_period_days FROM session_replay_events",
                        1),
            "4,10,2,2,\"https://example.com/second\",1785585602,30\n");
  EXPECT_EQ(world_->ask("SELECT argMinMerge(first_url), argMinMerge(snapshot_source), "
                        "argMinMerge(snapshot_library) FROM session_replay_events",
                        2),
            "\"https://example.com/first\",\"web\",\\N\n");
  EXPECT_EQ(world_->ask("SELECT level, message FROM log_entries", 2),
            "\"warn\",\"it's \"\"odd\"\"\"\n");
}

TEST_P(EngineStoreTest, AGroupIsTheRowOfItsHighestVersionInWhateverOrderTheyCome) {
  for (int i = 0; i < 2; i++) {
    ASSERT_TRUE(world_->insert_group("group-2", {5, 6}, 2, R"({"v":2})").has_value());
    ASSERT_TRUE(world_->insert_group("group-1", {5}, 1, R"({"v":1})").has_value());
  }
  const std::string sql =
      "SELECT group_type_index, group_key, group_properties, toUnixTimestamp64Milli(created_at), "
      "is_deleted, version FROM groups FINAL";
  EXPECT_EQ(world_->ask(sql, 5),
            "2,\"it's \"\"odd\"\"\",\"{\"\"v\"\":2}\",1785585600123,false,2\n");
  ASSERT_TRUE(world_->insert_group("group-3", {5}, 3, R"({"v":3})").has_value());
  EXPECT_EQ(world_->ask("SELECT group_properties FROM groups FINAL", 5), "\"{\"\"v\"\":3}\"\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM groups FINAL", 0), "2\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM groups FINAL", 7), "0\n");
}

TEST_P(EngineStoreTest, HeatmapsAreRowsOfTheirPointsKeptOnceAndOnlyOnesOwn) {
  for (int i = 0; i < 2; i++) ASSERT_TRUE(world_->insert_heatmaps("heat", {5, 6}).has_value());
  EXPECT_EQ(world_->ask("SELECT type, x, y, scale_factor, viewport_width, viewport_height, "
                        "pointer_target_fixed, current_url, session_id, distinct_id "
                        "FROM heatmaps ORDER BY type",
                        5),
            "\"click\",5,-3,16,120,67,true,\"https://example.com/\",\"session\",\"u\"\n"
            "\"scrolldepth\",0,32767,16,120,67,false,\"https://example.com/before\",\"session\","
            "\"u\"\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM heatmaps", 0), "4\n");
  EXPECT_EQ(world_->ask("SELECT count() FROM heatmaps", 7), "0\n");
}

TEST_P(EngineStoreTest, NoFormOfQueryPassesTheFilter) {
  for (const char* text :
       {"SELECT count() FROM default.events", "SELECT count() FROM `default`.\"events\" AS e",
        "SELECT count() FROM events FINAL", "FROM events SELECT count()",
        "SELECT count() FROM (SELECT * FROM events WHERE team_id = 2 OR 1)",
        "WITH x AS (SELECT * FROM events) SELECT count() FROM x",
        "WITH events AS (SELECT * FROM default.events) SELECT count() FROM events",
        "SELECT (SELECT count() FROM events)", "SELECT count() FROM sharded_events SAMPLE 1",
        "SELECT uniq(uuid) FROM sharded_events PREWHERE team_id IN (1, 2) WHERE 1",
        "SELECT count() FROM sharded_events FINAL", "SELECT uniq(uuid, person_id) FROM events",
        "SELECT count() FROM person AS p, events AS e WHERE e.team_id != 7",
        "SELECT length(groupArray(e.uuid)) FROM events e LEFT JOIN events f ON e.uuid = f.uuid",
        "SELECT sum(c) FROM (SELECT 1 c FROM events UNION ALL SELECT 0 c FROM events)",
        "SELECT countIf(team_id = 1) + 100 * countIf(team_id != 1) FROM events",
        "SELECT count() FROM events WHERE uuid IN (SELECT uuid FROM events) /* x */ -- y"}) {
    std::string sql = text;
    for (size_t at = 0; (at = sql.find("default", at)) != std::string::npos;) {
      sql.replace(at, 7, world_->database());
      at += world_->database().size();
    }
    EXPECT_EQ(world_->ask(sql, 1), "2\n") << sql;
  }
  EXPECT_EQ(world_->ask("SELECT max(team_id), min(team_id) FROM events", 1), "1,1\n");
  EXPECT_EQ(world_->ask("SELECT countIf(team_id = 2) FROM person p JOIN events e USING team_id", 1),
            "0\n");
}

TEST_P(EngineStoreTest, WhatReadsPastTheFilterIsRefused) {
  for (const char* sql : {"SELECT count() FROM merge('default', 'events')",
                          "SELECT * FROM mergeTreeIndex(default, events)",
                          "SELECT count() FROM MERGE /**/ ('default','events')",
                          "SELECT * FROM `merge`('default','events')",
                          "SELECT count() FROM remote('127.0.0.1', default.events)",
                          "SELECT * FROM loop(default.events) LIMIT 9",
                          "SELECT * FROM view(SELECT * FROM events)",
                          "SELECT count() FROM cluster('default', 'default', 'events')",
                          "SELECT * FROM system.parts",
                          "SELECT * FROM \"system\" . \"tables\"",
                          "SELECT * FROM INFORMATION_SCHEMA.tables",
                          "SELECT * FROM penstock_migrations",
                          "SELECT * FROM penstock_overrides",
                          "SELECT joinGet('penstock_overrides', 'person_id', 2, 'u')",
                          "SELECT arrayMap(joinGetOrNull, ['penstock_overrides'])",
                          "SELECT dictGetOrNull('d', 'a', 1)",
                          "SELECT count() FROM events SAMPLE 0.1",
                          "SELECT count() FROM events AS e SAMPLE 1/10",
                          "SELECT * FROM `penstock_migrations`",
                          "SELECT 2 IN system.parts",
                          "EXPLAIN ESTIMATE SELECT * FROM events",
                          "SHOW TABLES",
                          "USE system",
                          "SELECT count() FROM events SETTINGS additional_table_filters = {}",
                          "SELECT count() FROM events SETTINGS readonly = 0",
                          "SET readonly = 0",
                          "SET additional_table_filters = {}"}) {
    expect_refused(sql);
  }
}

TEST_P(EngineStoreTest, WhatTheEngineReadsDifferentlyIsRefused) {
  for (const char* sql :
       {"SELECT /* /* */ ' */ 1, * FROM system.parts -- '", "SELECT $$'$$, * FROM system.parts",
        "SELECT $a$'$a$, name FROM system.parts", "SELECT ‘'’, name FROM system.parts",
        "SELECT 1 // '\n, * FROM system.parts", "SELECT 1 #'\n",
        "SELECT \"\\x66ile\"('/etc/passwd')", "SELECT * FROM `\\x73ystem`.parts", "SELECT 'open",
        "SELECT /* open", "SELECT 1; SELECT 2", "SELECT 1;;; DROP TABLE events", "", " ; ",
        "-- nothing", "\\", "SELECT\x01"}) {
    expect_refused(sql);
  }
}

TEST_P(EngineStoreTest, TheMachineCannotBeReadOrReached) {
  const std::string out = world_->directory() + "/out.txt";
  for (const int64_t project : {1, 0}) {
    for (const std::string sql :
         {"SELECT file('/etc/passwd')", "SELECT \"file\"('/etc/passwd')",
          "SELECT arrayMap(file, ['/etc/passwd'])",
          "SELECT * APPLY(file) FROM (SELECT '/etc/passwd')",
          "SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM '/etc/passwd'",
          "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
          "DESCRIBE TABLE url('http://127.0.0.1:1/x')",
          "SELECT * FROM s3('http://127.0.0.1:1/b/k')",
          "SELECT * FROM executable('id', 'TSV', 'a String')",
          "SELECT 1 INTO OUTFILE '/tmp/penstock_out'", "SELECT 1 FORMAT CSV",
          "INSERT INTO events (team_id) VALUES (1)", "DROP TABLE events", "SYSTEM SHUTDOWN",
          "ALTER TABLE events DELETE WHERE 1", "CREATE TABLE x (a Int8) ENGINE = Memory",
          "KILL QUERY WHERE 1", "BACKUP TABLE events TO File('x')"}) {
      expect_refused(sql, project);
    }
  }
  EXPECT_FALSE(std::filesystem::exists("/tmp/penstock_out"));
}

TEST_P(EngineStoreTest, ReadingQueriesWorkInTheirFormats) {
  EXPECT_EQ(world_->ask("SELECT number FROM numbers(2);", 1), "0\n1\n");
  EXPECT_EQ(world_->ask("WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t WHERE "
                        "n < 4) SELECT sum(n) FROM t",
                        1),
            "10\n");
  EXPECT_EQ(world_->ask("SELECT 1 AS format, 'system.parts; DROP' AS system", 1),
            "1,\"system.parts; DROP\"\n");
  EXPECT_TRUE(world_->query("DESCRIBE events", 1).has_value());
  const auto json = world_->query("SELECT 1 AS a", 1, QueryFormat::kJsonCompact);
  ASSERT_TRUE(json.has_value());
  EXPECT_NE(json->body.find("\"meta\""), std::string::npos);
  EXPECT_NE(json->body.find("\"statistics\""), std::string::npos);
  const auto pretty = world_->query("SELECT 1 AS a", 1, QueryFormat::kPretty);
  ASSERT_TRUE(pretty.has_value());
  EXPECT_NE(pretty->body.find('a'), std::string::npos);
  EXPECT_EQ(
      world_->ask("SELECT `$session_id`, `$group_0`, elements_chain_href FROM events LIMIT 1", 1),
      "\"s1\",\"acme\",\"/x\"\n");
}

TEST_P(EngineStoreTest, LimitsAnswerClearly) {
  QueryLimits limits;
  limits.time_ms_max = 300;
  const auto slow = world_->query("SELECT sleepEachRow(0.2) FROM numbers(100) SETTINGS", 1,
                                  QueryFormat::kCsvWithNames, limits);
  EXPECT_FALSE(slow.has_value());
  const auto late = world_->query("SELECT count() FROM numbers(1e13) WHERE number % 7 = 3", 1,
                                  QueryFormat::kCsvWithNames, limits);
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code, Code::kTimeout) << late.error().message;
  limits = {};
  limits.memory_bytes_max = 20U << 20;
  const auto fat = world_->query("SELECT groupArray(toString(number)) FROM numbers(10000000)", 1,
                                 QueryFormat::kCsvWithNames, limits);
  ASSERT_FALSE(fat.has_value());
  EXPECT_EQ(fat.error().code, Code::kExhausted) << fat.error().message;
  limits = {};
  limits.result_rows_max = 10;
  const auto many =
      world_->query("SELECT number FROM numbers(1000000)", 1, QueryFormat::kCsvWithNames, limits);
  ASSERT_FALSE(many.has_value());
  EXPECT_EQ(many.error().code, Code::kExhausted) << many.error().message;
  const auto wrong = world_->query("SELECT nothing_there FROM events", 1);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code, Code::kInvalid);
  EXPECT_NE(wrong.error().message.find("nothing_there"), std::string::npos);
  EXPECT_EQ(wrong.error().message.find("Code:"), std::string::npos) << wrong.error().message;
}

TEST_P(EngineStoreTest, ARunningQueryIsCancelledWithinASecond) {
  const auto begin = std::chrono::steady_clock::now();
  auto running =
      world_->start_query("long", "SELECT count() FROM numbers(1e13) WHERE number % 7 = 3");
  world_->cancel("long");
  const auto answer = running.get();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::kCancelled) << answer.error().message;
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  world_->cancel("long");  // unknown by now: ignored
  EXPECT_EQ(world_->ask("SELECT 1", 1), "1\n");
}

TEST_P(EngineStoreTest, QueriesWaitTheirTurnAndCanBeCancelledWhileTheyWait) {
  std::vector<std::future<Result<QueryResult>>> all;
  for (int i = 0; i < 8; i++) {
    all.push_back(world_->start_query("q" + std::to_string(i),
                                      "SELECT count() FROM numbers(1e13) WHERE number % 7 = 3"));
  }
  // Inserts go on beside them.
  EXPECT_TRUE(world_->insert("beside", {{9, 1}}).has_value());
  for (int i = 7; i >= 0; i--) world_->cancel("q" + std::to_string(i));
  for (auto& one : all) {
    const auto answer = one.get();
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, Code::kCancelled) << answer.error().message;
  }
}

TEST_P(EngineStoreTest, EveryTableIsGuardedAndEveryTableFunctionKnown) {
  const bool cluster = std::string_view(GetParam()) == "cluster";
  EXPECT_EQ(world_->ask(
                "SELECT name FROM system.tables WHERE database = currentDatabase() AND name NOT IN "
                "('events', 'sharded_events', 'person', 'persons', 'person_distinct_id2', "
                "'person_distinct_ids', 'person_distinct_id_overrides', "
                "'groups', 'ingestion_warnings', 'session_replay_blocks', "
                "'session_replay_events', 'log_entries', 'heatmaps') AND NOT "
                "startsWith(name, 'penstock_') ORDER BY name",
                0),
            cluster ? "\"sharded_heatmaps\"\n\"sharded_ingestion_warnings\"\n"
                      "\"sharded_log_entries\"\n\"sharded_session_replay_blocks\"\n"
                      "\"writable_events\"\n"
                    : "");
  EXPECT_EQ(world_->ask("SELECT count() FROM system.columns WHERE database = currentDatabase() AND "
                        "table NOT LIKE 'penstock_%' AND name = 'team_id' AND "
                        "type IN ('Int64', 'UInt64')",
                        0),
            cluster ? "18\n" : "13\n");
  for (const char* table : {"writable_events", "sharded_events"}) {
    const std::string rows = std::string("SELECT count() FROM ") + table;
    EXPECT_EQ(world_->ask(cluster ? rows : "SELECT 2", 1), "2\n") << table;
    EXPECT_EQ(world_->ask(cluster ? rows : "SELECT 0", 99), "0\n") << table;
  }
  std::istringstream names(world_->ask("SELECT lower(name) FROM system.table_functions", 0));
  for (std::string name; std::getline(names, name);) {
    name = name.substr(1, name.size() - 2);
    const auto& allowed = allowed_table_functions();
    const auto& denied = denied_table_functions();
    EXPECT_TRUE(std::ranges::count(allowed, name) + std::ranges::count(denied, name) == 1)
        << "decide whether a query may use " << name;
  }
}

/// The engine's process is killed at bad moments; what was acknowledged stays, once.
class EngineStoreCrash : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!World::engine_available()) GTEST_SKIP() << "the engine's library is not there";
    world_ = std::make_unique<World>(GetParam());
    ASSERT_TRUE(world_->wait_ready()) << world_->store().health().detail;
  }

  static std::vector<Row> rows(size_t n, size_t bytes, uint32_t first = 0) {
    Row row{1, 1};
    row.properties = "{\"x\":\"" + std::string(bytes, 'x') + "\"}";
    std::vector<Row> out(n, row);
    for (size_t i = 0; i < n; i++) out[i].number = first + static_cast<uint32_t>(i);
    return out;
  }

  std::unique_ptr<World> world_;
};
INSTANTIATE_TEST_SUITE_P(Stores, EngineStoreCrash, ::testing::Values("engine", "clickhouse"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(EngineStoreCrash, ARepeatedBatchIsKeptOnceAcrossKills) {
  const auto batch = rows(2000, 100);
  for (int i = 0; i < 3; i++) {
    ASSERT_TRUE(world_->insert("same", batch).has_value());
    EXPECT_EQ(world_->stored_events(), 2000U);
    ASSERT_TRUE(world_->kill_engine());
    ASSERT_TRUE(world_->wait_restarts(static_cast<uint64_t>(i) + 1));
  }
  EXPECT_EQ(world_->stored_events(), 2000U);
  EXPECT_EQ(world_->ask("SELECT count() FROM penstock_migrations"),
            world_->front() != nullptr ? "1\n" : std::to_string(migrations().size()) + "\n");
}

TEST_P(EngineStoreCrash, KilledInTheMiddleOfInsertsEveryBatchIsKeptOnce) {
  size_t expected = 0;
  int maybe = 0;
  for (int i = 0; i < 6; i++) {
    // Rows of three months: three parts, so that a kill can fall between them.
    auto batch = rows(6000, 500, static_cast<uint32_t>(i) * 6000);
    for (size_t k = 0; k < batch.size(); k++) {
      batch[k].timestamp_ms += static_cast<int64_t>(k % 3) * 31 * 86'400'000;
    }
    const uint64_t restarts = world_->store().health().restarts;
    auto first = world_->start_insert("b" + std::to_string(i), batch);
    first.wait_for(std::chrono::milliseconds(i * 12));
    ASSERT_TRUE(world_->kill_engine());
    Status status = first.get();
    if (!status) {
      maybe++;
      EXPECT_TRUE(status.error().code == Code::kMaybe || status.error().code == Code::kUnavailable)
          << status.error().message;
    }
    ASSERT_TRUE(world_->wait_restarts(restarts + 1));
    status = world_->insert("b" + std::to_string(i), batch);
    ASSERT_TRUE(status.has_value()) << status.error().message;
    expected += batch.size();
    EXPECT_EQ(world_->stored_events(), expected) << "after round " << i;
  }
  EXPECT_GT(maybe, 0);
}

TEST_P(EngineStoreCrash, AQueryUnderWayIsAnsweredWhenTheEngineDies) {
  auto running = world_->start_query("q", "SELECT count() FROM numbers(1e13) WHERE number % 7 = 3");
  world_->ask("SELECT 1");
  ASSERT_TRUE(world_->kill_engine());
  const auto answer = running.get();
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  ASSERT_TRUE(world_->wait_restarts(1));
  EXPECT_EQ(world_->ask("SELECT 1"), "1\n");
}

TEST_P(EngineStoreCrash, TheDirectoryOutlivesTheProcess) {
  ASSERT_TRUE(world_->insert("kept", rows(10, 10)).has_value());
  world_->keep_directory();
  const std::string directory = world_->directory();
  world_.reset();
  world_ = std::make_unique<World>(GetParam(), directory);
  ASSERT_TRUE(world_->wait_ready()) << world_->store().health().detail;
  EXPECT_EQ(world_->stored_events(), 10U);
  ASSERT_TRUE(world_->insert("kept", rows(10, 10)).has_value());
  EXPECT_EQ(world_->stored_events(), 10U);
}

// A process killed after the engine noted a block and before its part got its name.
TEST_P(EngineStoreCrash, ABlockThatWasNotedAndNotStoredIsStoredWhenRepeated) {
  ASSERT_TRUE(world_->insert("noted", rows(10, 10)).has_value());
  world_->keep_directory();
  const std::string directory = world_->directory();
  world_.reset();
  std::vector<std::filesystem::path> parts;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    const bool of_a_month = entry.path().filename().string().starts_with("202");
    if (entry.is_directory() && of_a_month) parts.push_back(entry.path());
  }
  ASSERT_FALSE(parts.empty());
  for (const auto& part : parts) std::filesystem::remove_all(part);
  world_ = std::make_unique<World>(GetParam(), directory);
  ASSERT_TRUE(world_->wait_ready()) << world_->store().health().detail;
  EXPECT_EQ(world_->stored_events(), 0U);
  ASSERT_TRUE(world_->insert("noted", rows(10, 10)).has_value());
  EXPECT_EQ(world_->stored_events(), 10U);
  ASSERT_TRUE(world_->insert("noted", rows(10, 10)).has_value());
  EXPECT_EQ(world_->stored_events(), 10U);
}

TEST_P(EngineStoreCrash, ManyMonthsAreOneBatchAndFewPartitions) {
  auto batch = rows(3000, 10);
  for (size_t k = 0; k < batch.size(); k++) {
    batch[k].timestamp_ms = -62'167'219'200'000 + static_cast<int64_t>(k) * 105'000'000'000;
  }
  batch[0].timestamp_ms = INT64_MIN;
  batch[1].timestamp_ms = INT64_MAX;
  for (int i = 0; i < 2; i++) {
    const Status status = world_->insert("months", batch);
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }
  EXPECT_EQ(world_->stored_events(), batch.size());
  EXPECT_LE(std::stoul(world_->ask("SELECT uniq(partition) FROM system.parts WHERE active AND "
                                   "table = 'sharded_events'")),
            362U);
}

}  // namespace
}  // namespace penstock::store
