// AI events: multipart bodies cut into parts, parts put together as one event, and their routes.
#include <gtest/gtest.h>

#include <random>

#include "capture/ai/ai_body.h"
#include "capture/ai/multipart.h"
#include "capture/testing/fixture.h"

namespace penstock::capture::ai {
namespace {

using capture::testing::gzip;

constexpr char kEvent[] = R"({"event":"$ai_generation","distinct_id":"u1"})";

std::string part(std::string_view name, std::string_view data,
                 std::string_view headers = "Content-Type: application/json\r\n") {
  return "--b\r\nContent-Disposition: form-data; name=\"" + std::string(name) + "\"\r\n" +
         std::string(headers) + "\r\n" + std::string(data) + "\r\n";
}
std::string whole(const std::string& parts) { return parts + "--b--\r\n"; }

TEST(Multipart, ReadsTheBoundary) {
  EXPECT_EQ(boundary_of("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(boundary_of("Multipart/Form-Data;charset=utf-8; BOUNDARY=\"a b:c\" ;"), "a b:c");
  for (const char* bad :
       {"multipart/form-data",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"a ", "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a; boundary=b", "multipart/form-data; boundary=a\xc3\xa9",
        "multipart/form-data; =a", "multipart/form-data; boundary=\"a\\\"b\""}) {
    const auto out = boundary_of(bad);
    ASSERT_FALSE(out.has_value()) << bad;
    EXPECT_EQ(out.error().status, 400);
  }
  EXPECT_FALSE(boundary_of("multipart/form-data; boundary=" + std::string(71, 'x')).has_value());
  EXPECT_EQ(boundary_of("application/json; boundary=a").error().status, 415);
  EXPECT_EQ(boundary_of("").error().status, 415);
}

TEST(Multipart, CutsPartsAtTheBoundary) {
  std::string binary = part("event", "{}") +
                       part("a \\\"quoted\\\" name", "\r\n--not the boundary\r\n", "") +
                       part("empty", "", "content-encoding: gzip\r\nX-Other: y\r\n");
  binary += "--b\r\nContent-Type: image/png\r\nCONTENT-DISPOSITION: Form-Data; filename=\"f;x\"; ";
  binary += "name=n\r\n\r\n";
  binary += std::string("\0\xff", 2) + "\r\n--b--";
  const auto out = split_parts(binary, "b");
  ASSERT_TRUE(out.has_value()) << out.error().message;
  ASSERT_EQ(out->size(), 4U);
  EXPECT_EQ((*out)[0].name, "event");
  EXPECT_EQ((*out)[0].content_type, "application/json");
  EXPECT_EQ((*out)[0].data, "{}");
  EXPECT_EQ((*out)[1].name, "a \"quoted\" name");
  EXPECT_EQ((*out)[1].data, "\r\n--not the boundary\r\n");
  EXPECT_EQ((*out)[1].content_type, "");
  EXPECT_EQ((*out)[2].data, "");
  EXPECT_EQ((*out)[2].content_encoding, "gzip");
  EXPECT_EQ((*out)[3].name, "n");
  EXPECT_EQ((*out)[3].data, std::string("\0\xff", 2));
}

TEST(Multipart, RefusesWhatIsNotExactlyParts) {
  const std::string good = whole(part("event", "{}"));
  ASSERT_TRUE(split_parts(good, "b").has_value());
  for (const std::string& bad :
       {std::string(),
        std::string("--b--\r\n"),
        std::string("--b"),
        std::string("--b\r\n"),
        "\r\n" + good,
        "preamble\r\n" + good,
        good + "epilogue",
        part("event", "{}"),
        good.substr(0, good.size() - 4),
        part("event", "{}") + "--b \r\n",
        part("event", "x\r\n--bad") + "--b--",
        whole(part("", "x")),
        whole("--b\r\n\r\nno headers\r\n"),
        whole("--b\r\nContent-Type: a/b\r\n\r\nx\r\n"),
        whole("--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n"),
        whole("--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n"),
        whole("--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n"),
        whole(part("a", "x", "no colon\r\n")),
        whole(part("a", "x", ": no name\r\n")),
        whole(part("a", "x", "Content-Disposition: form-data; name=\"b\"\r\n")),
        whole(part("a", "x", "Content-Transfer-Encoding: base64\r\n")),
        whole(part("a", "x", "X-Long: " + std::string(kPartHeadBytesMax, 'y') + "\r\n"))}) {
    const auto out = split_parts(bad, "b");
    ASSERT_FALSE(out.has_value()) << bad.substr(0, 200);
    EXPECT_EQ(out.error().status, 400);
  }
  std::string many;
  for (size_t i = 0; i < kPartsMax; i++) many += part("p", "x");
  EXPECT_TRUE(split_parts(whole(many), "b").has_value());
  EXPECT_FALSE(split_parts(whole(many + part("p", "x")), "b").has_value());
}

TEST(Multipart, PutTogetherAgainItIsTheSame) {
  // Parts of random bytes come back as they went in, whatever they hold.
  std::mt19937 random(11);
  for (int round = 0; round < 500; round++) {
    std::vector<std::string> datas;
    std::string body;
    for (size_t i = 1 + random() % 5; i > 0; i--) {
      std::string data;
      for (size_t n = random() % 40; n > 0; n--) data += "\r\n-bx\0"[random() % 6];
      if (data.find("\r\n--b") != std::string::npos || data.starts_with("--b")) continue;
      body += part("n", data);
      datas.push_back(std::move(data));
    }
    if (datas.empty()) continue;
    const std::string text = whole(body);  // what is split points into it
    const auto out = split_parts(text, "b");
    ASSERT_TRUE(out.has_value()) << out.error().message;
    ASSERT_EQ(out->size(), datas.size());
    for (size_t i = 0; i < datas.size(); i++) EXPECT_EQ((*out)[i].data, datas[i]);
  }
}

class AiTest : public capture::testing::ServiceTest {
 protected:
  std::shared_ptr<capture::testing::Answer> post(const std::string& body, Headers changes = {}) {
    Headers headers{{"authorization", "Bearer phc_t"},
                    {"content-type", "multipart/form-data; boundary=b"}};
    for (const auto& [name, value] : changes) {
      std::erase_if(headers, [&](const auto& h) { return h.first == name; });
      if (!value.empty()) headers.emplace_back(name, value);
    }
    return ask("POST", "/i/v0/ai", body, headers);
  }
  /// What is stored of a request with these parts, or "<status> <text>".
  std::string stored(const std::string& parts, const Headers& changes = {}) {
    const auto answer = post(whole(parts), changes);
    turn();
    const auto records = held_records();
    std::string out = records.empty() ? std::to_string(answer->status) + " " + answer->body
                                      : std::string(records[0].data);
    land();
    return out;
  }
};

TEST_F(AiTest, AnEventInOnePart) {
  const auto answer = post(whole(part("event", R"({"event":"$ai_trace","distinct_id":"u1",)"
                                               R"("properties":{"a":1}})")));
  turn();
  ASSERT_EQ(held_records().size(), 1U);
  const event::RawRecord r = held_records()[0];
  EXPECT_EQ(r.event, "$ai_trace");
  EXPECT_EQ(r.token, "phc_t");
  EXPECT_EQ(r.distinct_id, "u1");
  EXPECT_EQ(r.data, R"({"event":"$ai_trace","distinct_id":"u1","properties":{"a":1}})");
  EXPECT_FALSE(r.uuid.is_nil());
  EXPECT_EQ(answer->status, 0) << "answered before it was durable";
  land();
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, R"({"status":"Ok","accepted_parts":[{"name":"event","length":61,)"
                          R"("content-type":"application/json","content-encoding":null}]})");
}

TEST_F(AiTest, PartsBecomeProperties) {
  const std::string event = part("event", kEvent);
  const std::string head = R"({"event":"$ai_generation","distinct_id":"u1","properties":)";
  EXPECT_EQ(stored(event), head + "{}}");
  EXPECT_EQ(stored(event + part("event.properties", R"({"$ai_model":"m"})") +
                   part("event.properties.$ai_input", R"([{"role":"user"}])") +
                   part("event.properties.note", "naïve\n\"x\"",
                        "Content-Type: Text/Plain; charset=utf-8\r\n") +
                   part("event.properties.image", std::string("\x89PNG\0", 5),
                        "Content-Type: image/png\r\n") +
                   part("event.properties.bare", "text", "")),
            head + R"({"$ai_model":"m","$ai_input":[{"role":"user"}],"note":"naïve\n\"x\"",)"
                   R"("image":"data:image/png;base64,iVBORwA=","bare":"text"}})");
  EXPECT_EQ(stored(event + part("event.properties", R"({"a":{"b":{"c":1}}})") +
                   part("event.properties.a.b.d", "2") + part("event.properties.x.y", "3")),
            head + R"({"a":{"b":{"c":1,"d":2}},"x":{"y":3}}})");
  // Into what another part has brought, and past others in between.
  EXPECT_EQ(
      stored(event + part("event.properties.a", R"({"b":{}})") + part("event.properties.x", "1") +
             part("event.properties.a.b.c", "2") + part("event.properties.a.d", "3")),
      head + R"({"a":{"b":{"c":2},"d":3},"x":1}})");
  EXPECT_EQ(stored(event + part("event.properties.z", gzip("[1]"),
                                "Content-Type: application/json\r\nContent-Encoding: gzip\r\n")),
            head + R"({"z":[1]}})");
  const auto packed = post(gzip(whole(event)), {{"content-encoding", "gzip"}});
  land();
  EXPECT_EQ(packed->status, 200);
}

