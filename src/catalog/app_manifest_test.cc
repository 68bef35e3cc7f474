// What packages are called and run by, with a plugin.json or without; attachments of a
// configuration: what is taken, and what is told when it is none.
#include "catalog/app_manifest.h"

#include <gtest/gtest.h>

namespace penstock::catalog {
namespace {

AppField file_field() {
  AppField out;
  out.key = "db";
  out.type = "attachment";
  return out;
}

std::string merged(std::string_view before, std::string_view given) {
  const auto out = merge_app_config({file_field()}, before, given, false);
  return out ? *out : out.error().message;
}

constexpr const char* kFile =
    R"({"db":{"file_name":"a.mmdb","content_type":"application/x","contents":"aGk="}})";

TEST(AppAttachments, AFileIsKeptAsItCame) {
  EXPECT_EQ(merged("{}", kFile), kFile);
  EXPECT_EQ(merged("{}", R"({"db":{"file_name":"a","contents":""}})"),
            R"({"db":{"file_name":"a","contents":""}})");
}

TEST(AppAttachments, WithoutBytesTheFileStays) {
  EXPECT_EQ(merged(kFile, R"({"db":{"file_name":"a.mmdb","content_type":"application/x"}})"),
            kFile);
  EXPECT_EQ(merged(kFile, "{}"), kFile);
  EXPECT_EQ(merged(kFile, R"({"db":null})"), "{}");
  EXPECT_EQ(merged("{}", R"({"db":{"file_name":"a.mmdb"}})"),
            R"('db' is a file: {"file_name", "content_type", "contents"} with Base64)");
}

TEST(AppAttachments, WhatIsNoFileIsToldWhenItIsSaved) {
  EXPECT_EQ(merged("{}", R"({"db":"a.mmdb"})"),
            R"('db' is a file: {"file_name", "content_type", "contents"} with Base64)");
  EXPECT_EQ(merged("{}", R"({"db":{"file_name":"a","contents":"n o"}})"),
            "'db' is a file whose 'contents' are not Base64");
  EXPECT_EQ(merged("{}", R"({"db":{"file_name":"a","contents":"aGk"}})"),
            R"({"db":{"file_name":"a","contents":"aGk"}})")
      << "padding may be missing";
  EXPECT_EQ(merged("{}", R"({"db":{"file_name":"","contents":"aGk="}})"),
            "'db' is a file without a name");
  EXPECT_EQ(merged("{}", R"({"db":{"file_name":"a","contents":"aGk=","size":2}})"),
            "'db' is a file and has no member 'size'");
}

/// "name: main", or what is wrong.
std::string read(const AppFiles& files) {
  const auto out = read_app_manifest(files);
  return out ? out->name + ": " + out->main : out.error().message;
}

TEST(AppManifest, PluginJsonSaysWhatItIs) {
  EXPECT_EQ(read({{"plugin.json", R"({"name":"A","main":"./src/a.js"})"}, {"src/a.js", ""}}),
            "A: src/a.js");
  EXPECT_EQ(read({{"plugin.json", R"({"name":"A","main":"src/a"})"}, {"src/a.ts", ""}}),
            "A: src/a.ts");
  EXPECT_EQ(read({{"plugin.json", R"({"name":"A","main":"b.js"})"}, {"index.js", ""}}),
            "plugin.json: main names b.js, which the package has not");
  EXPECT_EQ(read({{"plugin.json", "[]"}, {"index.js", ""}}).substr(0, 13), "plugin.json: ");
}

TEST(AppManifest, InputsOfHogFunctionsAreAForm) {
  const AppFiles files{
      {"plugin.json", R"({"name":"H","inputs_schema":[{"key":"d","type":"dictionary","label":"D"},)"
                      R"({"key":"n","type":"number"}]})"},
      {"index.hog", "return event"}};
  const auto app = read_app_manifest(files);
  ASSERT_TRUE(app);
  ASSERT_EQ(app->fields.size(), 2U);
  EXPECT_EQ(app->fields[0].name, "D");
  const auto merged = [&](std::string_view given) {
    const auto out = merge_app_config(app->fields, "{}", given, true);
    return out ? *out : out.error().message;
  };
  EXPECT_EQ(merged(R"({"d":{"a":"{event.event}"},"n":1.5})"),
            R"({"d":{"a":"{event.event}"},"n":1.5})");
  EXPECT_EQ(merged(R"({"d":"{}"})"), R"('d' is a dictionary: {"key": "value"})");
  EXPECT_EQ(merged(R"({"n":"1"})"), "'n' is a number");
}

TEST(AppManifest, PackageJsonIsEnough) {
  const AppFiles files{
      {"package.json",
       R"({"name":"@me/my-plugin","description":"D","homepage":"https://example.com",)"
       R"("main":"lib"})"},
      {"lib/index.js", ""}};
  EXPECT_EQ(read(files), "my-plugin: lib/index.js");
  EXPECT_EQ(read_app_manifest(files)->description, "D");
  EXPECT_EQ(read_app_manifest(files)->url, "https://example.com");
  // index.js is PostHog's rule, whatever npm says.
  EXPECT_EQ(
      read({{"package.json", R"({"name":"a","main":"x.js"})"}, {"x.js", ""}, {"index.ts", ""}}),
      "a: index.ts");
  // A main that is only there once it is built.
  EXPECT_EQ(
      read({{"package.json", R"({"name":"a","main":"dist/index.js"})"}, {"src/index.ts", ""}}),
      "a: src/index.ts");
  EXPECT_EQ(read({{"package.json", "no JSON"}, {"index.js", ""}}), "Untitled app: index.js");
}

TEST(AppManifest, SourcesAloneAreAnApp) {
  EXPECT_EQ(read({{"index.ts", ""}}), "Untitled app: index.ts");
  EXPECT_EQ(read({{"plugin.ts", ""}, {"plugin.test.ts", ""}, {"README.md", ""}}),
            "Untitled app: plugin.ts");
  EXPECT_EQ(read({{"a.js", ""}, {"b.js", ""}}).substr(0, 24), "the package has no index");
  EXPECT_EQ(read({{"index.js", ""}, {"plugin.json", "{}"}}), "Untitled app: index.js");
}

TEST(AppManifest, WhoInstallsItNamesIt) {
  AppFiles files{{"some-app-main/index.js", ""}, {"some-app-main/lib.js", ""}};
  EXPECT_EQ(tidy_app_files(files), "some-app-main");
  ASSERT_TRUE(name_app_files(files, "Some app"));
  EXPECT_EQ(read(files), "Some app: index.js");
  EXPECT_EQ(files["plugin.json"], "{\"name\":\"Some app\"}\n");

  files = {{"index.js", ""}, {"plugin.json", R"({"description":"D"})"}};
  ASSERT_TRUE(name_app_files(files, "B"));
  EXPECT_EQ(read(files), "B: index.js");
  EXPECT_EQ(read_app_manifest(files)->description, "D");

  files = {{"index.js", ""}, {"package.json", R"({"name":"own"})"}};
  ASSERT_TRUE(name_app_files(files, "B"));
  EXPECT_EQ(read(files), "own: index.js");
  EXPECT_FALSE(files.contains("plugin.json"));
  files = {{"index.js", ""}, {"plugin.json", "nonsense"}};
  EXPECT_FALSE(name_app_files(files, "B"));
}

}  // namespace
}  // namespace penstock::catalog
