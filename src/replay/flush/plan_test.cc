// A flush worked out: what becomes of every message, what the block and its row say. Method:
// messages over a memory ledger, and the plan's records and object read back.
#include "replay/flush/plan.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "event/processed_record.h"
#include "event/raw_record.h"
#include "kv/memory_kv.h"
#include "recording/block.h"
#include "replay/flush/session_block.h"
#include "runtime/sim_runtime.h"

namespace penstock::replay {
namespace {

using event::OutcomeKind;

constexpr int64_t kNow = 1'785'585'600'000;

struct Sent {
  std::string items = "[]";
  std::string session = "s1";
  std::string token = "phc_one";
  uint64_t uuid = 0;  // 0: a fresh one
  int32_t partition = 0;
  std::string data{};  // replaces the message
  event::Disposition disposition = event::Disposition::kProcess;
};

std::string item(int64_t ms, std::string_view more = "") {
  return R"({"timestamp":)" + std::to_string(ms) + std::string(more) + "}";
}

/// A plan's records, decoded; the plan keeps their bytes.
struct Read {
  Plan plan;
  std::vector<event::Outcome> outcomes;
  std::vector<event::ReplayBlock> blocks;
  std::vector<event::LogEntry> lines;
  std::vector<event::IngestionWarning> warnings;

  std::vector<OutcomeKind> kinds() const {
    std::vector<OutcomeKind> out;
    for (const auto& o : outcomes) out.push_back(o.kind);
    return out;
  }
  std::string block_text(size_t i) const {
    const auto place = recording::parse_block_url(blocks[i].block_url);
    EXPECT_TRUE(place.has_value());
    EXPECT_EQ(place->key, plan.object_key);
    const auto text =
        recording::read_block(std::string_view(plan.object).substr(place->from, place->size));
    EXPECT_TRUE(text.has_value());
    return text.value_or("");
  }
};

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() { EXPECT_TRUE(catalog_->create_project({}, "one", "phc_one").has_value()); }

  void add(const Sent& sent) {
    event::RawRecord raw;
    for (size_t i = 0; i < 8; i++) {
      raw.uuid.bytes[15 - i] =
          static_cast<uint8_t>((sent.uuid == 0 ? next_uuid_ : sent.uuid) >> (8 * i));
    }
    next_uuid_++;
    raw.project = {1};
    raw.now_ms = raw.timestamp_ms = kNow;
    raw.token = sent.token;
    raw.distinct_id = "someone";
    raw.event = "$snapshot_items";
    raw.session_id = sent.session;
    raw.disposition = sent.disposition;
    if (sent.disposition != event::Disposition::kProcess) raw.reason = "billing_limit_exceeded";
    const std::string data =
        !sent.data.empty()
            ? sent.data
            : R"({"event":"$snapshot_items","properties":{"distinct_id":"someone",)"
              R"("$session_id":")" +
                  sent.session +
                  R"(","$window_id":"w","$snapshot_source":"web","$snapshot_items":)" + sent.items +
                  R"(,"$lib":"web"}})";
    raw.data = data;
    std::string bytes;
    event::encode(raw, bytes);
    add_bytes(std::move(bytes), sent.partition);
  }
  void add_bytes(std::string bytes, int32_t partition = 0) {
    kept_.push_back(std::make_shared<std::string>(std::move(bytes)));
    slices_.push_back({{partition}, {offsets_[partition]++}, {*kept_.back()}, kept_.back()});
  }

  Read decide() {
    auto plan = make_plan(
        slices_, *catalog_->snapshot(), *ledger_,
        {.object_key = recording::object_key(5, kNow, 1), .now_ms = kNow, .retention_days = 30});
    EXPECT_TRUE(plan.has_value());
    slices_.clear();
    Read out;
    out.plan = std::move(*plan);
    for (const log::Batch& batch : out.plan.batches) {
      EXPECT_EQ(batch.sequence, offsets_[batch.partition.value]);
      ByteReader in(batch.data);
      std::vector<std::string_view> records;
      while (!in.at_end()) records.push_back(in.bytes());
      EXPECT_TRUE(in.ok());
      EXPECT_EQ(records.size(), batch.count);
      bool after_outcomes = false;
      for (const std::string_view bytes : records) {
        const auto record = event::decode_processed(bytes);
        EXPECT_TRUE(record.has_value());
        if (const auto* o = std::get_if<event::Outcome>(&*record)) {
          EXPECT_FALSE(after_outcomes) << "outcomes come first";
          out.outcomes.push_back(*o);
          continue;
        }
        after_outcomes = true;
        if (const auto* b = std::get_if<event::ReplayBlock>(&*record)) out.blocks.push_back(*b);
        if (const auto* l = std::get_if<event::LogEntry>(&*record)) out.lines.push_back(*l);
        if (const auto* w = std::get_if<event::IngestionWarning>(&*record)) {
          out.warnings.push_back(*w);
        }
      }
      int64_t& applied = applied_[batch.partition.value];
      EXPECT_TRUE(ledger_->apply_processed(batch.partition, {applied}, records).has_value());
      applied += static_cast<int64_t>(records.size());
    }
    return out;
  }
  Read one(const Sent& sent) {
    add(sent);
    return decide();
  }

  runtime::SimRuntime runtime_{1};
  std::unique_ptr<catalog::Catalog> catalog_ = catalog::make_memory_catalog(runtime_);
  std::unique_ptr<ledger::Ledger> ledger_ = ledger::make_ledger(kv::make_memory_kv(), {});
  std::vector<std::shared_ptr<std::string>> kept_;
  std::vector<Slice> slices_;
  std::map<int32_t, int64_t> offsets_, applied_;
  uint64_t next_uuid_ = 1000;
};