TEST_F(AiTest, RefusesWhatIsNoAiEvent) {
  const std::string event = part("event", kEvent);
  for (const std::string& parts :
       {part("event.properties", "{}") + event,
        event + part("event", kEvent),
        event + part("event.properties", "{}") + part("event.properties", "{}"),
        event + part("other", "{}"),
        event + part("event.other", "{}"),
        event + part("event.properties", "[]"),
        event + part("event.properties", "{"),
        event + part("event.properties", ""),
        part("event", "[]"),
        part("event", "{}"),
        part("event", R"({"event":"pageview","distinct_id":"u"})"),
        part("event", R"({"event":7,"distinct_id":"u"})"),
        part("event", R"({"event":"$ai_span"})"),
        part("event", R"({"event":"$ai_span","distinct_id":"u","properties":{}})") +
            part("event.properties", "{}"),
        event + part("event.properties", R"({"a":1})") + part("event.properties.a", "2"),
        event + part("event.properties", R"({"a":1})") + part("event.properties.a.b", "2"),
        event + part("event.properties.a", "1") + part("event.properties.a", "2"),
        event + part("event.properties.a.b", "1") + part("event.properties.a", "{}"),
        event + part("event.properties.", "1"),
        event + part("event.properties..a", "1"),
        event + part("event.properties.a.b.c.d.e.f.g.h.i.j", "1"),
        event + part("event.properties.a", "{"),
        event + part("event.properties.a", "\xff", "Content-Type: text/plain\r\n"),
        event + part("event.properties.\xff", "1"),
        event + part("event.properties.a", "x", "Content-Type: nonsense\r\n"),
        event + part("event.properties.a", "x", "Content-Type: a/b\"c\r\n"),
        event +
            part("event.properties.a", "x", "Content-Type: a/b\r\nContent-Encoding: gzip\r\n")}) {
    EXPECT_EQ(stored(parts).substr(0, 4), "400 ") << parts;
  }
  EXPECT_EQ(stored(event + part("event.properties.a", "x",
                                "Content-Type: a/b\r\nContent-Encoding: lz4\r\n"))
                .substr(0, 4),
            "415 ");
}

