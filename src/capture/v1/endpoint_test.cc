// Capture V1 through a shard's service: headers, encodings, answers per event, and what is stored.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "capture/testing/fixture.h"
#include "event/json_fields.h"

namespace penstock::capture {
namespace {

using testing::Answer;
using testing::gzip;
using ::testing::HasSubstr;

constexpr char kPath[] = "/i/v1/analytics/events";
constexpr char kRequestId[] = "3f1c0a52-4f6e-4c59-9d42-0f2b6a1e7c11";
constexpr char kU1[] = "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9001";
constexpr char kU2[] = "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9002";
constexpr char kU3[] = "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9003";

class V1Test : public testing::ServiceTest {
 protected:
  Headers headers() {
    return {{"Authorization", "Bearer phc_t"},           {"Content-Type", "application/json"},
            {"PostHog-Sdk-Info", "posthog-node/5.70.0"}, {"PostHog-Attempt", "1"},
            {"PostHog-Request-Id", kRequestId},          {"PostHog-Request-Timestamp", now_text()},
            {"User-Agent", "posthog-node/5.70.0"}};
  }
  /// The usual headers but for these; an empty value leaves one out.
  Headers with(const Headers& changes) {
    Headers out = headers();
    for (const auto& [name, value] : changes) {
      std::erase_if(out, [&](const auto& h) { return h.first == name; });
      if (!value.empty()) out.emplace_back(name, value);
    }
    return out;
  }
  std::string now_text(int64_t plus_ms = 0) {
    return event::format_rfc3339_ms(runtime_.clock().wall_us() / 1000 + plus_ms);
  }
  std::shared_ptr<Answer> post(std::string_view body, const Headers& changes = {}) {
    return ask("POST", kPath, body, with(changes));
  }
  std::string event(std::string_view uuid, const std::string& more = "",
                    std::string_view distinct_id = "someone") {
    return R"({"event":"seen","uuid":")" + std::string(uuid) + R"(","distinct_id":")" +
           std::string(distinct_id) + R"(","timestamp":")" + now_text() + '"' + more + "}";
  }
  std::string batch(const std::string& events, const std::string& more = "") {
    return R"({"created_at":")" + now_text() + R"(","batch":[)" + events + "]" + more + "}";
  }
  /// The tag of an error answer, after checking what all of them have.
  static std::string error(const Answer& answer, int status) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/json");
    EXPECT_EQ(answer.headers.at("accept"), "application/json");
    EXPECT_EQ(answer.headers.at("accept-encoding"), "gzip, deflate, br, zstd");
    EXPECT_EQ(answer.headers.contains("retry-after"), status == 503);
    EXPECT_TRUE(answer.headers.contains("date"));
    const auto fields = event::JsonFields::parse(answer.body);
    EXPECT_TRUE(fields.has_value()) << answer.body;
    EXPECT_GT(fields->find("error_description")->size(), 8U);
    EXPECT_EQ(fields->find("error_uri"), R"("https://posthog.com/docs/api")");
    return event::decode_string(*fields->find("error"));
  }
  std::string refusal(int status, const Headers& changes, std::string_view body = "{}") {
    const auto answer = post(body, changes);
    land();
    return error(*answer, status);
  }
};

TEST_F(V1Test, AnswersForEachEventOnceTheLogHasThem) {
  const auto answer = post(batch(event(kU2) + "," + event(kU1, "", "ANONYMOUS") + "," +
                                 event(kU3, R"(,"properties":1)")));
  turn();
  EXPECT_EQ(answer->status, 0) << "answered before it was durable";
  EXPECT_EQ(held_records().size(), 3U);
  land();
  ASSERT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, std::string(R"({"results":{")") + kU2 + R"(":{"result":"ok"},")" + kU1 +
                              R"(":{"result":"warning","details":"person_processing_disabled"},")" +
                              kU3 +
                              R"(":{"result":"drop","details":"malformed_event_properties"}}})");
  EXPECT_EQ(answer->headers["content-type"], "application/json");
  EXPECT_EQ(answer->headers["posthog-request-id"], kRequestId);
  EXPECT_THAT(answer->headers["date"], HasSubstr(" GMT"));
  EXPECT_FALSE(answer->headers.contains("retry-after"));
}

