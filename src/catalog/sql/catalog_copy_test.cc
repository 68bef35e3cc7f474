#include "catalog/catalog_copy.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <set>

#include "catalog/sqlite.h"
#include "runtime/real_runtime.h"

namespace penstock::catalog {
namespace {

class CatalogCopyTest : public ::testing::Test {
 protected:
  CatalogCopyTest() {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~CatalogCopyTest() override { std::filesystem::remove_all(folder_); }

  const std::string folder_ = std::filesystem::temp_directory_path() /
                              ("penstock-catalog-copy-" + std::to_string(::getpid()));
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime({1, 16});
};

/// A table or column that a later migration adds must be copied too: this notices.
TEST_F(CatalogCopyTest, KnowsEveryTableAndColumn) {
  const std::string path = folder_ + "/a.db";
  ASSERT_TRUE(open_sqlite_catalog(path, *runtime_));
  auto database = Database::open(path);
  ASSERT_TRUE(database);
  std::set<std::string> there, known;
  auto s = (*database)->prepare(
      "SELECT m.name || '.' || c.name || ':' || c.type FROM sqlite_master m, pragma_table_info("
      "m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'");
  ASSERT_TRUE(s);
  while (*s->step()) there.insert(s->text(0));
  for (const CatalogTable& t : catalog_tables()) {
    for (const CatalogColumn& c : t.columns) {
      known.insert(t.name + "." + c.name + ":" + (c.integer ? "INTEGER" : "TEXT"));
    }
  }
  EXPECT_EQ(there, known);
}

TEST_F(CatalogCopyTest, CopiesAllButTheCommandLinesKeyAndReplacesWhatIsThere) {
  const std::string path = folder_ + "/a.db";
  std::string key, session;
  {
    auto catalog = open_sqlite_catalog(path, *runtime_);
    ASSERT_TRUE(catalog);
    const Principal me{std::nullopt, "me", {}};
    ASSERT_TRUE((*catalog)->create_project(me, "It's \"one\"", ""));
    session = *(*catalog)->login_with_secret(*(*catalog)->create_login_secret(60'000));
    ASSERT_TRUE((*catalog)->create_api_key(me, "penstock command line", {}));
    key = *(*catalog)->create_api_key(me, "kept", {});
  }
  auto from = open_sqlite_catalog_copy(path), to = open_sqlite_catalog_copy(folder_ + "/b.db");
  ASSERT_TRUE(from && to);
  EXPECT_FALSE(*(*from)->is_empty());
  EXPECT_TRUE(*(*to)->is_empty());
  const auto content = (*from)->read("penstock command line");
  ASSERT_TRUE(content);
  for (int twice = 0; twice < 2; twice++) {
    const Status written = (*to)->write(*content);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ((*to)->read("")->hash(), content->hash());
    EXPECT_EQ((*to)->read("")->rows(), content->rows());
  }
  EXPECT_NE((*from)->read("")->hash(), content->hash());
  auto catalog = open_sqlite_catalog(folder_ + "/b.db", *runtime_);
  ASSERT_TRUE(catalog);
  EXPECT_EQ((*catalog)->snapshot()->projects.size(), 1U);
  EXPECT_TRUE((*catalog)->authenticate_key(key));
  EXPECT_EQ((*catalog)->api_keys()->size(), 1U);
  EXPECT_TRUE((*catalog)->authenticate_session(session));
  // The next project gets an id of its own.
  EXPECT_TRUE((*catalog)->create_project({std::nullopt, "me", {}}, "two", ""));
}

}  // namespace
}  // namespace penstock::catalog