TEST_F(AiTest, AsksForKeyTypeAndBody) {
  const std::string event = part("event", kEvent);
  EXPECT_EQ(stored(event, {{"authorization", ""}}).substr(0, 4), "401 ");
  EXPECT_EQ(stored(event, {{"authorization", "Bearer phx_p"}}).substr(0, 4), "401 ");
  EXPECT_EQ(stored(event, {{"authorization", "Basic x"}}).substr(0, 4), "400 ");
  EXPECT_EQ(stored(event, {{"content-type", "application/json"}}).substr(0, 4), "415 ");
  EXPECT_EQ(stored(event, {{"content-type", "multipart/form-data"}}).substr(0, 4), "400 ");
  EXPECT_EQ(stored(event, {{"content-encoding", "gzip"}}).substr(0, 4), "400 ");
  EXPECT_EQ(stored(event, {{"content-encoding", "lz64"}}).substr(0, 4), "415 ");
  EXPECT_EQ(post("")->status, 400);
  EXPECT_EQ(ask("GET", "/i/v0/ai/", "", {})->status, 405);
  const auto preflight = ask("OPTIONS", "/i/v0/ai", "", {{"origin", "https://a.example"}});
  EXPECT_EQ(preflight->status, 200);
  service_->set_ready(false);
  EXPECT_EQ(post(whole(event))->status, 503);
}

