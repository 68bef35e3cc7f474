// What finds events again, and what keeps the books honest: ranges of outcomes, requests, how
// events leave quarantine, the check of every minute.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "event/request_id.h"
#include "kv/memory_kv.h"
#include "ledger/books/keys.h"
#include "ledger/ledger.h"
#include "ledger/quarantine_filter.h"
#include "ledger/watch.h"
#include "log/memory_log.h"
#include "runtime/sim_runtime.h"

namespace penstock::ledger {
namespace {

using event::Lane;
using event::OutcomeKind;

Uuid uuid_of(uint64_t n) {
  Uuid u;
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  return u;
}

event::Outcome outcome_of(uint64_t n, OutcomeKind kind, int64_t minute, int32_t partition,
                          int64_t raw_offset) {
  event::Outcome o;
  o.kind = kind;
  o.project = o.received_for = {static_cast<int64_t>(1 + n % 2)};
  o.uuid = uuid_of(n);
  o.content_hash = n;
  o.received_ms = minute * 60'000 + static_cast<int64_t>(n % 1000);
  o.source = {n % 3 == 0 ? Lane::kHistorical : Lane::kMain, {partition}, {raw_offset}};
  if (kind == OutcomeKind::kDropped) o.reason = n % 2 == 0 ? "one" : "other";
  if (kind == OutcomeKind::kQuarantined) {
    o.reason = "unknown_token";
    o.token = "phc_late";
    o.raw = "raw bytes";
  }
  o.row.event = "e";
  o.row.distinct_id = "d";
  o.row.properties = o.row.person_properties = "{}";
  return o;
}

class IndexTest : public ::testing::Test {
 protected:
  std::shared_ptr<kv::MemoryKv> kv_ = std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{});
  std::unique_ptr<Ledger> ledger_ = make_ledger(kv::make_view(kv_), {});
  std::map<int32_t, int64_t> next_;

  Offset apply(int32_t partition, const event::ProcessedRecord& record) {
    std::string bytes;
    event::encode(record, bytes);
    const Offset at{next_[partition]++};
    EXPECT_TRUE(ledger_->apply_processed({partition}, at, {bytes}).has_value());
    return at;
  }
  std::string quarantined(uint64_t n, int32_t partition) {
    apply(partition, outcome_of(n, OutcomeKind::kQuarantined, 5, partition, next_[partition]));
    const auto story = *ledger_->trace(uuid_of(n));
    return story.empty() ? "" : story.front().quarantine_id;
  }
  static std::string bytes_of(const std::string& id) { return QuarantineId::parse(id)->bytes(); }
  LedgerCounts all() const { return *ledger_->totals(std::nullopt); }
};

// Slices that share a lane have a partition of `processed` each for every one of the lane's.
TEST_F(IndexTest, AStoryNamesThePartitionThatItsSliceDecidesIn) {
  apply(1, outcome_of(1, OutcomeKind::kDuplicate, 5, 1, 0));  // what lies in the lane's number
  const std::array kinds{OutcomeKind::kAccepted, OutcomeKind::kDropped, OutcomeKind::kQuarantined};
  for (uint64_t n = 2; n < 5; n++) {
    apply(5, outcome_of(n, kinds.at(n - 2), 5, 1, static_cast<int64_t>(n)));
  }
  for (int life = 0; life < 2; life++) {
    for (uint64_t n = 2; n < 5; n++) {
      const auto story = *ledger_->trace(uuid_of(n));
      ASSERT_EQ(story.size(), 1U);
      EXPECT_EQ(story[0].source.partition, Partition{1});
      EXPECT_EQ(story[0].processed_in, Partition{5}) << story[0].state;
      EXPECT_EQ(story[0].processed, Offset{static_cast<int64_t>(n - 2)});
    }
    EXPECT_EQ(ledger_->trace(uuid_of(2))->front().state, life == 0 ? "in_flight" : "stored");
    ASSERT_TRUE(ledger_->apply_stored({5}, {0}, {1}, {}).has_value());
  }
  const auto entry = *ledger_->quarantine_entry(ledger_->trace(uuid_of(4))->front().quarantine_id);
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->processed_in, Partition{5});
}

