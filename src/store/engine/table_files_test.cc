#include "store/engine/table_files.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace penstock::store {
namespace {

namespace fs = std::filesystem;

constexpr char kPerson[] = "ATTACH TABLE _ UUID '1'\n(\n    `id` UUID\n)\nENGINE = MergeTree\n";
constexpr char kNewer[] = "ATTACH TABLE _ UUID '1'\n(\n    `id` UInt8\n)\nENGINE = MergeTree\n";

/// A directory as the engine lays it out: a database that is a link, tables beside it.
class TableFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ / "metadata");
    fs::create_directories(database());
    fs::create_directories(table());
    fs::create_directory_symlink(database(), root_ / "metadata" / "default");
    put(table() / "format_version.txt", "1");
    put(database() / "person.sql", kPerson);
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path database() const { return root_ / "store" / "65e" / "65e-database"; }
  fs::path table() const { return root_ / "store" / "abc" / "abc-table"; }
  void rows(const std::string& name) const {
    const fs::path part = root_ / "store" / name / (name + "-table") / "all_1_1_0";
    fs::create_directories(part);
    put(part / "checksums.txt", "c");
  }
  static void put(const fs::path& path, const std::string& text) {
    std::ofstream(path, std::ios::binary) << text;
  }
  static std::string text(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }
  Status check() const { return check_table_files(root_.string()); }
  Result<size_t> mend() const { return mend_table_files(root_.string()); }

  fs::path root_ = fs::temp_directory_path() / ("penstock-tables-" + std::to_string(::getpid()));
};

TEST_F(TableFiles, ADirectoryThatIsNotThereIsWhole) {
  EXPECT_TRUE(check_table_files((root_ / "nowhere").string()));
  EXPECT_EQ(*mend_table_files((root_ / "nowhere").string()), 0U);
}

TEST_F(TableFiles, WholeOnesStayAsTheyAre) {
  EXPECT_TRUE(check());
  EXPECT_EQ(*mend(), 0U);
  EXPECT_EQ(text(database() / "person.sql"), kPerson);
}

TEST_F(TableFiles, AnEmptyDefinitionIsNamedAndItsTableMadeAgain) {
  put(database() / "groups.sql", "");
  ASSERT_FALSE(check());
  EXPECT_NE(check().error().message.find("groups.sql"), std::string::npos);
  EXPECT_NE(check().error().message.find("NOT_ENOUGH_SPACE"), std::string::npos);
  EXPECT_EQ(*mend(), 1U);
  EXPECT_FALSE(fs::exists(database() / "groups.sql"));
  EXPECT_TRUE(check());
}

TEST_F(TableFiles, ADefinitionThatWasCutOffIsNotWhole) {
  put(database() / "person.sql", std::string(kPerson, 30));
  EXPECT_FALSE(check());
}

TEST_F(TableFiles, ADefinitionThatWasEmptiedIsWhatItWasAtTheLastStart) {
  keep_table_files(root_.string());
  put(database() / "person.sql", kNewer);
  keep_table_files(root_.string());
  put(database() / "person.sql", "");
  rows("events");
  rows("migrations");
  EXPECT_EQ(*mend(), 1U);
  EXPECT_EQ(text(database() / "person.sql"), kNewer);
}

TEST_F(TableFiles, WhatIsNotWholeIsNotKept) {
  keep_table_files(root_.string());
  put(database() / "person.sql", "");
  keep_table_files(root_.string());
  EXPECT_EQ(*mend(), 1U);
  EXPECT_EQ(text(database() / "person.sql"), kPerson);
}

TEST_F(TableFiles, ATableThatWasRenamedDoesNotComeBackUnderItsOldName) {
  put(database() / "events.sql", kPerson);
  put(database() / "person.sql", "");
  fs::create_directories(root_ / "kept_definitions" / "default");
  put(root_ / "kept_definitions" / "default" / "person.sql", kPerson);
  EXPECT_EQ(*mend(), 1U);
  EXPECT_FALSE(fs::exists(database() / "person.sql"));
}

TEST_F(TableFiles, ATableThatWasDroppedIsNotKeptAnyLonger) {
  keep_table_files(root_.string());
  fs::remove(database() / "person.sql");
  keep_table_files(root_.string());
  EXPECT_FALSE(fs::exists(root_ / "kept_definitions" / "default" / "person.sql"));
}

TEST_F(TableFiles, TablesWithRowsAreNotMadeAgainWithoutACopy) {
  rows("migrations");
  put(database() / "person.sql", "");
  rows("events");
  const auto mended = mend();
  ASSERT_FALSE(mended);
  EXPECT_EQ(mended.error().code, Code::kCorrupt);
  EXPECT_TRUE(fs::exists(database() / "person.sql"));
}

TEST_F(TableFiles, AFormatThatWasNotWrittenIsWrittenAndAMutationForgotten) {
  put(table() / "format_version.txt", "");
  put(table() / "mutation_7.txt", "");
  put(table() / "mutation_8.txt", "format version: 1\n");
  ASSERT_FALSE(check());
  EXPECT_NE(check().error().message.find("format_version.txt"), std::string::npos);
  EXPECT_EQ(*mend(), 2U);
  EXPECT_EQ(text(table() / "format_version.txt"), "1");
  EXPECT_FALSE(fs::exists(table() / "mutation_7.txt"));
  EXPECT_TRUE(fs::exists(table() / "mutation_8.txt"));
  EXPECT_TRUE(check());
}

}  // namespace
}  // namespace penstock::store
