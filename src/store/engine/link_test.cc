// The engine child by itself, with every right of the set-up connection: the cage holds without the
// query guard, and a store of another version is refused.
#include "store/engine/link.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "base/codec.h"
#include "runtime/real_runtime.h"
#include "store/dialect/row_binary.h"
#include "store/engine/schema.h"

namespace penstock::store {
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

class EngineLinkTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.library = beside("libchdb.so");
    options_.binary = beside("penstock-engine");
    if (options_.library.empty() || options_.binary.empty()) {
      GTEST_SKIP() << "the engine's library is not there: run tools/setup";
    }
    std::string path = "/tmp/penstock-link-XXXXXX";
    ASSERT_NE(::mkdtemp(path.data()), nullptr);
    directory_ = path;
    options_.directory = path + "/engine";
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

  /// As the loader's batches come: statements with their rows.
  std::string insert(const std::string& operands) {
    std::promise<std::string> promise;
    on_loop([&] {
      link_->request(EngineOp::kInsert, operands, [&](Result<EngineReply> reply) {
        promise.set_value(reply ? "" : reply.error().message);
      });
    });
    return promise.get_future().get();
  }

  /// Runs SQL as set-up does: nothing is refused but by the engine and the cage.
  std::string run(const std::string& sql) {
    std::promise<std::string> promise;
    std::string operands;
    ByteWriter w(operands);
    w.bytes(sql);
    w.bytes("TSV");
    on_loop([&] {
      link_->request(EngineOp::kRun, operands, [&](Result<EngineReply> reply) {
        promise.set_value(reply ? reply->body : "error: " + reply.error().message);
      });
    });
    return promise.get_future().get();
  }

  /// The store's own detail after it looked at the directory the link has prepared.
  std::string detail_of_store() {
    on_loop([this] { link_->kill(); });
    auto runtime = runtime::make_real_runtime();
    auto store = make_engine_store(*runtime, thread_.loop(), thread_.poller(), options_);
    EXPECT_TRUE(store.has_value());
    on_loop([&] { EXPECT_TRUE((*store)->start().has_value()); });
    std::string detail;
    while (detail.empty() || detail == "the engine is starting") {
      on_loop([&] { detail = (*store)->health().ready ? "ready" : (*store)->health().detail; });
    }
    (*store)->stop();
    on_loop([&] { store->reset(); });
    return detail;
  }

  EngineOptions options_;
  std::string directory_;
  runtime::LoopThread thread_{"link"};
  std::unique_ptr<EngineLink> link_;
};

TEST_F(EngineLinkTest, TheCageKeepsTheEngineInItsDirectory) {
  EXPECT_EQ(run("SELECT 1"), "1\n");
  EXPECT_EQ(run("SELECT file('/etc/passwd')").find("root:"), std::string::npos);
  EXPECT_TRUE(run("SELECT file('/etc/passwd')").starts_with("error:"));
  EXPECT_TRUE(run("SELECT * FROM file('/etc/hostname', 'LineAsString')").starts_with("error:"));
  const std::string out = directory_ + "/out.txt";
  run("SELECT 1 INTO OUTFILE '" + out + "'");
  EXPECT_FALSE(std::filesystem::exists(out));
  EXPECT_TRUE(
      run("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString') SETTINGS http_max_tries=1")
          .starts_with("error:"));
  EXPECT_TRUE(run("SELECT * FROM executable('/bin/id', 'TSV', 'a String')").starts_with("error:"));
  EXPECT_EQ(run("SELECT 2"), "2\n");
}

TEST_F(EngineLinkTest, AStoreOfANewerVersionIsRefused) {
  run("CREATE TABLE penstock_migrations (version Int32, name String, checksum UInt64, "
      "at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version");
  run("INSERT INTO penstock_migrations (version, name, checksum) VALUES (1, 'x', " +
      std::to_string(migrations()[0].checksum()) + "), (99, 'future', 1)");
  EXPECT_NE(detail_of_store().find("newer Penstock (schema 99"), std::string::npos);
}

TEST_F(EngineLinkTest, AStoreWhoseMigrationChangedIsRefused) {
  run("CREATE TABLE penstock_migrations (version Int32, name String, checksum UInt64, "
      "at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version");
  run("INSERT INTO penstock_migrations (version, name, checksum) VALUES (1, 'x', 7)");
  EXPECT_NE(detail_of_store().find("migration 1 has changed"), std::string::npos);
}

