// Goal: the tables of a cluster and of the classic path are what the documentation shows, today's
// dialect reads every statement, and the topics' messages become the same rows as an insert's.
//
// There is no cluster and no Kafka here: statements that need one are parsed by the engine, not
// run. What a Kafka table would take from a topic is inserted into a table of the same columns.
#include "store/clickhouse/ddl_sql.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

#include "base/codec.h"
#include "event/messages.h"
#include "runtime/real_runtime.h"
#include "store/clickhouse_store.h"
#include "store/dialect/row_binary.h"
#include "store/dialect/upkeep_sql.h"
#include "store/engine/link.h"

namespace penstock::store::clickhouse {
namespace {

std::string beside(const std::string& name) {
  char self[PATH_MAX] = {};
  if (::readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return {};
  for (auto at = std::filesystem::path(self).parent_path(); at.has_relative_path();
       at = at.parent_path()) {
    if (std::filesystem::exists(at / name)) return (at / name).string();
  }
  return {};
}

/// The engine with every right.
class DdlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.library = beside("libchdb.so");
    options_.binary = beside("penstock-engine");
    if (options_.library.empty() || options_.binary.empty()) {
      GTEST_SKIP() << "the engine's library is not there: run tools/setup";
    }
    directory_ = "/tmp/penstock-ddl-XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    options_.directory = directory_ + "/engine";
    thread_.start();
    on_loop([this] {
      link_ = std::make_unique<EngineLink>(thread_.poller(), options_, [] {});
      ASSERT_TRUE(link_->spawn().has_value());
    });
  }
  void TearDown() override {
    if (directory_.empty()) return;
    on_loop([this] { link_.reset(); });
    thread_.stop();
    thread_.join();
    std::filesystem::remove_all(directory_);
  }
  void on_loop(const std::function<void()>& work) {
    std::promise<void> done;
    thread_.loop().post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  std::string request(EngineOp op, std::string operands) {
    std::promise<std::string> promise;
    on_loop([&] {
      link_->request(op, std::move(operands), [&](Result<EngineReply> reply) {
        promise.set_value(reply ? reply->body : "error: " + reply.error().message);
      });
    });
    return promise.get_future().get();
  }
  std::string run(const std::string& sql) {
    std::string operands;
    ByteWriter w(operands);
    w.bytes(sql);
    w.bytes("TSV");
    return request(EngineOp::kRun, std::move(operands));
  }

  EngineOptions options_;
  std::string directory_;
  runtime::LoopThread thread_{"ddl"};
  std::unique_ptr<EngineLink> link_;
};

ClickHouseOptions cluster_options() {
  ClickHouseOptions out;
  out.database = "penstock";
  out.cluster = "main";
  return out;
}

TEST(Ddl, IsWhatTheDocumentationShows) {
  std::string text;
  for (const std::string& s : clickhouse_ddl(cluster_options(), "kafka-1:9092,kafka-2:9092", "")) {
    text += s + ";\n\n";
  }
  std::ifstream in(PENSTOCK_SOURCE_DIR "/docs/formats/clickhouse_cluster.sql");
  const std::string shown{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text, shown) << "penstock store ddl --database penstock --cluster main --kafka "
                            "kafka-1:9092,kafka-2:9092 > docs/formats/clickhouse_cluster.sql";
}

TEST(Ddl, NamesThatAreNoneAreRefused) {
  EXPECT_TRUE(check_layout({"penstock", "main"}).has_value());
  for (const char* name : {"", "a b", "a'b", "a.b", "a`b", "a;b"}) {
    EXPECT_FALSE(check_layout({name, ""}).has_value()) << name;
    const bool none = *name == '\0';  // of a cluster: there is none
    EXPECT_EQ(check_layout({"penstock", name}).has_value(), none) << name;
  }
}

TEST(Ddl, WhereABatchGoesOnAClusterDependsOnItsRowsAlone) {
  for (const std::string& s : create_tables({"penstock", "main"})) {
    EXPECT_EQ(s.find("rand()"), std::string::npos) << "a repeated row would go to another shard";
  }
}

TEST_F(DdlTest, TodaysDialectReadsEveryStatement) {
  for (const char* brokers : {"", "kafka:9092"}) {
    for (const ClickHouseOptions& options : {cluster_options(), ClickHouseOptions{}}) {
      for (const std::string& s : clickhouse_ddl(options, brokers, "")) {
        const std::string read = run("SELECT formatQuery(" + sql::quoted(s) + ") != ''");
        EXPECT_EQ(read, "1\n") << s;
      }
    }
  }
  EXPECT_TRUE(run("SELECT formatQuery('CREATE TABEL t')").starts_with("error:"));
  Layout cluster{"penstock", "main"};
  EXPECT_EQ(run("SELECT formatQuery(" + sql::quoted(take_lock(cluster, "x")) + ") != ''"), "1\n");
}

TEST_F(DdlTest, TodaysDialectReadsTheUpkeepOfACluster) {
  const sql::Place at{"penstock", "main", "us'er", "pass\\word"};
  const EraseRequest request{"e'1", {7}, Uuid{}, {"a'b"}};
  std::vector<std::string> all{sql::event_partitions(at),
                               sql::stale_count(at, "202608"),
                               sql::room_for(at, "202608"),
                               sql::rewrite(at, "202608"),
                               sql::applied_count(at),
                               sql::delete_applied(at),
                               sql::unfinished(at, "sharded_events"),
                               sql::give_up(at, "sharded_events"),
                               sql::note_count(request, sql::erase_targets(at, request)[0], 1)};
  const auto add = [&all](const std::vector<std::string>& more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  add(sql::freeze(at));
  add(sql::ready_frozen(at));
  add(sql::thaw(at));
  add(sql::complete_ids(at, request));
  for (const sql::EraseTarget& target : sql::erase_targets(at, request)) {
    add({sql::count_of(target), sql::delete_of(at, target)});
    const bool on_each_shard =
        sql::delete_of(at, target).find(" ON CLUSTER 'main' ") != std::string::npos;
    EXPECT_EQ(on_each_shard, target.table.starts_with("sharded_")) << target.table;
  }
  for (const std::string& s : all) {
    EXPECT_EQ(run("SELECT formatQuery(" + sql::quoted(s) + ") != ''"), "1\n") << s;
  }
  // Before a mutation reads it, and between two steps of which the second reads the first's.
  EXPECT_EQ(sql::complete_ids(at, request).back(),
            "SYSTEM SYNC REPLICA ON CLUSTER 'main' penstock.penstock_erasing");
  EXPECT_EQ(sql::ready_frozen(at).front(),
            "SYSTEM SYNC REPLICA ON CLUSTER 'main' penstock.penstock_squash");
  // One server is asked what it was asked before there were clusters.
  EXPECT_EQ(sql::rewrite({"d"}, "202608").find("SETTINGS"), std::string::npos);
  EXPECT_TRUE(sql::settle({"d"}, "sharded_events").empty());
}

TEST_F(DdlTest, TheTopicsMessagesBecomeTheRowsOfAnInsert) {
  const Layout inserted{}, classic{"classic", "", "/clickhouse/tables", true};
  for (const std::string& s : create_tables(inserted)) ASSERT_EQ(run(s), "") << s;
  ASSERT_EQ(run(create_database(classic)), "");
  for (const std::string& s : create_tables(classic)) ASSERT_EQ(run(s), "") << s;
  for (const std::string& s : create_kafka_reading(classic, {.engine = "Null"})) {
    ASSERT_EQ(run(s), "") << s;
  }
  constexpr int64_t kNoon = 1'785'585'600'123;
  InsertBatch batch;
  batch.id = "b";
  std::vector<std::pair<std::string, std::string>> messages;  // topic, message
  const auto tell = [&](const event::ProcessedRecord& record) {
    std::vector<std::string> out;
    event::append_messages(record, out);
    for (std::string& m : out) messages.emplace_back(event::message_topic(record), std::move(m));
  };
  for (uint8_t i = 0; i < 6; i++) {
    event::Outcome o;
    o.project = {7};
    o.uuid.bytes[0] = i;
    o.row.event = i == 0 ? "it's \"odd\" \\ \t\n\xF0\x9F\x98\x80" : "seen";
    o.row.properties = R"({"$session_id":"s","a":"\"\\\u0000","n":[1,2.5,null]})";
    o.row.timestamp_ms = kNoon + i;
    o.row.distinct_id = i == 1 ? "\xD0\xBA\"lient" : "u";
    o.row.elements_chain = R"(a.b:href="/x"text="it's";div:)";
    o.row.created_at_ms = kNoon + 1000;
    o.row.person_id.bytes[15] = i;
    o.row.person_properties = R"({"email":"a@b.c"})";
    o.row.person_created_at_ms = 1'700'000'000'000;  // messages tell whole seconds
    o.row.person_mode = static_cast<event::PersonMode>(i % 3);
    o.row.historical = i == 4;
    batch.events.push_back({o.project, o.uuid, o.row});
    tell(o);
    event::PersonChange p{
        {7}, o.row.person_id, R"({"x":"\""})", 1'700'000'000'000, i == 2, i == 3, i, {}};
    batch.persons.push_back(p);
    tell(p);
    event::DistinctIdChange d{{7}, i % 2 == 0 ? "u" : "v\"", o.row.person_id, i == 5, i};
    batch.distinct_ids.push_back(d);
    tell(d);
    event::GroupChange g{{7}, i, "acme \"x\"", R"({"plan":"pro"})", 1'700'000'000'000, i + 1U};
    batch.groups.push_back(g);
    tell(g);
    event::IngestionWarning w{{7}, "some_type", "plugin-server", R"({"a":"it's"})", kNoon + i};
    batch.warnings.push_back(w);
    tell(w);
  }
  event::Heatmap h{{7}, "s", "u", runtime::make_real_runtime()->clock().wall_ms(), 120, 67, {}};
  h.points = {{"https://x/?a=\"b\"", "click", 5, -3, true},
              {"https://x/", "scrolldepth", 0, 9, false}};
  for (const event::HeatmapPoint& point : h.points) {
    batch.heatmaps.push_back({h.project, h.session_id, h.distinct_id, h.timestamp_ms,
                              h.viewport_width, h.viewport_height, point});
  }
  tell(h);
  const std::string done = request(EngineOp::kInsert, encode_inserts(batch, kNoon).operands);
  ASSERT_EQ(done, "");
  const std::map<std::string, std::vector<std::string>> readers{
      {"clickhouse_events_json", {"events_json"}},
      {"clickhouse_person", {"person"}},
      {"clickhouse_person_distinct_id", {"person_distinct_id2", "person_distinct_id_overrides"}},
      {"clickhouse_groups", {"groups"}},
      {"clickhouse_ingestion_warnings", {"ingestion_warnings"}},
      {"clickhouse_heatmap_events", {"heatmaps"}}};
  for (const auto& [topic, message] : messages) {
    for (const std::string& reader : readers.at(topic)) {
      // The Kafka engine skips members that its table lacks, by this setting of its own.
      ASSERT_EQ(run("INSERT INTO classic.kafka_" + reader +
                    " SETTINGS input_format_skip_unknown_fields=1, async_insert=0 FORMAT "
                    "JSONEachRow " +
                    message),
                "")
          << message;
    }
  }
  const std::string own = "(_timestamp, _offset, inserted_at)";
  for (const std::string table :
       {"sharded_events", "person", "person_distinct_id2", "person_distinct_id_overrides", "groups",
        "ingestion_warnings", "heatmaps"}) {
    const std::string except = table == "sharded_events" ? own : "(_timestamp, _offset)";
    const std::string plain = table == "ingestion_warnings" || table == "heatmaps" ? "" : " FINAL";
    const auto rows = [&](const std::string& database) {
      return run("SELECT * EXCEPT " + except + " FROM " + database + "." + table + plain +
                 " ORDER BY ALL");
    };
    EXPECT_FALSE(rows("default").empty()) << table;
    EXPECT_EQ(rows("classic"), rows("default")) << table;
  }
  // The view follows overrides on the classic path as well.
  EXPECT_EQ(run("SELECT uniqExact(person_id) FROM classic.events WHERE distinct_id = 'u'"), "1\n");
  EXPECT_EQ(run("SELECT count(), uniqExact(uuid) FROM classic.events"), "6\t6\n");
}

}  // namespace
}  // namespace penstock::store::clickhouse
