// The capture decoders: bytes to text, text to events, and what becomes of damaged input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>
#include <string>
#include <string_view>

#include "capture/decode/body.h"
#include "capture/decode/events.h"
#include "capture/decode/surrogates.h"
#include "capture/testing/fixture.h"

namespace penstock::capture {
namespace {

using testing::gzip;

constexpr size_t kDecodedMax = 1U << 20;

class Body {
 public:
  /// The decoded text, or "<status> <reason>".
  std::string decode(std::string_view bytes, std::string_view query = "",
                     std::string_view content_type = "application/json",
                     std::string_view content_encoding = "", bool legacy = true) {
    buffer_.clear();
    buffer_.append(bytes);
    const auto out =
        decoder_.decode({query, content_type, content_encoding, &buffer_, kDecodedMax, legacy});
    if (!out) return std::to_string(out.error().status) + " " + std::string(out.error().tag);
    sent_at_ms = out->sent_at_ms;
    beacon = out->beacon;
    return std::string(out->text);
  }

  std::optional<int64_t> sent_at_ms;
  bool beacon = false;

 private:
  PaddedBuffer buffer_;
  BodyDecoder decoder_;
};

constexpr char kForm[] = "application/x-www-form-urlencoded";
constexpr char kText[] = R"({"event":"e"})";
constexpr char kBase64[] = "eyJldmVudCI6ImUifQ==";  // of kText

TEST(BodyDecoder, FindsOutHowTheBodyIsPacked) {
  Body body;
  EXPECT_EQ(body.decode(kText), kText);
  EXPECT_EQ(body.decode(gzip(kText)), kText) << "by its magic bytes";
  EXPECT_EQ(body.decode(gzip(kText), "compression=gzip-js"), kText);
  EXPECT_EQ(body.decode(gzip(kText), "", "text/plain", "gzip"), kText);
  EXPECT_EQ(body.decode(kBase64), kText);
  EXPECT_EQ(body.decode(kBase64, "compression=base64", "text/plain", "", false), kText);
  EXPECT_EQ(body.decode(std::string("data=") + kBase64, "", kForm), kText);
  EXPECT_EQ(body.decode("", std::string("data=") + kBase64), kText);
  EXPECT_EQ(body.decode(kText, "compression=rot13"), kText) << "an unknown name is none";
}

TEST(BodyDecoder, ReadsTheQuery) {
  Body body;
  body.decode(kText, "_=1700000000000&beacon=1");
  EXPECT_EQ(body.sent_at_ms, 1'700'000'000'000);
  EXPECT_TRUE(body.beacon);
  body.decode(kText, "_=1700000000");
  EXPECT_EQ(body.sent_at_ms, std::nullopt) << "seconds, which are not taken";
  EXPECT_EQ(body.decode(kText, "_=x"), "400 invalid_query");
}

TEST(BodyDecoder, RefusesWhatItCannotUnpack) {
  Body body;
  EXPECT_EQ(body.decode(""), "400 empty_body");
  EXPECT_EQ(body.decode(kText, "compression=gzip"), "400 invalid_gzip");
  const std::string packed = gzip(kText);
  for (size_t cut = 3; cut < packed.size(); cut++) {
    EXPECT_EQ(body.decode(packed.substr(0, cut)), "400 invalid_gzip") << cut;
  }
  EXPECT_EQ(body.decode("!!", "compression=lz64"), "400 invalid_lz64");
  EXPECT_EQ(body.decode("\xff\xfe"), "400 invalid_utf8");
  EXPECT_EQ(body.decode(kText, "", kForm), "400 invalid_form");
}

TEST(BodyDecoder, JoinsTheHalvesOfACharacterThatOldBrowserClientsWrote) {
  Body body;
  // {"e":"😀é"}, {"e":"\xED\xA0\xBD"} and {"e":"\xED\xA0"}
  EXPECT_EQ(body.decode("data=eyJlIjoi7aC97biAw6kifQ==", "", kForm), R"({"e":"😀é"})");
  EXPECT_EQ(body.decode("eyJlIjoi7aC97biAw6kifQ==", "", "text/plain", "", false), R"({"e":"😀é"})");
  EXPECT_EQ(body.decode("eyJlIjoi7aC9In0=", "", "text/plain"), "{\"e\":\"\xEF\xBF\xBD\"}")
      << "a half alone";
  EXPECT_EQ(body.decode("eyJlIjoi7aAifQ==", "", "text/plain"), "400 invalid_utf8");
  EXPECT_EQ(body.decode("{\"e\":\"\xED\xA0\xBD\xED\xB8\x80\"}"), "400 invalid_utf8")
      << "without base64 it is as wrong as anywhere";
}

TEST(JoinSurrogates, LeavesEverythingElseAsItIs) {
  const auto joined = [](std::string text) {
    join_surrogates(text);
    return text;
  };
  for (const char* same : {"", "plain", "é☂😀", "\xED", "\xED\x9F\xBF", "a\xED\xA0", "\xFF\xED"}) {
    EXPECT_EQ(joined(same), same);
  }
  const std::string high = "\xED\xA0\xBD", low = "\xED\xB8\x80", mark = "\xEF\xBF\xBD";
  EXPECT_EQ(joined(high + low + "x" + high + low), "😀x😀");
  EXPECT_EQ(joined(low + high), mark + mark);
  EXPECT_EQ(joined(high + high + low), mark + "😀");
  EXPECT_EQ(joined(high + "x"), mark + "x");
  EXPECT_EQ(joined("\xED\xAF\xBF\xED\xBF\xBF"), "\xF4\x8F\xBF\xBF") << "the last of all";
}

TEST(BodyDecoder, StopsInflatingAtTheLimit) {
  Body body;
  EXPECT_EQ(body.decode(gzip(std::string(kDecodedMax, ' '))).size(), kDecodedMax);
  EXPECT_EQ(body.decode(gzip(std::string(kDecodedMax + 1, ' '))), "413 payload_too_large");
  EXPECT_EQ(body.decode(kText), kText) << "and works on";
}

class Events {
 public:
  std::string parse(std::string_view text, bool engage = false) {
    ParseRules rules;
    rules.engage_path = engage;
    text_ = text;
    const auto out = parser_.parse(text_, rules);
    if (!out) return std::to_string(out.error().status) + " " + std::string(out.error().tag);
    batch = *out;
    return "ok";
  }
  ParsedBatch* batch = nullptr;

