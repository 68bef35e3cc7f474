// Flag definitions for local evaluation and payloads: who may read them, and what they are.
#include <gtest/gtest.h>

#include "capture/browser/testing/asked.h"

namespace penstock::capture {
namespace {

class DefinitionsTest : public BrowserTest {
 protected:
  void SetUp() override {
    BrowserTest::SetUp();
    set("feature_flags", R"({"flags":[{"id":1,"key":"a","filters":{"groups":[{"properties":[
        {"key":"email","type":"person"}]}],"payloads":{"true":"{\"n\":1}"}},"tags":["kept"]},
        {"id":2,"key":"b","deleted":true},{"id":3,"key":"c d","active":false}],
        "group_type_mapping":{"0":"company"},"cohorts":{"5":{"type":"AND","values":[]}}})");
    everywhere_ = key_for({});
    bound_ = key_for(project_);
  }
  std::string key_for(ProjectId project) {
    const auto key = catalog_->create_api_key({}, "k", project);
    return key ? *key : key.error().message;
  }
  Asked get(std::string_view target, const std::string& key, std::string_view etag = {}) {
    std::vector<wire::Header> headers;
    const std::string authorization = "Bearer " + key;
    if (!key.empty()) headers.push_back({"authorization", authorization});
    if (!etag.empty()) headers.push_back({"if-none-match", etag});
    return ask("GET", target, {}, std::move(headers));
  }

  std::string everywhere_, bound_;
};

TEST_F(DefinitionsTest, BothPathsAnswerTheSameDefinitions) {
  for (const char* path : {"/flags/definitions?token=phc_shop&send_cohorts",
                           "/api/feature_flag/local_evaluation/?token=phc_shop&send_cohorts",
                           "/api/feature_flag/local_evaluation?send_cohorts&token=phc_shop"}) {
    const Asked got = get(path, everywhere_);
    ASSERT_EQ(got.status, 200) << path << got.body;
    const std::string list = got.json({"flags"});
    const auto flags = event::split_array(list);
    ASSERT_TRUE(flags);
    ASSERT_EQ(flags->size(), 2U) << "deleted ones are not told";
    const auto first = event::JsonFields::parse(flags->front());
    EXPECT_EQ(first->find("key"), "\"a\"");
    EXPECT_EQ(first->find("active"), "true") << "an SDK takes what is not there for inactive";
    EXPECT_EQ(first->find("tags"), R"(["kept"])");
    EXPECT_EQ(got.json({"group_type_mapping", "0"}), "\"company\"");
    EXPECT_EQ(got.json({"cohorts", "5", "type"}), "\"AND\"");
    EXPECT_EQ(got.header("Cache-Control"), "private, must-revalidate");
  }
  EXPECT_EQ(get("/flags/definitions?token=phc_shop", everywhere_).json({"cohorts"}), "{}");
}

TEST_F(DefinitionsTest, WhatIsUnchangedIsNotSentAgain) {
  const std::string path = "/flags/definitions?token=phc_shop";
  const std::string tag = get(path, everywhere_).header("ETag");
  ASSERT_TRUE(tag.starts_with("W/\""));
  for (const std::string& form : {tag, tag.substr(2), tag.substr(3, tag.size() - 4)}) {
    const Asked again = get(path, everywhere_, form);
    EXPECT_EQ(again.status, 304) << form;
    EXPECT_TRUE(again.body.empty());
    EXPECT_EQ(again.header("ETag"), tag);
  }
  set("feature_flags", R"({"flags":[]})");
  EXPECT_EQ(get(path, everywhere_, tag).status, 200);
}

TEST_F(DefinitionsTest, OnlyAKeyOfTheProjectReadsIt) {
  const std::string path = "/flags/definitions?token=phc_shop";
  EXPECT_EQ(get(path, "").json({"code"}), "\"unauthorized\"");
  EXPECT_EQ(get(path, "phx_wrong").status, 401);
  EXPECT_EQ(get(path, "phx_wrong").json({"code"}), "\"personal_api_key_invalid\"");
  EXPECT_EQ(get(path, "phc_shop").status, 401) << "the project's public key is no secret";
  EXPECT_EQ(get(path, bound_).status, 200);
  const auto other = catalog_->create_project({}, "Other", "phc_other");
  ASSERT_TRUE(other);
  const Asked foreign = get(path, key_for(other->id));
  EXPECT_EQ(foreign.status, 403);
  EXPECT_EQ(foreign.json({"code"}), "\"permission_denied\"");
  EXPECT_EQ(get("/flags/definitions?token=phc_none", everywhere_).status, 401);
  EXPECT_EQ(get("/flags/definitions", bound_).status, 200) << "a bound key says which project";
  EXPECT_EQ(get("/flags/definitions", everywhere_).json({"code"}), "\"missing_token\"");
  EXPECT_EQ(ask("POST", path).status, 405);
}

TEST_F(DefinitionsTest, ADeletedKeyReadsNothing) {
  const auto keys = catalog_->api_keys();
  ASSERT_TRUE(keys);
  ASSERT_TRUE(catalog_->delete_api_key({}, keys->front().id));
  EXPECT_EQ(get("/flags/definitions?token=phc_shop", everywhere_).status, 401);
}

TEST_F(DefinitionsTest, ThePayloadOfOneFlag) {
  const std::string base = "/api/projects/@current/feature_flags/";
  const Asked got = get(base + "a/remote_config?token=phc_shop", everywhere_);
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, R"("{\"n\":1}")");
  EXPECT_EQ(get(base + "c%20d/remote_config/?token=phc_shop", bound_).body, "null");
  EXPECT_EQ(get(base + "nope/remote_config?token=phc_shop", bound_).status, 404);
  EXPECT_EQ(get(base + "a/remote_config?token=phc_shop", "").status, 401);
  const std::string by_id = "/api/projects/" + std::to_string(project_.value) + "/feature_flags/";
  EXPECT_EQ(get(by_id + "a/remote_config", everywhere_).status, 200);
  EXPECT_FALSE(get(base + "/remote_config", bound_).taken);
}

TEST_F(DefinitionsTest, WhatWaitsForTheCatalogIsBounded) {
  std::vector<std::shared_ptr<Asked>> all;
  PaddedBuffer empty;
  for (size_t i = 0; i < kDefinitionsWaitingMax + 1; i++) {
    all.push_back(std::make_shared<Asked>());
    wire::Request request;
    request.method = "GET";
    request.path = "/flags/definitions";
    request.headers = {{"authorization", "Bearer phx_wrong"}};
    request.body = &empty;
    wire::Responder responder(std::make_shared<Target>(all.back()));
    browser_->handle(request, responder, {}, *catalog_->snapshot());
  }
  EXPECT_EQ(all.back()->status, 503);
  runtime_.run_for(std::chrono::milliseconds(500));
  for (size_t i = 0; i < kDefinitionsWaitingMax; i++) EXPECT_EQ(all[i]->status, 401);
  EXPECT_EQ(get("/flags/definitions", bound_).status, 200) << "room again";
}

}  // namespace
}  // namespace penstock::capture
