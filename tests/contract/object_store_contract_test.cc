// Contract of objects::ObjectStore, over every implementation: whole objects, ranges, listing in
// key order, and after a kill the old object or the new one. Method: the same cases against a fresh
// store of each kind, and random operations compared with a map.
#include "objects/object_store.h"
#include "objects/retrying_objects.h"
#include "objects/s3_objects.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "runtime/real_runtime.h"
#include "runtime/sim_runtime.h"
#include "tests/contract/s3_server.h"

namespace penstock::objects {
namespace {

using namespace std::chrono_literals;
constexpr runtime::Duration kPatience = 60s;

S3Options s3_options() {
  S3Options out;
  out.endpoint = testing::s3_server()->endpoint();
  out.bucket = testing::s3_server()->new_bucket();
  out.prefix = "of/us";
  out.access_key = testing::S3Server::kAccessKey;
  out.secret_key = testing::S3Server::kSecretKey;
  out.part_bytes = 5U << 20;
  return out;
}

class ObjectStoreContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    directory =
        std::filesystem::temp_directory_path() / ("penstock-objects-" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory);
    real = runtime::make_real_runtime();
    sim = std::make_unique<runtime::SimRuntime>(7);
    if (kind() == "s3") {
      if (testing::s3_server() == nullptr) {
        ASSERT_FALSE(testing::S3Server::required()) << "there is no SeaweedFS: tools/setup --test";
        GTEST_SKIP() << "there is no SeaweedFS: tools/setup --test";
      }
      s3 = s3_options();
    }
    store = open();
  }
  void TearDown() override {
    store.reset();
    std::filesystem::remove_all(directory);
  }
  std::unique_ptr<ObjectStore> retrying(std::unique_ptr<ObjectStore> inner) const {
    return make_retrying_objects(std::move(inner), *real,
                                 [](runtime::Duration d) { std::this_thread::sleep_for(d); });
  }
  std::string kind() const { return GetParam(); }

  std::unique_ptr<ObjectStore> open() {
    std::unique_ptr<ObjectStore> out;
    if (kind() == "memory") out = make_memory_objects();
    if (kind() == "directory") out = make_directory_objects(*real, directory.string());
    if (kind() == "s3") out = retrying(make_s3_objects(*real, s3));
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
  S3Options s3;
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
  if (kind() == "s3") GTEST_SKIP() << "SeaweedFS lists folder by folder; S3 itself keeps none";
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
    if (kind() == "s3") {  // the same in the order of folders and of bytes, as our own keys are
      static constexpr std::array kFolders{"", "0/", "00/", "a/", "a/b/", "c_/0/"};
      return kFolders[random() % kFolders.size()] + std::string("k") + std::to_string(random() % 9);
    }
    std::string out = parts[random() % parts.size()];
    while (random() % 2 == 0 && out.size() < 12) out += "/" + parts[random() % parts.size()];
    return out;
  };
  const int operations = kind() == "s3" ? 100 : 300;
  for (int i = 0; i < operations; i++) {
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
                         ::testing::Values("memory", "directory", "simulated_disk", "s3"),
                         [](const auto& tested) { return std::string(tested.param); });

/// What only a remote store has: credentials, a network, and others who use it too.
class S3ObjectsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (testing::s3_server() == nullptr) {
      ASSERT_FALSE(testing::S3Server::required()) << "there is no SeaweedFS: tools/setup --test";
      GTEST_SKIP() << "there is no SeaweedFS: tools/setup --test";
    }
    options = s3_options();
    store = make_s3_objects(*real, options);
    const Status started = store->start();
    ASSERT_TRUE(started.has_value()) << started.error().message;
  }
  std::unique_ptr<runtime::Runtime> real = runtime::make_real_runtime();
  S3Options options;
  std::unique_ptr<ObjectStore> store;
};

TEST_F(S3ObjectsTest, WrongCredentialsAreKnownAtTheStartAndNeverTold) {
  options.secret_key = "another-secret";
  const Status started = make_s3_objects(*real, options)->start();
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code, Code::kDenied) << started.error().message;
  EXPECT_EQ(started.error().message.find("another-secret"), std::string::npos);
  EXPECT_NE(started.error().message.find(options.bucket), std::string::npos);
}

