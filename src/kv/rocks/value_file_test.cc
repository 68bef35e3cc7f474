// Files of values as RocksDB wrote them: whole ones are, and whatever byte of one changes or
// wherever it ends too early is noticed, by itself and in a check of the whole database.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "kv/key_value.h"
#include "kv/table_file.h"

namespace penstock::kv {
namespace {

namespace fs = std::filesystem;

class ValueFile : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(directory);
    WriteBatch batch;
    for (const char c : std::string("abcde")) batch.put({&c, 1}, std::string(300, c));
    ASSERT_TRUE((*open())->write(batch));
    ASSERT_TRUE(open());  // what was in the journal is in files now
    for (const auto& entry : fs::directory_iterator(directory)) {
      if (entry.path().extension() == ".blob") path = entry.path();
    }
    ASSERT_FALSE(path.empty());
    whole = bytes_of(path);
  }
  void TearDown() override { fs::remove_all(directory); }

  Result<std::unique_ptr<KeyValue>> open() const {
    return open_rocks_kv({directory.string(), 1U << 20, 1U << 20, true});
  }
  static std::string bytes_of(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  /// What a check says of a file of these bytes; nullopt: nothing.
  std::optional<Code> check(const std::string& bytes) const {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    const Status s = check_value_file(path.string());
    return s ? std::nullopt : std::optional(s.error().code);
  }

  const fs::path directory =
      fs::temp_directory_path() / ("penstock-values-" + std::to_string(::getpid()));
  fs::path path;
  std::string whole;
};

TEST_F(ValueFile, a_whole_one_is_whole_and_one_that_went_is_gone) {
  EXPECT_EQ(check(whole), std::nullopt);
  EXPECT_TRUE(verify_rocks_kv(directory.string()));
  fs::remove(path);
  EXPECT_EQ(check_value_file(path.string()).error().code, Code::kNotFound);
}

TEST_F(ValueFile, any_changed_byte_is_found) {
  for (size_t at = 0; at < whole.size(); at++) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (at % 8)));
    EXPECT_EQ(check(bytes), Code::kCorrupt) << at;
  }
  EXPECT_EQ(check(whole + "x"), Code::kCorrupt);
}

TEST_F(ValueFile, one_that_was_cut_off_has_no_end) {
  for (size_t size = 0; size < whole.size(); size++) {
    EXPECT_EQ(check(whole.substr(0, size)), Code::kBusy) << size;
  }
}

TEST_F(ValueFile, a_check_of_the_database_reads_it) {
  std::string bytes = whole;
  bytes[bytes.size() / 2] ^= 1;
  ASSERT_EQ(check(bytes), Code::kCorrupt);
  const Status verdict = verify_rocks_kv(directory.string());
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().code, Code::kCorrupt);
  EXPECT_NE(verdict.error().message.find(path.filename().string() + ": damaged at byte"),
            std::string::npos)
      << verdict.error().message;
}

TEST_F(ValueFile, files_that_nothing_refers_to_are_not_the_databases) {
  std::ofstream(directory / "999999.blob", std::ios::binary) << whole.substr(0, 100);
  EXPECT_TRUE(verify_rocks_kv(directory.string()));
}

}  // namespace
}  // namespace penstock::kv
