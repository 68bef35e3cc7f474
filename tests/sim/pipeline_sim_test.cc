// The pipeline on a simulated machine that dies: capture's appends, log, ingest; killed at any
// I/O, reborn on the disk that is left, and checked at the end.
//
// Clients keep one event in flight each and send it again, with the same uuid, until it is
// acknowledged, so that whatever they were told must hold: every acknowledged event has exactly one
// row or a counted reason, rows of a distinct id are in the order they were sent, the books
// balance, and persons are what the log says. One seed is one run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "base/hash.h"
#include "catalog/catalog.h"
#include "event/processed_record.h"
#include "event/raw_record.h"
#include "ingest/ingest.h"
#include "kv/memory_kv.h"
#include "ledger/ledger.h"
#include "log/embedded_log.h"
#include "log/scan.h"
#include "persons/person_store.h"
#include "runtime/sim_runtime.h"

namespace penstock {
namespace {

using event::Lane;
using event::OutcomeKind;

constexpr int32_t kPartitions = 2;
constexpr size_t kClients = 6;
constexpr char kKnown[] = "phc_known", kUnknown[] = "phc_unknown";

/// What outlives a crash: the disk, the stores' durable part, and what clients remember.
struct Machine {
  explicit Machine(uint64_t s) : seed(s), random(s), disk(std::make_shared<runtime::SimDisk>(s)) {
    const auto gate = [d = disk] { return d->foreign_io(); };
    ledger_kv = std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{true, gate});
    persons_kv = std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{true, gate});
  }

  struct Client {
    std::string distinct_id;
    int64_t next = 0;  // number of the event in flight
    bool waiting = false;
  };

  uint64_t seed;
  std::mt19937_64 random;
  std::shared_ptr<runtime::SimDisk> disk;
  std::shared_ptr<kv::MemoryKv> ledger_kv, persons_kv;
  std::vector<Client> clients{kClients};
  std::map<Uuid, std::pair<size_t, int64_t>> acknowledged;  // client, number
  bool project_exists = false;
  uint64_t life = 0;
};

Uuid uuid_of(size_t client, int64_t number) {
  Uuid u;
  u.bytes[0] = 9;
  u.bytes[1] = static_cast<uint8_t>(client);
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(number >> (8 * i));
  return u;
}

/// One life of the process.
class Life {
 public:
  explicit Life(Machine& m)
      : m_(m),
        runtime_(m.seed * 1000 + m.life++, m.disk),
        loop_(runtime_.make_loop()),
        log_(log::open_embedded_log(runtime_, loop_, log_options())),
        catalog_(catalog::make_memory_catalog(runtime_)),
        ledger_(ledger::make_ledger(kv::make_view(m.ledger_kv), {})),
        persons_(persons::make_person_store(kv::make_view(m.persons_kv))) {}

  ~Life() {
    *alive_ = false;
    ingest_.reset();
    log_->stop();
  }

  /// False: killed on the way.
  bool start() {
    std::vector<log::TopicSpec> topics;
    for (Lane lane : event::kLanes) topics.push_back(topic(event::lane_topic(lane), kPartitions));
    topics.push_back(topic(event::kTopicProcessed, kPartitions));
    topics.push_back(topic(event::kTopicRefused, 1));
    if (const Status s = log_->start(std::move(topics)); !s) return died(s);
    EXPECT_TRUE(catalog_->create_project({}, "p", kKnown).has_value());
    if (m_.project_exists) create_late_project();
    Status recovered;
    int waiting = 2;
    const auto done = [&](const Status& s) {
      if (!s) recovered = s;
      waiting--;
    };
    ledger_->recover(*log_, loop_, done);
    persons_->recover(*log_, loop_, done);
    if (runtime_.run_until([&] { return waiting == 0; }) != runtime::SimEnd::kDone) return false;
    if (!recovered) return died(recovered);
    ingest::IngestOptions options;
    options.partitions = kPartitions;
    options.events_per_cycle_max = 8;
    options.checkpoint_ms = 40;
    ingest_ = ingest::Ingest::make(loop_, runtime_, *log_, *catalog_, *persons_, *ledger_, options);
    if (const Status s = ingest_->start(); !s) return died(s);
    return true;
  }

