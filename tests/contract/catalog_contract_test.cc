// What every Catalog promises, over the one in memory (projects only), in SQLite and in PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <memory>

#include "catalog/catalog.h"
#include "catalog/postgres_catalog.h"
#include "runtime/sim_runtime.h"
#include "tests/contract/postgres_server.h"

namespace penstock::catalog {
namespace {

using ::testing::StartsWith;
namespace testing = penstock::testing;

constexpr Principal kBy{std::nullopt, "a test", ProjectId{}};

template <typename T>
Code code_of(const Result<T>& r) {
  return r ? Code::kBug : r.error().code;
}

/// A catalog on a directory and a clock of its own.
class World {
 public:
  explicit World(std::string engine) : engine_(std::move(engine)) {
    std::string name =
        (std::filesystem::temp_directory_path() / "penstock-catalog-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    if (engine_ == "postgres" && testing::postgres_server() != nullptr) {
      schema_ = "catalog_" + testing::postgres_server()->new_schema();
    }
    open();
  }
  ~World() {
    catalog.reset();
    std::filesystem::remove_all(directory_);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void open() {
    catalog.reset();
    if (engine_ == "memory") {
      catalog = make_memory_catalog(runtime_);
      return;
    }
    if (engine_ == "postgres") {
      if (schema_.empty()) return;
      auto shared = open_shared();
      ASSERT_TRUE(shared) << shared.error().message;
      shared_ = shared->get();
      catalog = std::move(*shared);
      return;
    }
    auto opened = open_sqlite_catalog(file(), runtime_);
    ASSERT_TRUE(opened) << opened.error().message;
    catalog = std::move(*opened);
  }
  /// Another Penstock's, with the same tables. Short of patience, for tests of a server that is
  /// away.
  Result<std::unique_ptr<SharedCatalog>> open_shared(int64_t patience_ms = 500) {
    return open_postgres_catalog({.url = testing::postgres_server()->url(schema_),
                                  .schema = schema_,
                                  .connect_ms = 2 * patience_ms,
                                  .statement_ms = patience_ms,
                                  .retry_ms = 50},
                                 runtime_);
  }
  SharedCatalog& shared() { return *shared_; }
  const std::string& schema() const { return schema_; }
  std::string file() const { return directory_ + "/catalog.db"; }
  void pass(runtime::Duration time) { runtime_.jump_wall(time); }

  std::unique_ptr<Catalog> catalog;

 private:
  std::string engine_;
  std::string directory_, schema_;
  SharedCatalog* shared_ = nullptr;
  runtime::SimRuntime runtime_{1};  // its random bytes are seeded: no test depends on luck
};

/// Where PostgreSQL is not installed its tests are skipped, and fail where it has to be.
bool is_missing(const std::string& engine) {
  return engine == "postgres" && testing::postgres_server() == nullptr;
}
#define SKIP_WITHOUT_SERVER(engine)                                                      \
  if (is_missing(engine)) {                                                              \
    if (testing::PostgresServer::required()) FAIL() << "PostgreSQL 15 is not installed"; \
    GTEST_SKIP() << "PostgreSQL 15 is not installed";                                    \
  }

class CatalogContract : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override{SKIP_WITHOUT_SERVER(GetParam())} World world_ { GetParam() };
  Catalog& catalog() { return *world_.catalog; }
};

TEST_P(CatalogContract, AProjectGetsAFreshTokenAndIsFoundByIt) {
  const auto first = catalog().create_project(kBy, "Shop", "");
  const auto second = catalog().create_project(kBy, "Blog", "");
  ASSERT_TRUE(first && second);
  EXPECT_THAT(first->token, StartsWith("phc_"));
  EXPECT_NE(first->token, second->token);
  EXPECT_NE(first->id, second->id);
  const auto now = catalog().snapshot();
  ASSERT_EQ(now->projects.size(), 2U);
  EXPECT_EQ(now->find_token(first->token)->name, "Shop");
  EXPECT_EQ(now->find(second->id)->token, second->token);
  EXPECT_EQ(now->find_token("phc_unknown"), nullptr);
  EXPECT_EQ(now->find(ProjectId{99}), nullptr);
}

TEST_P(CatalogContract, ATokenBelongsToOneProject) {
  ASSERT_TRUE(catalog().create_project(kBy, "Shop", "phc_shop"));
  EXPECT_EQ(code_of(catalog().create_project(kBy, "Other", "phc_shop")), Code::kConflict);
  EXPECT_EQ(catalog().snapshot()->projects.size(), 1U);
}

TEST_P(CatalogContract, MalformedTokensAreRefused) {
  for (const std::string& token : {std::string("phx_personal"), std::string(65, 'p'),
                                   std::string("phc_\0x", 6), std::string("phc_\xc3\xbc")}) {
    EXPECT_EQ(code_of(catalog().create_project(kBy, "Shop", token)), Code::kInvalid) << token;
  }
}

TEST_P(CatalogContract, AnOldSnapshotStaysAsItWas) {
  const auto before = catalog().snapshot();
  ASSERT_TRUE(catalog().create_project(kBy, "Shop", "phc_shop"));
  EXPECT_TRUE(before->projects.empty());
  EXPECT_GT(catalog().snapshot()->version, before->version);
}

TEST_P(CatalogContract, ListenersHearOfEveryChangeAfterItIsVisible) {
  std::vector<size_t> heard;
  catalog().on_change([&](std::shared_ptr<const Snapshot> now) {
    EXPECT_EQ(now->version, catalog().snapshot()->version);
    heard.push_back(now->projects.size());
  });
  const auto project = catalog().create_project(kBy, "Shop", "");
  ASSERT_TRUE(project);
  ASSERT_TRUE(catalog().rename_project(kBy, project->id, "Store"));
  EXPECT_EQ(catalog().snapshot()->find(project->id)->name, "Store");
  EXPECT_THAT(heard, ::testing::ElementsAre(1U, 1U));
}

TEST_P(CatalogContract, KeepsWhatIsSaidOfEventsAndProperties) {
  const auto shop = catalog().create_project(kBy, "Shop", "");
  const auto blog = catalog().create_project(kBy, "Blog", "");
  const DefinitionKey event{"event", "", "paid"}, vans{"group_property", "carrier", "vans"};
  const DefinitionNote note{"Money came in.", {"finance", "it's \"odd\""}, true};
  ASSERT_TRUE(catalog().set_definition_note(kBy, shop->id, event, note));
  ASSERT_TRUE(catalog().set_definition_note(kBy, shop->id, vans, {"", {"fleet"}, false}));
  if (std::string(GetParam()) != "memory") world_.open();
  EXPECT_EQ(*catalog().definition_notes(shop->id, "event"), (DefinitionNotes{{event, note}}));
  EXPECT_EQ(catalog().definition_notes(shop->id, "group_property")->at(vans).tags,
            std::vector<std::string>{"fleet"});
  EXPECT_TRUE(catalog().definition_notes(blog->id, "event")->empty());
  ASSERT_TRUE(catalog().set_definition_note(kBy, shop->id, event, {"Else.", {}, false}));
  EXPECT_EQ(catalog().definition_notes(shop->id, "event")->at(event).description, "Else.");
  ASSERT_TRUE(catalog().set_definition_note(kBy, shop->id, event, {}));
  EXPECT_TRUE(catalog().definition_notes(shop->id, "event")->empty());
  const auto refused = [&](const DefinitionKey& key, const DefinitionNote& n) {
    const Status s = catalog().set_definition_note(kBy, shop->id, key, n);
    return !s && s.error().code == Code::kInvalid;
  };
  EXPECT_TRUE(refused({"event", "", ""}, note));
  EXPECT_TRUE(refused({"event", "", std::string(201, 'x')}, note));
  EXPECT_TRUE(refused(event, {std::string(kNoteBytesMax + 1, 'x'), {}, false}));
  EXPECT_TRUE(refused(event, {"", std::vector<std::string>(21, "t"), false}));
  EXPECT_TRUE(refused(event, {"", {""}, false}));
  EXPECT_EQ(catalog().set_definition_note(kBy, {99}, event, note).error().code, Code::kNotFound);
}

TEST_P(CatalogContract, AProjectThatIsNotThereCannotBeRenamed) {
  EXPECT_FALSE(catalog().rename_project(kBy, ProjectId{7}, "x"));
  EXPECT_EQ(catalog().rename_project(kBy, ProjectId{7}, "x").error().code, Code::kNotFound);
}

TEST_P(CatalogContract, SettingsAreTypedInTheNextSnapshot) {
  const auto project = catalog().create_project(kBy, "Shop", "");
  ASSERT_TRUE(project);
  EXPECT_EQ(catalog().snapshot()->find(project->id)->settings->text("admission"), "{}");
  const std::string json = R"({"weight":3,"cors_origins":["https://B.example","https://a.example"],
    "overflow":{"events_per_second":5,"burst":9},
    "quotas":[{"resource":"recordings","limited_until":"2030-01-01T00:00:00Z"},
              {"resource":"events","events_per_month_max":10}],
    "restrictions":[{"type":"redirect_to_dlq","pipelines":["analytics"],"event_names":["z","a"]},
                    {"type":"redirect_to_topic","topic":"audit_1"}]})";
  ASSERT_TRUE(catalog().set_project_setting(kBy, project->id, "admission", json));
  const auto settings = catalog().snapshot()->find(project->id)->settings;
  EXPECT_EQ(settings->text("admission"), json);
  const AdmissionSettings& a = settings->admission;
  EXPECT_EQ(a.weight, 3U);
  EXPECT_THAT(a.cors_origins, ::testing::ElementsAre("https://a.example", "https://b.example"));
  EXPECT_EQ(a.overflow->burst, 9U);
  EXPECT_EQ(a.quotas[static_cast<size_t>(QuotaResource::kEvents)]->events_per_month_max, 10U);
  EXPECT_EQ(a.quotas[static_cast<size_t>(QuotaResource::kRecordings)]->limited_until_ms,
            1'893'456'000'000);
  EXPECT_FALSE(a.quotas[static_cast<size_t>(QuotaResource::kSurveys)]);
  ASSERT_EQ(a.restrictions.size(), 2U);
  EXPECT_EQ(a.restrictions[0].type, RestrictionType::kQuarantine);
  EXPECT_EQ(a.restrictions[0].pipelines, static_cast<uint8_t>(Pipeline::kAnalytics));
  EXPECT_THAT(a.restrictions[0].event_names, ::testing::ElementsAre("a", "z"));
  EXPECT_EQ(a.restrictions[1].pipelines, 0xff);
  EXPECT_EQ(a.restrictions[1].topic, "audit_1");
}