TEST_F(S3ObjectsTest, OneOfManyPutsAnAbsentObject) {
  std::atomic<int> won{0}, lost{0};
  {
    std::vector<std::jthread> racers;
    for (int i = 0; i < 6; i++) {
      racers.emplace_back([&, i] {
        const Status s =
            store->put_if_absent("raced", std::string(10, static_cast<char>('a' + i)), kPatience);
        won += s.has_value() ? 1 : 0;
        lost += !s && s.error().code == Code::kConflict ? 1 : 0;
      });
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 5);
  // In parts: one after the other, because SeaweedFS looks before it completes an upload and not
  // while it does (AWS and MinIO do).
  const std::string large((5U << 20) + 1, 'x');
  EXPECT_TRUE(store->put_if_absent("parts", large, kPatience).has_value());
  EXPECT_EQ(store->put_if_absent("parts", large + "y", kPatience).error().code, Code::kConflict);
  EXPECT_EQ(store->get("parts", {}, kPatience)->size(), large.size());
}

TEST_F(S3ObjectsTest, AnEncryptedObjectComesBack) {
  options.encryption = "AES256";
  store = make_s3_objects(*real, options);
  for (const size_t size : {size_t{100}, (5U << 20) + size_t{1}}) {
    const std::string bytes(size, 'e');
    const Status put = store->put("secret", bytes, kPatience);
    ASSERT_TRUE(put.has_value()) << put.error().message;
    const auto got = store->get("secret", {}, kPatience);
    ASSERT_TRUE(got.has_value()) << got.error().message;
    EXPECT_TRUE(*got == bytes);
  }
}

TEST_F(S3ObjectsTest, AServerThatStandsStillCostsItsCallersPatienceAndNoMore) {
  ASSERT_TRUE(store->put("a", "1", kPatience).has_value());
  testing::s3_server()->freeze();
  EXPECT_EQ(store->put("a", "2", 300ms).error().code, Code::kMaybe);
  EXPECT_EQ(store->get("a", {}, 300ms).error().code, Code::kTimeout);
  testing::s3_server()->thaw();
  const auto got = store->get("a", {}, kPatience);
  ASSERT_TRUE(got.has_value()) << got.error().message;
  EXPECT_TRUE(*got == "1" || *got == "2") << *got;
  EXPECT_TRUE(store->put("a", "3", kPatience).has_value());
  EXPECT_EQ(*store->get("a", {}, kPatience), "3");
}

TEST_F(S3ObjectsTest, AServerThatWasKilledIsFoundAgain) {
  ASSERT_TRUE(store->put("kept", "1", kPatience).has_value());
  testing::s3_server()->stop();
  EXPECT_EQ(store->get("kept", {}, kPatience).error().code, Code::kUnavailable);
  EXPECT_EQ(store->put("lost", "1", kPatience).error().code, Code::kUnavailable);
  testing::s3_server()->start();
  const auto again = make_retrying_objects(
      make_s3_objects(*real, options), *real,
      [](runtime::Duration d) { std::this_thread::sleep_for(d); }, {.tries_max = 100});
  EXPECT_TRUE(again->put("next", "2", kPatience).has_value());
  EXPECT_EQ(*again->get("kept", {}, kPatience), "1");
  EXPECT_EQ(again->get("lost", {}, kPatience).error().code, Code::kNotFound);
}

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

TEST(DirectoryObjects, AByteThatChangedIsToldByTheChecksum) {
  auto disk = std::make_shared<runtime::SimDisk>(3);
  runtime::SimRuntime life(3, disk);
  const auto store = make_directory_objects(life, "/data/objects");
  ASSERT_TRUE(store->start().has_value());
  ASSERT_TRUE(store->put("d/a", std::string(9000, 'a'), kPatience).has_value());
  EXPECT_EQ(store->stat("d/a", kPatience)->size, 9000U);
  ASSERT_TRUE(disk->corrupt("/data/objects/d/a.obj", 5000));
  EXPECT_EQ(store->get("d/a", {}, kPatience).error().code, Code::kCorrupt);
  EXPECT_EQ(*store->get("d/a", {0, 4000}, kPatience), std::string(4000, 'a'));
  // Objects of earlier versions end with their own bytes.
  const auto file = life.files().open("/data/objects/d/old.obj", {.create = true});
  ASSERT_TRUE((*file)->pwrite("written before", 0));
  EXPECT_EQ(*store->get("d/old", {}, kPatience), "written before");
  EXPECT_EQ(store->list("d/", "", 10, kPatience)->size(), 2U);
}

}  // namespace
}  // namespace penstock::objects
