// The ledger's books against a model: random operations, crashes of its store, replays.
#include <gtest/gtest.h>

#include <random>

#include "kv/memory_kv.h"
#include "ledger/books/keys.h"
#include "ledger/books/offset_set.h"
#include "ledger/ledger.h"

namespace penstock::ledger {
namespace {

using event::Lane;
using event::OutcomeKind;

TEST(OffsetSet, TakesRangesInAnyOrder) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; round++) {
    std::vector<std::pair<int64_t, int64_t>> ranges;
    for (int64_t at = 5; at < 200;) {
      const int64_t n = 1 + static_cast<int64_t>(random() % 9);
      ranges.emplace_back(at, at + n);
      at += n;
    }
    const int64_t end = ranges.back().second;
    std::shuffle(ranges.begin(), ranges.end(), random);
    OffsetSet set(5);
    uint64_t n = 0;
    for (const auto& [from, to] : ranges) {
      EXPECT_FALSE(set.contains(from));
      set.add(from, to);
      set.add(from, to);
      n += static_cast<uint64_t>(to - from);
      EXPECT_EQ(set.size(), n);
      EXPECT_TRUE(set.contains(to - 1));
      std::string bytes;
      set.encode(bytes);
      OffsetSet copy;
      ASSERT_TRUE(copy.decode(bytes));
      EXPECT_EQ(copy.size(), set.size());
    }
    EXPECT_EQ(set.next(), end);
    EXPECT_FALSE(set.has_gaps());
  }
}