TEST_P(CatalogContract, AWrongSettingIsRefusedAndChangesNothing) {
  const auto project = catalog().create_project(kBy, "Shop", "");
  ASSERT_TRUE(project);
  ASSERT_TRUE(catalog().set_project_setting(kBy, project->id, "admission", R"({"weight":2})"));
  for (const char* json :
       {"[]", "{", R"({"weigth":1})", R"({"weight":0})", R"({"cors_origins":["example.com"]})",
        R"({"quotas":[{"resource":"coffee"}]})", R"({"quotas":[{}]})",
        R"({"quotas":[{"resource":"events","limited_until":"soon"}]})",
        R"({"restrictions":[{"type":"explode"}]})", R"({"restrictions":[{}]})",
        R"({"restrictions":[{"type":"redirect_to_topic"}]})",
        R"({"restrictions":[{"type":"redirect_to_topic","topic":"../x"}]})",
        R"({"restrictions":[{"type":"drop_event_from_ingestion","topic":"x"}]})",
        R"({"restrictions":[{"type":"redirect_to_dlq","event_uuids":["x"]}]})",
        R"({"restrictions":[{"type":"redirect_to_dlq","pipelines":["x"]}]})"}) {
    const Status done = catalog().set_project_setting(kBy, project->id, "admission", json);
    ASSERT_FALSE(done) << json;
    EXPECT_EQ(done.error().code, Code::kInvalid) << json;
  }
  EXPECT_EQ(catalog().snapshot()->find(project->id)->settings->admission.weight, 2U);
  EXPECT_EQ(catalog().set_project_setting(kBy, project->id, "colour", "{}").error().code,
            Code::kNotFound);
  EXPECT_EQ(catalog().set_project_setting(kBy, ProjectId{9}, "admission", "{}").error().code,
            Code::kNotFound);
}

