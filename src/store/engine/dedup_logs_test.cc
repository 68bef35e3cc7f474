#include "store/engine/dedup_logs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace penstock::store {
namespace {

namespace fs = std::filesystem;

class DedupLogs : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(logs());
    fs::create_directories(table() / "detached");
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path table() const { return root_ / "store" / "abc" / "abc-table"; }
  fs::path logs() const { return table() / "deduplication_logs"; }
  void part(const std::string& name) const { fs::create_directories(table() / name); }
  void log(int n, const std::string& text) const {
    std::ofstream(path(n), std::ios::binary) << text;
  }
  std::string text(int n) const {
    std::ifstream in(path(n), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  fs::path path(int n) const {
    return logs() / ("deduplication_log_" + std::to_string(n) + ".txt");
  }

  fs::path root_ = fs::temp_directory_path() / ("penstock-dedup-" + std::to_string(::getpid()));
};

TEST_F(DedupLogs, AnEmptyDirectoryHasNothingToStrike) {
  EXPECT_EQ(*strike_lost_blocks(root_.string()), 0U);
  EXPECT_EQ(*strike_lost_blocks((root_ / "nowhere").string()), 0U);
}

TEST_F(DedupLogs, WhatTheEngineNotesIsWrittenThrough) {
  EXPECT_FALSE(write_logs_through((root_ / "nowhere").string())) << "no table has a log yet";
  log(1, "1\tall_1_1_0\ta\n");
  EXPECT_TRUE(sync_logs(root_.string()));
  if (!write_logs_through(root_.string())) {
    GTEST_SKIP() << "this file system has no such attribute; then the logs are synced";
  }
  log(2, "1\tall_2_2_0\tb\n");  // made later, as the engine makes them
  for (const int n : {1, 2}) {
    const int fd = ::open(path(n).c_str(), O_RDONLY | O_CLOEXEC);
    int flags = 0;
    EXPECT_EQ(::ioctl(fd, FS_IOC_GETFLAGS, &flags), 0);
    ::close(fd);
    EXPECT_NE(flags & FS_SYNC_FL, 0) << path(n);
  }
  EXPECT_TRUE(write_logs_through(root_.string())) << "twice is once";
}

TEST_F(DedupLogs, ANoteWithoutItsPartIsStruck) {
  part("202601_1_1_0");
  part("tmp_insert_202602_2_2_0");
  log(1, "1\t202601_1_1_0\ta\n1\t202602_2_2_0\tb\n");
  EXPECT_EQ(*strike_lost_blocks(root_.string()), 1U);
  EXPECT_EQ(text(1), "1\t202601_1_1_0\ta\n1\t202602_2_2_0\tb\n2\t202602_2_2_0\tb\n");
  EXPECT_EQ(*strike_lost_blocks(root_.string()), 0U) << "once is enough";
}

TEST_F(DedupLogs, AMergedPartHoldsThoseItWasMadeOf) {
  part("all_1_3_1");
  part("all_4_4_0_9");  // mutated
  log(1, "1\tall_1_1_0\ta\n1\tall_2_2_0\tb\n");
  log(2, "1\tall_3_3_0\tc\n1\tall_4_4_0\td\n1\tall_5_5_0\te\n");
  EXPECT_EQ(*strike_lost_blocks(root_.string()), 1U);
  EXPECT_EQ(text(1), "1\tall_1_1_0\ta\n1\tall_2_2_0\tb\n");
  EXPECT_TRUE(text(2).ends_with("\n2\tall_5_5_0\te\n")) << "in the newest log";
}

TEST_F(DedupLogs, WhatWasStruckOrNotedAgainCountsAsItWasLast) {
  part("all_2_2_0");
  log(2, "2\tall_1_1_0\ta\n1\tall_2_2_0\ta\n2\tall_9_9_0\tb\n");
  log(10, "1\tall_2_2_0\tc\n");
  log(1, "1\tall_1_1_0\ta\n1\tall_9_9_0\tb\n");
  EXPECT_EQ(*strike_lost_blocks(root_.string()), 0U) << "logs are read by their number";
}

TEST_F(DedupLogs, ALineThatWasCutOffIsRemoved) {
  part("all_1_1_0");
  log(1, "1\tall_1_1_0\ta\n1\tall_2_2_");
  EXPECT_EQ(*strike_lost_blocks(root_.string()), 0U);
  EXPECT_EQ(text(1), "1\tall_1_1_0\ta\n");
}

}  // namespace
}  // namespace penstock::store
