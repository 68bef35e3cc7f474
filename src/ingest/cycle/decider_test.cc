// The Decider over whole batches: duplicates, poison, unknown tokens, bounds.
#include <gtest/gtest.h>

#include "ingest/testing/fixture.h"

namespace penstock::ingest {
namespace {

using event::OutcomeKind;
using testing::EventSpec;
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
                                            OutcomeKind::kQuarantined}));
  EXPECT_EQ(kinds(f.run({.uuid = 1})), std::vector{OutcomeKind::kDuplicate});
}

/// What two attempts of one event may look like.
constexpr std::string_view kFirstAttempt =
    R"({"event":"seen","distinct_id":"u1","timestamp":"2026-08-01T12:00:00Z","offset":12,
        "$set":{"plan":"pro","n":1},"$set_once":{"from":"ad"},
        "properties":{"a":[1,{"x":1,"y":"\u00e9/"}],"b":{"c":1.1,"d":null},"token":"phc_one",
        "$lib":"web","$lib_version":"1.0","$sent_at":"2026-08-01T12:00:01Z","$ip":"10.0.0.1"}})";

TEST(Dedup, ARetryIsARepeatWhateverTheClientRenews) {
  Fixture f;
  f.run({.data = std::string(kFirstAttempt), .ip = "10.0.0.1", .uuid = 1});
  const std::string again =
      R"({"$set_once":{"from":"ad"},"properties":{"$lib_version":"1.1","b":{"d":null,)"
      R"("c":1.1000000000000001},"a":[1.0,{"y":"é\/","x":1e0}],"$ip":"10.9.9.9"},)"
      R"("$set":{"n":1,"plan":"pro"},"event":"seen","distinct_id":"u1","offset":60012})";
  const EventSpec retries[] = {
      {.data = again, .uuid = 1},
      {.data = again, .timestamp_ms = kNoon + kDayMs, .now_ms = kNoon + kDayMs, .uuid = 1},
      {.data = again, .ip = "10.0.0.2", .sent_at_ms = kNoon + 60'000, .uuid = 1},
      {.data = again, .uuid = 1, .skip_persons = true},
  };
  for (const EventSpec& retry : retries) {
    EXPECT_EQ(kinds(f.run(retry)), std::vector{OutcomeKind::kDuplicate});
  }
  EXPECT_EQ(f.ledger().trace(f.uuid_of(1))->at(0).duplicates, 4U);
}

TEST(Dedup, AnotherEventUnderTheSameUuidIsAConflict) {
  const EventSpec others[] = {
      {.event = "other", .uuid = 1},
      {.distinct_id = "u2", .uuid = 1},
      {.data = R"({"properties":{"a":2}})", .uuid = 1},
      {.data = R"({"properties":{"a":"1"}})", .uuid = 1},
      {.data = R"({"properties":{"a":1,"b":1}})", .uuid = 1},
      {.data = R"({"properties":{"a":1},"$set":{}})", .uuid = 1},
      {.data = R"({"properties":{"a":1},"$set_once":{"b":1}})", .uuid = 1},
      {.data = R"({"properties":{"a":1,"$unset":["b"]}})", .uuid = 1},
  };
  for (bool in_one_batch : {true, false}) {
    for (const EventSpec& other : others) {
      Fixture f;
      f.add({.data = R"({"properties":{"a":1}})", .uuid = 1});
      if (!in_one_batch) f.decide();
      f.add(other);
      const Seens seen = f.decide();
      const auto& last = seen.outcomes.back();
      EXPECT_EQ(last.kind, OutcomeKind::kQuarantined) << other.data;
      EXPECT_EQ(last.reason, "uuid_conflict");
      EXPECT_EQ(last.stage, "dedup");
      ASSERT_EQ(seen.warnings.size(), 1U);
      EXPECT_EQ(seen.warnings[0].first, "uuid_conflict");
      const auto story = *f.ledger().trace(f.uuid_of(1));
      ASSERT_EQ(story.size(), 2U);
      EXPECT_EQ(story[0].state + " " + story[1].state, "in_flight quarantined");
      EXPECT_EQ(story[1].reason, "uuid_conflict");
      EXPECT_EQ(f.ledger().quarantine_usage().entries, 1U);
    }
  }
}

TEST(Dedup, AUuidIsOneProjectsOwn) {
  Fixture f;
  f.add({.uuid = 1});
  f.add({.event = "other", .token = "phc_two", .uuid = 1});
  EXPECT_EQ(kinds(f.decide()), (std::vector{OutcomeKind::kAccepted, OutcomeKind::kAccepted}));
}

TEST(Dedup, HeatmapsAreComparedByTheirPoints) {
  const auto heatmap = [](int x) {
    return R"({"properties":{"$viewport_width":800,"$viewport_height":600,"$session_id":"s",)"
           R"("$heatmap_data":{"https://a/":[{"x":)" +
           std::to_string(x) + R"(,"y":2,"target_fixed":false,"type":"click"}]}}})";
  };
  Fixture f;
  f.add({.data = heatmap(1), .event = "$$heatmap", .uuid = 1});
  f.add({.data = heatmap(1), .event = "$$heatmap", .uuid = 1});
  f.add({.data = heatmap(9), .event = "$$heatmap", .uuid = 1});
  EXPECT_EQ(kinds(f.decide()), (std::vector{OutcomeKind::kAccepted, OutcomeKind::kDuplicate,
                                            OutcomeKind::kQuarantined}));
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

TEST(Bounds, WhatACycleMakesFitsIntoOneAppend) {
  constexpr size_t kAppendMax = 100'000;
  Fixture f({}, {.output_bytes_max = kAppendMax, .append_bytes_max = kAppendMax});
  const auto seen = [](const std::string& id, const std::string& properties, uint64_t uuid) {
    return EventSpec{.data = R"({"properties":)" + properties + "}",
                     .distinct_id = id,
                     .event = "$groupidentify",
                     .uuid = uuid};
  };
  // What groups become is seen at the end only.
  const std::string pad(15'000, 'x');
  for (uint64_t i = 1; i <= 40; i++) {
    const std::string n = std::to_string(i);
    f.add(seen(
        "u" + n,
        R"({"$group_type":"t","$group_key":")" + n + R"(","$group_set":{"pad":")" + pad + "\"}}",
        i));
  }
  size_t outcomes = 0, groups = 0;
  for (int cycles = 0; outcomes < 40; cycles++) {
    ASSERT_LT(cycles, 40);
    const Seens seens = f.decide();
    EXPECT_LE(f.last_bytes(), kAppendMax);
    EXPECT_GE(seens.outcomes.size(), 1U);
    outcomes += seens.outcomes.size();
    groups += seens.groups.size();
  }
  EXPECT_EQ(groups, 40U) << "all of them were accepted";
  // One that alone makes too much: its bytes wait in quarantine, or are dropped where those do not
  // fit either; its person is untouched; the next one goes on.
  const auto large = [&](size_t size, uint64_t uuid) {
    EventSpec out = seen("large", R"({"$set":{"pad":")" + std::string(size, 'x') + "\"}}", uuid);
    out.event = "seen";
    return out;
  };
  f.add(large(60'000, 100));
  f.add(large(99'000, 101));
  f.add(seen("large", "{}", 102));
  std::string reasons;
  for (int i = 0; i < 3; i++) {
    for (const auto& o : f.decide().outcomes) {
      reasons += std::to_string(static_cast<int>(o.kind)) + o.reason + ' ';
    }
  }
  EXPECT_EQ(reasons,
            std::to_string(static_cast<int>(OutcomeKind::kQuarantined)) + "too_large_to_store " +
                std::to_string(static_cast<int>(OutcomeKind::kDropped)) + "too_large_to_store " +
                std::to_string(static_cast<int>(OutcomeKind::kAccepted)) + ' ');
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