TEST(OffsetSet, KeepsWhatIsFarAheadAndFullOfGaps) {
  std::mt19937 random(11);
  for (int round = 0; round < 20; round++) {
    OffsetSet set(1000);
    std::set<int64_t> naive;
    // Three that go through the same offsets, each its own, at paces of their own.
    std::array<int64_t, 3> at{1000, 1000, 1000};
    OffsetSet before = set;
    for (int turn = 0; turn < 60; turn++) {
      const size_t who = random() % 3;
      const std::set<int64_t> known = naive;
      before = set;
      for (uint64_t n = random() % 2000; n > 0; n--, at[who]++) {
        if ((static_cast<uint64_t>(at[who]) * 2654435761U >> 7) % 3 != who) continue;
        set.add(at[who], at[who] + 1);
        naive.insert(at[who]);
      }
      EXPECT_EQ(before.size(), known.size()) << "a copy is a copy";
      EXPECT_EQ(set.size(), naive.size());
      int64_t next = 1000;
      while (naive.contains(next)) next++;
      EXPECT_EQ(set.next(), next);
      EXPECT_EQ(set.has_gaps(), naive.size() > static_cast<size_t>(next - 1000));
      for (int i = 0; i < 50; i++) {
        const int64_t any = 1000 + static_cast<int64_t>(random() % 50'000);
        EXPECT_EQ(set.contains(any), naive.contains(any) || any < next) << any;
      }
      std::string bytes, again;
      set.encode(bytes);
      OffsetSet copy;
      ASSERT_TRUE(copy.decode(bytes));
      EXPECT_EQ(copy.size(), set.size());
      EXPECT_EQ(copy.next(), set.next());
      copy.encode(again);
      EXPECT_EQ(again, bytes);
      EXPECT_LT(bytes.size(), 16'000U);
    }
    const int64_t end = *std::ranges::max_element(at);
    set.add(1000, end);
    EXPECT_EQ(set.next(), end);
    EXPECT_FALSE(set.has_gaps());
  }
}

TEST(Keys, CountsKeysSortNewestFirst) {
  const std::string a = counts_key({{1}, 100, Lane::kMain});
  const std::string b = counts_key({{1}, 99, Lane::kMain});
  EXPECT_LT(a, b);
  EXPECT_LT(b, counts_key({{2}, 100, Lane::kMain}));
  const LedgerKey key{{7}, -3, Lane::kOverflow};
  EXPECT_EQ(parse_counts_key(counts_key(key)), key);
  const QuarantineId id{123456, {3}, {9}};
  const auto parsed = QuarantineId::parse(id.text());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->bytes(), id.bytes());
  EXPECT_FALSE(QuarantineId::parse("nonsense").has_value());
}

Uuid uuid_of(uint64_t n) {
  Uuid u;
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  return u;
}

event::Outcome outcome_of(uint64_t n, OutcomeKind kind, Lane lane, int64_t raw_offset) {
  event::Outcome o;
  o.kind = kind;
  o.project = {1};
  o.received_for = {1};
  o.uuid = uuid_of(n);
  o.content_hash = n;
  o.received_ms = static_cast<int64_t>(n % 5) * 60'000;
  o.source = {lane, {0}, {raw_offset}};
  if (kind == OutcomeKind::kDropped) o.reason = "heatmap";
  if (kind == OutcomeKind::kQuarantined) {
    o.reason = "unknown_token";
    o.stage = "team";
    o.token = n % 2 == 0 ? "phc_even" : "phc_odd";
    o.raw = "raw bytes of the record";
  }
  if (kind == OutcomeKind::kAccepted) {
    o.row.event = "e";
    o.row.distinct_id = "d";
    o.row.properties = o.row.person_properties = "{}";
  }
  return o;
}

std::string encoded(const event::Outcome& o) {
  std::string out;
  event::encode(o, out);
  return out;
}

LedgerKey key_of(uint64_t n, Lane lane) { return {{1}, static_cast<int64_t>(n % 5), lane}; }

class LedgerTest : public ::testing::Test {
 protected:
  std::shared_ptr<kv::MemoryKv> kv_ =
      std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{.crashable = true, .gate = {}});
  std::unique_ptr<Ledger> ledger_ = make_ledger(kv::make_view(kv_), {});
  int64_t raw_next_ = 0, processed_next_ = 0;

  void receive(uint64_t n) {
    ledger_->received(Lane::kMain, {{{0}, {raw_next_}, false}}, {1}, {{key_of(n, Lane::kMain), 1}});
    raw_next_++;
  }
  void apply(const event::Outcome& o) {
    const std::string bytes = encoded(o);
    ASSERT_TRUE(ledger_->apply_processed({0}, {processed_next_}, {bytes}).has_value());
    processed_next_++;
  }
  void handle(uint64_t n, OutcomeKind kind) {
    receive(n);
    apply(outcome_of(n, kind, Lane::kMain, raw_next_ - 1));
  }
};

TEST_F(LedgerTest, CountsEveryOutcome) {
  handle(1, OutcomeKind::kAccepted);
  handle(1, OutcomeKind::kDuplicate);
  handle(2, OutcomeKind::kDropped);
  handle(3, OutcomeKind::kQuarantined);
  receive(4);
  const LedgerCounts all = *ledger_->totals(ProjectId{1});
  EXPECT_EQ(all.received, 5U);
  EXPECT_EQ(all.accepted, 1U);
  EXPECT_EQ(all.deduplicated, 1U);
  EXPECT_EQ(all.quarantined, 1U);
  EXPECT_EQ(all.dropped.at("heatmap"), 1U);
  EXPECT_EQ(all.in_flight(), 2U);
  ASSERT_TRUE(ledger_->apply_stored({0}, {0}, {4}, {{key_of(1, Lane::kMain), 1}}).has_value());
  ASSERT_TRUE(ledger_->apply_stored({0}, {0}, {4}, {{key_of(1, Lane::kMain), 1}}).has_value());
  EXPECT_EQ(ledger_->totals(std::nullopt)->stored, 1U);
  EXPECT_EQ(ledger_->totals(ProjectId{2})->received, 0U);
}

