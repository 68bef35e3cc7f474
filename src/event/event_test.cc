// Goal: what clients send is read as the capture contract says (section 4 for times), malformed
// JSON never passes, and records come back as they were written.
#include <gtest/gtest.h>
#include <simdjson.h>

#include <random>

#include "event/json_fields.h"
#include "event/person_command.h"
#include "event/processed_record.h"
#include "event/raw_record.h"
#include "event/timestamp.h"

namespace penstock::event {
namespace {

constexpr int64_t kNoon = 1'785'585'600'000;  // 2026-08-01T12:00:00Z

TEST(Timestamp, appended_is_as_formatted) {
  constexpr int64_t kDay = 86'400'000;
  std::string out;
  for (const int64_t ms :
       {kNoon, kNoon + 1, kNoon + 43'199'999, kNoon + 43'200'000, kNoon - 43'200'001, int64_t{0},
        int64_t{-1}, -kDay, kDay - 1, int64_t{253'402'300'799'999}, int64_t{253'402'300'800'000},
        int64_t{-62'167'219'200'001}, kNoon + 54'321'098, int64_t{-62'167'219'200'000}}) {
    out = "x";
    append_rfc3339_ms(out, ms);
    EXPECT_EQ(out, "x" + format_rfc3339_ms(ms));
  }
}

TEST(Timestamp, every_format_the_contract_names) {
  EXPECT_EQ(format_rfc3339_ms(kNoon), "2026-08-01T12:00:00.000Z");
  for (const char* text :
       {"2026-08-01T12:00:00Z", "2026-08-01T12:00:00.000Z", "2026-08-01T14:00:00+02:00",
        "2026-08-01T14:00:00+02", "2026-08-01T14:00:00+0200", "2026-08-01 12:00:00",
        "2026-08-01T12:00:00", "2026/08/01 12:00:00", "2026-08-01 12:00", "1785585600",
        "1785585600000", "1785585600.000", "Sat, 01 Aug 2026 12:00:00 +0000",
        "1 Aug 2026 12:00:00 GMT", "08/01/2026 12:00:00", "2026-08-01t12:00:00z",
        "2026-08-01T12:00:00.000000000Z", "  2026-08-01T12:00:00Z "}) {
    EXPECT_EQ(parse_timestamp_ms(text), kNoon) << text;
  }
  EXPECT_EQ(parse_timestamp_ms("2026-08-01"), kNoon - 12 * 3'600'000);
  EXPECT_EQ(parse_timestamp_ms("2026-08-01T12:00:00.1239Z"), kNoon + 123);
  EXPECT_EQ(parse_timestamp_ms("0001-01-01T00:00:00Z"), -62'135'596'800'000);
  for (const char* text :
       {"", "x", "tomorrow", "2026-13-01", "2026-02-30T00:00:00Z", "2026-08",
        "2026-08-01T25:00:00Z", "2026-08-01T12:00:00+2", "12", "1785585600000000000"}) {
    EXPECT_FALSE(parse_timestamp_ms(text)) << text;
  }
}

TEST(Timestamp, rfc_3339_alone) {
  const int64_t noon = *parse_timestamp_ms("2026-08-01T12:00:00Z");
  for (const char* text : {"2026-08-01T12:00:00Z", "2026-08-01t12:00:00z",
                           "2026-08-01 12:00:00+00:00", "2026-08-01T12:00:00.0Z",
                           "2026-08-01T14:30:00+02:30", "2026-08-01T11:00:00.000000000-01:00"}) {
    EXPECT_EQ(parse_rfc3339_ms(text), noon) << text;
  }
  EXPECT_EQ(parse_rfc3339_ms("2026-08-01T12:00:00.1239Z"), noon + 123) << "cut, not rounded";
  EXPECT_EQ(parse_rfc3339_ms("2026-08-01T12:00:60Z"), noon + 59'000) << "a leap second";
  for (const char* text :
       {"", "2026-08-01", "2026-08-01T12:00:00", "2026-08-01T12:00Z", "2026-08-01T12:00:00+02",
        "2026-08-01T12:00:00+0200", "2026-08-01T24:00:00Z", "2026-02-29T12:00:00Z",
        "2026-08-01T12:00:00.Z", "2026-08-01T12:00:00Z ", " 2026-08-01T12:00:00Z",
        "2026/08/01T12:00:00Z", "26-08-01T12:00:00Z", "1785585600", "yesterday",
        "2026-08-01T12:00:00+24:00", "2026-08-01T12:60:00Z", "+2026-08-01T12:00:00Z"}) {
    EXPECT_EQ(parse_rfc3339_ms(text), std::nullopt) << text;
  }
}

TEST(Timestamp, as_a_http_header) {
  EXPECT_EQ(format_http_date(784'111'777'999), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(format_http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(Timestamp, correction_rules) {
  TimestampInput in;
  in.now_ms = kNoon;
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon);
  in.timestamp = "not a time";
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon);
  in.timestamp = "2026-08-01T11:00:00Z";
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon - 3'600'000);
  in.sent_at_ms = kNoon + 600'000;  // the client's clock is ten minutes ahead
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon - 3'600'000 - 600'000);
  in.rule = SkewRule::kDeadband150s;
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon - 3'600'000 - 450'000);
  in.rule = SkewRule::kRound5Min;
  in.sent_at_ms = kNoon + 150'000;
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon - 3'600'000 - 300'000);
  in.sent_at_ms = kNoon + 149'999;
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon - 3'600'000);
  in.ignore_sent_at = true;
  in.sent_at_ms = kNoon + 600'000;
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon - 3'600'000);
  in.offset_ms = 5000;
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon - 5000);
  in.offset_ms.reset();
  in.timestamp = "2026-08-02T11:00:00Z";
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon + 23 * 3'600'000);
  in.timestamp = "2026-08-02T11:00:00.001Z";
  EXPECT_EQ(corrected_timestamp_ms(in), kNoon);
  in.offset_ms = INT64_MIN;
  EXPECT_EQ(corrected_timestamp_ms(in), 0);
}

