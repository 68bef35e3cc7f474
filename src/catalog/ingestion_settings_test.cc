#include "catalog/ingestion_settings.h"

#include <gtest/gtest.h>

namespace penstock::catalog {
namespace {

TEST(IngestionSettings, the_defaults_are_posthogs) {
  const auto s = parse_ingestion("{}");
  ASSERT_TRUE(s.has_value());
  EXPECT_FALSE(s->anonymize_ips);
  EXPECT_FALSE(s->person_processing_opt_out);
  EXPECT_EQ(s->drop_events_older_than_seconds, 0);
  EXPECT_FALSE(s->keep_personless_groupidentify);
  EXPECT_TRUE(s->strip_sdk_state);
  EXPECT_FALSE(s->person_last_seen);
  EXPECT_EQ(s->filter_mode, FilterMode::kDisabled);
  EXPECT_FALSE(s->filter.matches("anything", "anybody"));
}

TEST(IngestionSettings, every_member_is_read) {
  const auto s = parse_ingestion(R"({
    "anonymize_ips":true,"person_processing_opt_out":true,"drop_events_older_than_seconds":60,
    "groupidentify_without_person_processing":"keep","feature_flag_called_personless":true,
    "strip_sdk_state":false,"person_last_seen":true,
    "event_filters":{"mode":"dry_run","filter":{"event":{"exact":"x"}}},
    "schemas":[{"event":"b","required":{"n":"number"}},{"event":"a","required":{}}]})");
  ASSERT_TRUE(s.has_value()) << s.error().message;
  EXPECT_TRUE(s->anonymize_ips && s->person_processing_opt_out);
  EXPECT_EQ(s->drop_events_older_than_seconds, 60);
  EXPECT_TRUE(s->keep_personless_groupidentify && s->feature_flag_called_personless);
  EXPECT_FALSE(s->strip_sdk_state);
  EXPECT_TRUE(s->person_last_seen);
  EXPECT_EQ(s->filter_mode, FilterMode::kDryRun);
  ASSERT_NE(s->schema_of("b"), nullptr);
  EXPECT_EQ(s->schema_of("b")->required[0].type, event::JsonType::kNumber);
  EXPECT_NE(s->schema_of("a"), nullptr);
  EXPECT_EQ(s->schema_of("c"), nullptr);
}

TEST(IngestionSettings, a_filter_is_a_tree) {
  const auto s = parse_ingestion(R"({"event_filters":{"mode":"live","filter":{"and":[
    {"or":[{"event":{"exact":"$pageview"}},{"event":{"contains":"ping"}}]},
    {"not":{"distinct_id":{"contains":"@acme.com"}}}]}}})");
  ASSERT_TRUE(s.has_value()) << s.error().message;
  EXPECT_TRUE(s->filter.matches("$pageview", "bot"));
  EXPECT_TRUE(s->filter.matches("a ping b", "bot"));
  EXPECT_FALSE(s->filter.matches("$pageview", "me@acme.com"));
  EXPECT_FALSE(s->filter.matches("$pageview2", "bot"));
}

TEST(IngestionSettings, what_is_wrong_is_named) {
  const auto error = [](const std::string& json) {
    const auto s = parse_ingestion(json);
    return s ? "accepted" : s.error().message;
  };
  EXPECT_EQ(error("[]"), "ingestion: the setting is not an object");
  EXPECT_EQ(error(R"({"nothing":1})"), "ingestion: it has no member nothing");
  EXPECT_EQ(error(R"({"anonymize_ips":1})"), "ingestion: anonymize_ips is neither true nor false");
  EXPECT_NE(error(R"({"drop_events_older_than_seconds":-1})"), "accepted");
  EXPECT_NE(error(R"({"event_filters":{"mode":"on"}})"), "accepted");
  EXPECT_NE(error(R"({"event_filters":{"filter":{"and":[]}}})"), "accepted");
  EXPECT_NE(error(R"({"event_filters":{"filter":{"event":{"contains":""}}}})"), "accepted");
  EXPECT_NE(error(R"({"event_filters":{"filter":{"event":{"exact":"a"},"not":{}}}})"), "accepted");
  EXPECT_NE(error(R"({"schemas":[{"event":"a","required":{"x":"date"}}]})"), "accepted");
  EXPECT_NE(error(R"({"schemas":[{"event":"a"},{"event":"a"}]})"), "accepted");
  std::string deep = R"({"event":{"exact":"a"}})";
  for (size_t i = 0; i < kFilterDepthMax - 1; i++) deep = R"({"not":)" + deep + "}";
  EXPECT_EQ(error(R"({"event_filters":{"filter":)" + deep + "}}"), "accepted");
  deep = R"({"not":)" + deep + "}";
  EXPECT_NE(error(R"({"event_filters":{"filter":)" + deep + "}}"), "accepted");
}

}  // namespace
}  // namespace penstock::catalog
