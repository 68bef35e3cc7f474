// Contract of objects::ObjectStore, over every implementation: whole objects, ranges, listing in
// key order, and after a kill the old object or the new one. Method: the same cases against a fresh
// store of each kind, and random operations compared with a map.
#include "objects/object_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>

#include "runtime/real_runtime.h"
#include "runtime/sim_runtime.h"

namespace penstock::objects {
namespace {

using namespace std::chrono_literals;
constexpr runtime::Duration kPatience = 60s;

class ObjectStoreContract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    directory =
        std::filesystem::temp_directory_path() / ("penstock-objects-" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory);
    real = runtime::make_real_runtime();
    sim = std::make_unique<runtime::SimRuntime>(7);
    store = open();
  }
  void TearDown() override {
    store.reset();
    std::filesystem::remove_all(directory);
  }
  std::string kind() const { return GetParam(); }

  std::unique_ptr<ObjectStore> open() {
    std::unique_ptr<ObjectStore> out;
    if (kind() == "memory") out = make_memory_objects();
    if (kind() == "directory") out = make_directory_objects(*real, directory.string());
    if (kind() == "simulated_disk") out = make_directory_objects(*sim, "/data/objects");
    const Status started = out->start();
    EXPECT_TRUE(started.has_value()) << started.error().message;
    return out;
  }
  void put(std::string_view key, std::string_view bytes) {
    const Status s = store->put(key, bytes, kPatience);
    ASSERT_TRUE(s.has_value()) << s.error().message;
  }
  std::string read(std::string_view key, ByteRange range = {}) {
    const auto got = store->get(key, range, kPatience);
    return got ? *got : "error: " + std::string(code_name(got.error().code));
  }
  std::vector<std::string> keys(std::string_view prefix, std::string_view after = "",
                                size_t limit = 1000) {
    std::vector<std::string> out;
    const auto found = store->list(prefix, after, limit, kPatience);
    EXPECT_TRUE(found.has_value()) << (found ? "" : found.error().message);
    if (found) {
      for (const ObjectInfo& info : *found) out.push_back(info.key);
    }
    return out;
  }

  std::filesystem::path directory;
  std::unique_ptr<runtime::Runtime> real;
  std::unique_ptr<runtime::SimRuntime> sim;
  std::unique_ptr<ObjectStore> store;
};

TEST_P(ObjectStoreContract, AnObjectIsReadWholeAndInRanges) {
  put("replay/00/a.bin", std::string("0123456789", 10));
  EXPECT_EQ(read("replay/00/a.bin"), "0123456789");
  EXPECT_EQ(read("replay/00/a.bin", {3, 4}), "3456");
  EXPECT_EQ(read("replay/00/a.bin", {8, 100}), "89");
  EXPECT_EQ(read("replay/00/a.bin", {10, 1}), "");
  EXPECT_EQ(read("replay/00/a.bin", {11, 1}), "error: invalid");
  EXPECT_EQ(read("replay/00/b.bin"), "error: not_found");
  const auto info = store->stat("replay/00/a.bin", kPatience);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->size, 10U);
  EXPECT_EQ(store->stat("replay/00", kPatience).error().code, Code::kNotFound);
}

TEST_P(ObjectStoreContract, AnyBytesAndSizesComeBack) {
  put("empty", "");
  EXPECT_EQ(read("empty"), "");
  std::string large(9U << 20, '\0');
  for (size_t i = 0; i < large.size(); i++) large[i] = static_cast<char>(i * 31 >> 3);
  put("large", large);
  EXPECT_TRUE(read("large") == large);
  EXPECT_TRUE(read("large", {4194300, 20}) == large.substr(4194300, 20));
}

TEST_P(ObjectStoreContract, PutReplacesAndPutIfAbsentDoesNot) {
  put("a", "one");
  put("a", "two");
  EXPECT_EQ(read("a"), "two");
  EXPECT_EQ(store->put_if_absent("a", "three", kPatience).error().code, Code::kConflict);
  EXPECT_EQ(read("a"), "two");
  EXPECT_TRUE(store->put_if_absent("b", "four", kPatience).has_value());
  EXPECT_EQ(read("b"), "four");
}

TEST_P(ObjectStoreContract, RemovingIsDoneOnceAndAgain) {
  put("x/y", "1");
  EXPECT_TRUE(store->remove("x/y", kPatience).has_value());
  EXPECT_TRUE(store->remove("x/y", kPatience).has_value());
  EXPECT_EQ(read("x/y"), "error: not_found");
  EXPECT_TRUE(keys("").empty());
}

