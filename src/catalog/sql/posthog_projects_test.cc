// What a row of PostHog's posthog_team becomes here.
#include "catalog/posthog_projects.h"

#include <gtest/gtest.h>

#include "catalog/catalog.h"

namespace penstock::catalog {
namespace {

std::string setting(const PosthogProject& p, std::string_view name) {
  for (const auto& [key, json] : p.settings) {
    if (key == name) return json;
  }
  return "";
}

TEST(PosthogProjects, DefaultsSayNothing) {
  const auto p = posthog_project(
      R"({"id":7,"api_token":"phc_seven","name":"Shop","project_name":"Shop","timezone":"UTC",
          "anonymize_ips":false,"person_processing_opt_out":null,"app_urls":[null,""],
          "session_recording_opt_in":false,"cookieless_server_hash_mode":0,
          "created_at_ms":1700000000123,"organization_name":"Acme"})");
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(p->id.value, 7);
  EXPECT_EQ(p->token, "phc_seven");
  EXPECT_EQ(p->name, "Shop");
  EXPECT_EQ(p->organization, "Acme");
  EXPECT_EQ(p->created_at_ms, 1'700'000'000'123);
  EXPECT_TRUE(p->settings.empty());
  EXPECT_TRUE(p->left_out.empty());
}

TEST(PosthogProjects, WhatIsSetIsASettingThatTheCatalogTakes) {
  const auto p = posthog_project(
      R"({"id":8,"api_token":"tok","name":"Production","project_name":"Shop",
          "timezone":"Europe/Berlin","anonymize_ips":true,"person_processing_opt_out":true,
          "drop_events_older_than_seconds":86400,"cookieless_server_hash_mode":2,
          "app_urls":["https://shop.example"],"recording_domains":["https://x.example"],
          "autocapture_opt_out":true,"heatmaps_opt_in":true,"capture_dead_clicks":true,
          "autocapture_exceptions_opt_in":true,"autocapture_web_vitals_opt_in":true,
          "capture_performance_opt_in":true,"capture_console_log_opt_in":true,
          "session_recording_opt_in":true,"session_recording_sample_rate":0.25,
          "session_recording_minimum_duration_milliseconds":2000,
          "session_recording_linked_flag":{"id":3,"key":"rec","variant":"on"},
          "session_recording_masking_config":{"maskAllInputs":true},
          "session_recording_url_trigger_config":[{"url":"/x","matching":"regex"}],
          "session_recording_event_trigger_config":["bought"],
          "session_recording_trigger_match_type_config":"all",
          "session_replay_config":{"record_canvas":true}})");
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(p->name, "Shop / Production");
  EXPECT_EQ(setting(*p, "ingestion"), R"({"anonymize_ips":true,"person_processing_opt_out":true,)"
                                      R"("drop_events_older_than_seconds":86400})");
  EXPECT_EQ(setting(*p, "cookieless"),
            R"({"cookieless_server_hash_mode":"stateful","timezone":"Europe/Berlin"})");
  EXPECT_EQ(
      setting(*p, "remote_config"),
      R"({"autocapture_opt_out":true,"captureDeadClicks":true,"heatmaps":true,)"
      R"("autocaptureExceptions":true,"errorTracking":{"autocaptureExceptions":true,)"
      R"("suppressionRules":[]},"capturePerformance":{"network_timing":true,"web_vitals":true,)"
      R"("web_vitals_allowed_metrics":null},"sessionRecording":{"consoleLogRecordingEnabled":true,)"
      R"("sampleRate":"0.25","minimumDurationMilliseconds":2000,)"
      R"("linkedFlag":{"flag":"rec","variant":"on"},"masking":{"maskAllInputs":true},)"
      R"("urlTriggers":[{"url":"/x","matching":"regex"}],"eventTriggers":["bought"],)"
      R"("triggerMatchType":"all","recordCanvas":true,"canvasFps":3,"canvasQuality":"0.4"}})");
  ProjectSettings typed;
  for (const auto& [name, json] : p->settings) {
    EXPECT_TRUE(apply_setting(name, json, typed).has_value()) << name;
  }
  ASSERT_EQ(p->left_out.size(), 2U);
  EXPECT_EQ(p->left_out[0], R"(app_urls ["https://shop.example"])");
}

TEST(PosthogProjects, WhatTheCatalogDoesNotTakeIsToldAndTheRestStays) {
  const auto p = posthog_project(
      R"({"id":9,"api_token":"t","name":"N","session_recording_opt_in":true,
          "session_recording_masking_config":{"maskEverything":true},
          "session_recording_sample_rate":"0.50","timezone":"not a zone!"})");
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(setting(*p, "remote_config"), R"({"sessionRecording":{"sampleRate":"0.50"}})");
  EXPECT_EQ(setting(*p, "cookieless"), "");
  ASSERT_EQ(p->left_out.size(), 2U);
  EXPECT_NE(p->left_out[1].find("maskEverything"), std::string::npos) << p->left_out[1];
}

TEST(PosthogProjects, ARowWithoutATokenIsNone) {
  EXPECT_FALSE(posthog_project(R"({"id":1,"api_token":"","name":"N"})").has_value());
  EXPECT_FALSE(posthog_project(R"({"id":1,"api_token":"phx_secret","name":"N"})").has_value());
  EXPECT_FALSE(posthog_project(R"({"id":0,"api_token":"t","name":"N"})").has_value());
  EXPECT_FALSE(posthog_project("[]").has_value());
}

}  // namespace
}  // namespace penstock::catalog
