// One life of the whole pipeline on a simulated machine: capture, log, ingest, load, memory store.
//
// The stages are the real ones; HTTP's bytes alone are left out (the simulator drives rooms below
// it). Machine is what outlives a death: the disk, the stores' durable part, the event store
// (another process, which does not die with this one), and what clients remember. Clients keep one
// event in flight each and send it again, with the same uuid, until it is acknowledged.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/padded.h"
#include "capture/capture.h"
#include "catalog/catalog.h"
#include "event/processed_record.h"
#include "event/timestamp.h"
#include "ingest/ingest.h"
#include "kv/memory_kv.h"
#include "ledger/ledger.h"
#include "load/loader.h"
#include "log/embedded_log.h"
#include "log/scan.h"
#include "objects/object_store.h"
#include "persons/person_store.h"
#include "replay/replay.h"
#include "runtime/sim_runtime.h"
#include "store/memory_store.h"
#include "wire/http.h"

namespace penstock::sim {

using event::Lane;
using event::OutcomeKind;

inline constexpr int32_t kPartitions = 2;
inline constexpr size_t kClients = 6;
/// Clients from here on send session recordings.
inline constexpr size_t kFirstRecorder = 4;
inline constexpr int64_t kFirstEventMs = 1'760'000'000'000;
inline constexpr char kKnown[] = "phc_known", kUnknown[] = "phc_unknown";

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
  store::MemoryStore events;
  std::vector<Client> clients{kClients};
  std::map<Uuid, std::pair<size_t, int64_t>> acknowledged;  // client, number
  bool project_exists = false;
  uint64_t life = 0;
};

inline Uuid uuid_of(size_t client, int64_t number) {
  Uuid u;
  u.bytes[0] = 9;
  u.bytes[1] = static_cast<uint8_t>(client);
  for (size_t i = 0; i < 8; i++) u.bytes[15 - i] = static_cast<uint8_t>(number >> (8 * i));
  return u;
}

/// The event store as it looks from here: slow, sometimes away, and sometimes silent about an
/// insert that it did.
class FlakyStore : public store::EventStore {
 public:
  FlakyStore(Machine& m, runtime::Loop& loop) : m_(m), loop_(loop) {}
  ~FlakyStore() override { *alive_ = false; }

  Status start() override { return {}; }
  void stop() override {}
  void insert(std::shared_ptr<const store::InsertBatch> batch, store::InsertDone done) override {
    const uint64_t luck = calm_ ? 9 : m_.random() % 10;
    loop_.after(std::chrono::milliseconds(1 + m_.random() % 8),
                [this, alive = alive_, luck, batch, done = std::move(done)]() mutable {
                  if (!*alive) return;
                  if (luck == 0) return done(fail(Code::kUnavailable, "the store is away"));
                  m_.events.insert(batch, [&](Status s) {
                    if (luck == 1) s = fail(Code::kMaybe, "the store died before it answered");
                    done(std::move(s));
                  });
                });
  }
  void query(store::Query q, store::QueryDone done) override {
    m_.events.query(std::move(q), std::move(done));
  }
  void cancel(const std::string&) override {}
  void erase_person(store::EraseRequest request, store::EraseStep step,
                    store::EraseDone done) override {
    m_.events.erase_person(std::move(request), std::move(step), std::move(done));
  }
  void freeze_overrides(store::FreezeDone done) override {
    m_.events.freeze_overrides(std::move(done));
  }
  void squash_overrides(store::SquashStep step, store::SquashDone done) override {
    m_.events.squash_overrides(std::move(step), std::move(done));
  }
  store::StoreHealth health() const override { return m_.events.health(); }
  void calm() { calm_ = true; }

 private:
  Machine& m_;
  runtime::Loop& loop_;
  bool calm_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

/// Takes one answer and hands on its status; 0: the request was given up unanswered.
class Answer : public wire::Responder::Target {
 public:
  explicit Answer(std::function<void(int)> done) : done_(std::move(done)) {}
  void send(wire::Response response) override { done_(response.status); }
  void send_raw(std::string_view text, bool) override {
    done_(std::atoi(text.substr(9, 3).data()));
  }
  std::shared_ptr<wire::BodyStream> stream(wire::Response) override { return nullptr; }
  void abandon() override { done_(0); }

 private:
  std::function<void(int)> done_;
};

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
        persons_(persons::make_person_store(kv::make_view(m.persons_kv))),
        objects_(objects::make_directory_objects(runtime_, "/data/objects")),
        store_(m, loop_) {}

  ~Life() {
    *alive_ = false;
    capture_.reset();
    loader_.reset();
    replay_.reset();
    ingest_.reset();
    log_->stop();
  }

