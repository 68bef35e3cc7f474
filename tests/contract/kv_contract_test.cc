// Contract of kv::KeyValue, over every implementation: ordered, atomic, and after a kill a prefix
// of the batches written. Method: the same cases against a fresh store of each engine.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>

#include "kv/key_value.h"
#include "kv/memory_kv.h"
#include "kv/reopening_kv.h"
#include "runtime/process.h"

namespace penstock::kv {
namespace {

constexpr const char* kRocksLarge = "rocks_large_values";

class KeyValueContract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    directory =
        std::filesystem::temp_directory_path() / ("penstock-kv-" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory);
    kv = open();
  }
  void TearDown() override {
    kv.reset();
    std::filesystem::remove_all(directory);
  }
  bool on_disk() const { return std::string_view(GetParam()) != "memory"; }
  std::unique_ptr<KeyValue> open() {
    if (!on_disk()) return make_memory_kv();
    const auto rocks = [path = directory.string(), large = large_values()] {
      return open_rocks_kv({path, 8U << 20, 4U << 20, large});
    };
    auto opened = std::string_view(GetParam()) == "reopening"
                      ? open_reopening_kv({rocks, [](uint64_t) { return Status(); }})
                      : rocks();
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  bool large_values() const { return std::string_view(GetParam()) == kRocksLarge; }
  std::filesystem::path directory;
  std::unique_ptr<KeyValue> kv;
};

/// Cases for engines that outlive their process.
class DurableKeyValueContract : public KeyValueContract {};

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

constexpr int kBatches = 300;

Status write_numbered(KeyValue& kv, int number) {
  WriteBatch batch;
  batch.put("n", std::to_string(number));
  batch.put("m" + std::to_string(number), std::string(400, 'x'));
  return kv.write(batch);
}

/// What is there must be exactly the batches up to some number that is at least `flushed`.
void expect_prefix(const KeyValue& kv, int flushed) {
  const auto last = kv.get("n");
  ASSERT_TRUE(last && *last);
  const int n = std::stoi(**last);
  EXPECT_GE(n, flushed);
  for (int i = 0; i < kBatches; i++) {
    EXPECT_EQ(kv.get("m" + std::to_string(i))->has_value(), i <= n) << i;
  }
}

TEST_P(KeyValueContract, an_erased_range_takes_new_keys_and_an_empty_end_means_all) {
  for (int i = 0; i < 9; i++) ASSERT_TRUE(write_numbered(*kv, i));
  ASSERT_TRUE(kv->erase_range("m3", "m5"));
  ASSERT_TRUE(kv->erase_range("m9", "m1"));  // empty: the end lies before the beginning
  EXPECT_FALSE(*kv->get("m4"));
  EXPECT_TRUE(*kv->get("m5"));
  ASSERT_TRUE(write_numbered(*kv, 4));
  EXPECT_TRUE(*kv->get("m4"));
  ASSERT_TRUE(kv->erase_range("m6", ""));
  EXPECT_TRUE(*kv->get("m5"));
  EXPECT_FALSE(*kv->get("m8"));
  EXPECT_FALSE(*kv->get("n"));
  ASSERT_TRUE(kv->erase_range("", ""));
  EXPECT_FALSE(*kv->get("m5"));
}

constexpr std::string_view kWriterWord = "write-until-killed";

/// What the child of the next test does instead of testing. A program of its own, because an
/// engine's threads do not survive a fork.
int write_until_killed(const std::string& directory, bool large_values) {
  const auto kv = open_rocks_kv({directory, 8U << 20, 4U << 20, large_values});
  if (!kv) return 1;
  for (int i = 0; i < kBatches; i++) {
    if (!write_numbered(**kv, i)) return 2;
    if (i == kBatches / 2 && !(*kv)->flush()) return 3;
  }
  return std::raise(SIGKILL);
}

TEST_P(DurableKeyValueContract, after_a_kill_a_prefix_of_the_batches_is_there) {
  kv.reset();
  auto child = runtime::ChildProcess::spawn(
      {.argv = {"/proc/self/exe", std::string(kWriterWord), directory.string(), GetParam()},
       .fds = {}});
  ASSERT_TRUE(child) << child.error().message;
  ASSERT_EQ(child->wait().signal, SIGKILL);
  kv = open();
  ASSERT_TRUE(kv);
  expect_prefix(*kv, kBatches / 2);
}

// The machine dies: the tail of the write-ahead log is lost at any byte.
TEST_P(DurableKeyValueContract, a_torn_tail_of_the_log_leaves_a_prefix) {
  for (int i = 0; i < kBatches; i++) {
    ASSERT_TRUE(write_numbered(*kv, i));
    if (i == 10) {
      ASSERT_TRUE(kv->flush());
    }
  }
  kv.reset();
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() != ".log") continue;
    std::filesystem::resize_file(entry.path(), entry.file_size() * 2 / 3 + 5);
  }
  kv = open();
  ASSERT_TRUE(kv);
  expect_prefix(*kv, 10);
  EXPECT_FALSE(*kv->get("m" + std::to_string(kBatches - 1)));
}

