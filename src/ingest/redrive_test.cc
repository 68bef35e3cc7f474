// Quarantine as operators use it: edit, try, drive again, discard, through crashes.
#include "ingest/redrive.h"

#include <gtest/gtest.h>

#include <chrono>

#include "base/json_writer.h"
#include "event/quarantine_change.h"
#include "ingest/testing/world.h"

namespace penstock::ingest {
namespace {

using event::Lane;
using testing::Sent;
using testing::World;

Uuid uuid_of(uint64_t n) {
  Uuid u;
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(n >> (8 * i));
  return u;
}

void send_lost(World& w, uint64_t from, uint64_t to) {
  std::vector<Sent> events;
  for (uint64_t n = from; n < to; n++) {
    events.push_back({uuid_of(n), "u" + std::to_string(n % 7), "lost", "phc_nobody",
                      n % 5 == 0 ? Lane::kHistorical : Lane::kMain});
  }
  w.send(events);
}

std::vector<ledger::QuarantineEntry> quarantined(World& w) {
  return ledger::find_quarantined(w.ledger(), {}, "", 10'000, 10'000)->entries;
}

std::string edit_of(const ledger::QuarantineEntry& entry, std::string_view data) {
  JsonWriter out;
  return out.begin_object().field("id", entry.id).field("data", data).end_object().take();
}

/// received = what came of it, and offsets agree.
void check_books(World& w) {
  EXPECT_TRUE(w.ledger().balance(w.log()).balanced) << w.ledger().balance(w.log()).detail;
  const auto audit = *w.ledger().audit(std::nullopt);
  EXPECT_TRUE(audit.wrong.empty()) << audit.wrong[0];
  const auto all = *w.ledger().totals(std::nullopt);
  EXPECT_EQ(all.received, all.decided());
  // The same books, rebuilt from the log alone.
  auto fresh = ledger::make_ledger(kv::make_memory_kv(), {});
  bool done = false;
  fresh->recover(w.log(), w.loop(), [&](const Status& s) { done = s.has_value(); });
  w.runtime().run_until([&] { return done; });
  const auto rebuilt = *fresh->totals(std::nullopt);
  EXPECT_EQ(rebuilt.received, all.received);
  EXPECT_EQ(rebuilt.accepted, all.accepted);
  EXPECT_EQ(rebuilt.quarantined, all.quarantined);
  EXPECT_EQ(rebuilt.redriven, all.redriven);
  EXPECT_EQ(rebuilt.dropped, all.dropped);
  EXPECT_EQ(rebuilt.deduplicated, all.deduplicated);
}

bool ended(World& w) {
  const auto jobs = *w.ledger().redrive_jobs(10);
  return !jobs.empty() && jobs.front().ended_ms != 0;
}

TEST(Quarantine, EditedEventsFlowInExactlyOnceThroughCrashes) {
  for (uint64_t seed = 1; seed <= 12; seed++) {
    SCOPED_TRACE(seed);
    World w(seed, {.redrive_per_second = 400});
    w.start();
    send_lost(w, 1, 61);
    w.settle();
    const auto entries = quarantined(w);
    ASSERT_EQ(entries.size(), 60U);
    for (size_t i = 0; i < 40; i++) {
      const std::string data = R"({"event":"found","token":"phc_one","distinct_id":"id)" +
                               std::to_string(i) + R"(","properties":{}})";
      const Uuid command = w.command(event::kQuarantineEdit, edit_of(entries[i], data));
      if (i == 39) {
        EXPECT_EQ(w.report_of(command).state, "done");
      }
    }
    w.command(event::kQuarantineRedrive, R"({"select":{"token":"phc_nobody"},"total":60})");
    w.log().percent = static_cast<int>(seed % 3) * 20;
    for (uint64_t life = 0; life < 3; life++) {
      w.run_ms(static_cast<int64_t>(seed * 37 + life * 61) % 250);
      w.crash(seed * 10 + life);
      w.start();
    }
    w.log().percent = 0;
    w.runtime().run_until([&] { return ended(w); });
    w.settle();
    const auto one = *w.ledger().totals(ProjectId{1});
    EXPECT_EQ(one.accepted, 40U);
    // The others came back to where they were, and were not driven again and again.
    EXPECT_EQ(quarantined(w).size(), 20U);
    const auto nobody = *w.ledger().totals(ProjectId{0});
    EXPECT_EQ(nobody.redriven, 60U);
    EXPECT_EQ(nobody.quarantined, 20U);
    check_books(w);
    w.stop();
  }
}

TEST(Quarantine, DiscardedEventsAreDroppedInTheBooks) {
  World w(4);
  w.start();
  send_lost(w, 1, 11);
  w.settle();
  const auto entries = quarantined(w);
  JsonWriter body;
  body.begin_object().key("select").begin_object().key("ids").begin_array();
  for (size_t i = 0; i < 4; i++) body.string(entries[i].id);
  const std::string text = body.end_array().end_object().end_object().take();
  EXPECT_EQ(w.report_of(w.command(event::kQuarantineDiscard, text)).report, R"({"discarded":4})");
  EXPECT_EQ(w.report_of(w.command(event::kQuarantineDiscard, text)).report, R"({"discarded":0})");
  EXPECT_EQ(w.ledger().totals(std::nullopt)->dropped.at(std::string(event::kDiscarded)), 4U);
  EXPECT_EQ(quarantined(w).size(), 6U);
  check_books(w);
  w.crash(9);
  w.start();
  w.settle();
  EXPECT_EQ(quarantined(w).size(), 6U);
  check_books(w);
  w.stop();
}

