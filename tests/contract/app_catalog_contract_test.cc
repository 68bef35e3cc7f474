// What every AppCatalog promises, over the one in memory and the one in SQLite.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>

#include "catalog/catalog.h"
#include "catalog/postgres_catalog.h"
#include "runtime/sim_runtime.h"
#include "tests/contract/postgres_server.h"

namespace penstock::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr Principal kBy{std::nullopt, "a test", ProjectId{}};

template <typename T>
Code code_of(const Result<T>& r) {
  return r ? Code::kBug : r.error().code;
}

AppFiles plugin(const std::string& code, const std::string& config = "[]") {
  return {{"plugin.json", R"({"name":"Enrich","config":)" + config + "}"}, {"index.js", code}};
}

constexpr const char* kForm = R"([{"markdown":"Where to look."},
  {"key":"apiKey","name":"Key","type":"string","secret":true,"required":true},
  {"key":"mode","type":"choice","choices":["fast","slow"],"default":"fast"},
  {"key":"extra","type":"json","required_if":[["mode","slow"]]}])";

class AppCatalogContract : public ::testing::TestWithParam<const char*> {
 protected:
  AppCatalogContract() {
    postgres_ = std::string(GetParam()) == "postgres";
    if (postgres_ && penstock::testing::postgres_server() == nullptr) return;
    std::string name = (std::filesystem::temp_directory_path() / "penstock-apps-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    if (postgres_) schema_ = "apps_" + penstock::testing::postgres_server()->new_schema();
    open();
    if (catalog_) project_ = catalog_->create_project(kBy, "Shop", "phc_shop")->id;
  }
  void SetUp() override {
    if (!postgres_ || penstock::testing::postgres_server() != nullptr) return;
    if (penstock::testing::PostgresServer::required()) FAIL() << "PostgreSQL 15 is not installed";
    GTEST_SKIP() << "PostgreSQL 15 is not installed";
  }
  ~AppCatalogContract() override {
    catalog_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }
  /// What is stored is there after a new start too; what is in memory has no second start.
  void open() {
    if (std::string(GetParam()) == "memory") {
      if (!catalog_) catalog_ = make_memory_catalog(runtime_);
      return;
    }
    catalog_.reset();
    if (postgres_) {
      auto shared = open_postgres_catalog(
          {.url = penstock::testing::postgres_server()->url(schema_), .schema = schema_}, runtime_);
      ASSERT_TRUE(shared) << shared.error().message;
      catalog_ = std::move(*shared);
      return;
    }
    auto opened = open_sqlite_catalog(directory_ + "/catalog.db", runtime_);
    ASSERT_TRUE(opened) << opened.error().message;
    catalog_ = std::move(*opened);
  }
  AppCatalog& apps() { return catalog_->apps(); }
  App make(AppFiles files) {
    auto app = apps().create_app(kBy, project_, std::move(files), "upload");
    EXPECT_TRUE(app) << app.error().message;
    return *app;
  }
  std::vector<std::string> running() {
    std::vector<std::string> out;
    const auto snapshot = catalog_->snapshot();
    EXPECT_EQ(snapshot->any_apps, snapshot->find(project_)->apps != nullptr);
    if (!snapshot->any_apps) return out;
    for (const auto& app : *snapshot->find(project_)->apps) {
      out.push_back(app->files->find(app->app.manifest.main)->second);
    }
    return out;
  }
  int64_t enabled(const std::string& code) {
    return apps().create_config(kBy, project_, make(plugin(code)).id, {.enabled = true})->id;
  }

  bool postgres_ = false;
  std::string directory_, schema_;
  runtime::SimRuntime runtime_{1};
  std::unique_ptr<Catalog> catalog_;
  ProjectId project_;
};

TEST_P(AppCatalogContract, AVersionIsUsedAndGivenUpByAPointer) {
  const App app = make(plugin("one"));
  EXPECT_EQ(app.version, 1);
  EXPECT_EQ(app.manifest.name, "Enrich");
  ASSERT_TRUE(apps().create_config(kBy, project_, app.id, {.enabled = true}));
  EXPECT_THAT(running(), ElementsAre("one"));
  EXPECT_EQ(apps().add_version(kBy, app.id, plugin("two"), "npm x@2")->version, 2);
  EXPECT_THAT(running(), ElementsAre("two"));
  ASSERT_TRUE(apps().use_version(kBy, app.id, 1));
  EXPECT_THAT(running(), ElementsAre("one"));
  open();
  EXPECT_THAT(running(), ElementsAre("one"));
  const auto versions = apps().versions(app.id);
  ASSERT_THAT(*versions, SizeIs(2));
  EXPECT_EQ((*versions)[1].source, "npm x@2");
  EXPECT_EQ((*versions)[1].who, "a test");
  EXPECT_EQ((*apps().files(app.id, 2))->at("index.js"), "two");
  EXPECT_EQ(code_of(apps().use_version(kBy, app.id, 9)), Code::kNotFound);
  EXPECT_EQ(code_of(apps().files(app.id, 9)), Code::kNotFound);
}

TEST_P(AppCatalogContract, OldVersionsGoWhenThereAreTooMany) {
  const App app = make(plugin("0"));
  for (size_t i = 1; i <= kAppVersionsMax; i++) {
    ASSERT_TRUE(apps().add_version(kBy, app.id, plugin(std::to_string(i)), "upload"));
  }
  EXPECT_THAT(*apps().versions(app.id), SizeIs(kAppVersionsMax));
  EXPECT_EQ(code_of(apps().use_version(kBy, app.id, 1)), Code::kNotFound);
  open();
  EXPECT_EQ(apps().app(app.id)->version, static_cast<int64_t>(kAppVersionsMax) + 1);
}

TEST_P(AppCatalogContract, EnabledAppsAreInTheSnapshotInTheirOrder) {
  EXPECT_TRUE(running().empty());
  const int64_t a = enabled("a"), b = enabled("b"), c = enabled("c");
  EXPECT_THAT(running(), ElementsAre("a", "b", "c"));
  ASSERT_TRUE(apps().reorder(kBy, project_, {c, a}));
  EXPECT_THAT(running(), ElementsAre("c", "a", "b"));
  ASSERT_TRUE(apps().change_config(kBy, a, {.enabled = false}));
  EXPECT_THAT(running(), ElementsAre("c", "b"));
  open();
  EXPECT_THAT(running(), ElementsAre("c", "b"));
  ASSERT_TRUE(apps().delete_config(kBy, b));
  ASSERT_TRUE(apps().delete_config(kBy, c));
  EXPECT_TRUE(running().empty());
  EXPECT_THAT(apps().configs(project_), SizeIs(1));
  EXPECT_EQ(code_of(apps().config(b)), Code::kNotFound);
  EXPECT_EQ(apps().reorder(kBy, project_, {b}).error().code, Code::kNotFound);
}

TEST_P(AppCatalogContract, AConfigurationFitsTheFormAndKeepsItsSecrets) {
  const App app = make(plugin("x", kForm));
  EXPECT_EQ(code_of(apps().create_config(kBy, project_, app.id, {.enabled = true})),
            Code::kInvalid);
  EXPECT_TRUE(apps().configs(project_).empty());
  auto config = apps().create_config(kBy, project_, app.id,
                                     {.enabled = true, .config = R"({"apiKey":"hush"})"});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->config, R"({"apiKey":"hush","mode":"fast"})");
  const auto& fields = app.manifest.fields;
  EXPECT_EQ(masked_app_config(fields, config->config),
            R"({"apiKey":{"secret":true},"mode":"fast"})");
  // What was shown comes back: the secret stays.
  const auto change = [&](const char* json) {
    return apps().change_config(kBy, config->id, {.config = json});
  };
  config = change(R"({"apiKey":{"secret":true},"extra":"{\"a\":1}"})");
  EXPECT_EQ(config->config, R"({"apiKey":"hush","mode":"fast","extra":"{\"a\":1}"})");
  for (const char* wrong : {R"({"colour":"red"})", R"({"mode":"never"})", R"({"extra":"{"})",
                            R"({"apiKey":""})", R"({"mode":"slow","extra":""})"}) {
    EXPECT_EQ(code_of(change(wrong)), Code::kInvalid) << wrong;
  }
  open();
  EXPECT_EQ(apps().config(config->id)->config, config->config);
  EXPECT_EQ(apps().config(config->id)->web_token, config->web_token);
}

TEST_P(AppCatalogContract, ErrorsAndCapabilitiesAreKept) {
  const App app = make(plugin("x"));
  const auto config = apps().create_config(kBy, project_, app.id, {.enabled = true});
  const uint64_t version = catalog_->snapshot()->version;
  ASSERT_TRUE(apps().note_error(config->id, R"({"message":"no"})"));
  ASSERT_TRUE(apps().note_capabilities(app.id, R"({"methods":["processEvent"]})"));
  EXPECT_EQ(catalog_->snapshot()->version, version);  // nothing to run anew
  open();
  EXPECT_EQ(apps().config(config->id)->error, R"({"message":"no"})");
  EXPECT_THAT(apps().app(app.id)->capabilities, HasSubstr("processEvent"));
  ASSERT_TRUE(apps().change_config(kBy, config->id, {.enabled = true}));
  EXPECT_EQ(apps().config(config->id)->error, "");  // begins again
  EXPECT_EQ(apps().note_error(99, "{}").error().code, Code::kNotFound);
}

TEST_P(AppCatalogContract, AnAppBelongsToItsProject) {
  const ProjectId other = catalog_->create_project(kBy, "Blog", "phc_blog")->id;
  const App mine = make(plugin("mine"));
  const auto all = apps().create_app(kBy, ProjectId{}, plugin("all"), "upload");
  EXPECT_THAT(apps().apps(project_), SizeIs(2));
  EXPECT_THAT(apps().apps(other), SizeIs(1));
  EXPECT_EQ(code_of(apps().create_config(kBy, other, mine.id, {})), Code::kNotFound);
  const auto config = apps().create_config(kBy, other, all->id, {.enabled = true});
  ASSERT_TRUE(config);
  EXPECT_EQ(catalog_->snapshot()->find(project_)->apps, nullptr);
  EXPECT_THAT(*catalog_->snapshot()->find(other)->apps, SizeIs(1));
  EXPECT_EQ(apps().delete_app(kBy, all->id).error().code, Code::kConflict);
  ASSERT_TRUE(apps().delete_config(kBy, config->id));
  ASSERT_TRUE(apps().delete_app(kBy, all->id));
  open();
  EXPECT_EQ(code_of(apps().app(all->id)), Code::kNotFound);
}

TEST_P(AppCatalogContract, WhatIsNoPackageIsRefused) {
  const AppFiles none[] = {
      {},
      {{"plugin.json", R"({"name":"x"})"}},
      {{"plugin.json", "{"}, {"index.js", ""}},
      {{"plugin.json", R"({"name":"x","main":"gone.js"})"}, {"index.js", ""}},
      {{"plugin.json", R"({"name":"x","stateless":true,"config":[{"key":"a"}]})"},
       {"index.js", ""}},
      {{"plugin.json", R"({"name":"x","config":[{"key":"a"},{"key":"a"}]})"}, {"index.js", ""}},
      {{"plugin.json", R"({"name":"x"})"}, {"index.js", std::string(kAppBytesMax + 1, 'x')}},
      {{"plugin.json", R"({"name":"x"})"}, {"index.js", ""}, {"/etc/b", ""}},
  };
  for (const AppFiles& files : none) {
    EXPECT_EQ(code_of(apps().create_app(kBy, project_, files, "upload")), Code::kInvalid);
  }
  EXPECT_TRUE(apps().apps(project_).empty());
}

TEST_P(AppCatalogContract, AnArchivesOneFolderAndWhatNobodyReadsIsTakenOff) {
  const App app = make({{"repo-1/plugin.json", R"({"name":"x","config":{"a":{"type":"string"}}})"},
                        {"repo-1/index.ts", "ts"},
                        {"repo-1/node_modules/y/index.js", "y"},
                        {"repo-1/.git/config", "g"}});
  EXPECT_EQ(app.manifest.main, "index.ts");
  ASSERT_THAT(app.manifest.fields, SizeIs(1));  // of an object: the key is the member's name
  EXPECT_EQ(app.manifest.fields[0].key, "a");
  EXPECT_THAT(**apps().files(app.id, 1), SizeIs(2));
}

INSTANTIATE_TEST_SUITE_P(Engines, AppCatalogContract,
                         ::testing::Values("memory", "sqlite", "postgres"),
                         [](const auto& engine) { return std::string(engine.param); });

}  // namespace
}  // namespace penstock::catalog