TEST_F(V1Test, StoresTheEventWithWhatTheServerAdds) {
  post(batch(event(kU1, R"(,"session_id":"s9","window_id":"w9","properties":{"a":1,"$lib":"x",)"
                        R"("$session_id":"old"},"options":{"cookieless_mode":"1",)"
                        R"("disable_skew_correction":false,"process_person_profile":0,)"
                        R"("product_tour_id":17})")));
  turn();
  const auto records = held_records();
  ASSERT_EQ(records.size(), 1U);
  const event::RawRecord& r = records[0];
  EXPECT_EQ(r.data, R"({"event":"seen","distinct_id":"someone","uuid":")" + std::string(kU1) +
                        R"(","properties":{"a":1,"$lib":"x","$session_id":"old",)"
                        R"("$session_id":"s9","$window_id":"w9","$cookieless_mode":true,)"
                        R"("$ignore_sent_at":false,"$product_tour_id":"17",)"
                        R"("$process_person_profile":false,"$lib":"posthog-node",)"
                        R"("$lib_version":"5.70.0"},"timestamp":")" +
                        now_text(-1) + "\"}");
  EXPECT_TRUE(event::validate_json(r.data).has_value());
  EXPECT_EQ(r.uuid.text(), kU1);
  EXPECT_EQ(r.event, "seen");
  EXPECT_EQ(r.distinct_id, "someone");
  EXPECT_EQ(r.token, "phc_t");
  EXPECT_EQ(r.ip, "192.0.2.7");
  EXPECT_EQ(r.session_id, "s9");
  EXPECT_TRUE(r.cookieless);
  EXPECT_FALSE(r.skip_persons);
  EXPECT_FALSE(r.historical);
}

TEST_F(V1Test, PutsWhatItAddsIntoAnyObject) {
  for (const auto& [given, stored] : std::initializer_list<std::pair<std::string, std::string>>{
           {"", R"({"$lib":"l","$lib_version":"1"})"},
           {R"(,"properties":{})", R"({"$lib":"l","$lib_version":"1"})"},
           {R"(,"properties":{ })", R"({"$lib":"l","$lib_version":"1"})"},
           {R"(,"properties":null)", R"({"$lib":"l","$lib_version":"1"})"},
           {R"(,"properties":{"a":{} })", R"({"a":{} ,"$lib":"l","$lib_version":"1"})"}}) {
    post(batch(event(kU1, given)), {{"PostHog-Sdk-Info", "l/1"}});
    turn();
    EXPECT_THAT(std::string(held_records().at(0).data),
                HasSubstr("\"properties\":" + stored + ","));
    land();
  }
}

TEST_F(V1Test, SplitsTheLibraryAtTheLastSlash) {
  const auto stored = [&](const std::string& info) {
    post(batch(event(kU1)), {{"PostHog-Sdk-Info", info}});
    turn();
    const std::string data(held_records().at(0).data);
    land();
    const size_t begin = data.find("properties\":") + 12;
    return data.substr(begin, data.find(",\"timestamp") - begin);
  };
  EXPECT_EQ(stored("a/b/2.0"), R"({"$lib":"a/b","$lib_version":"2.0"})");
  for (const char* nothing : {"posthog", "/1.0", "posthog/", "/"}) {
    EXPECT_EQ(stored(nothing), "{}") << nothing;
  }
  EXPECT_EQ(stored(std::string(197, 'x') + "/10"),
            "{\"$lib\":\"" + std::string(197, 'x') + "\",\"$lib_version\":\"10\"}");
  EXPECT_EQ(stored(std::string(198, 'x') + "/10"), "{}") << "over 200 bytes";
  EXPECT_EQ(stored("q\"\\/1"), R"({"$lib":"q\"\\","$lib_version":"1"})");
}

TEST_F(V1Test, CorrectsTheClock) {
  const int64_t now = runtime_.clock().wall_us() / 1000;
  const auto stored = [&](int64_t event_plus_ms, int64_t client_plus_ms, const char* options) {
    const std::string one = R"({"event":"e","uuid":")" + std::string(kU1) +
                            R"(","distinct_id":"d","timestamp":")" + now_text(event_plus_ms) +
                            R"(","options":)" + options + "}";
    post(batch(one), {{"PostHog-Request-Timestamp", now_text(client_plus_ms)}});
    const int64_t received = runtime_.clock().wall_us() / 1000;
    turn();
    const int64_t at = held_records().at(0).timestamp_ms;
    land();
    return at - received;
  };
  constexpr int64_t kHour = 3'600'000;
  EXPECT_EQ(stored(-1000, 0, "null"), -1000);
  EXPECT_EQ(stored(kHour - 1000, kHour, "{}"), -1000) << "a client an hour ahead";
  EXPECT_EQ(stored(kHour, kHour, R"({"disable_skew_correction":true})"), kHour);
  EXPECT_EQ(stored(48 * kHour, 0, "{}"), 0) << "the future is now";
  EXPECT_EQ(stored(48 * kHour, 0, R"({"disable_skew_correction":"1"})"), 48 * kHour);
  EXPECT_GT(now, 0);
}