TEST_F(LedgerTest, ForgetsWhoseEventsTheyWereAndNothingElse) {
  const auto tell = [&](uint64_t n, OutcomeKind kind, std::string_view id, int64_t project) {
    receive(n);
    event::Outcome o = outcome_of(n, kind, Lane::kMain, raw_next_ - 1);
    o.project = {project};
    o.row.event = "secret name";
    o.row.distinct_id = id;
    apply(o);
  };
  // More than are changed at once.
  for (uint64_t n = 1; n <= 1200; n++) tell(n * 5, OutcomeKind::kAccepted, "gone", 1);
  tell(6001, OutcomeKind::kAccepted, "gone", 1);  // received later than asked
  tell(7000, OutcomeKind::kAccepted, "stays", 1);
  tell(8000, OutcomeKind::kAccepted, "gone", 2);
  handle(5, OutcomeKind::kDuplicate);
  const auto before = *ledger_->totals(std::nullopt);
  EXPECT_EQ(ledger_->forget_ids({1}, {"gone", "never there"}, 0).value_or(0), 1200U);
  EXPECT_EQ(ledger_->forget_ids({1}, {"gone"}, 0).value_or(9), 0U) << "again";
  kv_->crash(1);  // durable already
  for (const uint64_t n : {5, 500 * 5, 1200 * 5}) {
    const auto story = *ledger_->trace(uuid_of(n));
    ASSERT_EQ(story.size(), n == 5 ? 2U : 1U);
    EXPECT_EQ(story[0].event + story[0].distinct_id, "");
  }
  EXPECT_EQ((*ledger_->trace(uuid_of(5)))[0].duplicates, 1U);
  for (const uint64_t n : {6001, 7000, 8000}) {
    EXPECT_EQ((*ledger_->trace(uuid_of(n)))[0].event, "secret name") << n;
  }
  const auto known = ledger_->accepted({{{1}, uuid_of(10)}});
  ASSERT_TRUE((*known)[0].has_value());
  EXPECT_TRUE((*known)[0]->same(10)) << "a repeat is still known";
  EXPECT_FALSE((*known)[0]->same(11)) << "and so is a conflict";
  EXPECT_EQ(ledger_->totals(std::nullopt)->received, before.received);
}

TEST_F(LedgerTest, RowsAreNewestFirstAndBounded) {
  for (uint64_t n = 0; n < 5; n++) handle(n, OutcomeKind::kAccepted);
  receive(4);  // not written yet: it must show all the same
  auto rows = ledger_->rows({1}, 0, 5, 10);
  ASSERT_EQ(rows->size(), 5U);
  EXPECT_EQ((*rows)[0].key.minute, 4);
  EXPECT_EQ((*rows)[0].counts.received, 2U);
  EXPECT_EQ((*rows)[4].key.minute, 0);
  rows = ledger_->rows({1}, 1, 4, 2);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].key.minute, 3);
  EXPECT_EQ((*rows)[1].key.minute, 2);
  EXPECT_TRUE(ledger_->rows({9}, 0, 5, 10)->empty());
}

TEST_F(LedgerTest, ARepeatedApplyChangesNothing) {
  receive(1);
  const std::string bytes = encoded(outcome_of(1, OutcomeKind::kAccepted, Lane::kMain, 0));
  for (int i = 0; i < 3; i++) {
    ASSERT_TRUE(ledger_->apply_processed({0}, {0}, {bytes}).has_value());
  }
  EXPECT_EQ(ledger_->totals(std::nullopt)->accepted, 1U);
  EXPECT_EQ(ledger_->apply_processed({0}, {5}, {bytes}).error().code, Code::kBug) << "a gap";
}

