// What may stand in the settings that browsers are told, and what is said about the rest.
#include "catalog/browser_settings.h"

#include <gtest/gtest.h>

namespace penstock::catalog {
namespace {

std::string refusal(std::string_view json) {
  const auto parsed = parse_remote_config(json);
  return parsed ? "taken" : parsed.error().message;
}

TEST(RemoteConfig, EverythingPosthogJsKnowsIsTaken) {
  const auto parsed = parse_remote_config(R"({
    "supportedCompression":["gzip-js","base64"],"autocapture_opt_out":true,
    "capturePerformance":{"network_timing":true,"web_vitals":true,
                          "web_vitals_allowed_metrics":["LCP"]},
    "captureDeadClicks":true,"autocaptureExceptions":{"endpoint":"/e/"},
    "analytics":{"endpoint":"/e/"},"elementsChainAsString":false,
    "errorTracking":{"autocaptureExceptions":true,"suppressionRules":[{"type":"OR"}]},
    "logs":{"captureConsoleLogs":true},
    "sessionRecording":{"endpoint":"/s/","consoleLogRecordingEnabled":true,"recorderVersion":"v2",
      "sampleRate":"0.5","minimumDurationMilliseconds":2000,
      "linkedFlag":{"flag":"f","variant":"v"},
      "networkPayloadCapture":{"recordBody":true,"recordHeaders":false},
      "masking":{"maskAllInputs":true,"maskTextSelector":"*"},
      "urlTriggers":[{"url":"/a","matching":"regex"}],"urlBlocklist":[],"eventTriggers":["e"],
      "triggerMatchType":"any","version":2,"triggerGroups":[],"recordCanvas":true,"canvasFps":4,
      "canvasQuality":"0.4","scriptConfig":{"script":"posthog-recorder"}},
    "surveys":true,"productTours":true,"heatmaps":true,"defaultIdentifiedOnly":true,
    "toolbarParams":{"a":1},"conversations":{"enabled":true,"token":"t"}})");
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed->find("heatmaps"), "true");
  EXPECT_EQ(parsed->find("nothing"), nullptr);
  EXPECT_EQ(refusal("{}"), "taken");
  EXPECT_EQ(refusal(R"({"sessionRecording":{"sampleRate":null,"masking":null}})"), "taken");
}

TEST(RemoteConfig, TheRestIsRefusedWithASentence) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "remote_config: the setting is not an object"},
      {R"({"heatmap":true})", "remote_config: heatmap is not known to posthog-js"},
      {R"({"heatmaps":"yes"})", "remote_config: heatmaps can be true or false"},
      {R"({"token":"x"})", "remote_config: token is decided by Penstock"},
      {R"({"hasFeatureFlags":true})", "remote_config: hasFeatureFlags is decided by Penstock"},
      {R"({"sessionRecording":{"sampleRate":0.5}})",
       "remote_config: sessionRecording.sampleRate can be a string or null"},
      {R"({"sessionRecording":{"sampleRate":"1.5"}})",
       "remote_config: sessionRecording.sampleRate is a number from 0 to 1 in a string, such as "
       "\"0.25\""},
      {R"({"sessionRecording":{"masking":{"token":1}}})",
       "remote_config: sessionRecording.masking.token is not known to posthog-js"},
      {R"({"analytics":{"endpoint":"https://x"}})",
       "remote_config: analytics.endpoint is a path: it begins with /"},
      {R"({"supportedCompression":["lz64"]})",
       "remote_config: supportedCompression can hold gzip, gzip-js and base64"},
  };
  for (const auto& [json, sentence] : cases) EXPECT_EQ(refusal(json), sentence);
  EXPECT_NE(refusal(R"({"toolbarParams":{"a":")" + std::string(70'000, 'x') + "\"}}").find("bytes"),
            std::string::npos);
}

TEST(BrowserList, ListsAreCheckedAndCompleted) {
  const auto surveys =
      parse_browser_list("surveys", R"({"surveys":[{"id":"1"}],"survey_config":null})");
  ASSERT_TRUE(surveys) << surveys.error().message;
  EXPECT_EQ(surveys->count, 1U);
  EXPECT_EQ(surveys->json, R"({"surveys":[{"id":"1"}],"survey_config":null})");
  EXPECT_EQ(parse_browser_list("surveys", R"({"survey_config":{}})")->json,
            R"({"survey_config":{},"surveys":[]})");
  EXPECT_TRUE(parse_browser_list("surveys", "{}")->json.empty());
  const auto refused = [](std::string_view setting, std::string_view json) {
    const auto parsed = parse_browser_list(setting, json);
    return parsed ? "taken" : parsed.error().message;
  };
  EXPECT_EQ(refused("web_experiments", R"({"web_experiments":[]})"),
            "web_experiments: it has no member web_experiments; it holds experiments");
  EXPECT_EQ(refused("product_tours", R"({"product_tours":{}})"),
            "product_tours: product_tours is not a list");
  EXPECT_EQ(refused("surveys", R"({"surveys":[{"name":"x"}]})"),
            "surveys: an entry of surveys has no id");
  EXPECT_EQ(refused("early_access_features", R"({"earlyAccessFeatures":[{"flagKey":"x"}]})"),
            "taken");
}

}  // namespace
}  // namespace penstock::catalog