TEST_F(V1Test, DroppedEventsAreRecordsToo) {
  const auto answer = post(batch(event(kU1, R"(,"options":{"cookieless_mode":[]})")));
  turn();
  const auto records = held_records();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].disposition, event::Disposition::kDrop);
  EXPECT_EQ(records[0].reason, "invalid_options");
  EXPECT_EQ(records[0].data, "");
  EXPECT_EQ(records[0].uuid.text(), kU1);
  EXPECT_EQ(answer->status, 0);
  land();
  EXPECT_THAT(answer->body, HasSubstr(R"({"result":"drop","details":"invalid_options"})"));
}

TEST_F(V1Test, ADroppedIdIsCutAtACharacter) {
  std::string wide;
  for (int i = 0; i < 150; i++) wide += "é";
  post(batch(event(kU1, "", "x" + wide)));
  turn();
  const std::string_view id = held_records().at(0).distinct_id;
  EXPECT_EQ(id.size(), 199U);
  EXPECT_EQ(id, ("x" + wide).substr(0, 199));
}

TEST_F(V1Test, IllegalIdsKeepTheirPersonsOut) {
  for (const char* id : {"0",
                         "00000000-0000-0000-0000-000000000000",
                         "[object Object]",
                         "anonymous",
                         "Anonymous-User",
                         "backend",
                         "distinct_id",
                         "distinctId",
                         "email",
                         "false",
                         "guest",
                         "ID",
                         "NaN",
                         "none",
                         "not_authenticated",
                         "null",
                         "system",
                         "true",
                         "undefined",
                         "  User "}) {
    const auto answer = post(batch(event(kU1, "", id)));
    turn();
    const auto records = held_records();
    ASSERT_EQ(records.size(), 1U) << id;
    EXPECT_TRUE(records[0].skip_persons) << id;
    EXPECT_EQ(records[0].disposition, event::Disposition::kProcess);
    EXPECT_FALSE(records[0].data.empty());
    land();
    EXPECT_THAT(answer->body, HasSubstr("person_processing_disabled")) << id;
  }
  const auto answer = post(batch(event(kU1, "", "user1")));
  turn();
  EXPECT_FALSE(held_records().at(0).skip_persons);
}

TEST_F(V1Test, AnEventTooLargeLeavesItsNeighboursAlone) {
  CaptureOptions options;
  options.message_bytes_max = 2000;
  make(options);
  const std::string giant = R"(,"properties":{"p":")" + std::string(2000, 'y') + "\"}";
  const auto answer = post(batch(event(kU1) + "," + event(kU2, giant)));
  turn();
  EXPECT_EQ(held_records().at(1).reason, "event_too_big");
  land();
  EXPECT_EQ(answer->body, std::string(R"({"results":{")") + kU1 + R"(":{"result":"ok"},")" + kU2 +
                              R"(":{"result":"drop","details":"event_too_big"}}})");
}

TEST_F(V1Test, WhatTheLogDoesNotTakeIsToComeAgain) {
  for (const Code code : {Code::kBusy, Code::kExhausted, Code::kMaybe, Code::kUnavailable}) {
    const auto answer = post(batch(event(kU1) + "," + event(kU2, R"(,"properties":1)")));
    turn();
    log_.answer(fail(code, "no"));
    ASSERT_EQ(answer->status, 200) << code_name(code);
    EXPECT_EQ(answer->body, std::string(R"({"results":{")") + kU1 +
                                R"(":{"result":"retry","details":"not_persisted"},")" + kU2 +
                                R"(":{"result":"retry","details":"not_persisted"}}})");
    EXPECT_EQ(answer->headers["retry-after"], "1");
    EXPECT_EQ(answer->headers["posthog-request-id"], kRequestId);
  }
}

TEST_F(V1Test, HistoricalBatchesTravelApart) {
  const auto answer = post(batch(event(kU1) + "," + event(kU2, R"(,"properties":1)"),
                                 R"(,"historical_migration":true)"));
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  EXPECT_EQ(log_.held.front().topic, event::kTopicHistorical);
  EXPECT_TRUE(held_records().at(0).historical);
  land();
  EXPECT_EQ(answer->status, 200);
}

