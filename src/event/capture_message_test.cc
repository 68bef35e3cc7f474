// Capture messages: the contract's fields and headers, records that come back byte for byte, and
// what others write. Method: values by hand; bodies as PostHog's capture puts them on Kafka.
#include "event/capture_message.h"

#include <gtest/gtest.h>

#include <map>

#include "event/json_fields.h"

namespace penstock::event {
namespace {

using Headers = std::map<std::string, std::optional<std::string>>;

RawRecord example() {
  RawRecord r;
  r.uuid = *Uuid::parse("01900000-0000-7000-8000-00000000abcd");
  r.project = {7};
  r.now_ms = 1'785'000'000'123;
  r.sent_at_ms = 1'785'000'000'000;
  r.timestamp_ms = 1'785'000'000'100;
  r.token = "phc_x";
  r.distinct_id = "a \"quoted\" id";
  r.event = "ev\n";
  r.ip = "1.2.3.4";
  r.session_id = "s1";
  r.data = R"({"event":"ev\n","properties":{"$session_id":"s1","k":"\ud83d\ude00 \\ \"x\""}})";
  r.request = 99;
  return r;
}

CaptureMessage written(const RawRecord& r, Lane lane = Lane::kMain) {
  CaptureMessage out;
  write_capture_message(r, lane, out);
  return out;
}

Headers headers_of(const CaptureMessage& m) {
  Headers out;
  for (const auto& [name, value] : m.headers) {
    auto& kept = out[std::string(name)];
    if (value) kept = std::string(*value);
  }
  return out;
}

std::string read(std::string_view body, const Headers& headers) {
  CaptureMessageView view{"events_plugin_ingestion", 2, 33, 1'785'000'009'000, body, {}};
  for (const auto& [name, value] : headers) {
    if (value) view.headers.emplace_back(name, *value);
  }
  std::string out;
  read_capture_message(
      view, [](std::string_view token) { return ProjectId{token == "phc_x" ? 3 : 0}; }, out);
  return out;
}

std::string text_of(const RawRecord& r) {
  std::string out;
  encode(r, out);
  return out;
}

TEST(CaptureMessage, has_the_contracts_key_members_and_headers) {
  const CaptureMessage m = written(example());
  EXPECT_EQ(m.key, R"(phc_x:a "quoted" id)");
  const auto body = JsonFields::parse(m.body);
  ASSERT_TRUE(body) << m.body;
  std::vector<std::string> names;
  for (const auto& f : body->fields()) names.emplace_back(f.key);
  EXPECT_EQ(names, (std::vector<std::string>{"uuid", "distinct_id", "ip", "data", "now", "sent_at",
                                             "token", "event", "timestamp"}));
  EXPECT_EQ(decode_string(*body->find("data")), example().data);
  EXPECT_EQ(*body->find("now"), R"("2026-07-25T17:20:00.123Z")");
  const Headers headers = headers_of(m);
  EXPECT_EQ(headers.at("token"), "phc_x");
  EXPECT_EQ(headers.at("distinct_id"), R"(a "quoted" id)");
  EXPECT_EQ(headers.at("session_id"), "s1");
  EXPECT_EQ(headers.at("timestamp"), "1785000000100");
  EXPECT_EQ(headers.at("event"), "ev\n");
  EXPECT_EQ(headers.at("uuid"), "01900000-0000-7000-8000-00000000abcd");
  EXPECT_EQ(headers.at("now"), "2026-07-25T17:20:00.123Z");
  // There, and null, as PostHog's are (ERRATA C7).
  EXPECT_EQ(headers.at("force_disable_person_processing"), std::nullopt);
  EXPECT_EQ(headers.at("historical_migration"), std::nullopt);
  EXPECT_FALSE(headers.contains("skip_heatmap_processing"));
}

