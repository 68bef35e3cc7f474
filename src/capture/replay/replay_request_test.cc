// Session recordings at the edge: what a request of /s/ must look like, and what it becomes.
// Method: a table of bodies with their refusal, and messages read back as JSON.
#include "capture/replay/replay_request.h"

#include <gtest/gtest.h>

#include "event/json_fields.h"

namespace penstock::capture {
namespace {

constexpr char kItem[] =
    R"({"event":"$snapshot","properties":{"token":"phc_t","distinct_id":"d","$session_id":"s-1",)"
    R"("$window_id":"w","$snapshot_data":[{"type":4,"timestamp":5}]}})";

/// The item with one text replaced by another.
std::string with(std::string_view from, std::string_view to) {
  std::string out = kItem;
  const size_t at = out.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return out.replace(at, from.size(), to);
}

std::string refusal_of(const std::string& body) {
  ReplayParser parser;
  const auto parsed = parser.parse(body, {});
  if (parsed) return "accepted";
  return std::to_string(parsed.error().status) + " " + std::string(parsed.error().tag);
}

TEST(ReplayRequest, WhatIsRefusedAndWhy) {
  const struct {
    std::string body, answer;
  } table[] = {
      {kItem, "accepted"},
      {"[" + std::string(kItem) + "]", "accepted"},
      {" [ " + std::string(kItem) + " , " + kItem + " ] ", "accepted"},
      {"", "400 invalid_json"},
      {"[", "400 invalid_json"},
      {std::string(kItem) + "x", "400 invalid_json"},
      {"[" + std::string(kItem) + ",]", "400 invalid_json"},
      {"[]", "400 no_events"},
      {"7", "400 invalid_payload"},
      {"[7]", "400 invalid_payload"},
      {"[" + std::string(kItem) + ",7]", "400 invalid_payload"},
      {R"({"api_key":"phc_t","batch":[)" + std::string(kItem) + "]}", "400 invalid_payload"},
      {with(R"("event":"$snapshot",)", ""), "400 invalid_payload"},
      {with(R"("$snapshot")", "null"), "400 invalid_payload"},
      {with(R"("phc_t")", "7"), "401 missing_token"},
      {with("phc_t", " "), "401 missing_token"},
      {with("phc_t", "phx_secret"), "401 personal_token"},
      {with("phc_t", std::string(65, 'a')), "401 invalid_token"},
      {with("phc_t", "phc_\u00e9"), "401 invalid_token"},
      {with(R"("$session_id":"s-1",)", ""), "400 missing_session_id"},
      {with(R"("s-1")", "12"), "400 missing_session_id"},
      {with("s-1", ""), "400 invalid_session_id"},
      {with("s-1", "s_1"), "400 invalid_session_id"},
      {with("s-1", "s 1"), "400 invalid_session_id"},
      {with("s-1", std::string(70, 'a')), "accepted"},
      {with("s-1", std::string(71, 'a')), "400 invalid_session_id"},
      {with(R"([{"type":4,"timestamp":5}])", "null"), "400 missing_snapshot_data"},
      {with(R"([{"type":4,"timestamp":5}])", R"("x")"), "400 missing_snapshot_data"},
      {with(R"([{"type":4,"timestamp":5}])", R"({"type":4})"), "accepted"},
      {with(R"([{"type":4,"timestamp":5}])", " [ ] "), "accepted"},
      {with(R"("distinct_id":"d",)", ""), "400 missing_distinct_id"},
      {with(R"("d")", "17"), "accepted"},
      {with(R"("$window_id":"w")", R"("$cookieless_mode":"yes")"), "400 invalid_cookieless_mode"},
      {with(R"({"event")", R"({"uuid":"nope","event")"), "400 invalid_payload"},
      // The first event decides; the others must carry data.
      {"[" + std::string(kItem) + "," + with(R"("token":"phc_t",)", "") + "]", "accepted"},
      {"[" + std::string(kItem) + R"(,{"event":"e","properties":{}}])",
       "400 missing_snapshot_data"},
      {"[" + with(R"("token":"phc_t",)", "") + "," + kItem + "]", "401 missing_token"},
  };
  for (const auto& row : table) EXPECT_EQ(refusal_of(row.body), row.answer) << row.body;
}

TEST(ReplayRequest, NestingAsDeepAsAllowedAndDeeper) {
  const auto nested = [](size_t depth) {
    return with(R"({"type":4,"timestamp":5})", std::string(depth, '[') + std::string(depth, ']'));
  };
  EXPECT_EQ(refusal_of("[" + nested(event::kJsonDepthMax - 5) + "]"), "accepted");
  EXPECT_EQ(refusal_of("[" + nested(event::kJsonDepthMax + 1) + "]"), "400 invalid_json");
}

TEST(ReplayRequest, AllItemsTravelInOneMessageUnchanged) {
  const std::string body = "[" + with(R"([{"type":4,"timestamp":5}])", "[ {\"a\" : 1.50} , 2 ]") +
                           "," +
                           with(R"([{"type":4,"timestamp":5}])", R"({"b":"\ud83d\ude00 \"q\""})") +
                           "," + with(R"([{"type":4,"timestamp":5}])", "[]") + "]";
  ReplayParser parser;
  const auto parsed = parser.parse(body, {});
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  std::string data;
  append_replay_data(**parsed, "web", data);
  EXPECT_EQ(data,
            R"({"event":"$snapshot_items","properties":{"distinct_id":"d","$session_id":"s-1",)"
            R"("$window_id":"w","$snapshot_source":"web","$snapshot_items":[{"a" : 1.50} , 2,)"
            R"({"b":"\ud83d\ude00 \"q\""}],"$lib":"web"}})");
  EXPECT_TRUE(event::validate_json(data).has_value());
}

