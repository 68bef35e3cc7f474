// The lists posthog-js fetches, and paths that are somebody else's.
#include <gtest/gtest.h>

#include "capture/browser/testing/asked.h"

namespace penstock::capture {
namespace {

using ListsTest = BrowserTest;

TEST_F(ListsTest, AProjectWithoutThemHasEmptyLists) {
  const std::pair<const char*, const char*> lists[] = {
      {"/api/surveys/?token=phc_shop", R"({"surveys":[],"survey_config":null})"},
      {"/api/surveys?token=phc_shop&_=1700000000000", R"({"surveys":[],"survey_config":null})"},
      {"/api/early_access_features/?token=phc_shop&stage=beta", R"({"earlyAccessFeatures":[]})"},
      {"/api/web_experiments/?token=phc_shop", R"({"experiments":[]})"},
      {"/api/product_tours/?token=phc_shop", R"({"product_tours":[]})"},
  };
  for (const auto& [path, expected] : lists) {
    const Asked got = ask("GET", path, {}, {{"origin", "https://shop.example"}});
    EXPECT_EQ(got.status, 200) << path;
    EXPECT_EQ(got.body, expected);
    EXPECT_EQ(got.header("access-control-allow-origin"), "https://shop.example");
  }
}

TEST_F(ListsTest, WhatTheProjectSetIsServed) {
  set("surveys",
      R"({"surveys":[{"id":"1","name":"NPS","type":"popover"}],"survey_config":{"a":1}})");
  set("early_access_features", R"({"earlyAccessFeatures":[{"id":"2","flagKey":"beta"}]})");
  set("web_experiments", R"({"experiments":[{"id":3,"name":"hero"}]})");
  set("product_tours", R"({"product_tours":[{"id":"4"}]})");
  const auto got = [this](const char* what) {
    return ask("GET", std::string("/api/") + what + "/?token=phc_shop");
  };
  EXPECT_EQ(got("surveys").json({"surveys"}), R"([{"id":"1","name":"NPS","type":"popover"}])");
  EXPECT_EQ(got("surveys").json({"survey_config", "a"}), "1");
  EXPECT_EQ(got("early_access_features").json({"earlyAccessFeatures"}),
            R"([{"id":"2","flagKey":"beta"}])");
  EXPECT_EQ(got("web_experiments").json({"experiments"}), R"([{"id":3,"name":"hero"}])");
  EXPECT_EQ(got("product_tours").json({"product_tours"}), R"([{"id":"4"}])");
}

TEST_F(ListsTest, AProjectThatIsNotThereHasNone) {
  const Asked none = ask("GET", "/api/surveys/");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.json({"code"}), "\"missing_token\"");
  EXPECT_EQ(ask("GET", "/api/surveys/?token=phc_x").json({"code"}), "\"invalid_token\"");
  EXPECT_EQ(ask("POST", "/api/surveys/?token=phc_shop").status, 405);
}

TEST_F(ListsTest, DevicesMayRegisterForPushes) {
  EXPECT_EQ(ask("POST", "/api/push_subscriptions/", "{}").status, 200);
  EXPECT_EQ(ask("DELETE", "/api/push_subscriptions/", "{}").status, 200);
}

TEST_F(ListsTest, OtherPathsAreLeftAlone) {
  for (const char* path : {"/", "/e/", "/api/", "/api/projects/1/other", "/array", "/staticfile"}) {
    EXPECT_FALSE(ask("GET", path).taken) << path;
  }
  EXPECT_FALSE(ask("POST", "/static/array.js").taken);
  EXPECT_FALSE(ask("OPTIONS", "/array/phc_shop/config").taken) << "every path's preflight is alike";
}

}  // namespace
}  // namespace penstock::capture
