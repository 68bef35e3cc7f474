// Remote config, its script, the project's bundle and the static bundles.
#include <gtest/gtest.h>
#include <zlib.h>

#include "assets/assets.h"
#include "capture/browser/etag.h"
#include "capture/browser/gzip_prepend.h"
#include "capture/browser/testing/asked.h"
#include "wire/inflate.h"

namespace penstock::capture {
namespace {

std::string gunzip(std::string_view bytes) {
  wire::Inflater inflater;
  PaddedBuffer out;
  const Status done = inflater.gunzip(bytes, out, 16U << 20);
  return done ? std::string(out.view()) : done.error().message;
}

class ConfigTest : public BrowserTest {
 protected:
  Asked config() { return ask("GET", "/array/phc_shop/config"); }
};

TEST_F(ConfigTest, AFreshProjectHasWhatPosthogJsNeedsAndNothingSwitchedOn) {
  const Asked got = config();
  ASSERT_EQ(got.status, 200);
  EXPECT_EQ(got.content_type, "application/json");
  EXPECT_EQ(got.json({"token"}), "\"phc_shop\"");
  EXPECT_EQ(got.json({"supportedCompression"}), R"(["gzip","gzip-js"])");
  EXPECT_EQ(got.json({"autocapture_opt_out"}), "false");
  EXPECT_EQ(got.json({"hasFeatureFlags"}), "false");
  EXPECT_EQ(got.json({"sessionRecording"}), "false");
  EXPECT_EQ(got.json({"surveys"}), "false");
  EXPECT_EQ(got.json({"siteApps"}), "[]");
  EXPECT_EQ(got.json({"analytics", "endpoint"}), "\"/i/v0/e/\"");
}

TEST_F(ConfigTest, AnUnknownProjectAndAnUnknownFileAre404) {
  for (const char* path :
       {"/array/phc_other/config", "/array/phc_other/config.js", "/array/phc_other/array.js",
        "/array/phc_shop/other.js", "/array/", "/array/phc_shop", "/array/phc_shop/config/x"}) {
    EXPECT_EQ(ask("GET", path).status, 404) << path;
  }
}

TEST_F(ConfigTest, WhatTheProjectSetsIsLaidOverTheDefaults) {
  set("remote_config", R"({"autocapture_opt_out":true,"heatmaps":true,"captureDeadClicks":true,
      "capturePerformance":{"web_vitals":true},"sessionRecording":{"sampleRate":"0.25"},
      "logs":{"captureConsoleLogs":true},"analytics":{"endpoint":"/e/"}})");
  const Asked got = config();
  EXPECT_EQ(got.json({"autocapture_opt_out"}), "true");
  EXPECT_EQ(got.json({"heatmaps"}), "true");
  EXPECT_EQ(got.json({"capturePerformance", "web_vitals"}), "true");
  EXPECT_EQ(got.json({"sessionRecording", "endpoint"}), "\"/s/\"");
  EXPECT_EQ(got.json({"sessionRecording", "sampleRate"}), "\"0.25\"");
  EXPECT_EQ(got.json({"sessionRecording", "recorderVersion"}), "\"v2\"");
  EXPECT_EQ(got.json({"logs", "captureConsoleLogs"}), "true");
  EXPECT_EQ(got.json({"analytics", "endpoint"}), "\"/e/\"");
  EXPECT_EQ(got.json({"elementsChainAsString"}), "true") << "what is not set stays";
  set("remote_config", R"({"sessionRecording":true})");
  EXPECT_EQ(config().json({"sessionRecording", "consoleLogRecordingEnabled"}), "false");
  EXPECT_EQ(config().json({"heatmaps"}), "false");
}

TEST_F(ConfigTest, FlagsSurveysAndToursAreAnnouncedWhenThereAreAny) {
  set("feature_flags", R"({"flags":[{"id":1,"key":"off","active":false}]})");
  EXPECT_EQ(config().json({"hasFeatureFlags"}), "false");
  set("feature_flags", R"({"flags":[{"id":1,"key":"on","active":true}]})");
  set("surveys", R"({"surveys":[{"id":"s1","name":"NPS"}]})");
  set("product_tours", R"({"product_tours":[{"id":"t1"}]})");
  EXPECT_EQ(config().json({"hasFeatureFlags"}), "true");
  EXPECT_EQ(config().json({"surveys"}), "true");
  EXPECT_EQ(config().json({"productTours"}), "true");
  set("remote_config", R"({"surveys":false})");
  EXPECT_EQ(config().json({"surveys"}), "false") << "the project has the last word";
}

TEST_F(ConfigTest, ALimitedProjectIsToldNotToRecord) {
  set("remote_config", R"({"sessionRecording":true})");
  set("admission",
      R"({"quotas":[{"resource":"recordings","limited_until":"2999-01-01T00:00:00Z"}]})");
  EXPECT_EQ(config().json({"sessionRecording"}), "false");
  EXPECT_EQ(config().json({"quotaLimited"}), R"(["recordings"])");
}

TEST_F(ConfigTest, TheScriptLeavesTheConfigWherePosthogJsLooks) {
  const Asked got = ask("GET", "/array/phc_shop/config.js");
  ASSERT_EQ(got.status, 200);
  EXPECT_TRUE(got.content_type.starts_with("text/javascript"));
  EXPECT_NE(got.body.find("window._POSTHOG_REMOTE_CONFIG[\"phc_shop\"]={config:{\"token\""),
            std::string::npos);
  EXPECT_NE(got.body.find("siteApps:[]"), std::string::npos);
}

TEST_F(ConfigTest, AConfigIsTakenFromTheCacheUntilItChanges) {
  const Asked first = config();
  const std::string tag = first.header("ETag");
  ASSERT_TRUE(tag.starts_with("W/\""));
  EXPECT_EQ(first.header("Cache-Control"), "public, max-age=60");
  const Asked again = ask("GET", "/array/phc_shop/config", {}, {{"if-none-match", tag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_TRUE(again.body.empty());
  set("remote_config", R"({"heatmaps":true})");
  EXPECT_EQ(ask("GET", "/array/phc_shop/config", {}, {{"if-none-match", tag}}).status, 200);
}

TEST_F(ConfigTest, ABrowserOfAnotherOriginMayReadIt) {
  const Asked got = ask("GET", "/array/phc_shop/config", {}, {{"origin", "https://shop.example"}});
  EXPECT_EQ(got.header("access-control-allow-origin"), "https://shop.example");
}

using StaticFilesTest = BrowserTest;

TEST_F(StaticFilesTest, BundlesComePackedAndForAnyPage) {
  const std::vector<wire::Header> gzip{{"accept-encoding", "br;q=1, gzip;q=0.8"}};
  for (const char* kind : {"array", "array.full", "recorder", "lazy-recorder", "posthog-recorder",
                           "surveys", "exception-autocapture", "dead-clicks-autocapture",
                           "web-vitals", "tracing-headers", "product-tours", "logs"}) {
    const Asked got = ask("GET", "/static/" + std::string(kind) + ".js?v=1.2.3", {}, gzip);
    ASSERT_EQ(got.status, 200) << kind;
    EXPECT_EQ(got.header("Content-Encoding"), "gzip");
    EXPECT_EQ(got.header("access-control-allow-origin"), "*");
    EXPECT_EQ(got.header("Vary"), "Accept-Encoding");
    EXPECT_EQ(got.header("Cache-Control"), "public, max-age=3600") << "not the version asked for";
    EXPECT_TRUE(got.content_type.starts_with("text/javascript"));
    EXPECT_GT(gunzip(got.body).size(), 1000U);
  }
}

TEST_F(StaticFilesTest, OnlyTheExactVersionIsKeptForEver) {
  const std::string version(assets::sdk_version());
  const std::string forever = "public, max-age=31536000, immutable";
  EXPECT_EQ(ask("GET", "/static/surveys.js?v=" + version).header("Cache-Control"), forever);
  EXPECT_EQ(ask("GET", "/static/" + version + "/surveys.js").header("Cache-Control"), forever);
  EXPECT_EQ(ask("GET", "/static/0.0.1/surveys.js").status, 404);
  EXPECT_EQ(ask("GET", "/static/array.js").header("Cache-Control"), "public, max-age=3600");
}

TEST_F(StaticFilesTest, AClientWithoutGzipGetsTheSameText) {
  const Asked packed = ask("GET", "/static/logs.js", {}, {{"accept-encoding", "gzip"}});
  for (const char* encodings : {"", "br", "gzip;q=0", "identity"}) {
    const Asked plain = ask("GET", "/static/logs.js", {}, {{"accept-encoding", encodings}});
    EXPECT_TRUE(plain.header("Content-Encoding").empty());
    EXPECT_EQ(plain.body, gunzip(packed.body)) << encodings;
  }
}

TEST_F(StaticFilesTest, NothingElseIsServed) {
  for (const char* path :
       {"/static/", "/static/toolbar.js", "/static/array.js.map", "/static/../admin", "/static/..",
        "/static/%2e%2e/array.js", "/static//array.js", "/static/array", "/static/array.js/",
        "/static/1.2/../array.js", "/static/index.html"}) {
    const Asked got = ask("GET", path);
    EXPECT_EQ(got.status, 404) << path;
    EXPECT_EQ(got.header("access-control-allow-origin"), "*");
  }
}

TEST_F(StaticFilesTest, ABundleIsTakenFromTheCache) {
  const std::string tag = ask("GET", "/static/array.js").header("ETag");
  EXPECT_EQ(ask("GET", "/static/array.js", {}, {{"if-none-match", "\"x\", " + tag}}).status, 304);
  EXPECT_EQ(ask("GET", "/static/array.js", {}, {{"if-none-match", "\"x\""}}).status, 200);
}

TEST_F(StaticFilesTest, TheProjectsBundleIsItsConfigAndTheBundle) {
  const std::string script = ask("GET", "/array/phc_shop/config.js").body;
  const std::string bundle = ask("GET", "/static/array.js").body;
  const Asked packed =
      ask("GET", "/array/phc_shop/array.js", {}, {{"accept-encoding", "gzip, deflate"}});
  ASSERT_EQ(packed.status, 200);
  EXPECT_EQ(packed.header("Content-Encoding"), "gzip");
  EXPECT_EQ(gunzip(packed.body), script + bundle);
  EXPECT_EQ(ask("GET", "/array/phc_shop/array.js").body, script + bundle);
  const std::string tag = packed.header("ETag");
  EXPECT_EQ(ask("GET", "/array/phc_shop/array.js", {}, {{"if-none-match", tag}}).status, 304);
  set("remote_config", R"({"heatmaps":true})");
  EXPECT_EQ(ask("GET", "/array/phc_shop/array.js", {}, {{"if-none-match", tag}}).status, 200);
}

/// One gzip member whatever the text's size, with the right checksum: a browser reads no second.
TEST(GzipPrepend, IsOneMemberOfBothTexts) {
  const std::string_view gzip = assets::find_sdk("/static/logs.js")->gzip;
  const std::string bundle = gunzip(gzip);
  for (const size_t size : {0U, 1U, 65535U, 65536U, 200000U}) {
    const std::string text(size, 'x');
    const std::string joined = gzip_prepend(text, gzip);
    std::string out(size + bundle.size() + 1, '\0');
    z_stream stream{};
    ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(joined.data()));
    stream.avail_in = static_cast<uInt>(joined.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(::inflate(&stream, Z_FINISH), Z_STREAM_END) << size;
    EXPECT_EQ(stream.avail_in, 0U) << "bytes behind the first member";
    out.resize(stream.total_out);
    inflateEnd(&stream);
    EXPECT_EQ(out, text + bundle) << size;
  }
}

TEST(Etag, WeakStrongAndBareFormsNameTheSame) {
  const std::string tag = weak_etag("text");
  const std::string opaque = tag.substr(3, tag.size() - 4);
  for (const std::string& header :
       {tag, "\"" + opaque + "\"", opaque, "\"a\" , " + tag, std::string("*")}) {
    EXPECT_TRUE(etag_matches(header, tag)) << header;
  }
  for (const std::string& header : {std::string(), std::string("\"a\""), tag + "x"}) {
    EXPECT_FALSE(etag_matches(header, tag)) << header;
  }
  EXPECT_NE(weak_etag("text"), weak_etag("other"));
}

}  // namespace
}  // namespace penstock::capture
