// The ledger and the log: catching up after a restart, stored events, what waits undecided.
#include <gtest/gtest.h>

#include "kv/memory_kv.h"
#include "ledger/books/keys.h"
#include "ledger/ledger.h"
#include "ledger/undecided.h"
#include "log/forwarding_log.h"
#include "log/memory_log.h"
#include "runtime/sim_runtime.h"

namespace penstock::ledger {
namespace {

using event::Lane;

/// As if a process did not look at lanes.
class LanesAside : public log::ForwardingLog {
 public:
  using ForwardingLog::ForwardingLog;
  Result<std::vector<log::PartitionBounds>> bounds(const std::string& topic) const override {
    if (aside && topic == event::kTopicMain) return std::vector<log::PartitionBounds>{};
    return ForwardingLog::bounds(topic);
  }
  bool aside = false;
};

class RecoverTest : public ::testing::Test {
 protected:
  RecoverTest() {
    start_log();
    recover();
  }

  void start_log(int32_t outcomes = 1) {
    std::vector<log::TopicSpec> topics;
    for (Lane lane : event::kLanes) {
      topics.push_back({.name = std::string(event::lane_topic(lane)), .required_groups = {}});
    }
    topics.push_back({.name = std::string(event::kTopicProcessed),
                      .partitions = outcomes,
                      .required_groups = {}});
    topics.push_back({.name = std::string(event::kTopicRefused), .required_groups = {}});
    EXPECT_TRUE(log_->start(std::move(topics)).has_value());
  }

  void recover(LedgerOptions options = {}) {
    ledger_ = make_ledger(kv::make_view(kv_), options);
    follow();
  }

  /// Once more, of the same ledger.
  void follow() {
    bool done = false;
    ledger_->recover(*log_, loop_, [&](const Status& s) {
      EXPECT_TRUE(s.has_value()) << s.error().message;
      done = true;
    });
    EXPECT_EQ(runtime_.run_until([&] { return done; }), runtime::SimEnd::kDone);
  }

  static Uuid uuid_of(int64_t n) {
    Uuid u;
    u.bytes[15] = static_cast<uint8_t>(n);
    u.bytes[0] = 1;
    return u;
  }