TEST(Json, accepts_and_refuses) {
  for (const char* good :
       {"{}", "[]", "1", "-0.5e+10", "1e999", "123456789012345678901234567890", "\"\\ud800\"",
        "\"\\u00e9\\n\"", " [1, {\"a\" : [] } ] ", "null", "{\"a\":1,\"a\":2}"}) {
    EXPECT_TRUE(validate_json(good)) << good;
  }
  for (const char* bad :
       {"",      "{",     "[1,]",  "{\"a\":}",  "{a:1}",      "NaN",       "Infinity",
        "tru",   "01",    "1.",    "-",         "\"\\x\"",    "\"\\u12\"", "\"\n\"",
        "\"abc", "[1 2]", "{} {}", "{\"a\" 1}", "{\"a\":1,}", "\"\xff\"",  "[}",
        "{]",    "1e",    ".5",    "'a'"}) {
    EXPECT_FALSE(validate_json(bad)) << bad;
  }
  const std::string deep128 = std::string(128, '[') + std::string(128, ']');
  const std::string deep129 = std::string(129, '[') + std::string(129, ']');
  EXPECT_TRUE(validate_json(deep128));
  EXPECT_FALSE(validate_json(deep129));
  EXPECT_FALSE(validate_json(std::string(10'000, '[')));
}

/// Mutated documents: whatever a full parser of another make refuses, we refuse, and the reverse.
TEST(Json, agrees_with_an_independent_parser_on_mutations) {
  const std::string seed =
      R"({"event":"a","n":[1,2.5,-3e2,true,false,null],"s":"q\"\\\u00e9 é","o":{"k":{}}})";
  const std::string alphabet = "{}[]\",:\\u0123456789eE+-.truefalsn \n\x01\xc3\xa9";
  std::mt19937 random(7);
  simdjson::dom::parser parser;
  size_t valid = 0;
  for (int i = 0; i < 60'000; i++) {
    std::string text = seed;
    for (int k = 0; k < 1 + static_cast<int>(random() % 3); k++) {
      const size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = alphabet[random() % alphabet.size()]; break;
        case 1: text.erase(at, 1); break;
        default: text.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    // The other parser refuses numbers beyond a double and lone surrogates, which we keep.
    const auto other = parser.parse(text).error();
    if (other == simdjson::NUMBER_ERROR || other == simdjson::STRING_ERROR) continue;
    valid += other == simdjson::SUCCESS ? 1 : 0;
    ASSERT_EQ(validate_json(text).has_value(), other == simdjson::SUCCESS) << text;
  }
  EXPECT_GT(valid, 5000U);
}

TEST(JsonFields, edits_and_keeps_bytes) {
  auto fields = JsonFields::parse(R"({"a": 1.50 ,"b":"x\u0041\ud800","a":2,"c":{"d":[1]}})");
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->find("a"), "2");
  EXPECT_EQ(decode_string(*fields->find("b")), "xA\xef\xbf\xbd");
  fields->set_string("n", "q\"");
  fields->set("a", "[1]");
  EXPECT_TRUE(fields->erase("c"));
  EXPECT_FALSE(fields->erase("c"));
  EXPECT_EQ(fields->text(), R"({"a":[1],"b":"x\u0041\ufffd","n":"q\""})");
  EXPECT_EQ(decode_string("\"\\ud83d\\ude00\""), "\xf0\x9f\x98\x80");
  EXPECT_EQ(replace_lone_surrogates("\"\\\\ud800 \\ud83d\\ude00 \\ude00\""),
            "\"\\\\ud800 \\ud83d\\ude00 \\ufffd\"");
}

TEST(JsonFields, many_keys_stay_usable) {
  std::string text = "{";
  for (int i = 0; i < 20'000; i++)
    text += (i ? ",\"k" : "\"k") + std::to_string(i) + "\":" + std::to_string(i);
  text += "}";
  auto fields = JsonFields::parse(text);
  ASSERT_TRUE(fields);
  EXPECT_EQ(fields->find("k19999"), "19999");
  EXPECT_TRUE(fields->erase("k0"));
  EXPECT_EQ(fields->find("k1"), "1");
  EXPECT_EQ(fields->find("k19999"), "19999");
}

TEST(SplitArray, elements_and_errors) {
  EXPECT_EQ(split_array(" [1, \"a,b\" ,[2,3],{}]")->size(), 4U);
  EXPECT_TRUE(split_array("[]")->empty());
  for (const char* bad : {"", "[", "[1", "[1,]", "{}", "[1]x"})
    EXPECT_FALSE(split_array(bad)) << bad;
}

TEST(Records, round_trips_and_refuses_every_cut) {
  RawRecord r;
  r.uuid = Uuid::v7(kNoon, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  r.project.value = 3;
  r.now_ms = kNoon;
  r.sent_at_ms = kNoon - 5;
  r.timestamp_ms = kNoon - 100;
  r.token = "phc_x";
  r.distinct_id = "u1";
  r.event = "signed up";
  r.ip = "127.0.0.1";
  r.data = R"({"event":"signed up"})";
  r.historical = r.redriven = true;
  std::string bytes;
  encode(r, bytes);
  EXPECT_EQ(bytes.size(), encoded_size(r));
  const auto back = decode_raw(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->uuid, r.uuid);
  EXPECT_EQ(back->sent_at_ms, r.sent_at_ms);
  EXPECT_EQ(back->timestamp_ms, r.timestamp_ms);
  EXPECT_EQ(back->data, r.data);
  EXPECT_TRUE(back->historical && back->redriven && !back->engage && !back->cookieless);
  for (size_t n = 0; n < bytes.size(); n++) EXPECT_FALSE(decode_raw(bytes.substr(0, n)));
  EXPECT_EQ(bytes[0], 1) << "nothing of version 2 is in it";
  r.skip_heatmap = true;
  r.disposition = Disposition::kQuarantine;
  r.reason = "event_restriction";
  std::string second;
  encode(r, second);
  EXPECT_EQ(second[0], 2);
  EXPECT_EQ(second.size(), encoded_size(r));
  const auto decided = decode_raw(second);
  ASSERT_TRUE(decided);
  EXPECT_TRUE(decided->skip_heatmap);
  EXPECT_EQ(decided->disposition, Disposition::kQuarantine);
  EXPECT_EQ(decided->reason, "event_restriction");
  EXPECT_EQ(decided->data, r.data);
  for (size_t n = 0; n < second.size(); n++) EXPECT_FALSE(decode_raw(second.substr(0, n)));
  second[3] = 9;  // no such disposition
  EXPECT_FALSE(decode_raw(second));
  std::string key;
  partition_key(r, Lane::kMain, key);
  EXPECT_EQ(key, "phc_x:u1");
  r.skip_persons = true;
  partition_key(r, Lane::kMain, key);
  EXPECT_EQ(key, "phc_x:u1");
  partition_key(r, Lane::kOverflow, key);
  EXPECT_EQ(key, std::string(r.uuid.bytes.begin(), r.uuid.bytes.end())) << "no person, no order";
  r.skip_persons = false;
  partition_key(r, Lane::kOverflow, key);
  EXPECT_EQ(key, "phc_x:u1");

  Outcome o;
  o.kind = OutcomeKind::kAccepted;
  o.project.value = 3;
  o.uuid = r.uuid;
  o.content_hash = 99;
  o.received_ms = kNoon;
  o.source = {Lane::kOverflow, Partition{2}, Offset{77}};
  o.row.event = "e";
  o.row.properties = "{}";
  o.row.captured_at_ms = kNoon;
  o.row.person_mode = PersonMode::kForceUpgrade;
  std::string processed;
  encode(ProcessedRecord(o), processed);
  const auto again = decode_processed(processed);
  ASSERT_TRUE(again);
  const auto& decoded = std::get<Outcome>(*again);
  EXPECT_EQ(decoded.source.offset.value, 77);
  EXPECT_EQ(decoded.content_hash, 99U);
  std::string older = processed;
  older[0] = 1;
  EXPECT_EQ(std::get<Outcome>(*decode_processed(older)).content_hash, std::nullopt);
  EXPECT_EQ(decoded.row.captured_at_ms, kNoon);
  EXPECT_EQ(decoded.row.person_mode, PersonMode::kForceUpgrade);
  for (size_t n = 0; n < processed.size(); n++)
    EXPECT_FALSE(decode_processed(processed.substr(0, n)));

  PersonChange p;
  p.id = r.uuid;
  p.version = 5;
  p.last_seen_at_ms = kNoon;
  std::string person;
  encode(ProcessedRecord(p), person);
  EXPECT_EQ(std::get<PersonChange>(*decode_processed(person)).last_seen_at_ms, kNoon);
}

TEST(Records, replay_blocks_and_log_entries) {
  ReplayBlock b;
  b.project.value = 7;
  b.session_id = "s";
  b.distinct_id = "d";
  b.first_timestamp_ms = kNoon;
  b.last_timestamp_ms = kNoon + 5;
  b.block_url = "object:x?range=bytes=0-1";
  b.first_url = "https://a/";
  b.urls = {"https://a/", "https://b/"};
  b.click_count = 1;
  b.message_count = 300;
  b.snapshot_source = "web";
  b.snapshot_library = "web";
  b.retention_period_days = 30;
  std::string block;
  encode(ProcessedRecord(b), block);
  const auto again = decode_processed(block);
  ASSERT_TRUE(again);
  const auto& decoded = std::get<ReplayBlock>(*again);
  EXPECT_EQ(decoded.urls, b.urls);
  EXPECT_EQ(decoded.last_timestamp_ms, kNoon + 5);
  EXPECT_EQ(decoded.click_count, 1U);
  EXPECT_EQ(decoded.message_count, 300U);
  EXPECT_EQ(decoded.retention_period_days, 30U);
  for (size_t n = 0; n < block.size(); n++) EXPECT_FALSE(decode_processed(block.substr(0, n)));

  std::string line;
  encode(ProcessedRecord(LogEntry{{7}, "session_replay", "s", kNoon, "warn", "hm"}), line);
  const auto entry = decode_processed(line);
  ASSERT_TRUE(entry);
  EXPECT_EQ(std::get<LogEntry>(*entry).message, "hm");
  EXPECT_EQ(std::get<LogEntry>(*entry).project.value, 7);
}

TEST(Records, groups_and_their_types_come_back_as_they_were) {
  std::string group;
  encode(ProcessedRecord(GroupChange{{7}, 4, "acme", R"({"a":1})", -5, 12}), group);
  const auto back = decode_processed(group);
  ASSERT_TRUE(back);
  const auto& read = std::get<GroupChange>(*back);
  EXPECT_EQ(read.project.value, 7);
  EXPECT_EQ(read.type_index, 4);
  EXPECT_EQ(read.key, "acme");
  EXPECT_EQ(read.properties, R"({"a":1})");
  EXPECT_EQ(read.created_at_ms, -5);
  EXPECT_EQ(read.version, 12U);
  for (size_t n = 0; n < group.size(); n++) EXPECT_FALSE(decode_processed(group.substr(0, n)));

  std::string type;
  encode(ProcessedRecord(GroupTypeChange{{7}, 2, "company", kNoon}), type);
  const auto type_back = decode_processed(type);
  ASSERT_TRUE(type_back);
  const auto& type_read = std::get<GroupTypeChange>(*type_back);
  EXPECT_EQ(type_read.index, 2);
  EXPECT_EQ(type_read.name, "company");
  EXPECT_EQ(type_read.created_at_ms, kNoon);

  std::string sixth;
  encode(ProcessedRecord(GroupTypeChange{{7}, kGroupTypesMax, "x", 0}), sixth);
  EXPECT_FALSE(decode_processed(sixth)) << "no project has a sixth type";
}

TEST(Records, a_heatmap_comes_back_as_it_was) {
  Heatmap h{{7}, "s", "u", kNoon, 120, 67, {}};
  h.points = {{"https://a/", "click", 1, -2, true},
              {"https://a/", "scrolldepth", 0, 32767, false},
              {"https://b/", "click", -32768, 0, false}};
  std::string bytes;
  encode(ProcessedRecord(h), bytes);
  const auto back = decode_processed(bytes);
  ASSERT_TRUE(back);
  const auto& read = std::get<Heatmap>(*back);
  EXPECT_EQ(read.project.value, 7);
  EXPECT_EQ(read.session_id, "s");
  EXPECT_EQ(read.distinct_id, "u");
  EXPECT_EQ(read.timestamp_ms, kNoon);
  EXPECT_EQ(read.viewport_width, 120);
  EXPECT_EQ(read.viewport_height, 67);
  ASSERT_EQ(read.points.size(), h.points.size());
  for (size_t i = 0; i < h.points.size(); i++) {
    const HeatmapPoint &want = h.points[i], &got = read.points[i];
    EXPECT_EQ(got.url, want.url);
    EXPECT_EQ(got.type, want.type);
    EXPECT_EQ(got.x, want.x);
    EXPECT_EQ(got.y, want.y);
    EXPECT_EQ(got.target_fixed, want.target_fixed);
  }
  for (size_t n = 0; n < bytes.size(); n++) EXPECT_FALSE(decode_processed(bytes.substr(0, n)));

  Outcome o;
  o.row.event = "$$heatmap";
  o.row.heatmap_only = true;
  std::string outcome;
  encode(ProcessedRecord(o), outcome);
  const auto accepted = decode_processed(outcome);
  ASSERT_TRUE(accepted);
  EXPECT_TRUE(std::get<Outcome>(*accepted).row.heatmap_only);
}

TEST(Records, a_merge_and_its_commands_come_back_as_they_were) {
  PersonChange anon;
  anon.project = {7};
  anon.id = Uuid::parse("018f2f2e-0000-7000-8000-000000000001").value();
  anon.properties = R"({"a":1})";
  anon.version = 3;
  std::string snapshot;
  encode(anon, snapshot);
  PersonMerge m;
  m.project = {7};
  m.event_uuid = m.result = anon.id;
  m.event = "$identify";
  m.time_ms = kNoon;
  m.place = 300;
  m.source_id = "anon";
  m.target_id = "me";
  m.source = snapshot;
  m.moved = {"anon", "anon2"};
  m.moved_attached_ms = {0, kNoon};
  m.positions = {0, 5, 1'000'000};
  m.undone = true;
  m.revision = 2;
  std::string bytes;
  encode(m, bytes);
  const auto back = decode_processed(bytes);
  ASSERT_TRUE(back.has_value());
  const auto& read = std::get<PersonMerge>(*back);
  EXPECT_EQ(read.event_uuid, m.event_uuid);
  EXPECT_EQ(read.event, m.event);
  EXPECT_EQ(read.time_ms, kNoon);
  EXPECT_EQ(read.place, 300U);
  EXPECT_EQ(read.source_id, "anon");
  EXPECT_EQ(read.target_id, "me");
  EXPECT_EQ(read.result, m.result);
  EXPECT_EQ(read.moved, m.moved);
  EXPECT_EQ(read.moved_attached_ms, m.moved_attached_ms);
  EXPECT_EQ(read.positions, m.positions);
  EXPECT_TRUE(read.undone);
  EXPECT_EQ(read.revision, 2U);
  ASSERT_TRUE(PersonMerge::person(read.source).has_value());
  EXPECT_EQ(PersonMerge::person(read.source)->properties, R"({"a":1})");
  EXPECT_FALSE(PersonMerge::person(read.target).has_value());
  EXPECT_FALSE(PersonMerge::person("junk").has_value());
  for (size_t n = 0; n < bytes.size(); n++) {
    EXPECT_FALSE(decode_processed(std::string_view(bytes).substr(0, n)).has_value());
  }

  bytes.clear();
  encode(PersonCommandReport{{7}, anon.id, kDeletePerson, "me", "done", R"({"x":1})", kNoon},
         bytes);
  const auto report = decode_processed(bytes);
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(std::get<PersonCommandReport>(*report).state, "done");
  EXPECT_EQ(std::get<PersonCommandReport>(*report).report, R"({"x":1})");

  bytes.clear();
  encode(PersonCommand{anon.id, {7}, kNoon, kUndoMerge, "me", "{}"}, bytes);
  const auto command = decode_person_command(bytes);
  ASSERT_TRUE(command.has_value());
  EXPECT_EQ(command->kind, kUndoMerge);
  EXPECT_EQ(command->body, "{}");
  EXPECT_FALSE(decode_person_command(bytes + "x").has_value());
}

TEST(Records, the_session_decides_the_partition_of_a_recording) {
  RawRecord r;
  r.token = "phc_x";
  r.distinct_id = "u1";
  r.session_id = "s1";
  std::string key;
  partition_key(r, Lane::kReplay, key);
  EXPECT_EQ(key, "s1");
}

}  // namespace
}  // namespace penstock::event