TEST_F(PlanTest, ASessionsMessagesBecomeOneBlockInTheOrderOfTime) {
  add({.items = "[" + item(kNow + 20) + "," + item(kNow + 5) + "]"});
  add({.items = "[" + item(kNow + 10) + ",7,{},{\"timestamp\":0}]"});
  add({.items = "[" + item(kNow) + "]", .session = "s2"});
  const Read read = decide();
  EXPECT_EQ(read.kinds(), std::vector(3, OutcomeKind::kAccepted));
  ASSERT_EQ(read.blocks.size(), 2U);
  EXPECT_EQ(read.block_text(0), "[\"w\"," + item(kNow + 5) + "]\n[\"w\"," + item(kNow + 10) +
                                    "]\n[\"w\"," + item(kNow + 20) + "]\n");
  const event::ReplayBlock& b = read.blocks[0];
  EXPECT_EQ(b.session_id, "s1");
  EXPECT_EQ(b.distinct_id, "someone");
  EXPECT_EQ(b.first_timestamp_ms, kNow + 5);
  EXPECT_EQ(b.last_timestamp_ms, kNow + 20);
  EXPECT_EQ(b.event_count, 3U);
  EXPECT_EQ(b.message_count, 2U);
  EXPECT_EQ(b.size, read.block_text(0).size());
  EXPECT_EQ(b.snapshot_source, "web");
  EXPECT_EQ(b.retention_period_days, 30U);
  EXPECT_EQ(read.blocks[1].session_id, "s2");
}