  int64_t append(std::string_view topic, const std::string& record, uint64_t producer = 0,
                 int64_t sequence = 0, int32_t partition = 0) {
    log::Batch batch;
    batch.partition = {partition};
    batch.count = 1;
    batch.producer = producer;
    batch.sequence = sequence;
    log::encode_record(batch.data, record);
    std::vector<log::Batch> batches;
    batches.push_back(std::move(batch));
    int64_t base = -1;
    log_->append(loop_, std::string(topic), std::move(batches),
                 [&](const Result<std::vector<log::Appended>>& done) {
                   ASSERT_TRUE(done.has_value());
                   base = (*done)[0].base.value;
                 });
    runtime_.run_until([&] { return base >= 0; });
    return base;
  }
  int64_t append_raw(int64_t n, std::string_view token = "phc_x") {
    event::RawRecord raw;
    raw.uuid = uuid_of(n);
    raw.project = {1};
    raw.token = token;
    raw.distinct_id = "d";
    raw.event = "e";
    raw.data = "{}";
    std::string bytes;
    event::encode(raw, bytes);
    return append(event::kTopicMain, bytes);
  }
  std::string outcome(int64_t n) {
    event::Outcome o;
    o.project = o.received_for = {1};
    o.uuid = uuid_of(n);
    o.source = {Lane::kMain, {0}, {n}};
    o.row.event = "e";
    o.row.distinct_id = "d";
    o.row.properties = o.row.person_properties = "{}";
    std::string bytes;
    event::encode(o, bytes);
    return bytes;
  }
  int64_t append_outcome(int64_t n) {
    return append(event::kTopicProcessed, outcome(n), event::ingest_producer(Lane::kMain), n + 1);
  }
  LedgerCounts totals() { return *ledger_->totals(std::nullopt); }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  std::unique_ptr<LanesAside> log_ = std::make_unique<LanesAside>(log::make_memory_log(runtime_));
  std::shared_ptr<kv::MemoryKv> kv_ =
      std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{.crashable = true, .gate = nullptr});
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(RecoverTest, CountsWhatNobodyReportedAndNothingTwice) {
  for (int64_t n = 0; n < 6; n++) append_raw(n);
  // Reports for 2 and for 4..5 came; those for 0, 1 and 3 did not.
  ledger_->received(Lane::kMain, {{{0}, {2}, false}}, {1}, {{{{1}, 0, Lane::kMain}, 1}});
  ledger_->received(Lane::kMain, {{{0}, {4}, false}}, {2}, {{{{1}, 0, Lane::kMain}, 2}});
  EXPECT_EQ(totals().received, 3U);
  ASSERT_TRUE(ledger_->checkpoint(*log_).has_value());
  EXPECT_EQ(log_->committed(std::string(event::kGroupLedger), std::string(event::kTopicMain))
                .at(0)
                .next.value,
            0)
      << "the log keeps what was not counted";
  recover();
  EXPECT_EQ(totals().received, 6U);
  const LedgerBalance balance = ledger_->balance(*log_);
  EXPECT_TRUE(balance.balanced) << balance.detail;
  EXPECT_EQ(balance.uncounted, 0U);
  recover();
  EXPECT_EQ(totals().received, 6U);
}

TEST_F(RecoverTest, AnIndexOfOldIsBroughtToItsNewForm) {
  kv::WriteBatch batch;
  // As it was written before: the hash of the identity in the key, none of the content in the
  // value.
  const auto put_old = [&](std::string_view hash, const AcceptedEntry& entry) {
    const Uuid uuid = uuid_of(1);
    std::string key = "e";
    key.append(reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()).append(hash);
    batch.put(key, encode_accepted(entry).substr(8));
  };
  AcceptedEntry entry{.project = {1}, .received_ms = 5, .event = "first", .distinct_id = "d"};
  put_old("aaaaaaaa", entry);
  entry.event = "second";
  entry.source.offset = {9};
  put_old("bbbbbbbb", entry);
  entry.project = {2};
  put_old("cccccccc", entry);
  ASSERT_TRUE(kv_->write(batch).has_value());
  for (int life = 0; life < 2; life++) {
    recover();
    const auto before =
        *ledger_->accepted({{{1}, uuid_of(1)}, {{2}, uuid_of(1)}, {{3}, uuid_of(1)}});
    ASSERT_TRUE(before[0].has_value());
    EXPECT_TRUE(before[0]->same(77)) << "whatever comes under this uuid is a repeat";
    EXPECT_TRUE(before[1].has_value());
    EXPECT_FALSE(before[2].has_value());
    EXPECT_EQ(ledger_->trace(uuid_of(1))->size(), 3U) << "no story is lost";
  }
}

TEST_F(RecoverTest, ReplaysOutcomesLostWithTheStore) {
  for (int64_t n = 0; n < 4; n++) {
    append_raw(n);
    append_outcome(n);
  }
  recover();
  ASSERT_TRUE(ledger_->checkpoint(*log_).has_value());
  for (int64_t n = 4; n < 8; n++) {
    append_raw(n);
    const int64_t base = append_outcome(n);
    const std::string bytes = outcome(n);
    ASSERT_TRUE(ledger_->apply_processed({0}, {base}, {bytes}).has_value());
  }
  EXPECT_EQ(totals().accepted, 8U);
  ledger_.reset();
  kv_->crash(3);
  recover();
  EXPECT_EQ(totals().accepted, 8U);
  EXPECT_EQ(totals().received, 8U);
  EXPECT_TRUE(ledger_->balance(*log_).balanced);
  EXPECT_TRUE((*ledger_->accepted({{{1}, uuid_of(7)}}))[0].has_value());
}

TEST_F(RecoverTest, WhatTheLogLostIsSaidForGood) {
  append_raw(0);
  append_outcome(0);
  // The last record is no outcome: no producer's sequence tells of it.
  std::string warning;
  event::encode(event::IngestionWarning{{1}, "t", "plugin-server", "{}", 5}, warning);
  append(event::kTopicProcessed, warning);
  recover();
  ASSERT_TRUE(ledger_->checkpoint(*log_).has_value());
  EXPECT_TRUE(ledger_->balance(*log_).balanced);

  log_ = std::make_unique<LanesAside>(log::make_memory_log(runtime_));
  start_log();
  append_raw(0);
  append_outcome(0);
  for (int life = 0; life < 3; life++) {
    recover();
    const LedgerBalance balance = ledger_->balance(*log_);
    EXPECT_FALSE(balance.balanced) << "life " << life;
    EXPECT_EQ(balance.detail,
              "processed partition 0: 1 records from offset 1 on are counted that the log lacks");
    append(event::kTopicProcessed, warning);  // takes the offset of what was lost
  }
}

TEST_F(RecoverTest, CatchesUpWithWhatTheLoaderCommitted) {
  for (int64_t n = 0; n < 5; n++) {
    append_raw(n);
    append_outcome(n);
  }
  recover();
  ASSERT_TRUE(log_->commit(std::string(event::kGroupLoad), std::string(event::kTopicProcessed),
                           {{{0}, {3}}})
                  .has_value());
  recover();
  EXPECT_EQ(totals().stored, 3U);
  EXPECT_EQ(ledger_->trace(uuid_of(2))->at(0).state, "stored");
  EXPECT_EQ(ledger_->trace(uuid_of(3))->at(0).state, "in_flight");
  // The loader repeats its last batch, then goes on.
  ASSERT_TRUE(ledger_->apply_stored({0}, {1}, {3}, {{{{1}, 0, Lane::kMain}, 2}}).has_value());
  EXPECT_EQ(totals().stored, 3U);
}

TEST_F(RecoverTest, ACommitThatWasLostLeavesNoHole) {
  for (int64_t n = 0; n < 5; n++) {
    append_raw(n);
    append_outcome(n);
  }
  recover();
  // Neither the commit nor the count of 0..3 survived; the loader's intent says where it stands.
  ASSERT_TRUE(ledger_->apply_stored({0}, {3}, {5}, {{{{1}, 0, Lane::kMain}, 2}}).has_value());
  runtime_.run_until([&] { return totals().stored == 5; }, std::chrono::seconds(10));
  EXPECT_EQ(totals().stored, 5U);
  ASSERT_TRUE(ledger_->checkpoint(*log_).has_value());
  recover();
  EXPECT_EQ(totals().stored, 5U);
}

TEST_F(RecoverTest, APartitionWithoutRowsInTheNextBatchIsCaughtUpToo) {
  for (int64_t n = 0; n < 5; n++) {
    append_raw(n);
    append_outcome(n);
  }
  recover();
  // The batch has nothing of this partition; it says where the loader stands, and says it twice.
  for (int64_t at : {4, 4}) ASSERT_TRUE(ledger_->apply_stored({0}, {at}, {at}, {}).has_value());
  runtime_.run_until([&] { return totals().stored == 4; }, std::chrono::seconds(10));
  runtime_.run_for(std::chrono::seconds(1));
  EXPECT_EQ(totals().stored, 4U);
  ASSERT_TRUE(ledger_->apply_stored({0}, {4}, {5}, {{{{1}, 0, Lane::kMain}, 1}}).has_value());
  EXPECT_EQ(totals().stored, 5U);
}

TEST_F(RecoverTest, FollowsWhatOtherProcessesDecideAndStore) {
  const auto load_is_at = [this](int64_t next) {
    ASSERT_TRUE(log_->commit(std::string(event::kGroupLoad), std::string(event::kTopicProcessed),
                             {{{0}, {next}}})
                    .has_value());
  };
  // Beside a loader: outcomes come from the log, and its own report counts with them.
  recover({.decided_elsewhere = true});
  for (int64_t n = 0; n < 5; n++) {
    append_raw(n);
    append_outcome(n);
  }
  load_is_at(4);
  ASSERT_TRUE(ledger_->apply_stored({0}, {0}, {4}, {{{{1}, 0, Lane::kMain}, 4}}).has_value());
  EXPECT_EQ(totals().stored, 0U) << "never more than is accepted";
  for (int turn = 0; turn < 2; turn++) follow();
  EXPECT_EQ(totals().received, 5U);
  EXPECT_EQ(totals().accepted, 5U);
  EXPECT_EQ(totals().stored, 4U);
  EXPECT_TRUE(ledger_->balance(*log_).balanced);

  // Beside an ingest: its own outcomes are applied by it, and only those are stored.
  recover({.stored_elsewhere = true});
  append_raw(5);
  append_outcome(5);
  load_is_at(6);
  follow();
  EXPECT_EQ(totals().accepted, 5U);
  EXPECT_EQ(totals().stored, 5U);
  const std::string bytes = outcome(5);
  ASSERT_TRUE(ledger_->apply_processed({0}, {5}, {bytes}).has_value());
  for (int turn = 0; turn < 2; turn++) follow();
  EXPECT_EQ(totals().received, 6U);
  EXPECT_EQ(totals().stored, 6U);
  EXPECT_TRUE(ledger_->balance(*log_).balanced);

  // Records that others wrote between them: nobody knows which are whose, so nobody counts yet.
  append_raw(6);
  append_raw(7);
  ledger_->received(Lane::kMain, {{{0}, {-1}, false}}, {2}, {{{{1}, 0, Lane::kMain}, 2}});
  EXPECT_EQ(totals().received, 6U);
}

TEST_F(RecoverTest, CountsWhatOthersReceivedInLanesThatItDoesNotLookAtOnceItIsDecided) {
  constexpr LedgerOptions kApart{.decided_elsewhere = true, .lanes_apart = true};
  for (int64_t n = 0; n < 6; n++) append_raw(n);
  kv_ = std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{.crashable = true, .gate = nullptr});
  log_->aside = true;
  recover(kApart);
  EXPECT_EQ(totals().received, 0U);
  // Its own capture's events are counted like everybody's there.
  ledger_->received(Lane::kMain, {{{0}, {5}, false}}, {1}, {{{{1}, 0, Lane::kMain}, 1}});
  EXPECT_EQ(totals().received, 0U);
  // What was decided long ago is not in the log any more; the set begins where it can be known.
  for (int64_t n = 3; n < 5; n++) append_outcome(n);
  follow();
  EXPECT_EQ(totals().received, 2U);
  EXPECT_EQ(totals().accepted, 2U);
  LedgerBalance balance = ledger_->balance(*log_);
  EXPECT_TRUE(balance.balanced) << balance.detail;
  EXPECT_EQ(balance.received_by_offsets, 2U);
  EXPECT_EQ(balance.uncounted, 0U);
  ASSERT_TRUE(ledger_->checkpoint(*log_).has_value());
  // It is given these slices: what waits is counted, and nothing twice.
  log_->aside = false;
  recover(kApart);
  EXPECT_EQ(totals().received, 3U);
  EXPECT_EQ(totals().in_flight(), 3U);
  append_outcome(5);
  follow();
  EXPECT_EQ(totals().received, 3U);
  EXPECT_EQ(totals().accepted, 3U);
  balance = ledger_->balance(*log_);
  EXPECT_TRUE(balance.balanced) << balance.detail;
}

TEST_F(RecoverTest, FindsWhatWaitsUndecided) {
  append_raw(1);
  append_outcome(0);
  append_raw(2);
  for (const auto& [n, expected] : {std::pair<int64_t, size_t>{1, 0}, {2, 1}, {9, 0}}) {
    bool done = false;
    const UndecidedQuery query{
        .matches = [n](const event::RawRecord& raw, Lane) { return raw.uuid == uuid_of(n); }};
    scan_undecided(*log_, loop_, query, [&](const Result<std::vector<TraceEntry>>& found) {
      done = true;
      ASSERT_TRUE(found.has_value());
      ASSERT_EQ(found->size(), expected) << n;
      for (const TraceEntry& entry : *found) EXPECT_EQ(entry.state, "in_flight");
    });
    runtime_.run_until([&] { return done; });
    EXPECT_TRUE(done);
  }
}

// Two slices share a lane's partition: how far one is says nothing of the other.
TEST_F(RecoverTest, FindsWhatWaitsUndecidedInEachSlice) {
  log_->stop();
  log_ = std::make_unique<LanesAside>(log::make_memory_log(runtime_));
  start_log(2);
  const event::Layout layout{1, 2, false};
  std::array<std::string, 2> tokens;
  for (int i = 0; tokens[0].empty() || tokens[1].empty(); i++) {
    std::string token = "phc_" + std::to_string(i);
    tokens.at(static_cast<size_t>(event::slice_of(token, 2))) = std::move(token);
  }
  for (int64_t n = 0; n < 6; n++) append_raw(n, tokens.at(static_cast<size_t>(n % 2)));
  // The first slice has decided its three, the second one only the first of its own.
  const uint64_t producer = event::ingest_producer(Lane::kMain);
  append(event::kTopicProcessed, outcome(4), producer, 5, 0);
  append(event::kTopicProcessed, outcome(1), producer, 2, 1);
  std::map<Uuid, Partition> waiting;
  bool done = false;
  const UndecidedQuery query{.matches = [](const event::RawRecord&, Lane) { return true; },
                             .layout = layout};
  scan_undecided(*log_, loop_, query, [&](const Result<std::vector<TraceEntry>>& found) {
    done = true;
    ASSERT_TRUE(found.has_value());
    for (const TraceEntry& entry : *found) waiting[entry.uuid] = entry.processed_in;
  });
  runtime_.run_until([&] { return done; });
  EXPECT_EQ(waiting, (std::map<Uuid, Partition>{{uuid_of(3), {1}}, {uuid_of(5), {1}}}));
}

}  // namespace
}  // namespace penstock::ledger