TEST_P(DurableKeyValueContract, what_was_flushed_is_there_after_closing) {
  ASSERT_TRUE(write_numbered(*kv, 0));
  ASSERT_TRUE(kv->erase_range("n", prefix_end("n")));
  ASSERT_TRUE(kv->flush());
  EXPECT_GT(kv->disk_bytes(), 0U);
  kv = nullptr;
  kv = open();
  EXPECT_TRUE(*kv->get("m0"));
  EXPECT_FALSE(*kv->get("n"));
}

TEST(MemoryKv, a_crash_loses_a_tail_of_what_was_not_flushed) {
  std::set<std::string> ends;
  for (uint64_t seed = 0; seed < 40; seed++) {
    MemoryKv kv({.crashable = true, .gate = {}});
    for (int i = 0; i < kBatches; i++) {
      ASSERT_TRUE(write_numbered(kv, i));
      if (i == kBatches - 20) {
        ASSERT_TRUE(kv.flush());
      }
    }
    EXPECT_EQ(kv.unflushed(), 19U);
    kv.crash(seed);
    expect_prefix(kv, kBatches - 20);
    EXPECT_EQ(kv.unflushed(), 0U);
    ends.insert(**kv.get("n"));
  }
  EXPECT_GT(ends.size(), 5U);  // seeds differ
}

TEST(MemoryKv, a_crash_undoes_erasures_too) {
  bool undone = false, kept = false;
  for (uint64_t seed = 0; seed < 20; seed++) {
    MemoryKv kv({.crashable = true, .gate = {}});
    for (int i = 0; i < 5; i++) ASSERT_TRUE(write_numbered(kv, i));
    ASSERT_TRUE(kv.flush());
    ASSERT_TRUE(kv.erase_range("m1", "m3"));
    kv.crash(seed);
    EXPECT_EQ(kv.get("m1")->has_value(), kv.get("m2")->has_value());
    (kv.get("m1")->has_value() ? undone : kept) = true;
    EXPECT_TRUE(*kv.get("m3"));
  }
  EXPECT_TRUE(undone && kept);
}

TEST(MemoryKv, a_closed_gate_refuses_writes_and_changes_nothing) {
  bool closed = false;
  auto kept = std::make_shared<MemoryKv>(MemoryKvOptions{.gate = [&closed]() -> Status {
    if (closed) return fail(Code::kCancelled, "closed");
    return {};
  }});
  const auto kv = make_view(kept);
  ASSERT_TRUE(write_numbered(*kv, 1));
  closed = true;
  EXPECT_EQ(write_numbered(*kv, 2).error().code, Code::kCancelled);
  EXPECT_EQ(kv->erase_range("", "").error().code, Code::kCancelled);
  EXPECT_EQ(kv->flush().error().code, Code::kCancelled);
  EXPECT_EQ(*kv->get("n"), "1");
}

