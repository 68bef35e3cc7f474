// SimDisk: what was synced survives any crash, the rest may be torn; faults strike where asked.
// Method: the same small story under many seeds; every outcome must be allowed, and over all seeds
// the interesting ones must occur.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <set>

#include "runtime/sim_runtime.h"

namespace penstock::runtime {
namespace {

constexpr uint64_t kSeeds = 60;

std::unique_ptr<File> create(SimDisk& disk, const std::string& path) {
  auto file = disk.open(path, {.create = true});
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  return file ? std::move(*file) : nullptr;
}

std::string content(SimDisk& disk, const std::string& path) {
  const auto text = read_file(disk, path, 1U << 20);
  return text ? *text : "(" + std::string(code_name(text.error().code)) + ")";
}

void put_durable(SimDisk& disk, const std::string& path, std::string_view text) {
  const auto file = create(disk, path);
  ASSERT_TRUE(file->pwrite(text, 0));
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(disk.sync_directory("."));
}

TEST(SimDisk, reads_what_was_written_and_zeros_between) {
  SimDisk disk(1);
  const auto file = create(disk, "f");
  ASSERT_TRUE(file->pwrite("abc", 5000));
  EXPECT_EQ(*file->size(), 5003U);
  std::string out(6000, 'x');
  EXPECT_EQ(*file->pread(out, 0), 5003U);
  EXPECT_EQ(out.substr(0, 5003), std::string(5000, '\0') + "abc");
  EXPECT_EQ(*file->pread(out, 5001), 2U);
  EXPECT_EQ(*file->pread(out, 5003), 0U);
  ASSERT_TRUE(file->truncate(5001));
  ASSERT_TRUE(file->truncate(5003));
  EXPECT_EQ(*file->pread(out, 5000), 3U);
  EXPECT_EQ(out.substr(0, 3), std::string("a\0\0", 3));
}

TEST(SimDisk, directories_list_their_children_and_must_exist) {
  SimDisk disk(1);
  EXPECT_EQ(disk.open("a/b/f", {.create = true}).error().code, Code::kNotFound);
  ASSERT_TRUE(disk.create_directories("a/b/"));
  create(disk, "a/b/f");
  create(disk, "./a//g");
  EXPECT_THAT(*disk.list("a"), testing::ElementsAre("b", "g"));
  EXPECT_THAT(*disk.list("a/b"), testing::ElementsAre("f"));
  EXPECT_TRUE(disk.exists("a/b") && disk.exists("a/b/f") && !disk.exists("a/f"));
  ASSERT_TRUE(disk.rename("a/b/f", "a/h"));
  ASSERT_TRUE(disk.remove("a/g"));
  ASSERT_TRUE(disk.remove("a/g"));
  EXPECT_THAT(*disk.list("a"), testing::ElementsAre("b", "h"));
  EXPECT_EQ(disk.open("a/g", {}).error().code, Code::kNotFound);
}

TEST(SimDisk, what_was_synced_survives_every_crash) {
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    SimDisk disk(seed);
    const std::string text(10'000, 'd');
    put_durable(disk, "f", text);
    disk.crash();
    EXPECT_EQ(content(disk, "f"), text) << seed;
    disk.crash();
    EXPECT_EQ(content(disk, "f"), text) << seed;
  }
}

TEST(SimDisk, unsynced_sectors_are_kept_or_lost_each_on_its_own) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    SimDisk disk(seed);
    put_durable(disk, "f", std::string(2048, 'o'));
    const auto file = create(disk, "f");
    ASSERT_TRUE(file->pwrite(std::string(2048, 'n'), 0));
    disk.crash(SimCrash::kTorn);
    const std::string text = content(disk, "f");
    ASSERT_EQ(text.size(), 2048U);
    std::string sectors;
    for (size_t at = 0; at < 2048; at += 512) {
      EXPECT_EQ(text.substr(at, 512), std::string(512, text[at])) << seed;
      sectors += text[at];
    }
    seen.insert(sectors);
  }
  EXPECT_TRUE(seen.contains("oooo") && seen.contains("nnnn"));
  EXPECT_TRUE(seen.contains("noon") || seen.contains("onno") || seen.contains("onon") ||
              seen.contains("nono"));  // torn out of order
}

TEST(SimDisk, unsynced_growth_reads_as_old_end_or_new_end_never_as_rubbish) {
  std::set<size_t> sizes;
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    SimDisk disk(seed);
    put_durable(disk, "f", std::string(700, 'o'));
    const auto file = create(disk, "f");
    ASSERT_TRUE(file->pwrite(std::string(2000, 'n'), 700));
    disk.crash();
    const std::string text = content(disk, "f");
    EXPECT_EQ(text.substr(0, 700), std::string(700, 'o'));
    EXPECT_EQ(text.find_first_not_of(std::string_view("on\0", 3)), std::string::npos);
    sizes.insert(text.size());
  }
  EXPECT_EQ(sizes, (std::set<size_t>{700, 2700}));
}

TEST(SimDisk, names_need_a_directory_sync) {
  bool created_lost = false, rename_lost = false, remove_lost = false, all_kept = false;
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    SimDisk disk(seed);
    put_durable(disk, "a", "A");
    put_durable(disk, "b", "B");
    const auto file = create(disk, "c");
    ASSERT_TRUE(file->pwrite("C", 0));
    ASSERT_TRUE(file->sync());
    ASSERT_TRUE(disk.rename("a", "d"));
    ASSERT_TRUE(disk.remove("b"));
    disk.crash();
    // A rename is whole or not at all.
    EXPECT_NE(disk.exists("a"), disk.exists("d")) << seed;
    EXPECT_EQ(content(disk, disk.exists("a") ? "a" : "d"), "A") << seed;
    created_lost |= !disk.exists("c");
    rename_lost |= disk.exists("a");
    remove_lost |= disk.exists("b");
    all_kept |= disk.exists("c") && disk.exists("d") && !disk.exists("b");
  }
  EXPECT_TRUE(created_lost && rename_lost && remove_lost && all_kept);
}