TEST_F(AiTest, PartsTogetherHaveALimit) {
  CaptureOptions options;
  options.ai_parts_bytes_max = 1000;
  make(options);
  const std::string event = part("event", kEvent);
  const size_t room = 1000 - std::string_view(kEvent).size();
  const auto text = [](size_t n) {
    return part("event.properties.t", std::string(n, 'x'), "Content-Type: text/plain\r\n");
  };
  EXPECT_EQ(stored(event + text(room)).substr(0, 2), "{\"");
  EXPECT_EQ(stored(event + text(room + 1)).substr(0, 4), "413 ");
  const std::string bomb = part("event.properties.t", gzip(std::string(100'000, 'x')),
                                "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n");
  EXPECT_EQ(stored(event + bomb).substr(0, 4), "413 ");
  EXPECT_EQ(
      post(gzip(whole(event) + std::string(2000, ' ')), {{"content-encoding", "gzip"}})->status,
      413);
  wire::Request head;
  head.path = "/i/v0/ai/";
  EXPECT_EQ(service_->body_bytes_max(head), 1100U);
}

TEST_F(AiTest, AFullLogIsA503) {
  const auto answer = post(whole(part("event", kEvent)));
  turn();
  log_.answer(fail(Code::kBusy, "no"));
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->headers["retry-after"], "1");
}

TEST_F(AiTest, OverTheQuotaItIsDroppedCountedAndToldToStop) {
  const catalog::Principal by{std::nullopt, "test", ProjectId{}};
  const auto project = catalog_->create_project(by, "p", "phc_t");
  ASSERT_TRUE(project);
  ASSERT_TRUE(catalog_->set_project_setting(
      by, project->id, "admission",
      R"({"quotas":[{"resource":"llm_events","events_per_month_max":1}]})"));
  turn();
  for (const int status : {200, 429}) {
    const auto answer = post(whole(part("event", kEvent)));
    turn();
    const auto records = held_records();
    ASSERT_EQ(records.size(), 1U);
    EXPECT_EQ(records[0].event, "$ai_generation");
    EXPECT_EQ(records[0].reason, status == 200 ? "" : "billing_limit_exceeded");
    EXPECT_EQ(answer->status, 0) << "answered before the books have it";
    land();
    EXPECT_EQ(answer->status, status);
  }
  const auto batch = ask("POST", "/i/v0/ai/batch/",
                         R"({"api_key":"phc_t","batch":[)" + std::string(kEvent) + "]}", {});
  turn();
  ASSERT_EQ(held_records().size(), 1U);
  EXPECT_EQ(held_records()[0].reason, "billing_limit_exceeded");
  land();
  EXPECT_EQ(batch->status, 200);
}

TEST_F(AiTest, ABatchIsAsOnAnyOtherPath) {
  for (const char* path : {"/i/v0/ai/batch", "/i/v0/ai/batch/"}) {
    // Eight MiB an event, and any name.
    const std::string large(8U << 20, 'x');
    const auto answer =
        ask("POST", path,
            R"({"api_key":"phc_t","batch":[{"event":"$ai_generation","distinct_id":"u",)"
            R"("properties":{"$ai_input":")" +
                large + R"("}},{"event":"other","distinct_id":"u"}]})",
            {{"content-type", "application/json"}});
    turn();
    ASSERT_EQ(held_records().size(), 2U);
    EXPECT_GT(held_records()[0].data.size(), 8U << 20);
    land();
    EXPECT_EQ(answer->status, 200);
    EXPECT_EQ(answer->body, R"({"status":"Ok"})");
  }
}

TEST_F(AiTest, WhatIsNotThereSaysSo) {
  for (const char* path :
       {"/i/v0/ai/otel", "/i/v1/logs", "/i/v1/traces", "/i/v1/metrics", "/i/v0/ai/x", "/i/v1/ai"}) {
    EXPECT_EQ(ask("POST", path, "{}", {{"content-type", "application/json"}})->status, 404) << path;
  }
}

}  // namespace
}  // namespace penstock::capture::ai