 private:
  std::string text_;
  EventParser parser_;
};

TEST(EventParser, TakesEveryShape) {
  Events in;
  ASSERT_EQ(in.parse(R"({"token":"t","event":"a","distinct_id":"d"})"), "ok");
  EXPECT_EQ(in.batch->events.at(0).event, "a");
  EXPECT_EQ(in.batch->token, "t");
  ASSERT_EQ(in.parse(R"([{"event":"a","properties":{"token":"t","distinct_id":"d"}}])"), "ok");
  EXPECT_EQ(in.batch->events.at(0).distinct_id, "d");
  ASSERT_EQ(in.parse(R"({"batch":[{"event":"a","distinct_id":"d"}],"historical_migration":true,)"
                     R"("sent_at":"2026-01-01T00:00:00Z","api_key":" t "})"),
            "ok");
  EXPECT_TRUE(in.batch->historical);
  EXPECT_EQ(in.batch->sent_at, "2026-01-01T00:00:00Z");
  EXPECT_EQ(in.batch->token, "t") << "trimmed, and it may come last";
  ASSERT_EQ(in.parse(R"({"token":"t","$distinct_id":"d","$set":{}})", true), "ok");
  EXPECT_TRUE(in.batch->events.at(0).engage);
}

TEST(EventParser, KeepsAnEventsBytesAsTheyCame) {
  Events in;
  const std::string event = R"({ "event" : "a",  "distinct_id":"d", "properties": {"n": 1.0e2} })";
  ASSERT_EQ(in.parse(R"({"api_key":"t","batch":[)" + event + "]}"), "ok");
  EXPECT_EQ(in.batch->events.at(0).raw, event);
}

TEST(EventParser, MakesDistinctIdsText) {
  Events in;
  const auto id_of = [&](const std::string& json) {
    EXPECT_EQ(in.parse(R"({"token":"t","event":"a","distinct_id":)" + json + "}"), "ok") << json;
    return std::string(in.batch->events.at(0).distinct_id);
  };
  EXPECT_EQ(id_of("23"), "23");
  EXPECT_EQ(id_of("true"), "true");
  EXPECT_EQ(id_of(R"({"b":1,"a":[2]})"), R"({"a":[2],"b":1})");
  EXPECT_EQ(id_of(R"("a\u0000b")"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(id_of('"' + std::string(250, 'x') + '"').size(), 200U);
}

TEST(EventParser, OneWrongMemberRefusesTheRequest) {
  Events in;
  for (const char* member : {R"("event":1)", R"("uuid":"x")", R"("properties":null)",
                             R"("timestamp":5)", R"("offset":1.5)", R"("$set":[])"}) {
    const std::string text =
        std::string(R"({"api_key":"t","batch":[{"event":"a","distinct_id":"d",)") + member + "}]}";
    EXPECT_THAT(in.parse(text), ::testing::StartsWith("400 ")) << text;
  }
  EXPECT_EQ(in.parse(R"([{"event":"a","distinct_id":"d"}])"), "401 missing_token");
  EXPECT_EQ(in.parse(R"({"api_key":"t","batch":[]})"), "400 no_events");
}

TEST(EventParser, DepthIsBoundedAndNotRecursed) {
  Events in;
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(in.parse(deep), "400 invalid_json");
  EXPECT_EQ(
      in.parse(R"({"token":"t","event":"a","distinct_id":"d","properties":{"x":)" + deep + "}}"),
      "400 invalid_json");
}

/// Damages a good text in one to four places.
std::string damaged(const std::string& good, std::mt19937_64& random) {
  constexpr std::string_view kBytes = "{}[]\",:\\ue0+-.tfn \x01\x7f\xc3\xed";
  std::string text = good;
  for (uint64_t n = 1 + random() % 4; n > 0 && !text.empty(); n--) {
    const size_t at = random() % text.size();
    switch (random() % 4) {
      case 0: text[at] = kBytes[random() % kBytes.size()]; break;
      case 1: text.erase(at, 1 + random() % 3); break;
      case 2: text.insert(at, 1, kBytes[random() % kBytes.size()]); break;
      default: text.insert(at, text.substr(random() % text.size(), random() % 9)); break;
    }
  }
  return text;
}

// Whatever is not JSON is refused, whatever is JSON is not refused for its grammar: simdjson
// judges.
TEST(EventParser, AgreesWithSimdjsonOnDamagedTexts) {
  const std::vector<std::string> good = {
      R"({"api_key":"t","batch":[{"event":"a\u00e9","distinct_id":"d","properties":{"n":-1.5e3,)"
      R"("s":"x\"y","l":[1,true,null],"o":{"k":{}}}}],"sent_at":"2026-01-01T00:00:00Z"})",
      R"([{"event":"a","token":"t","distinct_id":7,"$set":{"a":"b"},"offset":12},{"event":"b"}])",
      R"({"token":"t","event":"$identify","uuid":"0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f9012",)"
      R"("distinct_id":{"z":1,"a":[]},"timestamp":"now","properties":{"$cookieless_mode":false}})"};
  std::mt19937_64 random(20'260'801);
  simdjson::dom::parser judge;
  Events in;
  int refused = 0;
  for (int i = 0; i < 30'000; i++) {
    const std::string text = damaged(good[random() % good.size()], random);
    if (!simdjson::validate_utf8(text)) continue;  // the body decoder's business
    const auto verdict = judge.parse(text).error();
    const std::string ours = in.parse(text);
    // Numbers beyond its reach are JSON all the same; simdjson's tree cannot hold them.
    if (verdict == simdjson::NUMBER_ERROR) continue;
    const bool is_json = verdict == simdjson::SUCCESS;
    EXPECT_TRUE(ours != "ok" || is_json) << text;
    EXPECT_TRUE(!is_json || ours != "400 invalid_json") << text;
    if (HasFailure()) return;
    refused += ours != "ok";
  }
  EXPECT_GT(refused, 10'000);
}

TEST(BodyDecoder, SurvivesDamagedBodiesOfEveryPacking) {
  const std::string text =
      std::string(R"({"api_key":"t","batch":[)") + std::string(400, ' ') + "]}";
  const std::vector<std::pair<std::string, std::string>> good = {
      {gzip(text), ""},
      {kBase64, ""},
      {"N4IgpgHglgNg9gZzCAXKAXwGYBcIHcQBfIA", "compression=lz64"},
      {std::string("ver=1&data=") + kBase64, "form"}};
  std::mt19937_64 random(7);
  Body body;
  for (int i = 0; i < 20'000; i++) {
    const auto& [bytes, how] = good[random() % good.size()];
    std::string broken = damaged(bytes, random);
    if (random() % 8 == 0) broken.resize(random() % (broken.size() + 1));
    const bool form = how == "form";
    const std::string out =
        body.decode(broken, form ? "" : how, form ? kForm : "text/plain", "", random() % 2 == 0);
    ASSERT_LE(out.size(), kDecodedMax);
  }
}

}  // namespace
}  // namespace penstock::capture
