// What is told to who saves an app or its configuration, and where the mistake is.
#include "admin/api/app_checks.h"

#include <gtest/gtest.h>

#include "base/json_writer.h"

namespace penstock::admin {
namespace {

catalog::AppManifest manifest_of(const catalog::AppFiles& files) {
  auto manifest = catalog::read_app_manifest(files);
  EXPECT_TRUE(manifest) << manifest.error().message;
  return manifest ? *manifest : catalog::AppManifest{};
}

catalog::AppFiles hog(std::string source) {
  return {{"plugin.json", R"({"name":"h","config":[{"key":"url","type":"string"},
             {"key":"body","type":"json"},{"key":"token","secret":true},
             {"key":"raw","templating":false}]})"},
          {"index.hog", std::move(source)}};
}

std::string place(const AppProblem& problem) {
  JsonWriter w;
  w.begin_object();
  write_place(w, problem);
  return w.end_object().take();
}

TEST(AppChecks, AProgramIsCompiledBeforeItIsKept) {
  const auto good = hog("return event");
  EXPECT_FALSE(code_problem(manifest_of(good), good));
  const auto host = hog("return geoipLookup('1.1.1.1') ?? event");
  EXPECT_FALSE(code_problem(manifest_of(host), host));

  const auto broken = hog("let a := 1\nlet b := := 2\nreturn event");
  const auto problem = code_problem(manifest_of(broken), broken);
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->file, "index.hog");
  EXPECT_EQ(problem->at.place.line, 2U);
  EXPECT_TRUE(problem->sentence.starts_with("index.hog:2:")) << problem->sentence;

  const auto unknown = hog("return event\n  ?? fetchAll(1)");
  const auto call = code_problem(manifest_of(unknown), unknown);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->at.place, (hog::SourcePlace{2, 6}));

  const catalog::AppFiles script = {{"plugin.json", R"({"name":"s"})"}, {"index.js", "((("}};
  EXPECT_FALSE(code_problem(manifest_of(script), script)) << "a worker's to look at";
}

TEST(AppChecks, TemplatesAreCompiledBeforeTheyAreKept) {
  const auto app = manifest_of(hog("return event"));
  EXPECT_FALSE(config_problem(app, R"({"url":"to {event.event}","body":{"a":["{1 + 1}"]}})"));
  EXPECT_FALSE(config_problem(app, R"({"raw":"{nothing (","token":"{","body":"{\"a\":1}"})"))
      << "these are taken as they are";

  const auto cut = config_problem(app, R"({"url":"one\ntwo {event. + }"})");
  ASSERT_TRUE(cut);
  EXPECT_EQ(cut->input, "url");
  EXPECT_EQ(cut->at.place.line, 2U);
  EXPECT_TRUE(cut->sentence.starts_with("the input 'url', line 2, column ")) << cut->sentence;
  EXPECT_TRUE(place(*cut).starts_with(R"({"input":"url","line":2,"column":)")) << place(*cut);

  const auto deep = config_problem(app, R"({"body":{"a":["x",{"b":"{"}]}})");
  ASSERT_TRUE(deep);
  EXPECT_EQ(deep->input, "body");

  const auto call = config_problem(app, R"({"url":"{sendMail(event)}"})");
  ASSERT_TRUE(call);
  EXPECT_EQ(call->at.place, (hog::SourcePlace{1, 2}));
  EXPECT_NE(call->sentence.find("sendMail"), std::string::npos) << call->sentence;
}

}  // namespace
}  // namespace penstock::admin
