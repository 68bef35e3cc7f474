// What only a database on the other side of a connection can do to a PersonStore: be gone, stand
// still, restart, be written to by somebody else, refuse a value.
#include <gtest/gtest.h>

#include <thread>

#include "log/memory_log.h"
#include "persons/postgres_store.h"
#include "runtime/sim_runtime.h"
#include "tests/contract/postgres_server.h"

namespace penstock::persons {
namespace {

using event::DistinctIdChange;
using event::PersonChange;
using testing::PostgresServer;

constexpr ProjectId kProject{1};

class PostgresPersonStoreFaults : public ::testing::Test {
 protected:
  void SetUp() override {
    if (server_ == nullptr) {
      if (PostgresServer::required()) FAIL() << "PostgreSQL 15 is not installed";
      GTEST_SKIP() << "PostgreSQL 15 is not installed: tools/setup --test";
    }
    schema_ = server_->new_schema();
    store_ = open();
  }
  std::unique_ptr<PersonStore> open(int64_t statement_ms = 10'000) const {
    return make_postgres_person_store({.url = server_->url(schema_),
                                       .source = "log",
                                       .connect_ms = 2000,
                                       .statement_ms = statement_ms,
                                       .retry_ms = 0});
  }
  static PersonChange person(const Uuid& id, uint64_t version, std::string_view properties,
                             bool deleted = false) {
    PersonChange p;
    p.project = kProject;
    p.id = id;
    p.properties = properties;
    p.version = version;
    p.is_deleted = deleted;
    p.created_at_ms = 1000;
    return p;
  }
  static PersonUpdates updates(std::vector<PersonChange> persons,
                               std::vector<DistinctIdChange> ids) {
    PersonUpdates out;
    out.persons = std::move(persons);
    out.distinct_ids = std::move(ids);
    return out;
  }
  Status apply(std::vector<PersonChange> persons, std::vector<DistinctIdChange> ids,
               int64_t position) {
    return store_->apply(updates(std::move(persons), std::move(ids)), {{{0}, {position}}});
  }
  std::string properties(const Uuid& id) {
    const auto got = store_->get(kProject, id);
    return got && *got ? (*got)->properties : "none";
  }
  std::string sql(const std::string& text) const { return server_->execute(schema_, text); }