  void create_late_project() {
    EXPECT_TRUE(catalog_->create_project({}, "late", kUnknown).has_value());
  }

  /// Clients send for a while. False: killed.
  bool run(std::chrono::milliseconds time) {
    for (auto& c : m_.clients) c.waiting = false;
    tick();
    return runtime_.run_for(time) != runtime::SimEnd::kKilled && !m_.disk->killed();
  }

  bool settle() {
    sending_ = false;
    const auto end = runtime_.run_until(
        [&] {
          if (m_.project_exists && waiting_for_project()) return false;
          if (std::ranges::any_of(m_.clients, &Machine::Client::waiting)) return false;
          const auto b = ledger_->balance(*log_);
          return ingest_->stats().lag_records == 0 && b.uncounted == 0 && b.decided == b.received;
        },
        std::chrono::minutes(5));
    return end == runtime::SimEnd::kDone;
  }

  std::vector<std::vector<std::string>> read(std::string_view topic) {
    const auto bounds = log_->bounds(std::string(topic));
    EXPECT_TRUE(bounds.has_value());
    std::vector<std::vector<std::string>> out(bounds->size());
    std::vector<log::ScanRange> ranges;
    for (const auto& b : *bounds) ranges.push_back({b.partition, b.start, b.end});
    bool finished = false;
    log::scan(
        *log_, loop_, std::string(topic), std::move(ranges),
        [&](const log::ScanSlice& slice) -> Status {
          auto& list = out[static_cast<size_t>(slice.partition.value)];
          for (std::string_view r : slice.records) list.emplace_back(r);
          return {};
        },
        [&](const Status& s) {
          EXPECT_TRUE(s.has_value()) << s.error().message;
          finished = true;
        });
    EXPECT_EQ(runtime_.run_until([&] { return finished; }), runtime::SimEnd::kDone);
    return out;
  }

  ledger::Ledger& ledger() { return *ledger_; }
  persons::PersonStore& persons() { return *persons_; }
  log::Log& log() { return *log_; }
  runtime::SimRuntime& runtime() { return runtime_; }
  runtime::Loop& loop() { return loop_; }
  std::string error() const {
    const auto stats = ingest_->stats();
    return stats.last_error + " lag " + std::to_string(stats.lag_records) + " " +
           ledger_->balance(*log_).detail;
  }

 private:
  static log::EmbeddedLogOptions log_options() {
    log::EmbeddedLogOptions options;
    options.directory = "/data/log";
    options.segment_bytes = 1U << 20;
    options.free_reserve_bytes = 0;
    options.housekeeping_ms = 50;
    return options;
  }
  static log::TopicSpec topic(std::string_view name, int32_t partitions) {
    log::TopicSpec spec;
    spec.name = name;
    spec.partitions = partitions;
    return spec;
  }

  bool died(const Status& status) {
    EXPECT_TRUE(m_.disk->killed()) << status.error().message;
    return false;
  }

