// The body of a Capture V1 request: what refuses it whole, what drops one event, what is kept.
#include "capture/v1/batch.h"

#include <gtest/gtest.h>

#include <random>

#include "event/json_fields.h"

namespace penstock::capture::v1 {
namespace {

constexpr size_t kEventsMax = 100;

std::string uuid(int n) {
  std::string out = "0190a3b1-7c2d-7e3f-8a4b-5c6d7e8f0000";
  const std::string digits = std::to_string(n);
  return out.replace(out.size() - digits.size(), digits.size(), digits);
}

/// An event with its required members; `more` is appended, `without` is left out.
std::string event(int n, const std::string& more = "", std::string_view without = "") {
  std::string out;
  for (const auto& [key, value] : {std::pair<std::string_view, std::string>{"event", "seen"},
                                   {"uuid", uuid(n)},
                                   {"distinct_id", "someone"},
                                   {"timestamp", "2026-08-01T12:00:00Z"}}) {
    if (key == without) continue;
    out += std::string(out.empty() ? "{\"" : ",\"") + std::string(key) + "\":\"" + value + '"';
  }
  return out + (more.empty() ? "" : "," + more) + "}";
}

class BatchParserTest : public ::testing::Test {
 protected:
  /// "ok", or status and tag of the refusal.
  std::string parse(const std::string& text) {
    text_ = text;
    auto out = parser_.parse(text_, kEventsMax);
    if (!out) return std::to_string(out.error().status) + " " + std::string(out.error().tag);
    batch_ = *out;
    return "ok";
  }
  std::string parse_events(const std::string& events, const std::string& more = "") {
    return parse(R"({"created_at":"2026-08-01T12:00:01Z","batch":[)" + events + "]" + more + "}");
  }
  /// The drop tag of an event with these members, "" when it goes on.
  std::string drop(const std::string& more, std::string_view without = "") {
    EXPECT_EQ(parse_events(event(1, more, without)), "ok") << more;
    return std::string(batch_->events.at(0).drop);
  }

