// What only a ClickHouse server over HTTP can do to a store: stand still, answer nonsense or half,
// refuse, have too many parts, be several; and that its tables are the embedded store's.
//
// The server is today's engine behind the interface's HTTP (tests/clickhouse_front.py).
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "event/messages.h"
#include "store/clickhouse/ddl_sql.h"
#include "store/clickhouse/migrator.h"
#include "store/retrying_store.h"
#include "tests/contract/event_store_world.h"

namespace penstock::store {
namespace {

using testing::ClickHouseFront;
using testing::Row;
using testing::World;

class ClickHouseServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!World::engine_available()) GTEST_SKIP() << "the engine's library is not there";
    world_ = std::make_unique<World>("clickhouse");
    ASSERT_TRUE(world_->wait_ready()) << world_->store().health().detail;
  }

  static std::vector<Row> rows(uint32_t n, uint32_t first = 0) {
    std::vector<Row> out(n, Row{});
    for (uint32_t i = 0; i < n; i++) out[i].number = first + i;
    return out;
  }
  Code code_of(const Status& s) { return s ? Code::kBug : s.error().code; }
  /// Until it is stored, as the loader does.
  Status insert_until_stored(const std::string& id, const std::vector<Row>& batch,
                             int tries = 200) {
    Status out;
    for (int i = 0; i < tries; i++) {
      out = world_->insert(id, batch);
      if (out || out.error().code == Code::kInvalid) return out;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return out;
  }

  std::unique_ptr<World> world_;
};

TEST_F(ClickHouseServerTest, TellsWhatItIsAndHowItIs) {
  ASSERT_TRUE(world_->insert("a", rows(10)).has_value());
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  const StoreHealth health = world_->store().health();
  EXPECT_EQ(health.engine, "clickhouse (server)");
  EXPECT_TRUE(health.version.starts_with("2")) << health.version;
  EXPECT_GT(health.disk_bytes, 0U);
  const auto answer = world_->query("SELECT uuid FROM events", 1);
  ASSERT_TRUE(answer.has_value());
  EXPECT_GT(answer->rows_read, 0U);
}

TEST_F(ClickHouseServerTest, EveryKindOfBadAnswerToAnInsertIsRepeatedIntoOneCopy) {
  const struct {
    const char* fault;
    Code code;
  } kFaults[]{{"lost", Code::kMaybe},           {"half", Code::kMaybe},
              {"garbage", Code::kMaybe},        {"page", Code::kMaybe},
              {"code:252", Code::kBusy},        {"code:241", Code::kExhausted},
              {"code:242", Code::kUnavailable}, {"code:319", Code::kMaybe},
              {"code:516", Code::kDenied},      {"code:117", Code::kInvalid}};
  uint32_t stored = 0;
  for (const auto& [fault, code] : kFaults) {
    ASSERT_TRUE(world_->wait_ready());
    world_->front()->fault(fault, 1, "INSERT INTO sharded_events");
    const auto batch = rows(50, stored);
    const Status first = world_->insert(fault, batch);
    EXPECT_EQ(code_of(first), code) << fault << (first ? "" : ": " + first.error().message);
    ASSERT_TRUE(insert_until_stored(fault, batch).has_value()) << fault;
    stored += 50;
    EXPECT_EQ(world_->stored_events(), stored) << fault;
  }
}

TEST_F(ClickHouseServerTest, EveryKindOfBadAnswerToAQueryIsAnErrorOfTheRightKind) {
  const struct {
    const char* fault;
    Code code;
  } kFaults[]{
      {"lost", Code::kUnavailable}, {"half", Code::kUnavailable}, {"garbage", Code::kUnavailable},
      {"page", Code::kUnavailable}, {"code:202", Code::kBusy},    {"code:241", Code::kExhausted},
      {"code:159", Code::kTimeout}, {"code:516", Code::kDenied},  {"code:242", Code::kUnavailable}};
  for (int number = 41; const auto& [fault, code] : kFaults) {
    ASSERT_TRUE(world_->wait_ready());
    // Twice: a connection that was used before and is lost without an answer is tried once more.
    const std::string sql = "SELECT " + std::to_string(number++);
    world_->front()->fault(fault, 2, sql);
    const auto answer = world_->query(sql, 1);
    ASSERT_FALSE(answer.has_value()) << fault;
    EXPECT_EQ(answer.error().code, code) << fault << ": " << answer.error().message;
  }
  ASSERT_TRUE(world_->wait_ready());
  EXPECT_EQ(world_->ask("SELECT 60"), "60\n");
}