TEST(SimDisk, an_atomic_write_is_old_or_new_at_every_kill) {
  uint64_t ios = 0;
  for (uint64_t kill = 1; ios == 0; kill++) {
    for (uint64_t seed = 0; seed < 20; seed++) {
      SimDisk disk(seed);
      put_durable(disk, "f", "old");
      const uint64_t before = disk.io_count();
      disk.set_faults({.kill_at_io = before + kill});
      const Status wrote = write_file_atomic(disk, "f", "new!");
      if (!disk.killed()) ios = disk.io_count() - before;
      EXPECT_EQ(wrote.has_value(), !disk.killed());
      if (!wrote) {
        EXPECT_EQ(wrote.error().code, Code::kCancelled);
      }
      disk.crash();
      const std::string text = content(disk, "f");
      EXPECT_TRUE(text == "new!" || (!wrote && text == "old")) << kill << " " << seed << text;
    }
  }
  EXPECT_EQ(ios, 5U);  // create, write, sync, rename, sync of the directory
}

TEST(SimDisk, after_a_kill_everything_answers_cancelled_until_the_next_life) {
  SimDisk disk(3);
  const auto file = create(disk, "f");
  ASSERT_TRUE(file->pwrite("x", 0));
  disk.kill();
  std::string out(1, ' ');
  EXPECT_EQ(file->pwrite("y", 0).error().code, Code::kCancelled);
  EXPECT_EQ(file->sync().error().code, Code::kCancelled);
  EXPECT_EQ(file->pread(out, 0).error().code, Code::kCancelled);
  EXPECT_EQ(disk.open("f", {}).error().code, Code::kCancelled);
  EXPECT_EQ(disk.foreign_io().error().code, Code::kCancelled);
  disk.restart();
  EXPECT_EQ(file->pwrite("y", 0).error().code, Code::kCancelled);  // of the former life
  EXPECT_EQ(content(disk, "f"), "x");  // a dead process leaves what it wrote to the system
  EXPECT_TRUE(disk.foreign_io());
}

TEST(SimDisk, a_failed_sync_is_not_mended_by_the_next_one) {
  bool lost = false;
  for (uint64_t seed = 0; seed < kSeeds; seed++) {
    SimDisk disk(seed);
    put_durable(disk, "f", "old");
    const auto file = create(disk, "f");
    disk.set_faults({.sync_error_at = disk.sync_count() + 1});
    ASSERT_TRUE(file->pwrite("new", 0));
    EXPECT_EQ(file->sync().error().code, Code::kUnavailable);
    EXPECT_TRUE(file->sync());
    disk.crash();
    lost |= content(disk, "f") == "old";
  }
  EXPECT_TRUE(lost);
}

TEST(SimDisk, a_full_disk_answers_exhausted_and_recovers) {
  SimDisk disk(1);
  disk.set_faults({.capacity_bytes = 16'384});
  const auto file = create(disk, "f");
  ASSERT_TRUE(file->allocate(8192));
  EXPECT_EQ(*disk.free_bytes("f"), 8192U);
  EXPECT_EQ(file->allocate(32'768).error().code, Code::kExhausted);
  const auto other = create(disk, "g");
  ASSERT_TRUE(other->pwrite(std::string(8000, 'x'), 0));
  EXPECT_EQ(other->pwrite(std::string(500, 'x'), 8000).error().code, Code::kExhausted);
  EXPECT_EQ(*other->size(), 8000U);
  ASSERT_TRUE(file->pwrite(std::string(8192, 'x'), 0));  // reserved before
  ASSERT_TRUE(disk.remove("f"));
  EXPECT_TRUE(other->pwrite(std::string(500, 'x'), 8000));
}

TEST(SimDisk, corruption_changes_one_bit_for_good) {
  SimDisk disk(1);
  put_durable(disk, "f", "aaaa");
  ASSERT_TRUE(disk.corrupt("f", 2));
  disk.crash();
  const std::string text = content(disk, "f");
  EXPECT_EQ(text[0], 'a');
  EXPECT_EQ(std::popcount(static_cast<unsigned>(text[2] ^ 'a')), 1);
  EXPECT_EQ(disk.corrupt("f", 4).error().code, Code::kInvalid);
  EXPECT_EQ(disk.corrupt("g", 0).error().code, Code::kNotFound);
}

TEST(SimDisk, direct_files_demand_alignment) {
  SimDisk disk(1);
  const auto file = disk.open("f", {.create = true, .direct = true});
  ASSERT_TRUE(file);
  alignas(4096) static std::array<char, 8192> memory{};
  EXPECT_TRUE((*file)->pwrite({memory.data(), 8192}, 4096));
  EXPECT_EQ((*file)->pwrite({memory.data(), 100}, 0).error().code, Code::kInvalid);
  EXPECT_EQ((*file)->pwrite({memory.data(), 4096}, 100).error().code, Code::kInvalid);
  EXPECT_EQ((*file)->pwrite({memory.data() + 8, 4096}, 0).error().code, Code::kInvalid);
}

}  // namespace
}  // namespace penstock::runtime