TEST(RocksKv, one_directory_has_one_owner) {
  const auto path =
      std::filesystem::temp_directory_path() / ("penstock-kv-lock-" + std::to_string(::getpid()));
  const auto first = open_rocks_kv({path.string(), 1U << 20, 1U << 20});
  ASSERT_TRUE(first);
  const auto second = open_rocks_kv({path.string(), 1U << 20, 1U << 20});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::kConflict) << second.error().message;
  std::filesystem::remove_all(path);
}

std::string noise(uint64_t seed, size_t bytes) {
  std::mt19937_64 random(seed);
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

TEST(RocksKv, large_values_may_come_to_lie_apart_and_together_again) {
  const auto path =
      std::filesystem::temp_directory_path() / ("penstock-kv-apart-" + std::to_string(::getpid()));
  constexpr uint64_t kKeys = 500;
  for (const bool apart : {false, true, false}) {
    auto kv = open_rocks_kv({path.string(), 1U << 20, 64U << 10, apart});
    ASSERT_TRUE(kv) << kv.error().message;
    for (uint64_t i = apart ? kKeys / 2 : 0; i < kKeys; i++) {
      WriteBatch batch;
      batch.put("k" + std::to_string(i), noise(i, 1000));
      ASSERT_TRUE((*kv)->write(batch));
    }
    for (uint64_t i = 0; i < kKeys; i++) {
      EXPECT_EQ(*(*kv)->get("k" + std::to_string(i)), noise(i, 1000)) << i;
    }
  }
  std::filesystem::remove_all(path);
}

// Each file of values holds one that stays: it only goes away when that is carried over.
TEST(RocksKv, room_of_replaced_large_values_comes_back) {
  const auto path =
      std::filesystem::temp_directory_path() / ("penstock-kv-room-" + std::to_string(::getpid()));
  auto kv = open_rocks_kv({path.string(), 1U << 20, 64U << 10, true});
  ASSERT_TRUE(kv) << kv.error().message;
  constexpr uint64_t kRoundsMin = 60, kRoundsMax = 1000, kKeys = 60;
  uint64_t written = 0, rounds = 0;
  while (rounds < kRoundsMin || ((*kv)->disk_bytes() > written / 3 && rounds < kRoundsMax)) {
    WriteBatch batch;
    for (uint64_t i = 0; i < kKeys; i++) {
      batch.put("k" + std::to_string(i), noise(rounds * kKeys + i, 1000));
      written += 1000;
    }
    batch.put("stays" + std::to_string(rounds), noise(rounds, 1000));
    written += 1000;
    rounds++;
    ASSERT_TRUE((*kv)->write(batch));
  }
  EXPECT_LE((*kv)->disk_bytes(), written / 3);
  for (uint64_t i = 0; i < rounds; i++) {
    EXPECT_EQ(*(*kv)->get("stays" + std::to_string(i)), noise(i, 1000)) << i;
  }
  kv->reset();
  std::filesystem::remove_all(path);
}

TEST(RocksKv, an_unusable_directory_is_an_error_not_a_crash) {
  const auto path =
      std::filesystem::temp_directory_path() / ("penstock-file-" + std::to_string(::getpid()));
  std::ofstream(path) << "a file";
  EXPECT_FALSE(open_rocks_kv({(path / "x").string(), 1U << 20, 1U << 20}));
  std::filesystem::remove(path);
}

INSTANTIATE_TEST_SUITE_P(, DurableKeyValueContract,
                         testing::Values("rocks", kRocksLarge, "reopening"),
                         [](const auto& engine) { return std::string(engine.param); });

INSTANTIATE_TEST_SUITE_P(, KeyValueContract,
                         testing::Values("memory", "rocks", kRocksLarge, "reopening"),
                         [](const auto& engine) { return std::string(engine.param); });

}  // namespace

int run(int argc, char** argv) {
  if (argc == 4 && argv[1] == kWriterWord) {
    return write_until_killed(argv[2], std::string_view(argv[3]) == kRocksLarge);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

}  // namespace penstock::kv

int main(int argc, char** argv) { return penstock::kv::run(argc, argv); }