TEST(Quarantine, ATrialSaysWhatWouldBeAndDoesNothing) {
  World w(5);
  w.start();
  send_lost(w, 1, 2);
  w.settle();
  auto entry = quarantined(w).front();
  const auto tried = [&](ProjectId project) {
    std::vector<std::string> out;
    bool done = false;
    const std::string record = *ledger::redriven_record(entry, project);
    w.loop().post([&, record] {
      w.ingest().try_out(entry.source, record, [&](Result<std::vector<std::string>> records) {
        out = std::move(*records);
        done = true;
      });
    });
    w.runtime().run_until([&] { return done; });
    return out;
  };
  const auto before = *w.ledger().totals(std::nullopt);
  auto records = tried({0});
  auto outcome = std::get<event::Outcome>(*event::decode_processed(records.at(0)));
  EXPECT_EQ(outcome.reason, "unknown_token");
  entry.edited = R"({"event":"$set","token":"phc_one","distinct_id":"ada","$set":{"plan":"pro"}})";
  records = tried({1});
  outcome = std::get<event::Outcome>(*event::decode_processed(records.at(0)));
  EXPECT_EQ(outcome.kind, event::OutcomeKind::kAccepted);
  EXPECT_EQ(outcome.row.distinct_id, "ada");
  EXPECT_EQ(outcome.row.person_why, event::PersonWhy::kCreated);
  EXPECT_GE(records.size(), 3U) << "the person and its id";
  const auto after = *w.ledger().totals(std::nullopt);
  EXPECT_EQ(after.received, before.received);
  EXPECT_EQ(after.decided(), before.decided());
  EXPECT_FALSE((*w.persons().fetch({{ProjectId{1}, "ada"}})).front().has_value());
  w.settle();
  w.stop();
}

TEST(Quarantine, AReDriveKeepsToItsRateAndCanBeStopped) {
  World w(6);
  w.start();
  send_lost(w, 1, 101);
  w.settle();
  const Uuid job =
      w.command(event::kQuarantineRedrive,
                R"({"select":{"reason":"unknown_token"},"per_second":20,"total":100})");
  w.run_ms(2100);
  const auto redriven = [&] { return w.ledger().totals(ProjectId{0})->redriven; };
  EXPECT_GE(redriven(), 20U);
  EXPECT_LE(redriven(), 50U);
  ASSERT_EQ(w.ingest().redrives().size(), 1U);
  EXPECT_EQ(w.ingest().redrives().front().job, job);
  w.command(event::kQuarantineRedriveEnd, R"({"job":")" + job.text() + R"(","state":"stopped"})");
  w.runtime().run_until([&] { return ended(w); });
  w.settle();
  const uint64_t then = redriven();
  w.run_ms(5000);
  EXPECT_EQ(redriven(), then);
  EXPECT_EQ(w.ledger().redrive_jobs(1)->front().state, "stopped");
  EXPECT_TRUE(w.ingest().redrives().empty());
  check_books(w);
  w.stop();
}

TEST(Quarantine, AReDriveEndsWhateverTheClockSays) {
  for (const int64_t hours : {-2, 2}) {
    SCOPED_TRACE(hours);
    World w(7);
    w.start();
    send_lost(w, 1, 31);
    w.settle();
    // Nobody's still: all of them come back, to be met behind the place where the job is.
    w.command(event::kQuarantineRedrive,
              R"({"select":{"reason":"unknown_token"},"per_second":50})");
    w.runtime().jump_wall(std::chrono::hours(hours));
    w.run_ms(200);
    w.runtime().jump_wall(std::chrono::hours(-hours));
    w.runtime().run_until([&] { return ended(w); });
    w.settle();
    EXPECT_EQ(w.ledger().totals(ProjectId{0})->redriven, 30U);
    EXPECT_EQ(quarantined(w).size(), 30U);
    check_books(w);
    w.stop();
  }
}

TEST(Quarantine, AReDriveOfAnOlderVersionGoesByTheClock) {
  ledger::RedriveJob job;
  job.began_ms = 100;
  job.body = R"({"select":{}})";
  ledger::QuarantineEntry entry;
  entry.decided_ms = 100;
  entry.processed = {7};
  entry.source.partition = {0};
  entry.processed_in = {1};  // of another slice
  EXPECT_TRUE(ledger::RedriveBegan(job).had(entry));
  entry.decided_ms = 101;
  EXPECT_FALSE(ledger::RedriveBegan(job).had(entry));
  job.body = R"({"select":{},"positions":[0,8]})";
  EXPECT_TRUE(ledger::RedriveBegan(job).had(entry)) << "it was there, whatever its clock said";
  job.body = R"({"select":{},"positions":[9,7]})";
  EXPECT_FALSE(ledger::RedriveBegan(job).had(entry));
}

}  // namespace
}  // namespace penstock::ingest