  /// False: killed on the way.
  bool start() {
    std::vector<log::TopicSpec> topics;
    for (Lane lane : event::kLanes) topics.push_back(topic(event::lane_topic(lane), kPartitions));
    topics.push_back(topic(event::kTopicProcessed, kPartitions));
    topics.push_back(topic(event::kTopicRefused, 1));
    topics.push_back(topic(event::kTopicRefusalCounts, 1));
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
    if (const Status s = objects_->start(); !s) return died(s);
    replay::ReplayOptions replay_options;
    replay_options.flush_ms = 10;
    replay_options.bytes_per_flush_max = 2000;
    replay_options.retry_ms_min = 2;
    replay_options.retry_ms_max = 20;
    replay_ = replay::Replay::make(loop_, runtime_, *log_, *catalog_, *ledger_, *objects_,
                                   replay_options);
    if (const Status s = replay_->start(); !s) return died(s);
    load::LoaderOptions load_options;
    load_options.state_path = "/data/load.intent";
    load_options.partitions = kPartitions;
    load_options.rows_per_batch_max = 12;
    load_options.linger_ms = 15;
    load_options.retry_ms_min = 2;
    load_options.retry_ms_max = 20;
    loader_ = load::Loader::make(loop_, runtime_, *log_, store_, *ledger_, std::move(load_options));
    if (const Status s = loader_->start(); !s) return died(s);
    capture_ = capture::CaptureService::make(loop_, runtime_, *log_, *catalog_, ledger_.get(),
                                             std::make_shared<usage::Usage>(1), {});
    capture_->set_ready(true);
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
    store_.calm();
    const auto end = runtime_.run_until(
        [&] {
          if (m_.project_exists && waiting_for_project()) return false;
          if (std::ranges::any_of(m_.clients, &Machine::Client::waiting)) return false;
          const auto b = ledger_->balance(*log_);
          return ingest_->stats().lag_records == 0 && replay_->stats().lag_records == 0 &&
                 loader_->stats().lag_records == 0 && b.uncounted == 0 && b.decided == b.received &&
                 b.stored == b.accepted;
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

  /// Every third event of a client brings what was clicked on a page of its own.
  static bool has_heatmap(int64_t number) { return number % 3 == 1; }

  ledger::Ledger& ledger() { return *ledger_; }
  objects::ObjectStore& objects() { return *objects_; }
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

  /// The client's request, as HTTP would hand it over.
  void send(size_t i) {
    Machine::Client& client = m_.clients[i];
    client.waiting = true;
    const int64_t number = client.next;
    body_.clear();
    body_.append(body_of(i, number));
    wire::Request request;
    request.method = "POST";
    request.target = request.path = i >= kFirstRecorder ? "/s/" : "/batch/";
    request.headers = {{"content-type", "application/json"}};
    request.body = &body_;
    request.peer_ip = "10.0.0.1";
    request.received_us = runtime_.clock().wall_us();
    capture_->handle(
        request,
        wire::Responder(std::make_shared<Answer>([this, alive = alive_, i, number](int status) {
          if (*alive) answered(i, number, status);
        })));
  }

  void answered(size_t i, int64_t number, int status) {
    m_.clients[i].waiting = false;
    EXPECT_TRUE(status == 200 || status == 503 || status == 0) << status;
    if (status != 200) return;  // the client tries again
    m_.acknowledged[uuid_of(i, number)] = {i, number};
    m_.clients[i].next = number + 1;
  }

  /// One event; some are historical, some break a rule of ingest's.
  static std::string body_of(size_t i, int64_t number) {
    const bool bad = number % 17 == 16;
    const int64_t ms = kFirstEventMs + number;
    if (i >= kFirstRecorder) return recording_of(i, number, bad, ms);
    return fmt::format(
        R"({{"api_key":"{}","historical_migration":{},"batch":[{{"event":"{}","uuid":"{}",)"
        R"("distinct_id":"client{}","timestamp":"{}","properties":{}}}]}})",
        i == 0 ? kUnknown : kKnown, i % 2 == 1, bad ? "$identify" : "seen",
        uuid_of(i, number).text(), i, event::format_rfc3339_ms(ms),
        bad ? R"({"$process_person_profile":false})"
            : fmt::format(R"({{"$set":{{"n":{}}}{}}})", number,
                          has_heatmap(number) ? heatmap_of(i, number) : ""));
  }

  static std::string heatmap_of(size_t i, int64_t number) {
    return fmt::format(R"(,"$viewport_width":800,"$viewport_height":600,"$heatmap_data":{{)"
                       R"("https://a/client{}/{}":[{{"x":16,"y":32,"target_fixed":false,)"
                       R"("type":"click"}}]}})",
                       i, number);
  }

  /// A part of a recording; bad ones hold nothing.
  static std::string recording_of(size_t i, int64_t number, bool bad, int64_t ms) {
    return fmt::format(
        R"([{{"event":"$snapshot","uuid":"{}","timestamp":"{}","properties":{{"token":"{}",)"
        R"("distinct_id":"client{}","$session_id":"session{}","$snapshot_data":[{}]}}}}])",
        uuid_of(i, number).text(), event::format_rfc3339_ms(ms), kKnown, i, i,
        bad ? "" : fmt::format(R"({{"timestamp":{},"n":{}}})", ms, number));
  }

  Machine& m_;
  runtime::SimRuntime runtime_;
  runtime::Loop& loop_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<persons::PersonStore> persons_;
  std::unique_ptr<objects::ObjectStore> objects_;
  FlakyStore store_;
  std::unique_ptr<replay::Replay> replay_;
  std::unique_ptr<ingest::Ingest> ingest_;
  std::unique_ptr<load::Loader> loader_;
  std::unique_ptr<capture::CaptureService> capture_;
  PaddedBuffer body_;
  bool sending_ = true;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::sim