TEST(ReplayRequest, MetadataComesFromTheFirstEvent) {
  const std::string first =
      with(R"({"event")", R"({"sent_at":"2026-08-01T12:00:00Z","timestamp":"2026-08-01T11:59:00Z",)"
                          R"("uuid":"0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012","event")");
  const std::string second = with(R"("d")", R"("other")");
  ReplayParser parser;
  const std::string body = "[" + first + "," + second + "]";
  const auto parsed = parser.parse(body, {});
  ASSERT_TRUE(parsed.has_value());
  const ReplayRequest& r = **parsed;
  EXPECT_EQ(r.distinct_id, "d");
  EXPECT_EQ(r.sent_at, "2026-08-01T12:00:00Z");
  EXPECT_EQ(r.timestamp, "2026-08-01T11:59:00Z");
  EXPECT_EQ(r.uuid->text(), "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012");
  EXPECT_EQ(r.window_id, "w");
  EXPECT_EQ(r.items.size(), 2U);
}

TEST(ReplayRequest, SourceWindowAndLibraryHaveTheirDefaults) {
  ReplayParser parser;
  const auto read = [&](const std::string& body) -> const ReplayRequest& {
    const auto parsed = parser.parse(body, {});
    EXPECT_TRUE(parsed.has_value());
    return **parsed;
  };
  EXPECT_EQ(read(with(R"("$window_id":"w",)", "")).window_id, "s-1");
  EXPECT_EQ(read(kItem).source, "web");
  EXPECT_EQ(read(with(R"("w")", R"("w","$snapshot_source":"mobile")")).source, "mobile");
  EXPECT_EQ(read(with(R"("w")", R"("w","$snapshot_source":"tv")")).source, "web");
  EXPECT_EQ(snapshot_library(read(kItem), ""), "web");
  EXPECT_EQ(snapshot_library(read(kItem), "Mozilla/5.0"), "web");
  EXPECT_EQ(snapshot_library(read(kItem), "posthog-android/3.1"), "posthog-android");
  EXPECT_EQ(snapshot_library(read(with(R"("w")", R"("w","$lib":"js")")), "posthog-android/3"),
            "js");
}

}  // namespace
}  // namespace penstock::capture