  bool waiting_for_project() {
    const auto entries = ledger_->quarantined(kUnknown, "", 10'000);
    return std::ranges::any_of(*entries, [](const auto& e) { return e.reason == "unknown_token"; });
  }

  void tick() {
    if (!sending_) return;
    for (size_t i = 0; i < m_.clients.size(); i++) {
      if (!m_.clients[i].waiting && m_.random() % 3 == 0) send(i);
    }
    loop_.after(std::chrono::milliseconds(1 + m_.random() % 4), [this] { tick(); });
  }

  /// As capture does it: append, and when it is durable tell the ledger and the client.
  void send(size_t i) {
    Machine::Client& client = m_.clients[i];
    client.waiting = true;
    const int64_t number = client.next;
    const Lane lane = event::kLanes[i % 3];
    const std::string token = i == 0 ? kUnknown : kKnown;
    const auto* project = catalog_->snapshot()->find_token(token);
    event::RawRecord raw;
    raw.uuid = uuid_of(i, number);
    raw.project = project == nullptr ? ProjectId{} : project->id;
    raw.now_ms = runtime_.clock().wall_ms();
    raw.timestamp_ms = 1'760'000'000'000 + number;
    raw.token = token;
    const std::string distinct_id = "client" + std::to_string(i);
    raw.distinct_id = distinct_id;
    raw.event = "seen";
    std::string data = R"({"properties":{"$set":{"n":)" + std::to_string(number) + "}}}";
    if (number % 17 == 16) data = "poison";
    raw.data = data;
    std::string bytes, key;
    event::encode(raw, bytes);
    event::partition_key(raw, key);
    log::Batch batch;
    batch.partition = {partition_of(key, kPartitions)};
    batch.count = 1;
    log::encode_record(batch.data, bytes);
    std::vector<log::Batch> batches;
    batches.push_back(std::move(batch));
    const ledger::LedgerKey book{raw.project, raw.now_ms / 60'000, lane};
    log_->append(loop_, std::string(event::lane_topic(lane)), std::move(batches),
                 [this, alive = alive_, i, number, lane,
                  book](const Result<std::vector<log::Appended>>& appended) {
                   if (!*alive) return;
                   m_.clients[i].waiting = false;
                   if (!appended) return;  // the client tries again
                   ledger_->received(lane, *appended, {1}, {{book, 1}});
                   m_.acknowledged[uuid_of(i, number)] = {i, number};
                   m_.clients[i].next = number + 1;
                 });
  }

  Machine& m_;
  runtime::SimRuntime runtime_;
  runtime::Loop& loop_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<persons::PersonStore> persons_;
  std::unique_ptr<ingest::Ingest> ingest_;
  bool sending_ = true;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

struct Found {
  std::map<Uuid, uint64_t> accepted;
  std::set<Uuid> with_reason;
  std::map<OutcomeKind, uint64_t> kinds;
};

Found check_outcomes(Life& life) {
  Found found;
  std::map<std::pair<Lane, int32_t>, int64_t> next;
  std::map<std::string, int64_t> newest;
  for (const auto& partition : life.read(event::kTopicProcessed)) {
    for (const std::string& bytes : partition) {
      const auto record = event::decode_processed(bytes);
      EXPECT_TRUE(record.has_value());
      const auto* o = std::get_if<event::Outcome>(&*record);
      if (o == nullptr) continue;
      int64_t& expected = next[{o->source.lane, o->source.partition.value}];
      EXPECT_EQ(o->source.offset.value, expected);
      expected = o->source.offset.value + 1;
      found.kinds[o->kind]++;
      if (o->kind == OutcomeKind::kDropped || o->kind == OutcomeKind::kQuarantined) {
        EXPECT_FALSE(o->reason.empty());
        found.with_reason.insert(o->uuid);
      }
      if (o->kind != OutcomeKind::kAccepted) continue;
      found.accepted[o->uuid]++;
      if (o->redriven) continue;  // re-driven events come when they can
      const std::string id(o->row.distinct_id);
      const int64_t number = o->row.timestamp_ms;
      if (const auto it = newest.find(id); it != newest.end()) {
        EXPECT_GT(number, it->second) << "order of " << id;
      }
      newest[id] = number;
    }
  }
  for (Lane lane : event::kLanes) {
    const auto raw = life.read(event::lane_topic(lane));
    for (size_t p = 0; p < raw.size(); p++) {
      EXPECT_EQ((next[{lane, static_cast<int32_t>(p)}]), static_cast<int64_t>(raw[p].size()));
    }
  }
  return found;
}

void check_books(Life& life, Found& found) {
  const auto balance = life.ledger().balance(life.log());
  EXPECT_TRUE(balance.balanced) << balance.detail;
  const auto all = *life.ledger().totals(std::nullopt);
  EXPECT_EQ(all.received, all.decided());
  EXPECT_EQ(all.accepted, found.kinds[OutcomeKind::kAccepted]);
  EXPECT_EQ(all.deduplicated, found.kinds[OutcomeKind::kDuplicate]);
  EXPECT_EQ(all.quarantined + all.redriven, found.kinds[OutcomeKind::kQuarantined]);
}

void check_persons(Life& life) {
  auto fresh = persons::make_person_store(kv::make_memory_kv());
  bool done = false;
  fresh->recover(life.log(), life.loop(), [&](const Status&) { done = true; });
  life.runtime().run_until([&] { return done; });
  for (int64_t project = 1; project <= 2; project++) {
    EXPECT_EQ(*life.persons().count({project}), *fresh->count({project}));
    for (size_t i = 0; i < kClients; i++) {
      const std::string id = "client" + std::to_string(i);
      const auto a = life.persons().fetch({{{project}, id}}), b = fresh->fetch({{{project}, id}});
      ASSERT_EQ((*a)[0].has_value(), (*b)[0].has_value());
      if (!(*a)[0]) continue;
      EXPECT_EQ((*a)[0]->version, (*b)[0]->version);
      EXPECT_EQ((*a)[0]->properties, (*b)[0]->properties);
    }
  }
}

/// Runs lives until none is left, then heals and demands that everything is accounted for.
void simulate(uint64_t seed, const std::vector<uint64_t>& kills) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Machine m(seed);
  uint64_t died = 0;
  for (const uint64_t kill : kills) {
    runtime::SimFaults faults;
    faults.kill_at_io = m.disk->io_count() + kill;
    m.disk->set_faults(faults);
    {
      Life life(m);
      if (life.start()) life.run(std::chrono::milliseconds(400));
      if (m.disk->killed()) died++;
      m.disk->kill();
    }
    m.disk->crash();
    m.ledger_kv->crash(m.random());
    m.persons_kv->crash(m.random());
    if (m.life == 2) m.project_exists = true;
  }
  EXPECT_GT(died, 0U);
  Life life(m);
  ASSERT_TRUE(life.start());
  ASSERT_TRUE(life.run(std::chrono::milliseconds(100)));
  ASSERT_TRUE(life.settle()) << life.error();
  Found found = check_outcomes(life);
  for (const auto& [uuid, what] : m.acknowledged) {
    const auto it = found.accepted.find(uuid);
    const uint64_t rows = it == found.accepted.end() ? 0 : it->second;
    EXPECT_LE(rows, 1U) << uuid.text();
    EXPECT_TRUE(rows == 1 || found.with_reason.contains(uuid))
        << "client " << what.first << " lost event " << what.second;
  }
  EXPECT_GT(m.acknowledged.size(), 10U);
  check_books(life, found);
  check_persons(life);
}

TEST(Pipeline, SurvivesAQuietRun) { simulate(1, {1'000'000, 150}); }

TEST(Pipeline, KilledAtEveryIoOfTheFirstLife) {
  for (uint64_t at = 1; at <= 120; at += 3) {
    SCOPED_TRACE("killed at I/O " + std::to_string(at));
    simulate(7, {at, 200});
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(Pipeline, KilledAgainAndAgain) {
  // PENSTOCK_SIM_SEEDS=5000 makes it a night's run.
  const char* asked = std::getenv("PENSTOCK_SIM_SEEDS");
  const uint64_t seeds = asked == nullptr ? 30 : std::strtoull(asked, nullptr, 10);
  for (uint64_t seed = 100; seed < 100 + seeds; seed++) {
    std::mt19937_64 random(seed);
    std::vector<uint64_t> kills;
    for (int i = 0; i < 5; i++) kills.push_back(1 + random() % 300);
    simulate(seed, kills);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace penstock
