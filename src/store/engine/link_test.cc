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

TEST_F(EngineLinkTest, SetUpInterruptedByACrashGoesOn) {
  run(std::string(migrations()[0].statements[0]));  // the first table is there, its record is not
  EXPECT_EQ(detail_of_store(), "ready");
}

}  // namespace
}  // namespace penstock::store
