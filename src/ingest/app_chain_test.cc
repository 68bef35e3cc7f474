// A project's apps in their order, JavaScript (in memory) and Hog mixed, and what is written down.
#include "ingest/app_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/memory_apps.h"
#include "event/json_fields.h"
#include "runtime/sim_runtime.h"

namespace penstock::ingest {
namespace {

using ::testing::HasSubstr;

class AppChainTest : public ::testing::Test {
 protected:
  void SetUp() override {
    javascript_ = apps::make_memory_apps(loop_);
    catalog_ = catalog::make_memory_catalog(runtime_);
    project_ = catalog_->create_project({}, "Shop", "phc_shop")->id;
    chain_ = make_app_chain(
        loop_, runtime_, javascript_.get(),
        {.log = [this](apps::LogEntry entry) { logged_.push_back(std::move(entry)); }});
  }

  void install(const std::string& name, const std::string& main, const std::string& code,
               const std::string& config = "[]", const std::string& filters = "{}") {
    const auto app = catalog_->apps().create_app(
        {}, project_,
        {{"plugin.json", R"({"name":")" + name + R"(","config":)" + config + "}"}, {main, code}},
        "upload");
    ASSERT_TRUE(app) << app.error().message;
    ASSERT_TRUE(catalog_->apps().create_config({}, project_, app->id,
                                               {.enabled = true, .filters = filters}));
  }
  void javascript(const std::string& name, apps::MemoryApp code,
                  const std::string& filters = "{}") {
    install(name, "index.js", "", "[]", filters);
    javascript_->provide(static_cast<int64_t>(catalog_->apps().apps(project_).size()),
                         std::move(code));
    std::vector<apps::AppConfig> all;
    for (const auto& app : *project().apps) {
      if (app->app.manifest.language != catalog::AppLanguage::kHog) {
        all.push_back(engine_config(project(), *app));
      }
    }
    javascript_->set(std::move(all));
  }
  const catalog::Project& project() {
    snapshot_ = catalog_->snapshot();
    return *snapshot_->find(project_);
  }
  AppsAnswer run(const std::string& properties = R"({"a":1})") {
    EXPECT_TRUE(chain_->transforms(project()));
    std::optional<AppsAnswer> out;
    chain_->run(project(),
                {R"({"event":"seen","distinct_id":"d","properties":)" + properties + "}"},
                [&](std::vector<AppsAnswer> answers) { out = std::move(answers.at(0)); }, {});
    EXPECT_EQ(runtime_.run_until([&] { return out.has_value(); }), runtime::SimEnd::kDone);
    return std::move(*out);
  }

