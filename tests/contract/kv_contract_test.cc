// Contract of kv::KeyValue, over every implementation: ordered, atomic, and after a kill a prefix
// of the batches written. Method: the same cases against a fresh store of each engine.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "kv/key_value.h"
#include "kv/memory_kv.h"

namespace penstock::kv {
namespace {

class KeyValueContract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    directory = std::filesystem::temp_directory_path() / ("penstock-kv-" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory);
    kv = open();
  }
  void TearDown() override {
    kv.reset();
    std::filesystem::remove_all(directory);
  }
  std::unique_ptr<KeyValue> open() {
    if (std::string_view(GetParam()) == "memory") return make_memory_kv();
    auto opened = open_rocks_kv({directory.string(), 8U << 20, 4U << 20});
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  std::filesystem::path directory;
  std::unique_ptr<KeyValue> kv;
};

TEST_P(KeyValueContract, a_batch_is_applied_in_order_and_later_changes_win) {
  WriteBatch batch;
  batch.put("a", "1");
  batch.put("b", std::string("\0\xff", 2));
  batch.put("a", "2");
  batch.erase("c");
  ASSERT_TRUE(kv->write(batch));
  EXPECT_EQ(*kv->get("a"), "2");
  EXPECT_EQ(*kv->get("b"), std::string("\0\xff", 2));
  EXPECT_EQ(*kv->get("c"), std::nullopt);
  const auto many = kv->get_many({"c", "a", "", "b"});
  ASSERT_TRUE(many);
  EXPECT_EQ((*many)[1], "2");
  EXPECT_FALSE((*many)[0] || (*many)[2]);
}

TEST_P(KeyValueContract, scan_is_ordered_bounded_and_stops_when_asked) {
  WriteBatch batch;
  for (const char* key : {"p2", "p1", "q", "p\xff", "o"}) batch.put(key, key);
  ASSERT_TRUE(kv->write(batch));
  std::string seen;
  ASSERT_TRUE(kv->scan("p", prefix_end("p"), [&](std::string_view key, std::string_view) {
    seen += std::string(key) + ",";
    return true;
  }));
  EXPECT_EQ(seen, "p1,p2,p\xff,");
  int count = 0;
  ASSERT_TRUE(kv->scan("", "", [&](std::string_view, std::string_view) { return ++count < 2; }));
  EXPECT_EQ(count, 2);
  ASSERT_TRUE(kv->erase_range("p", prefix_end("p")));
  EXPECT_EQ(*kv->get("p1"), std::nullopt);
  EXPECT_EQ(*kv->get("q"), "q");
  EXPECT_EQ(prefix_end("\xff\xff"), "");
  EXPECT_EQ(prefix_end("a\xff"), "b");
}

TEST_P(KeyValueContract, after_a_kill_a_prefix_of_the_batches_is_there) {
  if (std::string_view(GetParam()) == "memory") {
    auto memory = std::make_shared<MemoryKv>();
    for (int i = 0; i < 20; i++) {
      WriteBatch batch;
      batch.put("n", std::to_string(i));
      batch.put("m" + std::to_string(i), "x");
      ASSERT_TRUE(memory->write(batch));
      if (i == 9) {
        ASSERT_TRUE(memory->flush());
      }
    }
    for (uint64_t seed = 0; seed < 30; seed++) {
      const auto back = memory->crash(seed);
      const int n = std::stoi(**back->get("n"));
      EXPECT_GE(n, 9);
      for (int i = 0; i < 20; i++) EXPECT_EQ(back->get("m" + std::to_string(i))->has_value(), i <= n);
    }
    return;
  }
  kv.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    auto mine = open_rocks_kv({directory.string(), 8U << 20, 4U << 20});
    for (int i = 0; i < 500; i++) {
      WriteBatch batch;
      batch.put("n", std::to_string(i));
      batch.put("m" + std::to_string(i), "x");
      if (!(*mine)->write(batch)) ::_exit(2);
      if (i == 250 && !(*mine)->flush()) ::_exit(3);
    }
    ::kill(::getpid(), SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  kv = open();
  const int n = std::stoi(**kv->get("n"));
  EXPECT_GE(n, 250);
  for (int i = 0; i < 500; i++) EXPECT_EQ(kv->get("m" + std::to_string(i))->has_value(), i <= n);
}

TEST(RocksKv, an_unusable_directory_is_an_error_not_a_crash) {
  const auto path = std::filesystem::temp_directory_path() / ("penstock-file-" + std::to_string(::getpid()));
  std::ofstream(path) << "a file";
  EXPECT_FALSE(open_rocks_kv({(path / "x").string(), 1U << 20, 1U << 20}));
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(, KeyValueContract, testing::Values("memory", "rocks"),
                         [](const auto& engine) { return std::string(engine.param); });

}  // namespace
}  // namespace penstock::kv