TEST_F(IndexTest, RangesHoldWhatTheRowsCount) {
  std::mt19937 random(11);
  std::vector<std::string> batch;
  for (uint64_t n = 0; n < 4000;) {
    const auto partition = static_cast<int32_t>(random() % 2);
    std::vector<std::string> records(1 + random() % 60);
    const int64_t base = next_[partition];
    for (std::string& r : records) {
      const auto kind = static_cast<OutcomeKind>(1 + random() % 4);
      event::encode(
          outcome_of(n++, kind, static_cast<int64_t>(random() % 4), partition, next_[partition]++),
          r);
    }
    const std::vector<std::string_view> views(records.begin(), records.end());
    ASSERT_TRUE(ledger_->apply_processed({partition}, {base}, views).has_value());
  }
  std::map<LedgerKey, LedgerCounts> by_range;
  std::map<std::pair<Lane, int32_t>, std::pair<int64_t, Offset>> last;
  uint64_t ranges = 0;
  ASSERT_TRUE(ledger_
                  ->visit_decided(0, 4, std::nullopt,
                                  [&](const DecidedRange& r) {
                                    ranges++;
                                    auto& before = last[{r.lane, r.partition.value}];
                                    if (before.first == r.minute) {
                                      EXPECT_GE(r.from, before.second);
                                    }
                                    before = {r.minute, r.to};
                                    EXPECT_EQ(minute_of(r.first_ms), r.minute);
                                    EXPECT_LE(r.first_ms, r.last_ms);
                                    for (const DecidedCount& c : r.counts) {
                                      LedgerCounts& to = by_range[{c.project, r.minute, r.lane}];
                                      if (c.kind == OutcomeKind::kAccepted) to.accepted += c.count;
                                      if (c.kind == OutcomeKind::kDuplicate)
                                        to.deduplicated += c.count;
                                      if (c.kind == OutcomeKind::kQuarantined)
                                        to.quarantined += c.count;
                                      if (c.kind == OutcomeKind::kDropped)
                                        to.dropped[c.reason] += c.count;
                                    }
                                    return true;
                                  })
                  .has_value());
  EXPECT_LT(ranges, 100U);
  for (const int64_t project : {1, 2}) {
    const auto rows = *ledger_->rows({project}, 0, 4, 100);
    for (const LedgerRow& row : rows) {
      const LedgerCounts& found = by_range[row.key];
      SCOPED_TRACE(event::lane_name(row.key.lane));
      SCOPED_TRACE(row.key.minute);
      EXPECT_EQ(found.accepted, row.counts.accepted);
      EXPECT_EQ(found.deduplicated, row.counts.deduplicated);
      EXPECT_EQ(found.quarantined, row.counts.quarantined);
      EXPECT_EQ(found.dropped, row.counts.dropped);
    }
  }
}

TEST_F(IndexTest, ARequestIsFoundByItsOwnIdAndTheClients) {
  const Uuid client = uuid_of(77);
  event::Outcome o = outcome_of(1, OutcomeKind::kAccepted, 9, 0, 0);
  o.client_request = client;
  apply(0, o);
  const auto hits = *ledger_->request(client);
  EXPECT_EQ(hits.received_ms, std::vector<int64_t>{o.received_ms});
  event::RefusedRecord refused;
  refused.now_ms = 1'785'585'600'000;
  refused.status = 400;
  refused.reason = "invalid_json";
  refused.request = 5;
  std::string bytes;
  event::encode(refused, bytes);
  ASSERT_TRUE(ledger_->apply_refused({{0}, {0}, 0, 0, {bytes}, nullptr}).has_value());
  const Uuid own = event::RequestId{refused.now_ms, 5}.uuid();
  ASSERT_EQ(ledger_->request(own)->refused.size(), 1U);
  EXPECT_EQ(ledger_->request(own)->refused[0].reason, "invalid_json");
  EXPECT_TRUE(ledger_->request(uuid_of(78))->refused.empty());
  EXPECT_FALSE(event::RequestId::of(client).has_value());
  EXPECT_EQ(event::RequestId::of(own)->number, 5U);
}

