// Goal: a path prefix leads to every route and hides the plain ones when asked to; only pages a
// project lists may read the answers about it, and their events are taken all the same.
#include <gtest/gtest.h>

#include "capture/testing/fixture.h"

namespace penstock::capture {
namespace {

class EdgeTest : public testing::ServiceTest {
 protected:
  void SetUp() override {
    ServiceTest::SetUp();
    open_ = *catalog_->create_project(operator_, "open", "phc_open");
    closed_ = *catalog_->create_project(operator_, "closed", "phc_closed");
  }
  void list_origins(const catalog::Project& project, const std::string& origins) {
    ASSERT_TRUE(catalog_->set_project_setting(operator_, project.id, "admission",
                                              "{\"cors_origins\":" + origins + "}"));
    turn();
  }
  /// The allowed origin of the answer to an event of a project, once it is durable.
  std::string allowed(const std::string& token, const std::string& origin,
                      std::string_view path = "/e/") {
    const auto answer =
        ask("POST", path, R"({"event":"e","distinct_id":"d","token":")" + token + "\"}",
            {{"content-type", "application/json"}, {"origin", origin}});
    land();
    EXPECT_EQ(answer->status, 200) << answer->body;
    return answer->headers["access-control-allow-origin"];
  }
  std::string preflight(const std::string& origin, std::string_view path = "/e/") {
    return ask("OPTIONS", path, "", {{"origin", origin}, {"access-control-request-method", "POST"}})
        ->headers["access-control-allow-origin"];
  }
  int status(std::string_view method, std::string_view path) {
    return ask(method, path, "", {})->status;
  }

  const catalog::Principal operator_{std::nullopt, "test", ProjectId{}};
  catalog::Project open_, closed_;
};

constexpr const char* kApp = "https://app.example.com";
constexpr const char* kOther = "https://other.example.com";

TEST_F(EdgeTest, without_a_list_every_origin_reads_the_answers) {
  EXPECT_EQ(allowed("phc_open", kOther), kOther);
  EXPECT_EQ(allowed("phc_unknown", kOther), kOther);
  EXPECT_EQ(preflight(kOther), kOther);
}

TEST_F(EdgeTest, a_listed_project_answers_its_own_origins_and_takes_events_of_all) {
  list_origins(closed_, R"(["https://app.example.com"])");
  for (const char* path : {"/e/", "/flags/?v=2"}) {
    EXPECT_EQ(allowed("phc_closed", kApp, path), kApp) << path;
    EXPECT_EQ(allowed("phc_closed", kOther, path), "") << path;
    EXPECT_EQ(allowed("phc_open", kOther, path), kOther) << path;
  }
  const auto config = ask("GET", "/array/phc_closed/config", "", {{"origin", kOther}});
  EXPECT_EQ(config->status, 200);
  EXPECT_EQ(config->headers.count("access-control-allow-origin"), 0U);
  EXPECT_EQ(config->headers["vary"], "origin");
}

TEST_F(EdgeTest, a_preflight_is_for_any_origin_that_some_project_allows) {
  list_origins(closed_, R"(["https://app.example.com"])");
  EXPECT_EQ(preflight(kOther), kOther) << "another project allows all";
  list_origins(open_, R"(["https://third.example.com"])");
  EXPECT_EQ(preflight(kApp), kApp);
  EXPECT_EQ(preflight("https://third.example.com"), "https://third.example.com");
  EXPECT_EQ(preflight(kOther), "");
  EXPECT_EQ(preflight(kOther, "/flags/"), "");
  EXPECT_EQ(preflight(kOther, "/i/v1/analytics/events"), "");
}

TEST_F(EdgeTest, a_prefix_leads_to_every_route_beside_the_plain_ones) {
  CaptureOptions options;
  options.path_prefix = "/ingest-x1";
  make(options);
  for (const char* path : {"/_liveness", "/ingest-x1/_liveness", "/ingest-x1", "/ingest-x1/"}) {
    EXPECT_EQ(status("GET", path), 200) << path;
  }
  EXPECT_EQ(allowed("phc_open", kApp, "/ingest-x1/e/"), kApp);
  EXPECT_EQ(allowed("phc_open", kApp, "/ingest-x1/flags/?v=2"), kApp);
  EXPECT_EQ(allowed("phc_open", kApp, "/e/"), kApp);
  // SDKs append the paths a config names to the address they were given, which has the prefix.
  const auto config = ask("GET", "/ingest-x1/array/phc_open/config", "", {});
  EXPECT_EQ(config->status, 200);
  EXPECT_NE(config->body.find(R"({"endpoint":"/i/v0/e/"})"), std::string::npos) << config->body;
  EXPECT_EQ(status("GET", "/ingest-x12/_liveness"), 404);
  EXPECT_EQ(status("GET", "/ingest-x1/ingest-x1/_liveness"), 404);
}

TEST_F(EdgeTest, with_the_prefix_alone_the_plain_paths_are_gone_but_for_the_operators_own) {
  CaptureOptions options;
  options.path_prefix = "/ingest-x1";
  options.path_prefix_only = true;
  make(options);
  EXPECT_EQ(allowed("phc_open", kApp, "/ingest-x1/e/"), kApp);
  for (const char* path : {"/e/", "/batch/", "/flags/", "/array/phc_open/config", "/"}) {
    EXPECT_EQ(status("POST", path), 404) << path;
  }
  for (const char* path : {"/_readiness", "/_liveness", "/metrics"}) {
    EXPECT_EQ(status("GET", path), 200) << path;
  }
}

}  // namespace
}  // namespace penstock::capture