TEST_F(PlanTest, TheSummaryCountsWhatAPersonDid) {
  const auto at = [](int64_t ms, std::string_view rest) { return item(kNow + ms, rest) + ","; };
  const Read read =
      one({.items =
               "[" + at(0, R"(,"type":4,"data":{"href":" https://a/ "})") +
               at(1, R"(,"type":2,"data":{"href":"https://not/","node":{}})") +
               at(1000, R"(,"type":3,"data":{"source":2,"type":2})") +
               at(1500, R"(,"type":3,"data":{"source":2,"type":5})") +
               at(2000, R"(,"type":3,"data":{"source":5,"text":"x"})") +
               at(9000, R"(,"type":3,"data":{"source":1,"positions":[]})") +
               at(9001, R"(,"type":3,"data":{"source":0})") +
               at(9002, R"(,"type":5,"data":{"tag":"$pageview","payload":{"href":"https://b/"}})") +
               at(9003, R"(,"type":4,"data":{"href":"https://a/"})") +
               item(kNow + 9004, R"(,"type":6,"data":{"plugin":"rrweb/console@1","payload":)"
                                 R"({"level":"error","payload":["\"boom\"","{\"a\":1}"]}})") +
               "]"});
  ASSERT_EQ(read.blocks.size(), 1U);
  const event::ReplayBlock& b = read.blocks[0];
  EXPECT_EQ(b.click_count, 1U);
  EXPECT_EQ(b.keypress_count, 1U);
  EXPECT_EQ(b.mouse_activity_count, 3U);
  EXPECT_EQ(b.active_milliseconds, 1000U) << "the pause of 7 s does not count";
  EXPECT_EQ(b.first_url, "https://a/");
  EXPECT_EQ(b.urls, (std::vector<std::string_view>{"https://a/", "https://b/"}));
  EXPECT_EQ(b.console_error_count, 1U);
  ASSERT_EQ(read.lines.size(), 1U);
  EXPECT_EQ(read.lines[0].level, "error");
  EXPECT_EQ(read.lines[0].message, "boom {\"a\":1}");
  EXPECT_EQ(read.lines[0].source_id, "s1");
}

TEST_F(PlanTest, AMessageSentAgainIsADuplicate) {
  const Sent sent{.items = "[" + item(kNow) + "]", .uuid = 7};
  add(sent);
  add(sent);
  Read read = decide();
  EXPECT_EQ(read.kinds(), (std::vector{OutcomeKind::kAccepted, OutcomeKind::kDuplicate}));
  EXPECT_EQ(read.blocks.at(0).message_count, 1U);
  read = one(sent);
  EXPECT_EQ(read.kinds(), std::vector{OutcomeKind::kDuplicate});
  EXPECT_TRUE(read.plan.object.empty()) << "nothing to write";
  Sent other = sent;
  other.session = "s2";
  read = one(other);
  EXPECT_EQ(read.kinds(), std::vector{OutcomeKind::kQuarantined}) << "a uuid is one message";
  EXPECT_EQ(read.outcomes[0].reason, "uuid_conflict");
}

TEST_F(PlanTest, WhatIsDroppedHasItsReason) {
  constexpr int64_t kWeek = int64_t{7} * 86'400'000;
  const auto reason = [this](const Sent& sent) {
    const Read read = one(sent);
    EXPECT_EQ(read.kinds(), std::vector{OutcomeKind::kDropped});
    EXPECT_TRUE(read.blocks.empty());
    return std::string(read.outcomes[0].reason) + "/" +
           (read.warnings.empty() ? "" : std::string(read.warnings[0].type));
  };
  EXPECT_EQ(reason({.items = "[]"}),
            "no_valid_rrweb_events/message_contained_no_valid_rrweb_events");
  EXPECT_EQ(reason({.items = "[1,\"x\",{\"timestamp\":-1}]"}),
            "no_valid_rrweb_events/message_contained_no_valid_rrweb_events");
  EXPECT_EQ(reason({.items = "[" + item(kNow - kWeek - 1) + "]"}),
            "timestamp_diff_too_large/message_timestamp_diff_too_large");
  EXPECT_EQ(reason({.items = "[" + item(kNow) + "," + item(kNow + kWeek + 1) + "]"}),
            "timestamp_diff_too_large/message_timestamp_diff_too_large");
  EXPECT_EQ(reason({.items = "[" + item(kNow) + "]", .disposition = event::Disposition::kDrop}),
            "billing_limit_exceeded/");
  EXPECT_EQ(one({.items = "[" + item(kNow - kWeek) + "," + item(kNow + kWeek) + "]"}).kinds(),
            std::vector{OutcomeKind::kAccepted});
}

TEST_F(PlanTest, WhatCannotBeReadIsQuarantinedAndTheRestGoesOn) {
  const auto message = [](std::string_view properties) {
    return R"({"event":"$snapshot_items","properties":)" + std::string(properties) + "}";
  };
  add({.data = "{"});
  add({.data = "[]"});
  add({.data = message("7")});
  add({.data = message(R"({"$session_id":"s1"})")});
  add({.data = message(R"({"$session_id":"s1","$snapshot_items":{}})")});
  add({.data = message(R"({"$snapshot_items":[]})")});
  add({.data = message(R"({"$session_id":"other","$snapshot_items":[]})")});
  add({.items = "[" + item(kNow) + "]", .token = "phc_unknown"});
  add_bytes("not a record");
  add({.items = "[" + item(kNow) + "]"});
  const Read read = decide();
  ASSERT_EQ(read.outcomes.size(), 10U);
  for (size_t i = 0; i < 9; i++) {
    EXPECT_EQ(read.outcomes[i].kind, OutcomeKind::kQuarantined) << i;
    EXPECT_EQ(read.outcomes[i].source.offset.value, static_cast<int64_t>(i));
    EXPECT_FALSE(read.outcomes[i].raw.empty());
  }
  EXPECT_EQ(read.outcomes[6].reason, "session_id_mismatch");
  EXPECT_EQ(read.outcomes[7].reason, "unknown_token");
  EXPECT_EQ(read.outcomes[8].reason, "unreadable_record");
  EXPECT_EQ(read.outcomes[9].kind, OutcomeKind::kAccepted);
}

TEST_F(PlanTest, LongTextsAndManyUrlsAreCut) {
  std::string items = "[";
  for (int i = 0; i < 40; i++) {
    items += item(kNow + i, R"(,"type":4,"data":{"href":"https://)" + std::to_string(i) +
                                std::string(5000, 'u') + "\"}") +
             ",";
  }
  items +=
      item(kNow + 50, R"(,"type":6,"data":{"plugin":"rrweb/console@1","payload":{"level":"log",)"
                      R"("payload":[")" +
                          std::string(2999, 'c') + "\u00fc\"]}}") +
      "]";
  const Read read = one({.items = items});
  ASSERT_EQ(read.blocks.size(), 1U);
  EXPECT_EQ(read.blocks[0].urls.size(), kUrlsMax);
  for (const auto url : read.blocks[0].urls) EXPECT_EQ(url.size(), kUrlBytesMax);
  ASSERT_EQ(read.lines.size(), 1U);
  EXPECT_EQ(read.lines[0].message, std::string(2999, 'c')) << "whole characters only";
}

TEST_F(PlanTest, ALargeSessionIsSplitIntoBlocks) {
  for (int i = 0; i < 20; i++) {
    add({.items = "[" + item(kNow + i, R"(,"text":")" + std::string(1U << 20, 'x') + "\"") + "]"});
  }
  const Read read = decide();
  ASSERT_EQ(read.blocks.size(), 2U);
  EXPECT_EQ(read.blocks[0].event_count + read.blocks[1].event_count, 20U);
  EXPECT_LE(read.block_text(0).size(), kBlockLinesBytes + (2U << 20));
  EXPECT_EQ(read.blocks[0].message_count + read.blocks[1].message_count, 20U);
}

}  // namespace
}  // namespace penstock::replay