TEST_F(IndexTest, AnOutcomeTakesItsEntryOutOnce) {
  const std::string id = quarantined(8, 0);
  ASSERT_FALSE(id.empty());
  EXPECT_EQ(*ledger_->in_quarantine({bytes_of(id)}), std::vector<bool>{true});
  for (int64_t copy = 0; copy < 2; copy++) {
    const std::string entry = bytes_of(id);
    event::Outcome again =
        outcome_of(8, copy == 0 ? OutcomeKind::kAccepted : OutcomeKind::kDuplicate, 5, 1, copy);
    again.quarantine_entry = entry;
    apply(1, again);
  }
  EXPECT_EQ(all().quarantined, 0U);
  EXPECT_EQ(all().redriven, 1U);
  EXPECT_EQ(all().accepted, 1U);
  EXPECT_EQ(all().deduplicated, 1U);
  EXPECT_EQ(all().received, all().decided());
  EXPECT_EQ(ledger_->quarantine_usage().entries, 0U);
  EXPECT_FALSE(ledger_->quarantine_entry(id)->has_value());
}

event::QuarantineChange change(event::QuarantineChange::Action action, std::string_view entry,
                               std::string_view data = "") {
  return {action, {1}, entry, uuid_of(1), "ada", 1234, data};
}

TEST_F(IndexTest, DiscardsAndEditsAreKeptInTheBooks) {
  using Action = event::QuarantineChange::Action;
  const std::string one = quarantined(2, 0), two = quarantined(4, 0);
  const std::string one_bytes = bytes_of(one), two_bytes = bytes_of(two);
  apply(0, change(Action::kEdit, two_bytes, R"({"event":"better"})"));
  apply(0, change(Action::kDiscard, one_bytes));
  apply(0, change(Action::kDiscard, one_bytes));
  EXPECT_EQ(all().dropped.at(std::string(event::kDiscarded)), 1U);
  EXPECT_EQ(all().quarantined, 1U);
  const auto story = *ledger_->trace(uuid_of(2));
  EXPECT_EQ(story[0].state, "dropped");
  EXPECT_EQ(story[0].by, "ada");
  const auto entry = *ledger_->quarantine_entry(two);
  EXPECT_EQ(entry->edited, R"({"event":"better"})");
  EXPECT_EQ(entry->raw, "raw bytes") << "what came stays";
  EXPECT_EQ(entry->edited_by, "ada");
}