TEST(CaptureMessage, every_record_comes_back_byte_for_byte) {
  std::vector<RawRecord> records(9, example());
  records[1].sent_at_ms.reset();
  records[2].historical = records[2].cookieless = records[2].skip_persons = true;
  records[3].skip_heatmap = records[3].redriven = true;
  records[3].quarantine_entry = "twenty bytes of text";
  records[4].engage = true;
  records[4].event = "$identify";
  records[4].data = R"({ "$distinct_id":"d","$set":{"a":1}})";
  records[5].disposition = Disposition::kDrop;
  records[5].reason = "billing_limit_exceeded";
  records[5].data = {};
  records[6].disposition = Disposition::kQuarantine;
  records[6].data = "\xff not JSON";
  records[6].reason = "x";
  records[7].session_id = records[7].ip = {};
  records[7].client_request = *Uuid::parse("01900000-0000-7000-8000-000000001234");
  records[8].data = "{}";
  for (size_t i = 0; i < records.size(); i++) {
    if (records[i].engage) continue;
    const CaptureMessage m = written(records[i]);
    EXPECT_TRUE(JsonFields::parse(m.body)) << m.body;
    EXPECT_EQ(read(m.body, headers_of(m)), text_of(records[i])) << i;
  }
}

// Our own messages are read without a look at all of them, where they are as nearly all are.
TEST(CaptureMessage, every_escape_comes_back_wherever_it_lies_and_no_message_cut_short) {
  const std::string pieces = R"(\n\t "quoted" \\ / \u00e9 )"
                             "\n\r\t\b\f \x7f";
  for (size_t size = 0; size < 80; size++) {
    RawRecord r = example();
    // Each piece lies across the end of a block once.
    const std::string data = "{" + std::string(size, ' ') + R"("event":"ev\n","k":"\"", )" +
                             pieces.substr(0, size % (pieces.size() + 1)) +
                             (size % 5 == 0 ? "\x01" : "\xc3\xa9\xf0\x9f\x98\x80");
    r.data = data;
    r.distinct_id = size % 2 == 0 ? "plain" : r.distinct_id;
    r.ip = size % 3 == 0 ? "" : "2001:db8::1";
    const CaptureMessage m = written(r);
    const Headers headers = headers_of(m);
    EXPECT_EQ(read(m.body, headers), text_of(r)) << m.body;
    for (size_t cut = 0; size % 16 == 0 && cut < m.body.size(); cut++) {
      const std::string text = read(m.body.substr(0, cut), headers);
      const auto got = decode_raw(text);
      ASSERT_TRUE(got && got->reason == kUnreadableMessage) << m.body.substr(0, cut);
    }
  }
}

TEST(CaptureMessage, an_engage_body_gets_a_name_for_others_and_loses_it_again) {
  RawRecord r = example();
  r.engage = true;
  r.event = "$identify";
  r.data = R"({"$distinct_id":"d","$set":{"a":1}})";
  const CaptureMessage m = written(r);
  const auto data = decode_string(*JsonFields::parse(m.body)->find("data"));
  EXPECT_EQ(data, R"({"event":"$identify","$distinct_id":"d","$set":{"a":1}})");
  EXPECT_EQ(read(m.body, headers_of(m)), text_of(r));
}

TEST(CaptureMessage, what_the_edge_has_decided_is_nothing_to_another_ingestion) {
  RawRecord r = example();
  r.disposition = Disposition::kDrop;
  r.reason = "billing_limit_exceeded";
  const CaptureMessage m = written(r);
  EXPECT_FALSE(JsonFields::parse(m.body)->contains("token"));
  EXPECT_EQ(headers_of(m).at("token"), std::nullopt);
}

TEST(CaptureMessage, keys_are_null_where_no_order_is_needed_and_sessions_for_recordings) {
  RawRecord r = example();
  EXPECT_EQ(written(r, Lane::kReplay).key, "s1");
  r.skip_persons = true;
  EXPECT_FALSE(written(r, Lane::kOverflow).keyed);
  EXPECT_TRUE(written(r, Lane::kMain).keyed);
  r.cookieless = true;
  EXPECT_EQ(written(r, Lane::kMain).key, "phc_x:1.2.3.4");
}

