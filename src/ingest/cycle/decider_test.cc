// The Decider over whole batches: duplicates, poison, unknown tokens, bounds.
#include <gtest/gtest.h>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using event::OutcomeKind;
using testing::Fixture;
using testing::Seens;

std::vector<OutcomeKind> kinds(const Seens& seen) {
  std::vector<OutcomeKind> out;
  for (const auto& o : seen.outcomes) out.push_back(o.kind);
  return out;
}

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kNoon = 1'785'585'600'000;

TEST(Dedup, WithinABatchAndAcross) {
  Fixture f;
  f.add({.uuid = 1});
  f.add({.uuid = 1});
  f.add({.data = R"({"properties":{"other":"text"}})", .uuid = 1});
  EXPECT_EQ(kinds(f.decide()), (std::vector{OutcomeKind::kAccepted, OutcomeKind::kDuplicate,
                                            OutcomeKind::kDuplicate}));
  EXPECT_EQ(kinds(f.run({.uuid = 1})), std::vector{OutcomeKind::kDuplicate});
}

TEST(Dedup, TheKeyIsProjectDayEventDistinctIdUuid) {
  Fixture f;
  f.run({.uuid = 1});
  EXPECT_EQ(kinds(f.run({.event = "other", .uuid = 1})), std::vector{OutcomeKind::kAccepted});
  EXPECT_EQ(kinds(f.run({.distinct_id = "u2", .uuid = 1})), std::vector{OutcomeKind::kAccepted});
  EXPECT_EQ(kinds(f.run({.timestamp_ms = kNoon + kDayMs, .uuid = 1})),
            std::vector{OutcomeKind::kAccepted});
  EXPECT_EQ(kinds(f.run({.timestamp_ms = kNoon + 1000, .uuid = 1})),
            std::vector{OutcomeKind::kDuplicate});
}

TEST(Dedup, ADroppedEventIsNoFirstCopy) {
  Fixture f;
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ(kinds(f.run({.event = "$$client_ingestion_warning", .uuid = 1})),
              std::vector{OutcomeKind::kDropped});
  }
}

TEST(Poison, ARecordThatCannotBeReadHarmsNobody) {
  Fixture f;
  f.add({});
  f.add_bytes("this is no record");
  f.add({});
  const Seens seen = f.decide();
  EXPECT_EQ(kinds(seen), (std::vector{OutcomeKind::kAccepted, OutcomeKind::kQuarantined,
                                      OutcomeKind::kAccepted}));
  EXPECT_EQ(seen.outcomes[1].raw, "this is no record");
  EXPECT_EQ(seen.outcomes[1].stage, "decode");
}

TEST(Poison, DeepAndMalformedDataIsContained) {
  std::string deep = R"({"properties":{"a":)" + std::string(10'000, '[');
  deep += std::string(10'000, ']') + "}}";
  for (const std::string& data : {deep, std::string("{\"properties\":{\"a\":\"\xff\"}}"),
                                  std::string(R"({"properties":{"a":1},})"), std::string()}) {
    Fixture f;
    f.add({.data = data});
    f.add({});
    EXPECT_EQ(kinds(f.decide()), (std::vector{OutcomeKind::kQuarantined, OutcomeKind::kAccepted}));
  }
}

TEST(Quarantine, UnknownTokensWaitWithinTheirBound) {
  Fixture f({.quarantine_bytes_per_token_max = 3000});
  for (int i = 0; i < 10; i++) {
    f.add({.data = R"({"properties":{"pad":")" + std::string(700, 'x') + "\"}}",
           .token = "phc_nobody"});
  }
  f.add({.token = "phc_other"});
  const Seens seen = f.decide();
  size_t kept = 0, full = 0;
  for (const auto& o : seen.outcomes) {
    if (o.kind == OutcomeKind::kQuarantined) {
      kept++;
      EXPECT_EQ(o.reason, "unknown_token");
    } else {
      EXPECT_EQ(o.reason, "quarantine_full");
      full++;
    }
  }
  EXPECT_EQ(kept, 4U);
  EXPECT_EQ(full, 7U);
  EXPECT_EQ(f.ledger().quarantine_usage().entries, 4U);
  const Seens later = f.run({.data = std::string(2900, ' '), .token = "phc_nobody"});
  EXPECT_EQ(later.outcomes[0].reason, "quarantine_full");
}

TEST(Bounds, ACycleEndsEarlyWhenItsOutputIsLarge) {
  Fixture f({}, {.output_bytes_max = 10'000});
  for (int i = 0; i < 50; i++) {
    f.add({.data = R"({"properties":{"pad":")" + std::string(1000, 'x') + "\"}}",
           .partition = i % 2});
  }
  const Seens seen = f.decide(false);
  EXPECT_GE(seen.outcomes.size(), 5U);
  EXPECT_LE(seen.outcomes.size(), 15U);
}

TEST(Decider, DecidingAgainGivesTheSame) {
  Fixture f;
  const auto add = [&] {
    for (uint64_t i = 1; i <= 20; i++) {
      f.add({.data = R"({"properties":{"$set":{"n":)" + std::to_string(i) + "}}}",
             .distinct_id = "u" + std::to_string(i % 3),
             .uuid = i});
    }
  };
  add();
  const Seens first = f.decide(false);
  add();
  const Seens second = f.decide(false);
  ASSERT_EQ(first.outcomes.size(), second.outcomes.size());
  for (size_t i = 0; i < first.outcomes.size(); i++) {
    EXPECT_EQ(first.outcomes[i].properties, second.outcomes[i].properties);
    EXPECT_EQ(first.outcomes[i].person_properties, second.outcomes[i].person_properties);
  }
  EXPECT_EQ(first.persons.size(), 3U);
}

}  // namespace
}  // namespace penstock::ingest