TEST_F(LedgerTest, AnOutcomeMayComeBeforeCapturesReport) {
  apply(outcome_of(1, OutcomeKind::kAccepted, Lane::kMain, 0));
  EXPECT_EQ(ledger_->totals(std::nullopt)->received, 1U);
  receive(1);
  receive(2);
  const LedgerCounts all = *ledger_->totals(std::nullopt);
  EXPECT_EQ(all.received, 2U);
  EXPECT_EQ(all.in_flight(), 2U);
  // One report over several records, of which the middle one was decided already.
  apply(outcome_of(7, OutcomeKind::kAccepted, Lane::kMain, 3));
  ledger_->received(
      Lane::kMain, {{{0}, {2}, false}}, {3},
      {{key_of(6, Lane::kMain), 1}, {key_of(7, Lane::kMain), 1}, {key_of(8, Lane::kMain), 1}});
  EXPECT_EQ(ledger_->totals(std::nullopt)->received, 5U);
  EXPECT_EQ((*ledger_->rows({1}, 2, 3, 1))[0].counts.received, 2U);
}

TEST_F(LedgerTest, AcceptedAnswersForAcceptedEventsOfTheProject) {
  handle(1, OutcomeKind::kAccepted);
  handle(2, OutcomeKind::kDropped);
  handle(3, OutcomeKind::kQuarantined);
  const auto before = *ledger_->accepted(
      {{{1}, uuid_of(1)}, {{1}, uuid_of(2)}, {{1}, uuid_of(3)}, {{2}, uuid_of(1)}});
  ASSERT_TRUE(before[0].has_value());
  EXPECT_TRUE(before[0]->same(1));
  EXPECT_FALSE(before[0]->same(2));
  for (size_t i = 1; i < 4; i++) EXPECT_FALSE(before[i].has_value());
}

TEST_F(LedgerTest, OutcomesOfOldKeepBothStoriesOfAUuid) {
  for (int n = 0; n < 2; n++) {
    receive(1);
    event::Outcome o = outcome_of(1, OutcomeKind::kAccepted, Lane::kMain, raw_next_ - 1);
    o.content_hash.reset();
    o.row.event = n == 0 ? "first" : "second";
    apply(o);
  }
  const auto story = *ledger_->trace(uuid_of(1));
  ASSERT_EQ(story.size(), 2U);
  EXPECT_EQ(story[0].event, "first");
  EXPECT_TRUE((*ledger_->accepted({{{1}, uuid_of(1)}}))[0]->same(5));
}

TEST_F(LedgerTest, TraceTellsTheStory) {
  handle(1, OutcomeKind::kAccepted);
  EXPECT_EQ(ledger_->trace(uuid_of(1))->at(0).state, "in_flight");
  handle(1, OutcomeKind::kDuplicate);
  handle(1, OutcomeKind::kDuplicate);
  ASSERT_TRUE(ledger_->apply_stored({0}, {0}, {3}, {{key_of(1, Lane::kMain), 1}}).has_value());
  auto story = *ledger_->trace(uuid_of(1));
  ASSERT_EQ(story.size(), 3U);
  EXPECT_EQ(story[0].state, "stored");
  EXPECT_EQ(story[1].state, "duplicate");
  EXPECT_EQ(story[2].processed, Offset{2});
  EXPECT_EQ(story[0].duplicates, 2U);
  EXPECT_EQ(story[0].event, "e");
  EXPECT_EQ(story[0].distinct_id, "d");
  handle(2, OutcomeKind::kDropped);
  EXPECT_EQ(ledger_->trace(uuid_of(2))->at(0).reason, "heatmap");
  event::RefusedRecord refused;
  refused.uuid = uuid_of(3);
  refused.status = 413;
  refused.reason = "too_large";
  std::string bytes;
  event::encode(refused, bytes);
  const log::ReadBatch batch{{0}, {0}, 0, 0, {bytes}, nullptr};
  ASSERT_TRUE(ledger_->apply_refused(batch).has_value());
  ASSERT_TRUE(ledger_->apply_refused(batch).has_value());
  story = *ledger_->trace(uuid_of(3));
  ASSERT_EQ(story.size(), 1U);
  EXPECT_EQ(story[0].state, "refused");
  EXPECT_EQ(story[0].status, 413);
  EXPECT_TRUE(ledger_->trace(uuid_of(99))->empty());
}