// As a full disk leaves it behind: the migration was not confirmed and is made again.
TEST_F(EngineLinkTest, AMigrationWhoseNoteWasNotWrittenWholeIsMadeAgain) {
  run("CREATE TABLE penstock_migrations (version Int32, name String, checksum UInt64, "
      "at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version");
  run("INSERT INTO penstock_migrations (version, name, checksum) VALUES (1, 'x', " +
      std::to_string(migrations()[0].checksum()) + ")");
  size_t emptied = 0, aside = 0;
  const auto all = [this] { return std::filesystem::recursive_directory_iterator(directory_); };
  for (const auto& entry : all()) {
    if (entry.path().filename() != "data.bin" || entry.is_symlink()) continue;
    std::filesystem::resize_file(entry.path(), 0);
    emptied++;
  }
  ASSERT_EQ(emptied, 1U);
  EXPECT_EQ(detail_of_store(), "ready");
  for (const auto& entry : all()) {
    aside += entry.path().filename().string().starts_with("broken") ? 1 : 0;
  }
  EXPECT_EQ(aside, 0U);
}

TEST_F(EngineLinkTest, SetUpInterruptedByACrashGoesOn) {
  run(std::string(migrations()[0].statements[0]));  // the first table is there, its record is not
  EXPECT_EQ(detail_of_store(), "ready");
}

TEST_F(EngineLinkTest, ABatchThatIsRepeatedAcrossTheRenamingOfItsTableIsStoredOnce) {
  const auto migrate = [&](int from, int to) {
    for (const Migration& m : migrations()) {
      if (m.version < from || m.version > to) continue;
      for (const std::string_view sql : m.statements) ASSERT_EQ(run(std::string(sql)), "");
    }
  };
  const auto batch_of = [](const std::string& id) {
    InsertBatch batch;
    batch.id = id;
    for (uint8_t i = 0; i < 3; i++) {
      InsertBatch::EventEntry& e = batch.events.emplace_back();
      e.project = {1};
      e.uuid.bytes[0] = i;
      e.row.event = "seen";
      e.row.distinct_id = "u";
      e.row.properties = e.row.person_properties = "{}";
      // Two months: two parts, each with a note of its own.
      e.row.timestamp_ms = 1'785'585'600'000 - (i % 2) * 40LL * 86'400'000;
    }
    return encode_inserts(batch, 1'785'585'600'000).operands;
  };
  const std::string now = batch_of("first");
  // As a version before the renaming wrote it: another table, the same token.
  std::string then = now;
  const std::string renamed = "INSERT INTO sharded_events (";
  ByteReader r(now);
  ASSERT_EQ(r.varint(), 1U);
  const std::string sql(r.bytes()), rows(r.bytes());
  ASSERT_TRUE(sql.starts_with(renamed)) << sql;
  ASSERT_NE(sql.find("insert_deduplication_token='first:events'"), std::string::npos) << sql;
  then.clear();
  ByteWriter w(then);
  w.varint(1);
  w.bytes("INSERT INTO events (" + sql.substr(renamed.size()));
  w.bytes(rows);
  migrate(1, 3);
  for (int i = 0; i < 2; i++) ASSERT_EQ(insert(then), "");
  EXPECT_EQ(run("SELECT count() FROM events"), "3\n");
  migrate(4, 4);
  for (int i = 0; i < 2; i++) ASSERT_EQ(insert(now), "");
  EXPECT_EQ(run("SELECT count() FROM sharded_events"), "3\n");
  ASSERT_EQ(insert(batch_of("second")), "");
  EXPECT_EQ(run("SELECT count() FROM sharded_events"), "6\n");
}

TEST_F(EngineLinkTest, ATableThatIsDroppedGivesItsDiskBack) {
  ASSERT_EQ(run("CREATE TABLE t (x UInt64) ENGINE = MergeTree ORDER BY x"), "");
  ASSERT_EQ(run("INSERT INTO t SELECT number FROM numbers(100000)"), "");
  // The table's own directory, where the engine says it is.
  std::string path = run("SELECT data_paths[1] FROM system.tables WHERE name = 't'");
  path.pop_back();
  const auto on_disk = [&] {
    return std::filesystem::exists(path) && !std::filesystem::is_empty(path);
  };
  ASSERT_TRUE(on_disk()) << path << " " << run("SELECT name, engine FROM system.databases");
  ASSERT_EQ(run("DROP TABLE t"), "");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (on_disk() && std::chrono::steady_clock::now() < deadline)
    ASSERT_EQ(run("SELECT 1"), "1\n");
  EXPECT_FALSE(on_disk()) << path;
}

}  // namespace
}  // namespace penstock::store