  PostgresServer* server_ = testing::postgres_server();
  std::string schema_;
  std::unique_ptr<PersonStore> store_;
  const Uuid a_ = person_uuid(kProject, "a"), b_ = person_uuid(kProject, "b");
};

TEST_F(PostgresPersonStoreFaults, ASessionThatEndsIsReplacedAndNothingIsLostOrDoubled) {
  for (int i = 1; i <= 20; i++) {
    const std::string text = R"({"n":)" + std::to_string(i) + "}";
    server_->cut(schema_);
    Status s = apply({person(a_, static_cast<uint64_t>(i), text)}, {}, i);
    if (!s) s = apply({person(a_, static_cast<uint64_t>(i), text)}, {}, i);
    ASSERT_TRUE(s.has_value()) << s.error().message;
    EXPECT_EQ(properties(a_), text);
  }
  EXPECT_EQ(*store_->count(kProject), 1U);
  EXPECT_EQ(store_->applied().at(0).next.value, 20);
}

TEST_F(PostgresPersonStoreFaults, ATransactionThatIsCutLeavesNothing) {
  ASSERT_TRUE(apply({person(a_, 1, R"({"v":1})")}, {{kProject, "a", a_, false, 0}}, 1));
  // Somebody holds the person's row, so that the transaction waits in its middle.
  const auto holder = server_->connect(schema_, true);
  PQclear(PQexec(holder.get(), "BEGIN; SELECT 1 FROM posthog_persondistinctid FOR UPDATE"));
  std::thread cutter([&] {
    while (sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == "0") {}
    server_->cut(schema_);
  });
  const std::vector<DistinctIdChange> move{{kProject, "a", b_, false, 1}};
  const Status cut = apply({person(a_, 2, R"({"v":2})"), person(b_, 1, "{}")}, move, 2);
  cutter.join();
  EXPECT_FALSE(cut.has_value());
  EXPECT_EQ(properties(a_), R"({"v":1})") << "half a transaction is there";
  EXPECT_EQ(properties(b_), "none");
  PQclear(PQexec(holder.get(), "ROLLBACK"));
  ASSERT_TRUE(apply({person(a_, 2, R"({"v":2})"), person(b_, 1, "{}")}, move, 2));
  EXPECT_EQ(properties(a_), R"({"v":2})");
  EXPECT_EQ(store_->distinct_ids(kProject, b_, 9)->size(), 1U);
}

TEST_F(PostgresPersonStoreFaults, AServerThatIsGoneIsAnErrorUntilItIsBack) {
  ASSERT_TRUE(apply({person(a_, 1, R"({"v":1})")}, {}, 1));
  server_->kill_now();
  for (int i = 0; i < 3; i++) {
    const Status s = apply({person(a_, 2, R"({"v":2})")}, {}, 2);
    ASSERT_FALSE(s.has_value());
    EXPECT_EQ(s.error().code, Code::kUnavailable) << s.error().message;
    EXPECT_FALSE(store_->fetch({{kProject, "a"}}).has_value());
    EXPECT_FALSE(store_->get(kProject, a_).has_value());
  }
  server_->start();
  const Status s = apply({person(a_, 2, R"({"v":2})")}, {}, 2);
  ASSERT_TRUE(s.has_value()) << s.error().message;
  EXPECT_EQ(properties(a_), R"({"v":2})");
}

TEST_F(PostgresPersonStoreFaults, AServerThatStandsStillCostsADeadline) {
  store_ = open(300);
  ASSERT_TRUE(apply({person(a_, 1, "{}")}, {}, 1));
  server_->freeze();
  const auto begun = std::chrono::steady_clock::now();
  const Status s = apply({person(a_, 2, "{}")}, {}, 2);
  const auto took = std::chrono::steady_clock::now() - begun;
  server_->thaw();
  ASSERT_FALSE(s.has_value());
  EXPECT_EQ(s.error().code, Code::kTimeout) << s.error().message;
  EXPECT_LT(took, std::chrono::seconds(3));
  // The frozen transaction may have happened after all; repeating it settles that.
  Status again = apply({person(a_, 2, R"({"v":2})")}, {}, 2);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(store_->applied().at(0).next.value, 2);
}

TEST_F(PostgresPersonStoreFaults, AStatementThatTakesTooLongIsATimeout) {
  store_ = open(200);
  ASSERT_TRUE(apply({person(a_, 1, "{}")}, {}, 1));
  const auto holder = server_->connect(schema_, true);
  PQclear(PQexec(holder.get(), "BEGIN; SELECT 1 FROM posthog_person FOR UPDATE"));
  const Status s = apply({person(a_, 2, "{}")}, {}, 2);
  ASSERT_FALSE(s.has_value());
  EXPECT_EQ(s.error().code, Code::kTimeout) << s.error().message;
  PQclear(PQexec(holder.get(), "ROLLBACK"));
  EXPECT_TRUE(apply({person(a_, 2, "{}")}, {}, 2).has_value());
}

TEST_F(PostgresPersonStoreFaults, OfTwoWritersTheHigherVersionWins) {
  const auto other = open();
  std::thread racing([&] {
    for (uint64_t v = 1; v <= 200; v += 2) {
      const std::string text = R"({"v":)" + std::to_string(v) + "}";
      const Uuid fresh = person_uuid(kProject, "r" + std::to_string(v));
      for (;;) {
        const Status s = other->apply(
            updates({person(a_, v, text), person(fresh, v, text)},
                    {{kProject, "a", v % 4 == 1 ? a_ : b_, false, static_cast<int64_t>(v)}}),
            {});
        if (s) break;
      }
    }
  });
  for (uint64_t v = 2; v <= 200; v += 2) {
    const std::string text = R"({"v":)" + std::to_string(v) + "}";
    const Uuid fresh = person_uuid(kProject, "r" + std::to_string(v - 1));
    for (;;) {
      const Status s = store_->apply(
          updates({person(a_, v, text), person(fresh, v, text)},
                  {{kProject, "a", v % 4 == 0 ? a_ : b_, false, static_cast<int64_t>(v)}}),
          {});
      if (s) break;
    }
  }
  racing.join();
  EXPECT_EQ(properties(a_), R"({"v":200})");
  for (uint64_t v = 2; v <= 200; v += 2) {
    EXPECT_EQ(properties(person_uuid(kProject, "r" + std::to_string(v - 1))),
              R"({"v":)" + std::to_string(v) + "}");
  }
  EXPECT_EQ(store_->distinct_ids(kProject, a_, 9)->size(), 1U);
  EXPECT_EQ(sql("SELECT count(*) FROM posthog_person"), "101");
}

TEST_F(PostgresPersonStoreFaults, ValuesThatJsonbRefusesAreMadeFit) {
  ASSERT_TRUE(
      apply({person(a_, 1,
                    R"({"nul":"a\u0000b","half":"\ud800","pair":"\ud83d\ude00",)"
                    R"("big":1e400,"tiny":1e-999,"long":1e131071,"n":-1.50,"o":{"a":[1, 2]}})")},
            {{kProject, std::string_view("a\0b", 3), a_, false, 0}}, 1));
  EXPECT_EQ(sql("SELECT properties->>'nul' FROM posthog_person"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(sql("SELECT properties->>'half' FROM posthog_person"), "\xef\xbf\xbd");
  EXPECT_EQ(sql("SELECT properties->>'pair' FROM posthog_person"), "\xf0\x9f\x98\x80");
  EXPECT_EQ(sql("SELECT properties->'big' FROM posthog_person"), "null");
  EXPECT_EQ(sql("SELECT properties->'tiny' FROM posthog_person"), "0");
  EXPECT_EQ(sql("SELECT properties->'n' FROM posthog_person"), "-1.50");
  EXPECT_NE(properties(a_).find(R"("o":{"a":[1,2]})"), std::string::npos) << properties(a_);
  const auto found = store_->fetch({{kProject, std::string("a\0b", 3)}});
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE((*found)[0].has_value()) << "asked for by the id as it was sent";
}

TEST_F(PostgresPersonStoreFaults, WhatIsRefusedNonethelessHoldsUpNothing) {
  const std::string id(500, 'x');  // longer than PostHog's column
  ASSERT_TRUE(apply({person(a_, 1, R"({"v":1})"), person(b_, 1, R"({"broken":)")},
                    {{kProject, id, a_, false, 0}, {kProject, "a", a_, false, 0}}, 1));
  EXPECT_EQ(properties(a_), R"({"v":1})");
  EXPECT_EQ(properties(b_), "none");
  EXPECT_EQ(store_->distinct_ids(kProject, a_, 9)->size(), 1U);
  EXPECT_EQ(store_->applied().at(0).next.value, 1);
}

TEST_F(PostgresPersonStoreFaults, PersonsThatOthersReferToAreLeftAndTheRestGoesOn) {
  ASSERT_TRUE(apply({person(a_, 1, "{}"), person(b_, 1, "{}")}, {}, 1));
  sql("CREATE TABLE cohort (person_id bigint REFERENCES posthog_person (id) DEFERRABLE INITIALLY "
      "DEFERRED); INSERT INTO cohort SELECT id FROM posthog_person WHERE uuid = '" +
      a_.text() + "'");
  ASSERT_TRUE(apply({person(a_, 101, "{}", true), person(b_, 101, "{}", true)}, {}, 2));
  EXPECT_EQ(properties(a_), "{}");
  EXPECT_EQ(properties(b_), "none");
}

TEST_F(PostgresPersonStoreFaults, TablesOfPostHogAreTakenAsTheyAre) {
  schema_ = server_->new_schema();
  // As PostHog's migrations leave them, with rows whose version is still empty.
  sql("CREATE TABLE posthog_person (id serial PRIMARY KEY, created_at timestamptz NOT NULL, "
      "properties_last_updated_at jsonb, properties jsonb NOT NULL, team_id integer NOT NULL, "
      "is_user_id integer, is_identified boolean NOT NULL, uuid uuid NOT NULL, "
      "properties_last_operation jsonb, version bigint); CREATE INDEX posthog_person_uuid ON "
      "posthog_person (uuid); CREATE TABLE posthog_persondistinctid (id serial PRIMARY KEY, "
      "distinct_id varchar(400) NOT NULL, person_id integer NOT NULL REFERENCES posthog_person "
      "(id) "
      "DEFERRABLE INITIALLY DEFERRED, team_id integer NOT NULL, version bigint, CONSTRAINT "
      "\"unique distinct_id for team\" UNIQUE (team_id, distinct_id)); INSERT INTO posthog_person "
      "(created_at, properties, team_id, is_identified, uuid) VALUES (now(), '{\"old\": true}', 1, "
      "false, '" +
      a_.text() +
      "'); INSERT INTO posthog_persondistinctid (distinct_id, person_id, "
      "team_id) SELECT 'a', id, 1 FROM posthog_person");
  store_ = open();
  const auto found = store_->fetch({{kProject, "a"}});
  ASSERT_TRUE(found.has_value()) << found.error().message;
  EXPECT_EQ((*found)[0]->properties, R"({"old":true})");
  EXPECT_EQ((*found)[0]->version, 0U);
  ASSERT_TRUE(apply({person(a_, 1, R"({"new":1})"), person(b_, 0, "{}")},
                    {{kProject, "a", b_, false, 1}}, 1));
  EXPECT_EQ(properties(a_), R"({"new":1})");
  EXPECT_EQ(store_->fetch({{kProject, "a"}})->at(0)->id, b_);
}

TEST_F(PostgresPersonStoreFaults, ADatabaseThatForgotIsFilledFromTheLog) {
  // A standby took over and lacks the last transactions. The log has them.
  runtime::SimRuntime runtime(7);
  runtime::Loop& loop = runtime.make_loop();
  const auto log = log::make_memory_log(runtime);
  ASSERT_TRUE(log->start({{std::string(event::kTopicProcessed), 1, 0, 0, {}}}));
  log::Batch batch;
  for (int i = 1; i <= 5; i++) {
    const std::string text = R"({"n":)" + std::to_string(i) + "}";
    std::string record;
    event::encode(person(a_, static_cast<uint64_t>(i), text), record);
    log::encode_record(batch.data, record);
    batch.count++;
  }
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  log->append(loop, std::string(event::kTopicProcessed), std::move(batches), [](auto) {});
  runtime.run_for(std::chrono::seconds(5));
  Status recovered = fail(Code::kBug, "did not end");
  store_->recover(*log, loop, [&](Status s) { recovered = std::move(s); });
  runtime.run_for(std::chrono::seconds(5));
  ASSERT_TRUE(recovered.has_value()) << recovered.error().message;
  EXPECT_EQ(properties(a_), R"({"n":5})");
  sql("UPDATE penstock_person_position SET next_offset = 2; UPDATE posthog_person SET version = 2, "
      "properties = '{\"n\": 2}'");
  server_->cut(schema_);
  EXPECT_FALSE(store_->fetch({{kProject, "a"}}).has_value());  // the session is gone
  const auto behind = store_->fetch({{kProject, "a"}});
  ASSERT_FALSE(behind.has_value());
  EXPECT_EQ(behind.error().code, Code::kUnavailable) << behind.error().message;
  runtime.run_for(std::chrono::seconds(5));
  EXPECT_TRUE(store_->fetch({{kProject, "a"}}).has_value());
  EXPECT_EQ(properties(a_), R"({"n":5})");
}

TEST_F(PostgresPersonStoreFaults, AStartWithoutTheServerCatchesUpLater) {
  runtime::SimRuntime runtime(7);
  runtime::Loop& loop = runtime.make_loop();
  const auto log = log::make_memory_log(runtime);
  ASSERT_TRUE(log->start({{std::string(event::kTopicProcessed), 1, 0, 0, {}}}));
  log::Batch batch;
  std::string record;
  event::encode(person(a_, 1, R"({"n":1})"), record);
  log::encode_record(batch.data, record);
  batch.count = 1;
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  log->append(loop, std::string(event::kTopicProcessed), std::move(batches), [](auto) {});
  runtime.run_for(std::chrono::seconds(5));
  server_->kill_now();
  Status recovered = fail(Code::kBug, "did not end");
  store_->recover(*log, loop, [&](Status s) { recovered = std::move(s); });
  runtime.run_for(std::chrono::seconds(5));
  EXPECT_TRUE(recovered.has_value()) << "the start is not held up";
  EXPECT_FALSE(store_->fetch({{kProject, "a"}}).has_value());
  server_->start();
  EXPECT_FALSE(store_->fetch({{kProject, "a"}}).has_value()) << "before it has caught up";
  runtime.run_for(std::chrono::seconds(5));
  EXPECT_TRUE(store_->fetch({{kProject, "a"}}).has_value());
  EXPECT_EQ(properties(a_), R"({"n":1})");
}

}  // namespace
}  // namespace penstock::persons