TEST_F(V1Test, HeadersThatMustBeThere) {
  EXPECT_EQ(refusal(401, {{"Authorization", ""}}), "missing_api_token");
  const auto answer = post("{}", {{"PostHog-Attempt", ""}, {"User-Agent", ""}});
  EXPECT_EQ(error(*answer, 400), "missing_required_headers");
  EXPECT_THAT(answer->body, HasSubstr("PostHog-Attempt, User-Agent")) << "all of them";
  for (const char* name : {"Content-Type", "PostHog-Sdk-Info", "PostHog-Attempt",
                           "PostHog-Request-Id", "PostHog-Request-Timestamp", "User-Agent"}) {
    EXPECT_EQ(refusal(400, {{name, ""}}), "missing_required_headers") << name;
  }
}

TEST_F(V1Test, HeadersThatSayTooLittle) {
  for (const char* scheme : {"Basic abc", "phc_t", "Bearerphc_t"}) {
    EXPECT_EQ(refusal(400, {{"Authorization", scheme}}), "invalid_header_value") << scheme;
  }
  for (const std::string& token :
       {std::string("Bearer"), std::string("Bearer  "), std::string("Bearer phx_personal"),
        std::string("Bearer phc_é"), "Bearer " + std::string(65, 'k')}) {
    const auto answer = post("{}", {{"Authorization", token}});
    EXPECT_EQ(error(*answer, 401), "invalid_api_token") << token;
    EXPECT_EQ(answer->headers["www-authenticate"], "Bearer error=\"invalid_token\"");
  }
  for (const char* type : {"text/plain", "application/jsonp", "multipart/form-data"}) {
    EXPECT_EQ(refusal(415, {{"Content-Type", type}}), "unsupported_content_type") << type;
  }
  for (const char* encoding : {"identity", "compress", "gzip-js", "gzip, gzip"}) {
    EXPECT_EQ(refusal(415, {{"Content-Encoding", encoding}}), "unsupported_encoding") << encoding;
  }
  for (const char* attempt : {"0", "-1", "one", "1.5", "99999999999"}) {
    EXPECT_EQ(refusal(400, {{"PostHog-Attempt", attempt}}), "invalid_header_value") << attempt;
  }
  EXPECT_EQ(refusal(400, {{"PostHog-Request-Id", "7"}}), "invalid_header_value");
  EXPECT_EQ(refusal(400, {{"PostHog-Request-Timestamp", "now"}}), "invalid_header_value");
  for (const Headers& fine :
       {Headers{{"Authorization", "bEARER phc_t"}}, Headers{{"PostHog-Attempt", "17"}},
        Headers{{"Content-Type", "Application/JSON ; charset=utf-8"}}}) {
    const auto answer = post(batch(event(kU1)), fine);
    land();
    EXPECT_EQ(answer->status, 200) << fine[0].second << answer->body;
  }
}

TEST_F(V1Test, BodiesThatAreRefused) {
  EXPECT_EQ(refusal(400, {}, ""), "empty_body");
  EXPECT_EQ(refusal(400, {}, "{"), "request_parsing_error");
  EXPECT_EQ(refusal(400, {}, "\xff"), "request_parsing_error");
  EXPECT_EQ(refusal(400, {}, batch("")), "empty_batch");
  EXPECT_EQ(refusal(400, {{"Content-Encoding", "gzip"}}, "not gzip"), "request_decoding_error");
  EXPECT_EQ(refusal(400, {{"Content-Encoding", "gzip"}}, gzip("")), "empty_body");
  EXPECT_EQ(refusal(400, {}, gzip(batch(event(kU1)))), "request_parsing_error")
      << "only the header names an encoding here";
  body_too_large_ = true;
  EXPECT_EQ(refusal(413, {}), "payload_too_large");
}

TEST_F(V1Test, TheDecompressedBodyHasALimit) {
  CaptureOptions options;
  options.v1_decoded_bytes_max = 1000;
  make(options);
  const std::string fits = batch(event(kU1));
  const auto padded = [&](size_t size) {
    return gzip(fits + std::string(size - fits.size(), ' '));
  };
  EXPECT_EQ(refusal(413, {{"Content-Encoding", "gzip"}}, padded(1001)), "payload_too_large");
  const auto answer = post(padded(1000), {{"Content-Encoding", "GZIP"}});
  land();
  EXPECT_EQ(answer->status, 200);
}

TEST_F(V1Test, OnlyPosts) {
  for (const char* method : {"GET", "HEAD", "PUT", "DELETE", "PATCH"}) {
    const auto answer = ask(method, kPath, "", headers());
    EXPECT_EQ(error(*answer, 405), "method_not_allowed") << method;
    EXPECT_EQ(answer->headers["allow"], "POST,OPTIONS");
  }
  const auto preflight = ask("OPTIONS", "/i/v1/analytics/events/", "",
                             {{"origin", "https://a.example"},
                              {"access-control-request-headers", "authorization,posthog-attempt"}});
  EXPECT_EQ(preflight->status, 200);
  EXPECT_EQ(preflight->headers["access-control-allow-methods"], "POST,OPTIONS");
  EXPECT_EQ(preflight->headers["access-control-allow-headers"], "authorization,posthog-attempt");
}