TEST_F(ClickHouseServerTest, AServerThatStandsStillHoldsNobodyBackAndIsFoundAgain) {
  world_->front()->freeze();
  const auto begin = std::chrono::steady_clock::now();
  auto insert = world_->start_insert("still", rows(10));
  while (world_->store().health().ready &&
         std::chrono::steady_clock::now() - begin < std::chrono::seconds(20)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_FALSE(world_->store().health().ready) << "it stands still and nobody has noticed";
  const auto answer = world_->query("SELECT 1", 1);
  EXPECT_FALSE(answer.has_value());
  world_->front()->thaw();
  ASSERT_TRUE(world_->wait_ready());
  (void)insert.get();
  ASSERT_TRUE(insert_until_stored("still", rows(10)).has_value());
  EXPECT_EQ(world_->stored_events(), 10U);
}

TEST_F(ClickHouseServerTest, WhatAServerHadInMemoryIsMadeAnewWhenItStartsAgain) {
  ASSERT_TRUE(world_->insert("rows", rows(3)).has_value());
  ASSERT_TRUE(
      world_->insert_mappings("m", {{{1}, "u1", testing::person_id(7), false, 1}}).has_value());
  const std::string moved =
      "SELECT count() FROM events WHERE person_id = '" + testing::person_id(7).text() + "'";
  EXPECT_EQ(world_->ask(moved), "3\n");
  ASSERT_TRUE(world_->kill_engine());
  ASSERT_TRUE(world_->wait_restarts(1));
  EXPECT_EQ(world_->ask(moved), "3\n");
}

TEST_F(ClickHouseServerTest, AWrongPasswordIsSaidAndTheRightOneLaterWorks) {
  runtime::LoopThread& thread = world_->thread();
  auto runtime = runtime::make_real_runtime();
  ClickHouseOptions options{.urls = world_->front()->url(), .password = "not the secret"};
  std::unique_ptr<EventStore> store;
  world_->on_loop([&] {
    store = std::move(*make_clickhouse_store(*runtime, thread.loop(), options));
    ASSERT_TRUE(store->start().has_value());
  });
  for (int i = 0; i < 500 && store->health().detail.find("Authentication") == std::string::npos;
       i++) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_NE(store->health().detail.find("Authentication failed"), std::string::npos)
      << store->health().detail;
  EXPECT_EQ(store->health().detail.find("not the secret"), std::string::npos);
  EXPECT_FALSE(store->health().ready);
  world_->on_loop([&] { store.reset(); });
}

TEST_F(ClickHouseServerTest, HttpsIsSpokenWithWhomTheFileTrustsAndNobodyElse) {
  ASSERT_TRUE(world_->insert("here", rows(5)).has_value());
  runtime::LoopThread& thread = world_->thread();
  auto runtime = runtime::make_real_runtime();
  for (const bool trusted : {true, false}) {
    ClickHouseOptions options{.urls = world_->front()->tls_url(),
                              .password = "a-secret-of-the-tests"};
    if (trusted) options.ca_file = world_->front()->ca_file();
    std::unique_ptr<EventStore> store;
    world_->on_loop([&] {
      store = std::move(*make_clickhouse_store(*runtime, thread.loop(), options));
      ASSERT_TRUE(store->start().has_value());
    });
    for (int i = 0; i < 500 && !store->health().ready &&
                    store->health().detail.find("certificate") == std::string::npos;
         i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(store->health().ready, trusted) << store->health().detail;
    if (!trusted) {
      EXPECT_NE(store->health().detail.find("certificate"), std::string::npos)
          << store->health().detail;
    } else {
      const auto answer = world_->await<Result<QueryResult>>([&](auto done) {
        store->query({"q", "SELECT count() FROM events", {1}, QueryFormat::kCsvWithNames, {}},
                     std::move(done));
      });
      EXPECT_TRUE(answer.has_value() && answer->body.find("5\n") != std::string::npos);
    }
    world_->on_loop([&] { store.reset(); });
  }
}

TEST_F(ClickHouseServerTest, AProjectSeesNoOtherDatabaseOfTheServer) {
  EXPECT_EQ(world_->front()->run("CREATE DATABASE Other"), "");
  EXPECT_EQ(world_->front()->run("CREATE TABLE Other.events (team_id Int64) ENGINE = Memory"), "");
  EXPECT_EQ(world_->front()->run("INSERT INTO Other.events SELECT 7"), "");
  Result<QueryResult> answer;
  for (int i = 0; i < 100; i++) {  // until the next look
    answer = world_->query("SELECT team_id FROM Other.events", 1);
    if (!answer) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  ASSERT_FALSE(answer.has_value()) << answer->body;
  EXPECT_EQ(answer.error().code, Code::kDenied);
  EXPECT_FALSE(world_->query("SELECT * FROM `Other`.\"events\"", 1).has_value());
  EXPECT_EQ(world_->ask("SELECT team_id FROM Other.events", 0), "7\n");
}

TEST_F(ClickHouseServerTest, TheNextServerIsAskedWhenOneIsAway) {
  ASSERT_TRUE(world_->insert("here", rows(5)).has_value());
  runtime::LoopThread& thread = world_->thread();
  auto runtime = runtime::make_real_runtime();
  // Nothing listens on the first.
  ClickHouseOptions options{.urls = "http://127.0.0.1:9, " + world_->front()->url(1) + "/",
                            .password = "a-secret-of-the-tests"};
  std::unique_ptr<EventStore> store;
  world_->on_loop([&] {
    auto plain = std::move(*make_clickhouse_store(*runtime, thread.loop(), options));
    store = make_retrying_store(std::move(plain), *runtime, thread.loop());
    ASSERT_TRUE(store->start().has_value());
  });
  // Asked before it is known which of them is there: the decorator's patience covers that.
  const auto answer = world_->await<Result<QueryResult>>([&](auto done) {
    store->query({"q", "SELECT count() FROM events", {1}, QueryFormat::kCsvWithNames, {}},
                 std::move(done));
  });
  ASSERT_TRUE(answer.has_value()) << answer.error().message;
  EXPECT_NE(answer->body.find("5\n"), std::string::npos) << answer->body;
  store->stop();
  world_->on_loop([&] { store.reset(); });
}

TEST_F(ClickHouseServerTest, TwoThatStartAtOnceMakeTheTablesOnce) {
  // What a runner that died in the middle left behind: its lock, and no record.
  EXPECT_EQ(world_->ask("SELECT count() FROM system.tables WHERE name = 'penstock_migrating'"),
            "0\n");
  EXPECT_EQ(world_->ask("SELECT version, name FROM penstock_migrations"),
            "1,\"posthog-shaped tables on a server\"\n");
  auto runtime = runtime::make_real_runtime();
  runtime::LoopThread& thread = world_->thread();
  const std::string directory = testing::fresh_directory();
  {
    ClickHouseFront fresh(testing::beside("penstock-engine"), testing::beside("libchdb.so"),
                          directory);
    std::vector<std::unique_ptr<EventStore>> stores(3);
    world_->on_loop([&] {
      for (auto& store : stores) {
        ClickHouseOptions options{.urls = fresh.url(), .retry_ms_min = 20, .retry_ms_max = 100};
        store = std::move(*make_clickhouse_store(*runtime, thread.loop(), options));
        ASSERT_TRUE(store->start().has_value());
      }
    });
    for (auto& store : stores) {
      for (int i = 0; i < 1500 && !store->health().ready; i++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
      EXPECT_TRUE(store->health().ready) << store->health().detail;
    }
    const auto answer = world_->await<Result<QueryResult>>([&](auto done) {
      stores[0]->query({"q",
                        "SELECT count(), (SELECT count() FROM system.tables WHERE name = "
                        "'penstock_migrating') FROM penstock_migrations",
                        {0},
                        QueryFormat::kCsvWithNames,
                        {}},
                       std::move(done));
    });
    ASSERT_TRUE(answer.has_value());
    EXPECT_NE(answer->body.find("1,0\n"), std::string::npos) << answer->body;
    world_->on_loop([&] { stores.clear(); });
  }
  std::filesystem::remove_all(directory);
}

TEST_F(ClickHouseServerTest, ItsTablesAreTheEmbeddedStoresColumnByColumn) {
  World embedded("engine");
  ASSERT_TRUE(embedded.wait_ready());
  for (const char* sql :
       {"SELECT table, name, type, default_kind, default_expression, compression_codec, "
        "is_in_sorting_key, is_in_partition_key, is_in_sampling_key FROM system.columns WHERE "
        "database = 'default' AND table NOT LIKE 'penstock_%' ORDER BY table, name",
        "SELECT name, engine, sorting_key, partition_key, sampling_key FROM system.tables WHERE "
        "database = 'default' AND name NOT LIKE 'penstock_%' ORDER BY name",
        "SELECT name, extract(create_table_query, 'TTL .*SETTINGS') FROM system.tables WHERE "
        "database = 'default' AND name NOT LIKE 'penstock_%' AND create_table_query LIKE "
        "'%TTL%' ORDER BY name"}) {
    EXPECT_EQ(world_->ask(sql), embedded.ask(sql)) << sql;
  }
}

}  // namespace
}  // namespace penstock::store