  AppPassage passage(int64_t config) {
    snapshot_ = catalog_->snapshot();
    for (AppPassage& one : chain_->passages(*snapshot_)) {
      if (one.config == config) return one;
    }
    ADD_FAILURE() << "the chain does not know " << config;
    return {};
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  std::unique_ptr<apps::MemoryApps> javascript_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::shared_ptr<const catalog::Snapshot> snapshot_;
  ProjectId project_;
  std::vector<apps::LogEntry> logged_;
  std::unique_ptr<AppChain> chain_;
};

apps::MemoryApp replacing(const std::string& from, const std::string& to) {
  return [=](const apps::AppConfig&, std::string event) -> Result<std::optional<std::string>> {
    event.replace(event.find(from), from.size(), to);
    return event;
  };
}

TEST_F(AppChainTest, EachAppSeesWhatTheOneBeforeHasMade) {
  javascript("First", replacing(R"("a":1)", R"("a":2)"));
  install("Second", "index.hog", R"(
    let changed := event
    changed.properties.b := event.properties.a + 1
    return changed)");
  javascript("Third", replacing(R"("b":3)", R"("b":4)"));
  const AppsAnswer answer = run();
  EXPECT_EQ(answer.fate, AppsAnswer::Fate::kChanged);
  EXPECT_THAT(answer.event, HasSubstr(R"("a":2)"));
  EXPECT_THAT(answer.event, HasSubstr(R"("b":4)"));
  EXPECT_THAT(answer.event, HasSubstr(R"x("$transformations_succeeded":["Second (2)"])x"));
  EXPECT_THAT(answer.event, HasSubstr(R"x("Third (3)")x"));
  const auto steps = event::split_array(answer.report);
  ASSERT_TRUE(steps && steps->size() == 3) << answer.report;
  EXPECT_THAT(std::string((*steps)[0]), HasSubstr(R"("name":"First","status":"succeeded")"));
  EXPECT_THAT(std::string((*steps)[0]), HasSubstr(R"("set":{"a":2})"));
  EXPECT_THAT(std::string((*steps)[1]), HasSubstr(R"("set":{"b":3})"));
  EXPECT_THAT(std::string((*steps)[2]), HasSubstr(R"("set":{"b":4})"));
}

TEST_F(AppChainTest, ADropEndsTheChain) {
  install("Gate", "index.hog", "return null");
  javascript("After",
             [](const apps::AppConfig&, std::string) -> Result<std::optional<std::string>> {
               ADD_FAILURE() << "asked";
               return std::nullopt;
             });
  const AppsAnswer answer = run();
  EXPECT_EQ(answer.fate, AppsAnswer::Fate::kDropped);
  EXPECT_THAT(answer.report, HasSubstr(R"("status":"dropped")"));
}

TEST_F(AppChainTest, AFailureKeepsTheEventAndIsNamed) {
  install("Broken", "index.hog", "return jsonParse('{')");
  install("Garbage", "index.hog", "return {'properties': 1}");
  install("No program", "index.hog", "return (");
  install("Last", "index.hog", "return event");
  const AppsAnswer answer = run();
  EXPECT_EQ(answer.fate, AppsAnswer::Fate::kChanged);
  EXPECT_THAT(answer.event, HasSubstr(R"("a":1)"));
  EXPECT_THAT(answer.event,
              HasSubstr(R"x("$transformations_failed":["Broken (1)","Garbage (2)"])x"));
  EXPECT_THAT(answer.event, HasSubstr(R"x("$transformations_succeeded":["Last (4)"])x"));
}

TEST_F(AppChainTest, InputsAreTheConfiguration) {
  install("Greets", "index.hog",
          "let changed := event\nchanged.properties.greeting := inputs.word\nreturn changed",
          R"([{"key":"word","default":"ahoy"}])");
  EXPECT_THAT(run().event, HasSubstr(R"("greeting":"ahoy")"));
}

TEST_F(AppChainTest, InputsMayBeTemplates) {
  const auto config = [](const std::string& value, const std::string& more = "") {
    return R"([{"key":"word","default":)" + value + more + "}]";
  };
  constexpr const char* kCode =
      "let changed := event\nchanged.properties.made := inputs.word\nreturn changed";
  install("Value", "index.hog", kCode, config(R"("{event.properties.a + 1}")"));
  EXPECT_THAT(run().event, HasSubstr(R"("made":2)"));
  install("Text", "index.hog", kCode, config(R"("from {event.event}")"));
  EXPECT_THAT(run().event, HasSubstr(R"("made":"from seen")"));
  install("Nested", "index.hog", kCode,
          config(R"({"a":["{event.distinct_id}",1]})", R"(,"type":"dictionary")"));
  EXPECT_THAT(run().event, HasSubstr(R"("made":{"a":["d",1]})"));
  install("Plain", "index.hog", kCode, config(R"("{event.event}")", R"(,"templating":false)"));
  EXPECT_THAT(run().event, HasSubstr(R"("made":"{event.event}")"));
  install("Broken", "index.hog", kCode, config(R"("{event.")"));
  EXPECT_THAT(run().report, HasSubstr("the input 'word'"));
  EXPECT_EQ(passage(5).hog->health, apps::Health::kFailed);
}

TEST_F(AppChainTest, WhatHogAppsPrintAndWhyTheyFailIsLogged) {
  install("Says", "index.hog", "print('hello', event.event, inputs.key)\nreturn event",
          R"([{"key":"key","default":"hush-4711","secret":true}])");
  install("Throws", "index.hog", "throw Error('not today')");
  for (int i = 0; i < 12; i++) run();
  ASSERT_GE(logged_.size(), 2U);
  EXPECT_EQ(logged_[0].message, "hello seen ***");
  EXPECT_EQ(logged_[0].config, 1);
  EXPECT_THAT(logged_[1].message, HasSubstr("not today"));
  const auto says = passage(1).hog, throws = passage(2).hog;
  EXPECT_EQ(says->health, apps::Health::kHealthy);
  EXPECT_EQ(says->succeeded, 12U);
  EXPECT_EQ(throws->health, apps::Health::kDegraded);
  EXPECT_EQ(throws->failed, 12U);
  EXPECT_THAT(throws->error, HasSubstr("not today"));
}

apps::MemoryApp never() {
  return [](const apps::AppConfig&, std::string) -> Result<std::optional<std::string>> {
    ADD_FAILURE() << "asked";
    return std::nullopt;
  };
}

TEST_F(AppChainTest, FiltersKeepEventsFromAnAppAndFromNoOther) {
  javascript("First", replacing(R"("a":1)", R"("a":2)"), R"({"events":[{"id":"seen"}]})");
  javascript("Never", never(), R"({"events":[{"id":"other"}]})");
  javascript("Second", replacing(R"("a":2)", R"("a":3)"));
  install("Hog never", "index.hog", "return null", "[]",
          R"({"properties":[{"key":"a","value":"1"}]})");
  install("Hog", "index.hog", "return event", "[]", R"({"properties":[{"key":"a","value":3}]})");
  const AppsAnswer answer = run();
  EXPECT_EQ(answer.fate, AppsAnswer::Fate::kChanged);
  EXPECT_THAT(answer.event, HasSubstr(R"("a":3)"));
  EXPECT_THAT(answer.event, HasSubstr(R"x("$transformations_skipped":["Hog never (4)"])x"));
  EXPECT_THAT(answer.event, HasSubstr(R"x("$transformations_succeeded":["Hog (5)"])x"));
  EXPECT_EQ(passage(1).filtered, 0U);
  EXPECT_EQ(passage(2).filtered, 1U);
  EXPECT_EQ(passage(4).filtered, 1U);
  EXPECT_EQ(passage(5).filtered, 0U);
}

TEST_F(AppChainTest, NothingIsAskedWhereNothingMatches) {
  for (int i = 0; i < 100; i++) {
    javascript("Never " + std::to_string(i), never(), R"({"events":[{"id":"other"}]})");
  }
  const AppsAnswer answer = run();
  EXPECT_EQ(answer.fate, AppsAnswer::Fate::kUnchanged);
  EXPECT_EQ(answer.report, "");
  EXPECT_EQ(passage(100).filtered, 1U);
}

TEST_F(AppChainTest, AFilterThatFailsMatchesNothingAndSaysWhy) {
  javascript("Unknown", never(),
             R"({"properties":[{"key":"a","operator":"sounds_like","value":1}]})");
  javascript("Throws", never(),
             R"x({"properties":[{"key":"jsonParse('{') = 1","type":"hogql"}]})x");
  javascript("Not true", never(), R"({"properties":[{"key":"1","type":"hogql"}]})");
  EXPECT_EQ(run().fate, AppsAnswer::Fate::kUnchanged);
  EXPECT_EQ(passage(1).filtering_failed, 1U);
  EXPECT_EQ(passage(1).filters_error, "filters: the operator 'sounds_like' is not known");
  EXPECT_EQ(passage(2).filtering_failed, 1U);
  EXPECT_THAT(passage(2).filters_error, HasSubstr("filters: "));
  EXPECT_EQ(passage(3).filtering_failed, 0U);
  EXPECT_EQ(passage(3).filtered, 1U);
}

TEST_F(AppChainTest, FiltersSeeElementsAndNoPerson) {
  const auto counts = [&](const std::string& property) {
    install("Probe", "index.hog", "return event", "[]", R"({"properties":[)" + property + "]}");
  };
  counts(R"({"type":"element","key":"href","value":"/buy"})");
  counts(R"x({"type":"hogql","key":"has(elements_chain_texts, 'Buy now')"})x");
  counts(R"x({"type":"hogql","key":"has(elements_chain_elements, 'a')"})x");
  counts(R"({"type":"person","key":"email","operator":"is_not_set"})");
  counts(R"({"type":"group","group_type_index":2,"key":"n","operator":"is_not_set"})");
  counts(R"({"type":"element","key":"tag_name","value":"div"})");
  const AppsAnswer answer =
      run(R"({"$elements":[{"tag_name":"a","$el_text":"Buy now","attr__href":"/buy"},)"
          R"({"tag_name":"div"}]})");
  EXPECT_EQ(passage(1).filters_error + passage(2).filters_error + passage(3).filters_error +
                passage(4).filters_error + passage(5).filters_error,
            "");
  for (int64_t i = 1; i <= 5; i++) EXPECT_EQ(passage(i).filtered, 0U) << i << answer.event;
  EXPECT_EQ(passage(6).filtered, 1U) << answer.event;
}

}  // namespace
}  // namespace penstock::ingest