INSTANTIATE_TEST_SUITE_P(Engines, CatalogContract,
                         ::testing::Values("memory", "sqlite", "postgres"),
                         [](const auto& engine) { return std::string(engine.param); });

/// Users, sessions and keys, which the one in memory has not.
class SqlCatalogTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override{SKIP_WITHOUT_SERVER(GetParam())} World world_ { GetParam() };
  Catalog& catalog() { return *world_.catalog; }
  /// Somebody who has logged in by a link.
  Principal somebody() {
    const auto session = catalog().login_with_secret(*catalog().create_login_secret(1000));
    return *catalog().authenticate_session(*session);
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, SqlCatalogTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& engine) { return std::string(engine.param); });

TEST_P(SqlCatalogTest, EverythingIsThereAfterARestart) {
  const auto project = catalog().create_project(kBy, "Shop", "phc_shop");
  ASSERT_TRUE(project);
  const auto key = catalog().create_api_key(kBy, "reports", project->id);
  ASSERT_TRUE(key);
  ASSERT_TRUE(catalog().set_password(somebody(), "eve@example.com", "correct horse"));
  world_.open();
  EXPECT_EQ(catalog().snapshot()->find_token("phc_shop")->id, project->id);
  EXPECT_EQ(catalog().authenticate_key(*key)->project, project->id);
  EXPECT_TRUE(catalog().login_with_password("eve@example.com", "correct horse"));
}