TEST_F(V1Test, PagesMayReadAnswersAndErrors) {
  const Headers origin{{"Origin", "https://a.example"}};
  const auto good = post(batch(event(kU1)), origin), bad = post("{", origin);
  land();
  for (const auto& answer : {good, bad}) {
    EXPECT_EQ(answer->headers["access-control-allow-origin"], "https://a.example");
    EXPECT_EQ(answer->headers["access-control-allow-credentials"], "true");
  }
}

TEST_F(V1Test, EchoesOnlyARequestIdThatIsOne) {
  EXPECT_EQ(post("{", {})->headers["posthog-request-id"], kRequestId);
  EXPECT_FALSE(post("{", {{"PostHog-Request-Id", "x"}})->headers.contains("posthog-request-id"));
}

TEST_F(V1Test, ServesTheAiPathAndSlashes) {
  for (const char* path : {"/i/v1/analytics/events/", "/i/v1/ai/events", "/i/v1/ai/events/"}) {
    const auto answer = ask("POST", path, batch(event(kU1)), headers());
    land();
    EXPECT_EQ(answer->status, 200) << path;
  }
}

TEST_F(V1Test, TheAiPathTakesAiEventsOfItsSizeAndTheOtherPathTakesAll) {
  CaptureOptions options;
  options.ai_event_bytes_max = 500;
  options.message_bytes_max = 800;
  make(options);
  const auto ai = [&](std::string_view uuid, size_t bytes) {
    std::string e = event(uuid, R"(,"properties":{"p":")" + std::string(bytes, 'y') + "\"}");
    return e.replace(e.find("seen"), 4, "$ai_generation");
  };
  const auto result = [](const char* details) {
    return details == nullptr ? std::string(R"({"result":"ok"})")
                              : R"({"result":"drop","details":")" + std::string(details) + "\"}";
  };
  const auto expect = [&](const char* path, const std::string& one, const char* details) {
    const auto answer = ask("POST", path, batch(one), headers());
    turn();
    ASSERT_EQ(held_records().size(), 1U);
    EXPECT_EQ(held_records()[0].reason, details == nullptr ? "" : details);
    land();
    EXPECT_EQ(answer->body, std::string(R"({"results":{")") + kU1 + "\":" + result(details) + "}}");
  };
  constexpr auto kAi = "/i/v1/ai/events", kAnalytics = "/i/v1/analytics/events";
  expect(kAi, ai(kU1, 10), nullptr);
  expect(kAi, ai(kU1, 500), "ai_event_too_big");
  expect(kAi, event(kU1), "misrouted_event");
  expect(kAnalytics, ai(kU1, 500), nullptr);
  expect(kAnalytics, ai(kU1, 800), "event_too_big");
  expect(kAi, event(kU1, R"(,"properties":[])"), "malformed_event_properties");
}

TEST_F(V1Test, SaysWhenToComeBackWhileItCannotTakeAnything) {
  service_->set_ready(false);
  EXPECT_EQ(refusal(503, {}), "service_unavailable");
  CaptureOptions options;
  options.requests_waiting_max = 1;
  make(options);
  const auto first = post(batch(event(kU1)));
  EXPECT_EQ(error(*post(batch(event(kU2))), 503), "service_unavailable");
  land();
  EXPECT_EQ(first->status, 200);
}

TEST_F(V1Test, RefusedRequestsAreNotedForTheTrace) {
  post(batch(event(kU1) + "," + event(kU1)));
  turn();
  ASSERT_EQ(log_.held.size(), 1U);
  EXPECT_EQ(log_.held.front().topic, event::kTopicRefused);
  EXPECT_THAT(log_.held.front().batches.front().data, HasSubstr("duplicate_event_uuid"));
}

TEST_F(V1Test, LimitsOfTheRouteAreItsOwn) {
  wire::Request head;
  head.path = kPath;
  EXPECT_EQ(service_->body_bytes_max(head), 10U << 20);
  head.path = "/i/v1/ai/events/";
  EXPECT_EQ(service_->body_bytes_max(head), 10U << 20);
  head.path = "/batch/";
  EXPECT_EQ(service_->body_bytes_max(head), 20U << 20);
}

}  // namespace
}  // namespace penstock::capture