  BatchParser parser_;
  Batch* batch_ = nullptr;
  std::string text_;
};

TEST_F(BatchParserTest, KeepsSlicesOfTheBody) {
  ASSERT_EQ(parse_events(event(1, R"("session_id":"s","window_id":"w","properties":{ "a" : 1.0 },)"
                                  R"("unknown":[{"deep":[1]}],"options":{})") +
                             "," + event(2),
                         R"(,"historical_migration":true,"capture_internal":false,"sent_at":1)"),
            "ok");
  EXPECT_TRUE(batch_->historical);
  ASSERT_EQ(batch_->events.size(), 2U);
  const BatchEvent& e = batch_->events[0];
  EXPECT_EQ(e.event.value, "seen");
  EXPECT_EQ(e.event.raw, "\"seen\"");
  EXPECT_EQ(e.uuid.text(), uuid(1));
  EXPECT_EQ(e.distinct_id.value, "someone");
  EXPECT_EQ(e.session_id.value, "s");
  EXPECT_EQ(e.window_id.raw, "\"w\"");
  EXPECT_EQ(e.properties, R"({ "a" : 1.0 })");
  EXPECT_EQ(e.timestamp_ms, 1'785'585'600'000);
  EXPECT_EQ(e.drop, "");
  EXPECT_EQ(batch_->events[1].properties, "");
}

TEST_F(BatchParserTest, RefusesAWholeRequest) {
  const std::string head = R"({"created_at":"2026-08-01T12:00:01Z",)";
  for (const auto& [text, expected] : std::initializer_list<std::pair<std::string, const char*>>{
           {"", "400 request_parsing_error"},
           {"{", "400 request_parsing_error"},
           {"[]", "400 request_parsing_error"},
           {"null", "400 request_parsing_error"},
           {"{}", "400 request_parsing_error"},
           {head + R"("batch":[]})", "400 empty_batch"},
           {head + R"("batch":[)" + event(1) + "]} x", "400 request_parsing_error"},
           {head + R"("batch":[)" + event(1) + ",]}", "400 request_parsing_error"},
           {head + R"("batch":[)" + event(1) + "]", "400 request_parsing_error"},
           {head + R"("x":1})", "400 request_parsing_error"},
           {head + R"("batch":{}})", "400 request_parsing_error"},
           {head + R"("batch":[1]})", "400 request_parsing_error"},
           {head + R"("batch":[[]]})", "400 request_parsing_error"},
           {head + R"("batch":null})", "400 request_parsing_error"},
           {R"({"batch":[)" + event(1) + "]}", "400 request_parsing_error"},
           {R"({"created_at":5,"batch":[)" + event(1) + "]}", "400 request_parsing_error"},
           {R"({"created_at":"now","batch":[)" + event(1) + "]}", "400 invalid_batch"},
           {R"({"created_at":"now","batch":[]})", "400 empty_batch"},
           {head + R"("historical_migration":1,"batch":[)" + event(1) + "]}",
            "400 request_parsing_error"},
           {head + R"("capture_internal":"yes","batch":[)" + event(1) + "]}",
            "400 request_parsing_error"},
           {head + R"("batch":[)" + event(1) + R"(],"batch":[)" + event(2) + "]}",
            "400 request_parsing_error"},
           {head + R"("created_at":"2026-08-01T12:00:01Z","batch":[)" + event(1) + "]}",
            "400 request_parsing_error"},
           {head + R"("historical_migration":null,"capture_internal":null,"batch":[)" + event(1) +
                "]}",
            "ok"}}) {
    EXPECT_EQ(parse(text), expected) << text;
  }
}

TEST_F(BatchParserTest, RefusesAllWhenAnEventIsNoEvent) {
  for (const char* key : {"event", "uuid", "distinct_id", "timestamp"}) {
    const std::string good = event(2);
    EXPECT_EQ(parse_events(good + "," + event(1, "", key)), "400 request_parsing_error") << key;
    for (const char* value : {"null", "1", "true", "{}", "[]"}) {
      const std::string member = std::string("\"") + key + "\":" + value;
      EXPECT_EQ(parse_events(good + "," + event(1, member, key)), "400 request_parsing_error")
          << member;
    }
    EXPECT_EQ(parse_events(event(1, std::string("\"") + key + "\":\"again\"")),
              "400 request_parsing_error");
  }
  for (const char* key : {"session_id", "window_id"}) {
    EXPECT_EQ(parse_events(event(1, std::string("\"") + key + "\":7")),
              "400 request_parsing_error");
    EXPECT_EQ(drop(std::string("\"") + key + "\":null"), "");
  }
}

TEST_F(BatchParserTest, HoldsTheUuidsOfABatchApart) {
  EXPECT_EQ(parse_events(event(1, R"("uuid":"")", "uuid")), "400 missing_event_uuid");
  EXPECT_EQ(parse_events(event(1, R"("uuid":"  ")", "uuid")), "400 missing_event_uuid");
  EXPECT_EQ(parse_events(event(1, R"("uuid":"not one")", "uuid")), "400 invalid_event_uuid");
  EXPECT_EQ(parse_events(event(1) + "," + event(1)), "400 duplicate_event_uuid");
  EXPECT_EQ(parse_events(event(3) + "," + event(1) + "," + event(2) + "," + event(3)),
            "400 duplicate_event_uuid");
  EXPECT_EQ(parse_events(event(3) + "," + event(1) + "," + event(2)), "ok") << "in no order";
  EXPECT_EQ(parse_events(event(1, "\"uuid\":\" " + uuid(1) + "\\n\"", "uuid")), "ok");
  EXPECT_EQ(batch_->events[0].uuid.text(), uuid(1)) << "trimmed";
  std::string upper = uuid(7);
  for (char& c : upper) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(parse_events(event(7) + "," + event(1, "\"uuid\":\"" + upper + '"', "uuid")),
            "400 duplicate_event_uuid")
      << "the same in other letters";
}

TEST_F(BatchParserTest, DropsOneEventAndGoesOn) {
  const auto with = [](std::string_view key, const std::string& value) {
    return "\"" + std::string(key) + "\":\"" + value + '"';
  };
  EXPECT_EQ(drop(with("event", ""), "event"), "missing_event_name");
  EXPECT_EQ(drop(with("event", std::string(200, 'n')), "event"), "");
  EXPECT_EQ(drop(with("event", std::string(201, 'n')), "event"), "event_name_too_long");
  std::string wide;
  for (int i = 0; i < 200; i++) wide += "é";
  EXPECT_EQ(drop(with("event", wide), "event"), "") << "characters, not bytes";
  EXPECT_EQ(drop(with("event", "$performance_event"), "event"), "dropped_performance_event");
  EXPECT_EQ(drop(with("distinct_id", ""), "distinct_id"), "missing_distinct_id");
  EXPECT_EQ(drop(with("distinct_id", " \\t "), "distinct_id"), "missing_distinct_id");
  EXPECT_EQ(drop(with("distinct_id", std::string(200, 'd')), "distinct_id"), "");
  EXPECT_EQ(drop(with("distinct_id", std::string(201, 'd')), "distinct_id"),
            "distinct_id_too_large");
  EXPECT_EQ(drop(with("distinct_id", wide), "distinct_id"), "distinct_id_too_large") << "bytes";
  for (const char* time : {"", "yesterday", "2026-08-01", "2026-08-01T12:00:00", "1785585600"}) {
    EXPECT_EQ(drop(with("timestamp", time), "timestamp"), "invalid_event_timestamp") << time;
  }
  for (const char* value : {"1", "\"text\"", "[]", "true"}) {
    EXPECT_EQ(drop(std::string("\"properties\":") + value), "malformed_event_properties");
  }
  EXPECT_EQ(drop("\"properties\":null"), "");
  ASSERT_EQ(parse_events(event(1) + "," + event(2, R"("properties":5)") + "," + event(3)), "ok");
  EXPECT_EQ(batch_->events[0].drop, "");
  EXPECT_EQ(batch_->events[1].drop, "malformed_event_properties");
  EXPECT_EQ(batch_->events[2].drop, "");
}

TEST_F(BatchParserTest, ReadsOptionsLoosely) {
  const auto option = [&](const std::string& name, const std::string& value) {
    return drop("\"options\":{\"" + name + "\":" + value + "}");
  };
  struct Flag {
    const char* name;
    std::optional<bool> EventOptions::* member;
  };
  for (const Flag& f : {Flag{"cookieless_mode", &EventOptions::cookieless},
                        Flag{"disable_skew_correction", &EventOptions::disable_skew},
                        Flag{"process_person_profile", &EventOptions::person_profile}}) {
    for (const char* yes : {"true", "\"true\"", "\"1\"", "1", "-2.5", "1e9"}) {
      EXPECT_EQ(option(f.name, yes), "");
      EXPECT_EQ(batch_->events[0].options.*f.member, true) << f.name << yes;
    }
    for (const char* no : {"false", "\"false\"", "\"0\"", "0", "-0.0", "0e5"}) {
      EXPECT_EQ(option(f.name, no), "");
      EXPECT_EQ(batch_->events[0].options.*f.member, false) << f.name << no;
    }
    EXPECT_EQ(option(f.name, "null"), "");
    EXPECT_EQ(batch_->events[0].options.*f.member, std::nullopt);
    for (const char* wrong : {"\"yes\"", "\"\"", "[]", "{}", "\"TRUE \""}) {
      EXPECT_EQ(option(f.name, wrong), "invalid_options") << f.name << wrong;
    }
  }
  EXPECT_EQ(option("product_tour_id", "\"t\\u0041\""), "");
  EXPECT_EQ(batch_->events[0].options.product_tour, "tA");
  EXPECT_EQ(option("product_tour_id", "-17"), "");
  EXPECT_EQ(batch_->events[0].options.product_tour, "-17");
  EXPECT_EQ(option("product_tour_id", "null"), "");
  for (const char* wrong : {"1.5", "1e3", "true", "{}", "[1]"}) {
    EXPECT_EQ(option("product_tour_id", wrong), "invalid_options") << wrong;
  }
  EXPECT_EQ(option("unknown", "[{}]"), "");
  EXPECT_EQ(drop("\"options\":null"), "");
  EXPECT_EQ(drop("\"options\":[]"), "invalid_options");
  EXPECT_EQ(drop("\"options\":\"x\""), "invalid_options");
}

TEST_F(BatchParserTest, FindsWhatTheEdgeAsksOfProperties) {
  EXPECT_EQ(drop(R"("properties":{"$session_id":"s1","$cookieless_mode":true,"a":[1,{"b":2}]})"),
            "");
  EXPECT_EQ(batch_->events[0].property_session_id, "s1");
  EXPECT_TRUE(batch_->events[0].property_cookieless);
  EXPECT_EQ(drop(R"("properties":{"$session_id":5,"$cookieless_mode":"true"})"), "");
  EXPECT_EQ(batch_->events[0].property_session_id, "");
  EXPECT_FALSE(batch_->events[0].property_cookieless);
}

TEST_F(BatchParserTest, CleansADistinctId) {
  EXPECT_EQ(drop(R"("distinct_id":" a\u0000b ")", "distinct_id"), "");
  EXPECT_EQ(batch_->events[0].distinct_id.value,
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(event::decode_string(batch_->events[0].distinct_id.raw),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(drop(R"("distinct_id":"q\"\\")", "distinct_id"), "");
  EXPECT_EQ(batch_->events[0].distinct_id.value, "q\"\\");
  EXPECT_EQ(batch_->events[0].distinct_id.raw, R"("q\"\\")");
}

TEST_F(BatchParserTest, HasBounds) {
  std::string many = event(0);
  for (int i = 1; i < static_cast<int>(kEventsMax); i++) many += "," + event(i);
  EXPECT_EQ(parse_events(many), "ok");
  EXPECT_EQ(parse_events(many + "," + event(999)), "413 payload_too_large");
  const auto nested = [](size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_EQ(drop("\"properties\":{\"a\":" + nested(event::kJsonDepthMax - 4) + "}"), "");
  EXPECT_EQ(parse_events(event(1, "\"properties\":{\"a\":" + nested(event::kJsonDepthMax) + "}")),
            "400 request_parsing_error");
}

TEST_F(BatchParserTest, TakesNothingThatIsNotUtf8) {
  const std::string bad = event(1, "\"properties\":{\"a\":\"\xff\"}");
  EXPECT_EQ(parse_events(bad), "400 request_parsing_error");
  // Too long for an index.
  const std::string space(event::JsonIndex::kBytesMax, ' ');
  EXPECT_EQ(parse_events(bad + space), "400 request_parsing_error");
  EXPECT_EQ(parse_events(event(1, R"("properties":{"a":"é"})") + space), "ok");
}

TEST_F(BatchParserTest, TakesNothingThatIsNotJson) {
  // Mutations of a good body: whatever is accepted must be JSON to an independent reading.
  const std::string good = R"({"created_at":"2026-08-01T12:00:01Z","batch":[)" +
                           event(1, R"("properties":{"a":[1,-2.5e3,"\u00e9\n"],"b":null})") + "," +
                           event(2, R"("options":{"cookieless_mode":1},"session_id":"s")") + "]}";
  std::mt19937 random(7);
  size_t accepted = 0;
  for (int i = 0; i < 20'000; i++) {
    std::string text = good;
    const size_t changes = 1 + random() % 3;
    for (size_t c = 0; c < changes; c++) {
      const size_t at = random() % text.size();
      if (random() % 3 == 0) {
        text.erase(at, 1 + random() % 4);
      } else {
        text[at] = R"({}[]",:\ 019ex)"[random() % 14];
      }
    }
    if (parse(text) != "ok") continue;
    accepted++;
    ASSERT_TRUE(event::validate_json(text).has_value()) << text;
  }
  EXPECT_GT(accepted, 100U);
}

}  // namespace
}  // namespace penstock::capture::v1