TEST_P(SqlCatalogTest, ALoginLinkWorksOnceAndForItsTime) {
  const auto first = catalog().create_login_secret(60'000);
  ASSERT_TRUE(first);
  const auto session = catalog().login_with_secret(*first);
  ASSERT_TRUE(session) << session.error().message;
  EXPECT_TRUE(catalog().authenticate_session(*session));
  EXPECT_EQ(code_of(catalog().login_with_secret(*first)), Code::kDenied) << "used twice";
  const auto late = catalog().create_login_secret(60'000);
  ASSERT_TRUE(late);
  world_.pass(std::chrono::seconds(61));
  EXPECT_EQ(code_of(catalog().login_with_secret(*late)), Code::kDenied) << "used too late";
  EXPECT_EQ(code_of(catalog().login_with_secret("guessed")), Code::kDenied);
}

TEST_P(SqlCatalogTest, ASessionEndsAtLogoutAndByAge) {
  const auto login = [&] {
    return *catalog().login_with_secret(*catalog().create_login_secret(9999));
  };
  const std::string first = login(), second = login();
  ASSERT_TRUE(catalog().logout(first));
  EXPECT_EQ(code_of(catalog().authenticate_session(first)), Code::kDenied);
  EXPECT_TRUE(catalog().authenticate_session(second));
  world_.pass(std::chrono::hours(24 * 31));
  EXPECT_EQ(code_of(catalog().authenticate_session(second)), Code::kDenied);
  EXPECT_EQ(code_of(catalog().authenticate_session("")), Code::kDenied);
}

TEST_P(SqlCatalogTest, OnlyTheRightPasswordLogsIn) {
  ASSERT_TRUE(catalog().set_password(somebody(), "eve@example.com", "correct horse"));
  EXPECT_EQ(code_of(catalog().login_with_password("eve@example.com", "wrong horse")),
            Code::kDenied);
  EXPECT_EQ(code_of(catalog().login_with_password("eve@example.com", "")), Code::kDenied);
  EXPECT_EQ(code_of(catalog().login_with_password("bob@example.com", "correct horse")),
            Code::kDenied);
  ASSERT_TRUE(catalog().set_password(somebody(), "eve@example.com", "new battery staple"));
  EXPECT_FALSE(catalog().login_with_password("eve@example.com", "correct horse"));
  EXPECT_TRUE(catalog().login_with_password("eve@example.com", "new battery staple"));
}

TEST_P(SqlCatalogTest, AKeyCannotSetAPassword) {
  EXPECT_FALSE(catalog().set_password(kBy, "eve@example.com", "correct horse"));
}

TEST_P(SqlCatalogTest, AKeyIsShownOnceBoundToItsProjectAndGoneWhenDeleted) {
  const auto project = catalog().create_project(kBy, "Shop", "");
  const auto bound = catalog().create_api_key(kBy, "reports", project->id);
  const auto all = catalog().create_api_key(kBy, "everything", ProjectId{});
  ASSERT_TRUE(bound && all);
  EXPECT_THAT(*bound, StartsWith("phx_"));
  EXPECT_EQ(catalog().authenticate_key(*bound)->project, project->id);
  EXPECT_EQ(catalog().authenticate_key(*all)->project, ProjectId{});
  const auto keys = catalog().api_keys();
  ASSERT_EQ(keys->size(), 2U);
  EXPECT_THAT(*bound, StartsWith(keys->front().prefix));
  EXPECT_LT(keys->front().prefix.size(), 12U);
  ASSERT_TRUE(catalog().delete_api_key(kBy, keys->front().id));
  EXPECT_EQ(code_of(catalog().authenticate_key(*bound)), Code::kDenied);
  EXPECT_TRUE(catalog().authenticate_key(*all));
}

class SqliteCatalogTest : public ::testing::Test {
 protected:
  World world_{"sqlite"};
  Catalog& catalog() { return *world_.catalog; }
  Principal somebody() {
    const auto session = catalog().login_with_secret(*catalog().create_login_secret(1000));
    return *catalog().authenticate_session(*session);
  }
};

TEST_F(SqliteCatalogTest, NoSecretIsInTheFile) {
  const auto key = catalog().create_api_key(kBy, "reports", ProjectId{});
  const auto link = catalog().create_login_secret(60'000);
  const auto used = catalog().create_login_secret(60'000);
  const auto session = catalog().login_with_secret(*used);
  ASSERT_TRUE(key && link && session);
  ASSERT_TRUE(catalog().set_password(somebody(), "eve@example.com", "correct horse"));
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(world_.file()).parent_path())) {
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    for (const std::string& secret : {*key, *link, *session, std::string("correct horse")}) {
      EXPECT_EQ(bytes.find(secret), std::string::npos) << entry.path();
    }
  }
}

TEST_F(SqliteCatalogTest, ADamagedFileIsAnErrorThatSaysSo) {
  world_.catalog.reset();
  std::ofstream(world_.file(), std::ios::binary) << std::string(8192, 'x');
  runtime::SimRuntime runtime(1);
  const auto opened = open_sqlite_catalog(world_.file(), runtime);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kCorrupt) << opened.error().message;
}

class PostgresCatalogTest : public ::testing::Test {
 protected:
  void SetUp() override{SKIP_WITHOUT_SERVER(std::string("postgres"))} World world_ { "postgres" };
  Catalog& catalog() { return *world_.catalog; }
  testing::PostgresServer& server() { return *testing::postgres_server(); }
  /// Tries as callers do, until the session is there again.
  Status rename_until_done(ProjectId id, const std::string& name) {
    Status out;
    for (int i = 0; i < 100; i++) {
      out = catalog().rename_project(kBy, id, name);
      if (out) return out;
      ::usleep(50'000);
    }
    return out;
  }
};

TEST_F(PostgresCatalogTest, ChangesOfOneAreSeenByTheOtherAndFollowEachOther) {
  auto other = world_.open_shared();
  ASSERT_TRUE(other) << other.error().message;
  const auto shop = catalog().create_project(kBy, "Shop", "phc_shop");
  ASSERT_TRUE(shop);
  EXPECT_EQ((*other)->snapshot()->find_token("phc_shop"), nullptr);
  ASSERT_TRUE((*other)->look());
  EXPECT_EQ((*other)->snapshot()->find_token("phc_shop")->name, "Shop");
  const uint64_t version = (*other)->snapshot()->version;
  ASSERT_TRUE((*other)->look());
  EXPECT_EQ((*other)->snapshot()->version, version) << "nothing has changed";
  // A change begins with a look of its own.
  const auto blog = catalog().create_project(kBy, "Blog", "phc_blog");
  ASSERT_TRUE(blog);
  EXPECT_TRUE((*other)->rename_project(kBy, blog->id, "Journal"));
  EXPECT_EQ(code_of((*other)->create_project(kBy, "Again", "phc_blog")), Code::kConflict);
  ASSERT_TRUE(world_.shared().look());
  EXPECT_EQ(catalog().snapshot()->find(blog->id)->name, "Journal");
  const auto key = (*other)->create_api_key(kBy, "reports", blog->id);
  ASSERT_TRUE(key);
  EXPECT_EQ(catalog().authenticate_key(*key)->project, blog->id);
}

TEST_F(PostgresCatalogTest, AServerThatIsAwayLeavesTheSnapshotAndIsFoundAgain) {
  const auto shop = catalog().create_project(kBy, "Shop", "phc_shop");
  const auto known = catalog().create_api_key(kBy, "known", ProjectId{});
  const auto fresh = catalog().create_api_key(kBy, "never used", ProjectId{});
  ASSERT_TRUE(shop && known && fresh && catalog().authenticate_key(*known));
  const auto is_away = [&](const Status& s) {
    return !s && (s.error().code == Code::kUnavailable || s.error().code == Code::kTimeout);
  };
  server().cut(world_.schema());
  EXPECT_TRUE(rename_until_done(shop->id, "Store"));
  server().freeze();
  EXPECT_TRUE(is_away(catalog().rename_project(kBy, shop->id, "Lost")));
  EXPECT_TRUE(is_away(world_.shared().look()));
  EXPECT_EQ(catalog().snapshot()->find_token("phc_shop")->name, "Store");
  EXPECT_TRUE(catalog().authenticate_key(*known)) << "it was right a moment ago";
  EXPECT_FALSE(catalog().authenticate_key(*fresh));
  server().thaw();
  EXPECT_TRUE(rename_until_done(shop->id, "Store 2"));
  EXPECT_TRUE(catalog().authenticate_key(*fresh));
  server().kill_now();
  EXPECT_TRUE(is_away(catalog().rename_project(kBy, shop->id, "Lost")));
  EXPECT_TRUE(catalog().authenticate_key(*known));
  world_.pass(std::chrono::minutes(16));
  EXPECT_FALSE(catalog().authenticate_key(*known)) << "not for ever";
  server().start();
  EXPECT_TRUE(rename_until_done(shop->id, "Store 3"));
  EXPECT_EQ(catalog().snapshot()->find_token("phc_shop")->name, "Store 3");
  const auto reopened = world_.open_shared();
  ASSERT_TRUE(reopened);
  EXPECT_EQ((*reopened)->snapshot()->find_token("phc_shop")->name, "Store 3");
}

TEST_F(PostgresCatalogTest, ACatalogOfANewerPenstockIsRefused) {
  server().execute(world_.schema(),
                   "INSERT INTO " + world_.schema() + ".catalog_version VALUES (99)");
  const auto opened = world_.open_shared();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Code::kInvalid);
  EXPECT_NE(opened.error().message.find("newer Penstock"), std::string::npos);
}

TEST_F(PostgresCatalogTest, ManyThatStartAtOnceMakeTheTablesOnce) {
  server().execute("public", "DROP SCHEMA " + world_.schema() + " CASCADE");
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 6; i++) {
    all.push_back(
        std::async(std::launch::async, [this] { return world_.open_shared(60'000).has_value(); }));
  }
  int opened = 0;
  for (auto& one : all) opened += one.get() ? 1 : 0;
  EXPECT_EQ(opened, 6);
  // Each migration once.
  const std::string sql =
      "SELECT count(*) = max(version) FROM " + world_.schema() + ".catalog_version";
  EXPECT_EQ(server().execute("public", sql), "t");
}

}  // namespace
}  // namespace penstock::catalog