TEST(CaptureMessage, what_posthogs_capture_writes_is_read) {
  const std::string body =
      R"({"uuid":"01900000-0000-7000-8000-00000000abcd","distinct_id":"d","ip":"9.9.9.9",)"
      R"("data":"{\"uuid\":\"01900000-0000-7000-8000-00000000abcd\",\"event\":\"e\",)"
      R"(\"properties\":{\"a\":\"\\u00e9\"}}","now":"2026-07-25T17:20:00.123456Z",)"
      R"("sent_at":"2026-07-25T17:20:00Z","token":"phc_x","event":"e",)"
      R"("timestamp":"2026-07-25T17:19:00Z","historical_migration":true})";
  const std::string text =
      read(body, {{"session_id", "s9"}, {"force_disable_person_processing", "true"}});
  const auto r = decode_raw(text);
  ASSERT_TRUE(r);
  EXPECT_EQ(r->uuid.text(), "01900000-0000-7000-8000-00000000abcd");
  EXPECT_EQ(r->token, "phc_x");
  EXPECT_EQ(r->distinct_id, "d");
  EXPECT_EQ(r->event, "e");
  EXPECT_EQ(r->ip, "9.9.9.9");
  EXPECT_EQ(r->session_id, "s9");
  EXPECT_EQ(r->now_ms, 1'785'000'000'123);
  EXPECT_EQ(r->sent_at_ms, 1'785'000'000'000);
  EXPECT_EQ(r->timestamp_ms, 1'784'999'940'000);
  EXPECT_TRUE(r->historical);
  EXPECT_TRUE(r->skip_persons);
  EXPECT_EQ(r->project.value, 3);
  EXPECT_EQ(r->data, R"({"uuid":"01900000-0000-7000-8000-00000000abcd","event":"e",)"
                     R"("properties":{"a":"\u00e9"}})");
  // The corrected time stands in a header, to the millisecond.
  const auto exact = read(body, {{"timestamp", "1784999940001"}});
  EXPECT_EQ(decode_raw(exact)->timestamp_ms, 1'784'999'940'001);
}

TEST(CaptureMessage, what_is_no_message_goes_to_quarantine_whole) {
  for (const char* body :
       {"", "x", "[]", R"({"uuid":"u"})", R"({"distinct_id":"d","event":"e","data":"[1]"})",
        R"({"distinct_id":"d","event":"e","data":{"event":"e"}})",
        R"({"distinct_id":"d","event":"e","data":"{}","uuid":"not one"})"}) {
    const std::string text = read(body, {{"token", "phc_x"}});
    const auto r = decode_raw(text);
    ASSERT_TRUE(r) << body;
    EXPECT_EQ(r->disposition, Disposition::kQuarantine) << body;
    EXPECT_EQ(r->reason, kUnreadableMessage);
    EXPECT_EQ(r->data, body);
    EXPECT_EQ(r->token, "phc_x");
    EXPECT_EQ(r->now_ms, 1'785'000'009'000);
    EXPECT_FALSE(r->uuid.is_nil());
    EXPECT_EQ(text, read(body, {{"token", "phc_x"}})) << "the same uuid every time";
  }
  EXPECT_EQ(decode_raw(read("{}", {{"penstock", "garbage"}}))->reason, kUnreadableMessage);
}

}  // namespace
/// What the header alone says of a message that another process decides.
TEST(CaptureMessage, a_head_names_the_record_and_is_made_of_headers_alone) {
  const RawRecord r = example();
  const CaptureMessage m = written(r);
  const auto head = [](const CaptureMessage& message, std::string_view ours, std::string& out) {
    CaptureMessageView view{"events_plugin_ingestion", 2, 33, 1, "not looked at", {}};
    for (const auto& [name, value] : message.headers) {
      if (value) view.headers.emplace_back(name, *value);
    }
    return read_capture_head(view, [ours](std::string_view token) { return token == ours; }, out);
  };
  std::string out = "before";
  ASSERT_TRUE(head(m, "phc_other", out));
  const auto got = decode_raw(std::string_view(out).substr(6));
  ASSERT_TRUE(got);
  EXPECT_EQ(got->uuid, r.uuid);
  EXPECT_EQ(got->project.value, r.project.value);
  EXPECT_EQ(got->token, r.token);
  EXPECT_EQ(got->distinct_id, r.distinct_id);
  EXPECT_EQ(got->event, r.event);
  EXPECT_EQ(got->now_ms, r.now_ms);
  EXPECT_EQ(got->data, "{}");
  out.clear();
  EXPECT_FALSE(head(m, "phc_x", out)) << "decided here: whole";
  RawRecord decided = r;
  decided.disposition = Disposition::kQuarantine;
  decided.reason = "why";
  EXPECT_FALSE(head(written(decided), "phc_other", out)) << "it lies in a header whole";
  CaptureMessage strangers = m;
  std::erase_if(strangers.headers, [](const auto& h) { return h.first == "penstock"; });
  EXPECT_FALSE(head(strangers, "phc_other", out)) << "its body may name another token";
  EXPECT_EQ(out, "");
}

}  // namespace penstock::event