TEST_F(LedgerTest, RefusalsAreKeptWithinTheirBound) {
  ledger_ = make_ledger(kv::make_view(kv_), {.refused_kept_max = 10});
  for (int64_t i = 0; i < 30; i++) {
    event::RefusedRecord refused;
    refused.uuid = uuid_of(static_cast<uint64_t>(i));
    refused.reason = "x";
    std::string bytes;
    event::encode(refused, bytes);
    ASSERT_TRUE(ledger_->apply_refused({{0}, {i}, 0, 0, {bytes}, nullptr}).has_value());
  }
  EXPECT_TRUE(ledger_->trace(uuid_of(19))->empty());
  EXPECT_EQ(ledger_->trace(uuid_of(20))->size(), 1U);
}

TEST_F(LedgerTest, QuarantineListsAndGivesBack) {
  for (uint64_t n = 0; n < 6; n++) handle(n, OutcomeKind::kQuarantined);
  EXPECT_EQ(ledger_->quarantine_usage().entries, 6U);
  auto even = *ledger_->quarantined("phc_even", "", 2);
  ASSERT_EQ(even.size(), 2U);
  EXPECT_EQ(even[0].raw, "raw bytes of the record");
  EXPECT_EQ(even[0].token, "phc_even");
  auto more = *ledger_->quarantined("phc_even", even[1].id, 2);
  ASSERT_EQ(more.size(), 1U);
  EXPECT_EQ(ledger_->quarantined("", "", 100)->size(), 6U);
  ASSERT_TRUE(ledger_->take_quarantined({even[0].id, even[1].id}).has_value());
  ASSERT_TRUE(ledger_->take_quarantined({even[0].id}).has_value()) << "a second time";
  const LedgerCounts all = *ledger_->totals(std::nullopt);
  EXPECT_EQ(all.quarantined, 4U);
  EXPECT_EQ(all.redriven, 2U);
  EXPECT_EQ(all.in_flight(), 0U);
  EXPECT_EQ(ledger_->quarantine_usage().entries, 4U);
  EXPECT_EQ(ledger_->quarantined("", "", 100)->size(), 4U);
  EXPECT_EQ(ledger_->trace(even[0].uuid)->at(0).state, "redriven");
  EXPECT_EQ(ledger_->quarantined("", "zz", 1).error().code, Code::kInvalid);
}

TEST_F(LedgerTest, AFailedWriteChangesNothingUntilItSucceeds) {
  bool broken = false;
  auto kv = std::make_shared<kv::MemoryKv>(
      kv::MemoryKvOptions{.crashable = false, .gate = [&broken]() -> Status {
                            if (broken) return fail(Code::kExhausted, "the disk is full");
                            return {};
                          }});
  ledger_ = make_ledger(kv::make_view(kv), {});
  receive(1);
  broken = true;
  const std::string bytes = encoded(outcome_of(1, OutcomeKind::kAccepted, Lane::kMain, 0));
  EXPECT_FALSE(ledger_->apply_processed({0}, {0}, {bytes}).has_value());
  EXPECT_FALSE(ledger_->healthy());
  EXPECT_EQ(ledger_->totals(std::nullopt)->accepted, 0U);
  EXPECT_EQ(ledger_->totals(std::nullopt)->received, 1U);
  broken = false;
  EXPECT_TRUE(ledger_->apply_processed({0}, {0}, {bytes}).has_value());
  EXPECT_TRUE(ledger_->healthy());
  EXPECT_EQ(ledger_->totals(std::nullopt)->accepted, 1U);
  EXPECT_EQ(ledger_->totals(std::nullopt)->received, 1U);
}

}  // namespace
}  // namespace penstock::ledger