TEST_P(ObjectStoreContract, KeysThatCouldLeaveTheStoreAreRefused) {
  for (const char* key : {"", "/a", "a/", "a//b", "..", "a/../b", ".new/1", "a/.b", "a b", "a\\b",
                          "a\nb", "x.obj", "a.obj/b", "1/2/3/4/5/6/7/8/9"}) {
    EXPECT_FALSE(key_is_valid(key)) << key;
    EXPECT_EQ(store->put(key, "x", kPatience).error().code, Code::kInvalid) << key;
    EXPECT_EQ(store->get(key, {}, kPatience).error().code, Code::kNotFound) << key;
  }
  EXPECT_FALSE(key_is_valid(std::string(kKeyBytesMax + 1, 'a')));
  EXPECT_TRUE(key_is_valid("replay/00000001/0000000000000012-20261125T101500-ab12.blocks"));
}

TEST_P(ObjectStoreContract, AKeyMayBeAnObjectAndAFolder) {
  put("a", "1");
  put("a/b", "2");
  put("a-c", "3");
  EXPECT_EQ(keys(""), (std::vector<std::string>{"a", "a-c", "a/b"}));
  EXPECT_EQ(keys("a/"), (std::vector<std::string>{"a/b"}));
  EXPECT_EQ(keys("", "a"), (std::vector<std::string>{"a-c", "a/b"}));
  EXPECT_EQ(keys("", "", 2), (std::vector<std::string>{"a", "a-c"}));
  EXPECT_TRUE(keys("b").empty());
  EXPECT_TRUE(keys("", "", 0).empty());
}

TEST_P(ObjectStoreContract, RandomOperationsAgreeWithAMap) {
  std::mt19937 random(11);
  std::map<std::string, std::string> model;
  const std::vector<std::string> parts{"a", "b", "b-1", "b.x", "c_", "0", "00"};
  const auto key = [&] {
    std::string out = parts[random() % parts.size()];
    while (random() % 2 == 0 && out.size() < 12) out += "/" + parts[random() % parts.size()];
    return out;
  };
  for (int i = 0; i < 300; i++) {
    const std::string k = key();
    if (random() % 3 == 0) {
      ASSERT_TRUE(store->remove(k, kPatience).has_value());
      model.erase(k);
    } else {
      put(k, std::to_string(i));
      model[k] = std::to_string(i);
    }
    const std::string prefix = random() % 2 == 0 ? "" : key().substr(0, 1 + random() % 4);
    const std::string after = random() % 2 == 0 ? "" : key();
    const size_t limit = 1 + random() % 20;
    std::vector<std::string> expected;
    for (const auto& [name, bytes] : model) {
      if (expected.size() == limit) break;
      if (name.starts_with(prefix) && name > after) expected.push_back(name);
    }
    ASSERT_EQ(keys(prefix, after, limit), expected) << prefix << " after " << after;
  }
  store = kind() == "memory" ? std::move(store) : open();
  for (const auto& [name, bytes] : model) EXPECT_EQ(read(name), bytes);
}

TEST_P(ObjectStoreContract, NoPatienceMeansNothingHappens) {
  if (kind() == "memory") GTEST_SKIP() << "memory takes no time";
  EXPECT_EQ(store->put("late", "x", 0s).error().code, Code::kTimeout);
  EXPECT_EQ(read("late"), "error: not_found");
  EXPECT_EQ(store->list("", "", 10, 0s).error().code, Code::kTimeout);
}

INSTANTIATE_TEST_SUITE_P(All, ObjectStoreContract,
                         testing::Values("memory", "directory", "simulated_disk"),
                         [](const auto& tested) { return std::string(tested.param); });

/// Killed at every I/O of a put in turn: afterwards the object is the old one or the new one,
/// whole, and what was acknowledged is there.
TEST(DirectoryObjects, AKillLeavesTheOldObjectOrTheNewOne) {
  const std::string old_bytes(3000, 'o'), new_bytes(70'000, 'n');
  for (uint64_t kill = 1; kill < 12; kill++) {
    auto disk = std::make_shared<runtime::SimDisk>(kill);
    {
      runtime::SimRuntime life(kill, disk);
      const auto store = make_directory_objects(life, "/data/objects");
      ASSERT_TRUE(store->start().has_value());
      ASSERT_TRUE(store->put("d/a", old_bytes, kPatience).has_value());
      disk->set_faults({.kill_at_io = disk->io_count() + kill});
      const bool acknowledged = store->put("d/a", new_bytes, kPatience).has_value();
      disk->kill();
      disk->crash();
      runtime::SimRuntime next(kill + 100, disk);
      const auto again = make_directory_objects(next, "/data/objects");
      ASSERT_TRUE(again->start().has_value());
      const auto got = again->get("d/a", {}, kPatience);
      ASSERT_TRUE(got.has_value()) << got.error().message;
      EXPECT_TRUE(*got == new_bytes || (!acknowledged && *got == old_bytes)) << kill;
      const auto listed = again->list("", "", 10, kPatience);
      ASSERT_TRUE(listed.has_value());
      EXPECT_EQ(listed->size(), 1U);
    }
  }
}

}  // namespace
}  // namespace penstock::objects
