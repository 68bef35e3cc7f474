// Goal: every topic's messages byte by byte as the contract writes them.
#include "event/messages.h"

#include <gtest/gtest.h>

namespace penstock::event {
namespace {

constexpr int64_t kNoon = 1'785'585'600'123;  // 2026-08-01T12:00:00.123Z
const Uuid kUuid = *Uuid::parse("0190b1c2-d3e4-7f60-8a1b-2c3d4e5f6071");

std::vector<std::string> messages(const ProcessedRecord& record) {
  // Through their encoding, as readers of the topic get them.
  static std::string bytes;
  bytes.clear();
  encode(record, bytes);
  std::vector<std::string> out;
  append_messages(*decode_processed(bytes), out);
  return out;
}

std::string message(const ProcessedRecord& record) {
  const auto all = messages(record);
  return all.size() == 1 ? all[0] : "not one message";
}

TEST(Messages, of_a_person) {
  PersonChange p{{7}, kUuid, R"({"email":"a@b.c","n":1})", kNoon, true, false, 3, {}};
  EXPECT_EQ(message(p),
            R"({"id":"0190b1c2-d3e4-7f60-8a1b-2c3d4e5f6071","created_at":"2026-08-01 12:00:00",)"
            R"("properties":"{\"email\":\"a@b.c\",\"n\":1}","team_id":7,"is_identified":1,)"
            R"("is_deleted":0,"version":3,"last_seen_at":null})");
  p.is_identified = false;
  p.is_deleted = true;
  p.properties = "{}";
  p.last_seen_at_ms = kNoon;
  EXPECT_EQ(message(p),
            R"({"id":"0190b1c2-d3e4-7f60-8a1b-2c3d4e5f6071","created_at":"2026-08-01 12:00:00",)"
            R"("properties":"{}","team_id":7,"is_identified":0,)"
            R"("is_deleted":1,"version":3,"last_seen_at":"2026-08-01 12:00:00"})");
}

TEST(Messages, of_a_distinct_id) {
  EXPECT_EQ(message(DistinctIdChange{{7}, "a\"b", kUuid, false, 1}),
            R"({"team_id":7,"distinct_id":"a\"b",)"
            R"("person_id":"0190b1c2-d3e4-7f60-8a1b-2c3d4e5f6071","is_deleted":0,"version":1})");
}

TEST(Messages, of_a_group) {
  EXPECT_EQ(message(GroupChange{{7}, 2, "acme", R"({"plan":"pro"})", kNoon, 5}),
            R"({"group_type_index":2,"group_key":"acme","team_id":7,)"
            R"("group_properties":"{\"plan\":\"pro\"}","created_at":"2026-08-01 12:00:00",)"
            R"("version":5})");
}

TEST(Messages, of_an_event) {
  Outcome o;
  o.project = {7};
  o.uuid = kUuid;
  o.received_ms = kNoon + 1000;
  o.row.event = "signed up";
  o.row.properties = R"({"plan":"pro"})";
  o.row.timestamp_ms = kNoon;
  o.row.distinct_id = "u1";
  o.row.elements_chain = R"(a:href="/x")";
  o.row.created_at_ms = kNoon + 2000;
  o.row.person_id = kUuid;
  o.row.person_properties = "{}";
  o.row.person_created_at_ms = 5000;
  o.row.person_mode = PersonMode::kPropertyless;
  const std::string head =
      R"({"uuid":"0190b1c2-d3e4-7f60-8a1b-2c3d4e5f6071","event":"signed up",)"
      R"("properties":"{\"plan\":\"pro\"}","timestamp":"2026-08-01 12:00:00.123",)"
      R"("team_id":7,"project_id":7,"distinct_id":"u1","elements_chain":"a:href=\"/x\"",)"
      R"("created_at":"2026-08-01 12:00:02.123","captured_at":)";
  const std::string tail =
      R"("person_id":"0190b1c2-d3e4-7f60-8a1b-2c3d4e5f6071","person_properties":"{}",)"
      R"("person_created_at":"1970-01-01 00:00:05","person_mode":"propertyless")";
  EXPECT_EQ(message(o), head + "null," + tail + "}");
  o.row.captured_at_ms = kNoon + 1000;
  o.row.historical = true;
  EXPECT_EQ(message(o),
            head + R"("2026-08-01 12:00:01.123",)" + tail + R"(,"historical_migration":true})");
}

TEST(Messages, of_a_warning) {
  EXPECT_EQ(
      message(IngestionWarning{{7}, "merge_race_condition", "plugin-server", R"({"a":1})", kNoon}),
      R"({"team_id":7,"type":"merge_race_condition","source":"plugin-server",)"
      R"("details":"{\"a\":1}","timestamp":"2026-08-01 12:00:00.123"})");
}

TEST(Messages, of_a_heatmap_one_for_each_point) {
  Heatmap h{{7}, "s1", "u1", kNoon, 120, 67, {}};
  h.points = {{"https://a/", "click", 1, -2, true}, {"https://a/", "scrolldepth", 0, 30, false}};
  const auto got = messages(h);
  ASSERT_EQ(got.size(), 2U);
  EXPECT_EQ(got[0],
            R"({"type":"click","x":1,"y":-2,"pointer_target_fixed":true,"viewport_height":67,)"
            R"("viewport_width":120,"current_url":"https://a/","session_id":"s1",)"
            R"("scale_factor":16,"timestamp":"2026-08-01 12:00:00.123","team_id":7,)"
            R"("distinct_id":"u1"})");
  EXPECT_TRUE(got[1].starts_with(R"({"type":"scrolldepth","x":0,"y":30,)"));
}

TEST(Messages, what_no_other_system_is_told) {
  Outcome dropped;
  dropped.kind = OutcomeKind::kDropped;
  dropped.reason = "a rule";
  EXPECT_TRUE(messages(dropped).empty());
  Outcome points;
  points.row.heatmap_only = true;
  EXPECT_TRUE(messages(points).empty());
  Outcome recording;
  recording.source.lane = Lane::kReplay;
  EXPECT_TRUE(messages(recording).empty());
  EXPECT_TRUE(messages(GroupTypeChange{{7}, 1, "company", kNoon}).empty());
  EXPECT_EQ(project_of(GroupTypeChange{{7}, 1, "company", kNoon}), ProjectId{7});
}

}  // namespace
}  // namespace penstock::event
