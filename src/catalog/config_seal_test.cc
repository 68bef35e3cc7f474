// Goal: configurations of apps lie sealed, are read with their key and nothing else, and old ones
// are sealed at the next start.
#include "catalog/config_seal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "runtime/real_runtime.h"

namespace penstock::catalog {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ConfigSealTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "sealXXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::shared_ptr<const ConfigSeal> key(const std::string& name = "key") {
    auto opened = ConfigSeal::open(folder + "/" + name, *runtime);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? *opened : nullptr;
  }
  std::string database() const {
    std::string all;
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      if (!file.path().filename().string().starts_with("catalog.db")) continue;
      std::ifstream in(file.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(in), {});
    }
    return all;
  }
  auto open(std::shared_ptr<const ConfigSeal> seal) {
    return open_sqlite_catalog(folder + "/catalog.db", *runtime, std::move(seal));
  }

  std::unique_ptr<runtime::Runtime> runtime = runtime::make_real_runtime();
  std::string folder;
};

TEST_F(ConfigSealTest, WhatIsSealedIsReadWithItsKeyInItsRow) {
  const auto seal = key();
  const auto sealed = seal->seal(3, R"({"apiKey":"hush"})");
  ASSERT_TRUE(sealed);
  EXPECT_THAT(*sealed, Not(HasSubstr("hush")));
  EXPECT_NE(*sealed, *seal->seal(3, R"({"apiKey":"hush"})")) << "another nonce";
  EXPECT_EQ(*seal->unseal(3, *sealed), R"({"apiKey":"hush"})");
  EXPECT_EQ(*key()->unseal(3, *sealed), R"({"apiKey":"hush"})") << "the file keeps the key";
  EXPECT_EQ(seal->unseal(4, *sealed).error().code, Code::kCorrupt) << "another row's";
  EXPECT_EQ(key("other")->unseal(3, *sealed).error().code, Code::kCorrupt);
  std::string changed = *sealed;
  changed[changed.size() - 6] = changed[changed.size() - 6] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(seal->unseal(3, changed));
  EXPECT_FALSE(seal->unseal(3, "sealed1:AAAA"));
  EXPECT_EQ(*seal->unseal(3, R"({"a":"b"})"), R"({"a":"b"})") << "of before there was a seal";
}

TEST_F(ConfigSealTest, TheKeyFileIsItsOwnersOnly) {
  ASSERT_NE(key(), nullptr);
  struct stat about{};
  ASSERT_EQ(::stat((folder + "/key").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
  ASSERT_EQ(::chmod((folder + "/key").c_str(), 0644), 0);
  EXPECT_EQ(ConfigSeal::open(folder + "/key", *runtime).error().code, Code::kDenied);
  std::ofstream(folder + "/short") << "abc\n";
  ASSERT_EQ(::chmod((folder + "/short").c_str(), 0600), 0);
  EXPECT_EQ(ConfigSeal::open(folder + "/short", *runtime).error().code, Code::kInvalid);
}

TEST_F(ConfigSealTest, ACatalogIsSealedAtItsNextStartAndNeedsTheKeyFromThenOn) {
  {
    auto catalog = open(nullptr);
    ASSERT_TRUE(catalog);
    const auto project = (*catalog)->create_project({}, "One", "");
    auto& apps = (*catalog)->apps();
    const auto app = apps.create_app(
        {}, project->id,
        {{"plugin.json", R"({"name":"x","config":[{"key":"apiKey","secret":true}]})"},
         {"index.js", "1"}},
        "upload");
    ASSERT_TRUE(apps.create_config({}, project->id, app->id,
                                   {.enabled = true, .config = R"({"apiKey":"hush-hush-4711"})"}));
  }
  EXPECT_THAT(database(), HasSubstr("hush-hush-4711"));
  for (int i = 0; i < 2; i++) {
    auto catalog = open(key());
    ASSERT_TRUE(catalog);
    EXPECT_THAT((*catalog)->apps().config(1)->config, HasSubstr("hush-hush-4711"));
  }
  EXPECT_THAT(database(), Not(HasSubstr("hush-hush-4711")))
      << "not in what SQLite left free either";
  EXPECT_EQ(open(key("other")).error().code, Code::kCorrupt);
  auto catalog = open(key());
  ASSERT_TRUE(
      (*catalog)->apps().change_config({}, 1, {.config = R"({"apiKey":"hush-hush-4712"})"}));
  catalog->reset();
  EXPECT_THAT(database(), Not(HasSubstr("hush-hush-47")));
}

}  // namespace
}  // namespace penstock::catalog