TEST_F(IndexTest, AnEntryMayLeaveBeforeItComes) {
  // Partitions are replayed one after the other: 1 tells how entries of 0 left.
  using Action = event::QuarantineChange::Action;
  const std::string discarded = QuarantineId{5 * 60'000 + 2, {0}, {0}}.bytes();
  const std::string redriven = QuarantineId{5 * 60'000 + 4, {0}, {1}}.bytes();
  const std::string edited = QuarantineId{5 * 60'000 + 6, {0}, {2}}.bytes();
  apply(1, change(Action::kDiscard, discarded));
  apply(1, change(Action::kEdit, edited, "{}"));
  apply(1, change(Action::kEdit, redriven, "{}"));
  event::Outcome again = outcome_of(4, OutcomeKind::kAccepted, 5, 1, 0);
  again.quarantine_entry = redriven;
  apply(1, again);
  apply(1, change(Action::kEdit, redriven, "[]"));
  ledger_ = make_ledger(kv::make_view(kv_), {});
  runtime::SimRuntime runtime(3);
  auto log = log::make_memory_log(runtime);
  bool recovered = false;
  ledger_->recover(*log, runtime.make_loop(), [&](const Status& s) { recovered = s.has_value(); });
  runtime.run_until([&] { return recovered; });
  quarantined(2, 0);
  quarantined(4, 0);
  const std::string left = quarantined(6, 0);
  EXPECT_EQ(all().quarantined, 1U);
  EXPECT_EQ(all().redriven, 1U);
  EXPECT_EQ(all().dropped.at(std::string(event::kDiscarded)), 1U);
  EXPECT_EQ((*ledger_->quarantine_entry(left))->edited, "{}");
  EXPECT_EQ(all().received, all().decided());
}

TEST_F(IndexTest, AnEntryMayComeAndLeaveInOneChange) {
  // A replay reads as much at once as it likes.
  using Action = event::QuarantineChange::Action;
  std::vector<std::string> records(6);
  for (uint64_t i = 0; i < 3; i++) {
    event::encode(outcome_of(2 + 2 * i, OutcomeKind::kQuarantined, 5, 0, static_cast<int64_t>(i)),
                  records[i]);
  }
  const std::string one = QuarantineId{5 * 60'000 + 2, {0}, {0}}.bytes();
  const std::string two = QuarantineId{5 * 60'000 + 4, {0}, {1}}.bytes();
  const std::string three = QuarantineId{5 * 60'000 + 6, {0}, {2}}.bytes();
  event::encode(change(Action::kDiscard, one), records[3]);
  event::Outcome again = outcome_of(4, OutcomeKind::kAccepted, 5, 0, 3);
  again.quarantine_entry = two;
  event::encode(again, records[4]);
  event::encode(change(Action::kEdit, three, "{}"), records[5]);
  const std::vector<std::string_view> views(records.begin(), records.end());
  ASSERT_TRUE(ledger_->apply_processed({0}, {0}, views).has_value());
  EXPECT_EQ(all().quarantined, 1U);
  EXPECT_EQ(all().redriven, 1U);
  EXPECT_EQ(all().dropped.at(std::string(event::kDiscarded)), 1U);
  EXPECT_EQ(ledger_->quarantine_usage().entries, 1U);
  const auto left = find_quarantined(*ledger_, {}, "", 10, 10)->entries;
  ASSERT_EQ(left.size(), 1U);
  EXPECT_EQ(left[0].edited, "{}");
  EXPECT_EQ(ledger_->trace(uuid_of(2))->front().state, "dropped");
}

TEST_F(IndexTest, APieceOfAListingHoldsSoManyBytes) {
  event::RawRecord raw;
  raw.token = "phc_late";
  raw.event = "fat";
  const std::string data = R"({"text":")" + std::string(6U << 20, 'x') + "\"}";
  raw.data = data;
  QuarantineFilter named;
  for (uint64_t n = 0; n < 6; n++) {
    raw.uuid = uuid_of(2 * n);
    std::string bytes;
    event::encode(raw, bytes);
    event::Outcome o = outcome_of(2 * n, OutcomeKind::kQuarantined, 5, 0, static_cast<int64_t>(n));
    o.raw = bytes;
    apply(0, o);
  }
  std::string after;
  for (const size_t wanted : {3U, 3U, 0U}) {
    const auto page = find_quarantined(*ledger_, {}, after, 500, 2000);
    ASSERT_EQ(page->entries.size(), wanted);
    for (const QuarantineEntry& e : page->entries) named.ids.push_back(e.id);
    EXPECT_EQ(page->next.empty(), wanted == 0);
    after = page->next;
  }
  const auto page = find_quarantined(*ledger_, named, "", 500, 0);
  EXPECT_EQ(page->entries.size(), 3U);
  EXPECT_EQ(find_quarantined(*ledger_, named, page->next, 500, 0)->entries.size(), 3U);
}

TEST_F(IndexTest, FiltersFindWhatTheySay) {
  event::RawRecord raw;
  raw.uuid = uuid_of(2);
  raw.token = "phc_late";
  raw.event = "signed up";
  raw.distinct_id = "ada";
  raw.data = R"({"event":"signed up","properties":{"plan":"pro"}})";
  std::string bytes;
  event::encode(raw, bytes);
  event::Outcome o = outcome_of(2, OutcomeKind::kQuarantined, 5, 0, 0);
  o.raw = bytes;
  apply(0, o);
  quarantined(4, 0);
  const auto found = [this](const QuarantineFilter& filter) {
    return find_quarantined(*ledger_, filter, "", 100, 1000)->entries.size();
  };
  EXPECT_EQ(found({}), 2U);
  EXPECT_EQ(found({.event = "signed up"}), 1U);
  EXPECT_EQ(found({.distinct_id = "ada", .text = "\"pro\""}), 1U);
  EXPECT_EQ(found({.distinct_id = "bob"}), 0U);
  EXPECT_EQ(found({.reason = "other"}), 0U);
  EXPECT_EQ(found({.from_ms = 5 * 60'000 + 3}), 1U);
  const auto entry = find_quarantined(*ledger_, {.event = "signed up"}, "", 1, 1000)->entries[0];
  JsonWriter w;
  QuarantineFilter{.ids = {entry.id}, .token = "phc_late", .to_ms = 9}.write(w);
  const std::string text = w.take();
  const auto parsed = QuarantineFilter::parse(*event::JsonFields::parse(text));
  EXPECT_EQ(parsed->ids, std::vector<std::string>{entry.id});
  EXPECT_EQ(parsed->token, "phc_late");
  EXPECT_EQ(parsed->to_ms, 9);
  // An edit says what the record is then, also whose.
  QuarantineEntry edited = entry;
  edited.edited = R"({"event":"came","distinct_id":"bob","token":"phc_one"})";
  EXPECT_EQ(redriven_token(edited), "phc_one");
  const std::string record = *redriven_record(edited, {7});
  const auto again = *event::decode_raw(record);
  EXPECT_EQ(again.event, "came");
  EXPECT_EQ(again.distinct_id, "bob");
  EXPECT_EQ(again.project.value, 7);
  EXPECT_EQ(again.uuid, uuid_of(2));
  EXPECT_TRUE(again.redriven);
  EXPECT_EQ(again.quarantine_entry, bytes_of(entry.id));
}

TEST_F(IndexTest, AnImbalanceIsFoundAndBecomesAnAlarm) {
  runtime::SimRuntime runtime(3);
  auto& loop = runtime.make_loop();
  auto log = log::make_memory_log(runtime);
  std::vector<log::TopicSpec> topics;
  for (const std::string_view topic : {event::kTopicMain, event::kTopicProcessed}) {
    topics.push_back({std::string(topic), 2, 0, 0, {}});
  }
  ASSERT_TRUE(log->start(topics).has_value());
  for (uint64_t n = 0; n < 20; n++) {
    apply(0, outcome_of(6 * n + 1, OutcomeKind::kDropped, 3, 0, static_cast<int64_t>(n)));
  }
  auto audit = *ledger_->audit(std::nullopt);
  EXPECT_TRUE(audit.wrong.empty()) << audit.wrong[0];
  // One count of one minute is changed behind the ledger's back.
  const std::string key = counts_key({{2}, 3, Lane::kMain});
  LedgerCounts counts;
  ASSERT_TRUE(decode_counts(*kv_->get(key).value(), counts));
  counts.received -= 3;
  kv::WriteBatch batch;
  batch.put(key, encode_counts(counts));
  ASSERT_TRUE(kv_->write(batch).has_value());
  audit = *ledger_->audit(3);
  ASSERT_EQ(audit.wrong.size(), 1U);
  EXPECT_NE(audit.wrong[0].find("17 received, 20 decided"), std::string::npos) << audit.wrong[0];
  audit = *ledger_->audit(std::nullopt);
  ASSERT_EQ(audit.wrong.size(), 2U);
  EXPECT_NE(audit.wrong[1].find("sum up to 17, the total is 20"), std::string::npos);

  const auto watch = LedgerWatch::make(loop, runtime, *log, *ledger_);
  loop.post([&] { watch->start(); });
  runtime.run_for(std::chrono::seconds(1));
  EXPECT_TRUE(watch->last().balanced) << "only when it is still there";
  runtime.run_until([&] { return watch->last().checks == 1; });
  EXPECT_FALSE(watch->last().balanced);
  EXPECT_NE(watch->last().detail.find("project 2"), std::string::npos);
  const int64_t since = watch->last().since_ms;
  counts.received += 3;
  batch.clear();
  batch.put(key, encode_counts(counts));
  ASSERT_TRUE(kv_->write(batch).has_value());
  runtime.run_until([&] { return watch->last().checks == 2; });
  // The log of this test is empty, so that the offsets do not agree; the rows do again.
  EXPECT_EQ(watch->last().detail.find("project 2"), std::string::npos) << watch->last().detail;
  EXPECT_GT(since, 0);
  loop.post([&] { watch->stop(); });
  runtime.run_for(std::chrono::seconds(1));
}

}  // namespace
}  // namespace penstock::ledger
