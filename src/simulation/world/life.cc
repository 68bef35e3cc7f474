#include "simulation/world/life.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "event/lane.h"
#include "kv/memory_kv.h"
#include "log/scan.h"
#include "simulation/world/flaky.h"
#include "wire/http.h"

namespace penstock::simulation {
namespace {

constexpr int64_t kAskEveryUs = 20'000;
constexpr int64_t kRecoverUsMax = 300'000'000;

/// Takes one answer and hands on its status; 0: the request was given up unanswered.
class Answer : public wire::Responder::Target {
 public:
  explicit Answer(Clients::Answered done) : done_(std::move(done)) {}
  void send(wire::Response response) override { done_(response.status, response.body); }
  void send_raw(std::string_view text, bool) override {
    done_(std::atoi(text.substr(9, 3).data()), {});
  }
  std::shared_ptr<wire::BodyStream> stream(wire::Response) override { return nullptr; }
  void abandon() override { done_(0, {}); }

 private:
  Clients::Answered done_;
};

/// Rows alone: the other places need SQL. RemoteStore answers an erasure before it returns.
ingest::ErasePlace rows_place(store::EventStore& store) {
  return {"rows", [&store](const ingest::ErasedPerson& person, ingest::ErasePlace::Done done) {
            for (const Uuid& id : person.persons) {
              store::EraseRequest request;
              request.id = fmt::format("{}-{}", id.text(), person.time_ms);
              request.project = person.project;
              request.person_id = id;
              request.distinct_ids = person.distinct_ids;
              Status status;
              store.erase_person(std::move(request), {}, [&](auto result) {
                if (!result) status = std::unexpected(result.error());
              });
              if (!status) return done(std::unexpected(status.error()));
            }
            done("{}");
          }};
}

log::TopicSpec topic(std::string_view name, int32_t partitions, uint64_t retention_bytes,
                     std::vector<std::string> required = {}) {
  log::TopicSpec spec;
  spec.name = name;
  spec.partitions = partitions;
  spec.retention_bytes = retention_bytes;
  spec.required_groups = std::move(required);
  return spec;
}

/// One life more.
Machine& begun(Machine& m) {
  m.lives++;
  return m;
}

}  // namespace

runtime::SimOptions pace_of(const Machine& m) {
  runtime::SimOptions options;
  options.wall_start_us = m.wall_us;
  options.sync_delay_max = std::chrono::milliseconds(m.tempo.sync_ms);
  return options;
}

std::vector<log::TopicSpec> topics_of(const Machine& m) {
  const Tempo& t = m.tempo;
  const std::string ledger(event::kGroupLedger), ingest(event::kGroupIngest);
  std::vector<log::TopicSpec> out;
  for (const event::Lane lane : event::kLanes) {
    const bool recorded = lane == event::Lane::kReplay;
    out.push_back(topic(event::lane_topic(lane), t.partitions, t.retention_bytes,
                        {recorded ? std::string(event::kGroupReplay) : ingest, ledger}));
  }
  // Whole, because every check reads it.
  out.push_back(topic(event::kTopicProcessed, t.partitions, 0));
  out.push_back(topic(event::kTopicRefused, 1, 0));
  out.push_back(topic(event::kTopicRefusalCounts, 1, t.retention_bytes, {ingest}));
  out.push_back(topic(event::kTopicPersonCommands, 1, 0));
  if (m.shares_load()) out.push_back(topic(load::kIntentsTopic, 1, 0));
  return out;
}

log::EmbeddedLogOptions log_options_of(const Tempo& t) {
  log::EmbeddedLogOptions options;
  options.directory = kLogDirectory;
  options.segment_bytes = t.segment_bytes;
  options.pending_bytes_max = t.pending_bytes_max;
  options.tail_cache_bytes = t.tail_cache_bytes;
  options.free_reserve_bytes = 64U << 10;
  return options;
}

Life::Life(Machine& m, Clients& clients)
    : m_(begun(m)),
      clients_(clients),
      runtime_(m.dice.next(), m.disk, pace_of(m)),
      log_loop_(runtime_.make_loop()),
      shard_loop_(runtime_.make_loop()),
      pipeline_(runtime_.make_loop()),
      outside_(runtime_.make_loop()),
      log_(std::make_unique<FlakyLog>(
          log::open_embedded_log(runtime_, log_loop_, log_options_of(m.tempo)), m.faults)),
      catalog_(catalog::make_memory_catalog(runtime_)),
      ledger_(ledger::make_ledger(
          kv::make_view(m.ledger_kv),
          {.quarantine_bytes_per_token_max = m.tempo.quarantine_bytes_per_token_max,
           .stored_elsewhere = m.shares_load()})),
      persons_(std::make_unique<FlakyPersons>(
          persons::make_person_store(kv::make_view(m.persons_kv)), m.faults)),
      cookieless_(ingest::make_cookieless_store(kv::make_view(m.cookieless_kv), runtime_)),
      objects_(std::make_unique<FlakyObjects>(
          objects::make_directory_objects(runtime_, "/data/objects"), m.faults)),
      store_(m, runtime_, pipeline_),
      apps_(m, pipeline_),
      destination_(m, runtime_, pipeline_) {}

Life::~Life() {
  *alive_ = false;
  clients_.detach();
  // Nothing has lied so far: what is found now is a false alarm. A read that fails may be told.
  for (const log::ScrubDamage& d :
       scrub_ ? scrub_->status().damage : std::vector<log::ScrubDamage>{}) {
    if (d.problem.find("damaged at byte") == std::string::npos) continue;
    m_.broken("scrub", d.file + " is told to be damaged: " + d.problem);
  }
  scrub_.reset();
  m_.refused_for_quota += refused_for_quota();
  shards_.clear();
  squash_.reset();
  loads_.reset();
  definitions_.reset();
  deliveries_.reset();
  replay_.reset();
  ingest_.reset();
  log_->stop();
  const runtime::SimHighWater most = runtime_.high_water();
  if (most.pool_jobs > 200 || most.posted_tasks > 20'000 || most.timers > 20'000) {
    m_.broken("queues", fmt::format("{} jobs, {} tasks, {} timers waited at once", most.pool_jobs,
                                    most.posted_tasks, most.timers));
  }
  m_.report.steps += runtime_.steps();
  m_.past_us += runtime_.clock().mono_ns() / 1000;
  m_.wall_us = runtime_.clock().wall_us() + m_.dice.between(0, 3'000'000);
  m_.wall_us_max = std::max(m_.wall_us_max, m_.wall_us);
  m_.report.trace = m_.report.trace * 31 + runtime_.trace();
}

uint64_t Life::refused_for_quota() {
  using Resource = catalog::QuotaResource;
  const usage::Month month = usage::month_at(runtime_.clock().wall_ms());
  uint64_t out = 0;
  for (const int64_t project : {1, 2, 3}) {
    for (const Resource of : {Resource::kEvents, Resource::kExceptions, Resource::kRecordings}) {
      out += usage_->meter({project}).counts(of, month).refused;
    }
  }
  return out;
}

Status Life::start() {
  PENSTOCK_CHECK(log_->start(topics_of(m_)));
  log::ScrubOptions scrubbing;
  scrubbing.directory = kLogDirectory;
  scrubbing.state_path = "/data/scrub";
  scrubbing.bytes_per_second = 16U << 20;
  scrubbing.every_ms = 15'000;
  scrub_ = log::Scrub::make(pipeline_, runtime_, scrubbing);
  scrub_->start();
  PENSTOCK_CHECK(open_catalog());
  PENSTOCK_CHECK(objects_->start());
  PENSTOCK_CHECK(recover());
  PENSTOCK_CHECK(start_stages());
  start_capture();
  return {};
}

Status Life::open_catalog() {
  PENSTOCK_TRY(const auto first, catalog_->create_project({}, "a", kTokenA));
  PENSTOCK_CHECK(enable_app(*catalog_, first.id));
  PENSTOCK_CHECK(catalog_->create_project({}, "b", kTokenB));
  if (m_.late_project) PENSTOCK_CHECK(catalog_->create_project({}, "late", kTokenLate));
  for (const SettingChange& change : m_.settings) {
    PENSTOCK_CHECK(catalog_->set_project_setting({}, change.project, change.name, change.json));
  }
  return {};
}

Status Life::change_setting(const SettingChange& change) {
  m_.settings.push_back(change);
  return catalog_->set_project_setting({}, change.project, change.name, change.json);
}

Status Life::make_late_project() {
  m_.late_project = true;
  PENSTOCK_CHECK(catalog_->create_project({}, "late", kTokenLate));
  return {};
}

Status Life::recover() {
  struct Waiting {
    Status outcome;
    int left = 3;
  };
  const auto waiting = std::make_shared<Waiting>();
  const auto done = [waiting](const Status& s) {
    if (!s) waiting->outcome = s;
    waiting->left--;
  };
  ledger_->recover(*log_, pipeline_, done);
  persons_->recover(*log_, pipeline_, done);
  cookieless_->recover(*log_, pipeline_, done);
  if (!run_until([&] { return waiting->left == 0; }, kRecoverUsMax)) {
    if (dead()) return fail(Code::kCancelled, "died");
    return fail(Code::kBug, "the state does not come to the end of its recovery");
  }
  return waiting->outcome;
}

ingest::IngestOptions Life::ingest_options() {
  ingest::IngestOptions options;
  options.partitions = m_.tempo.partitions;
  options.events_per_cycle_max = m_.tempo.events_per_cycle_max;
  options.checkpoint_ms = m_.tempo.checkpoint_ms;
  options.store_group = event::kGroupLoad;
  options.bulk_unstored_max = m_.tempo.bulk_unstored_max;
  options.retry_ms_max = 2000;
  options.redrive_entries_max = m_.tempo.redrive_entries_max;
  options.redrive_bytes_max =
      std::min<size_t>(options.redrive_bytes_max, m_.tempo.pending_bytes_max / 2);
  options.persons_block = m_.tempo.persons_remote;
  options.cookieless = cookieless_.get();
  options.apps = &apps_;
  options.commands.places.push_back(rows_place(store_));
  options.commands.wait_for_load = true;
  options.commands.retry_ms_max = 2000;
  options.commands.attempts_max = 1000;
  return options;
}

Status Life::start_stages() {
  const Tempo& t = m_.tempo;
  // Before ingest, so that whatever is ever accepted is called for.
  PENSTOCK_CHECK(start_deliveries());
  loads_ = std::make_unique<Loads>(m_, pipeline_, runtime_, *log_, store_, *ledger_);
  PENSTOCK_CHECK(loads_->start());
  load::SquashOptions squash_options;
  squash_options.state_path = "/data/squash";
  squash_options.interval_ms = t.squash_ms;
  squash_options.look_ms = 200;
  squash_options.retry_ms = 2000;
  squash_options.leads = [this] { return loads_->squashes(); };
  squash_ = load::Squash::make(pipeline_, runtime_, store_, loads_->first(), squash_options);
  squash_->start();
  ingest_ = ingest::Ingest::make(pipeline_, runtime_, *log_, *catalog_, *persons_, *ledger_,
                                 ingest_options());
  PENSTOCK_CHECK(ingest_->start());
  replay::ReplayOptions replay_options;
  replay_options.flush_ms = t.flush_ms;
  replay_options.bytes_per_flush_max = t.replay_bytes_per_flush;
  replay_options.retry_ms_max = 3000;
  replay_ = replay::Replay::make(pipeline_, runtime_, *log_, *catalog_, *ledger_, *objects_,
                                 replay_options);
  PENSTOCK_CHECK(replay_->start());
  return start_definitions();
}

Status Life::start_definitions() {
  PENSTOCK_TRY(definition_store_,
               definitions::DefinitionStore::open(kv::make_view(m_.definitions_kv), {}));
  definitions::StageOptions options;
  options.partitions = m_.tempo.partitions;
  options.checkpoint_ms = m_.tempo.checkpoint_ms;
  options.retry_ms_max = 2000;
  definitions_ =
      definitions::Definitions::make(pipeline_, runtime_, *log_, *definition_store_, options);
  return definitions_->start();
}

Status Life::start_deliveries() {
  deliver::DeliverOptions options;
  options.checkpoint_ms = m_.tempo.checkpoint_ms;
  options.retry_ms_max = 2000;
  options.queue_events_max = m_.tempo.deliver_queue_max;
  options.attempt_ms = m_.tempo.attempt_ms;
  options.export_attempt_ms = m_.tempo.export_attempt_ms;
  // The clock of a run may go far: what is remembered is to be compared at its end.
  options.keep_ms = 20LL * 365 * 86'400'000;
  deliveries_ = deliver::Deliver::make(pipeline_, runtime_, *log_, *catalog_, destination_,
                                       kv::make_view(m_.deliver_kv), {}, options);
  return deliveries_->start();
}

void Life::start_capture() {
  capture::CaptureOptions options;
  options.overflow_events_per_second = m_.tempo.overflow_per_second;
  options.overflow_burst = m_.tempo.overflow_burst;
  options.flood_events_per_second = m_.tempo.overflow_per_second * 2;
  options.requests_waiting_max = m_.tempo.requests_waiting_max;
  for (size_t i = 0; i < kShards; i++) {
    shards_.push_back(capture::CaptureService::make(i == 0 ? log_loop_ : shard_loop_, runtime_,
                                                    *log_, *catalog_, ledger_.get(), usage_,
                                                    options));
    shards_.back()->set_ready(true);
  }
  clients_.attach(outside_, runtime_.clock(),
                  [this](size_t client, const ClientRequest& request, Clients::Answered answer) {
                    deliver(client, request, std::move(answer));
                  });
}

/// A request as HTTP would hand it over, on its shard's loop; its answer comes back outside.
void Life::deliver(size_t client, const ClientRequest& request, Clients::Answered answer) {
  const size_t shard = client % kShards;
  runtime::Loop& loop = shard == 0 ? log_loop_ : shard_loop_;
  auto back = [this, alive = alive_, answer = std::move(answer)](int status,
                                                                 const std::string& body) {
    if (*alive) outside_.post([answer, status, body] { answer(status, body); });
  };
  auto target = std::make_shared<Answer>(std::move(back));
  loop.post([this, alive = alive_, shard, request, target]() mutable {
    if (!*alive || shard >= shards_.size()) return;
    PaddedBuffer body;
    body.append(request.body);
    wire::Request http;
    http.method = "POST";
    http.target = http.path = request.path;
    http.headers = {{"content-type", "application/json"}};
    for (const auto& [name, value] : request.headers) http.headers.push_back({name, value});
    http.body = &body;
    http.peer_ip = "10.0.0.1";
    http.received_us = runtime_.clock().wall_us();
    shards_[shard]->handle(http, wire::Responder(target));
  });
}

bool Life::run(int64_t us) {
  return runtime_.run_for(std::chrono::microseconds(us)) != runtime::SimEnd::kKilled && !dead();
}

bool Life::run_until(const std::function<bool()>& done, int64_t us) {
  for (int64_t passed = 0; !done(); passed += kAskEveryUs) {
    if (passed >= us || !run(kAskEveryUs)) return false;
  }
  return true;
}

std::string Life::unrest() {
  if (!clients_.quiet()) return "clients wait for answers";
  const ingest::IngestStats i = ingest_->stats();
  if (i.lag_records > 0) return fmt::format("ingest is {} behind: {}", i.lag_records, i.last_error);
  if (!ingest_->commands().empty()) {
    return "a person command is not done: " + ingest_->commands().front().last_error;
  }
  if (const auto redrives = ingest_->redrives(); !redrives.empty()) {
    const ingest::RedriveStatus& r = redrives.front();
    return fmt::format("a re-drive of {} is not done: {} appended, {} wait, {} left out; {}",
                       r.job.text(), r.appended, r.waiting, r.left_out, r.last_error);
  }
  if (squash_->status().running) return "a squash is under way";
  const replay::ReplayStats r = replay_->stats();
  if (r.lag_records > 0) return fmt::format("replay is {} behind: {}", r.lag_records, r.last_error);
  const definitions::StageStats d = definitions_->stats();
  if (d.lag_records > 0) {
    return fmt::format("definitions are {} behind: {}", d.lag_records, d.last_error);
  }
  const deliver::DeliverStats c = deliveries_->stats();
  if (c.lag_records > 0 || c.waiting > 0) {
    return fmt::format("apps: {} records to read, {} events wait: {}", c.lag_records, c.waiting,
                       c.last_error);
  }
  const load::LoaderStats l = loads_->first().stats();
  if (l.lag_records > 0) return fmt::format("load is {} behind: {}", l.lag_records, l.last_error);
  if (m_.late_project) {
    const auto entries = ledger_->quarantined(kTokenLate, "", 10'000);
    if (!entries) return entries.error().message;
    if (std::ranges::any_of(*entries, [](const auto& e) { return e.reason == "unknown_token"; })) {
      return "events of the late project are in quarantine";
    }
  }
  const ledger::LedgerBalance b = ledger_->balance(*log_);
  if (b.uncounted > 0 || b.decided != b.received || b.stored != b.accepted) {
    return fmt::format("the ledger: {} uncounted, {} of {} decided, {} of {} stored; {}",
                       b.uncounted, b.decided, b.received, b.stored, b.accepted, b.detail);
  }
  return "";
}

bool Life::at_rest() { return unrest().empty(); }

bool Life::stop(int64_t us_max) {
  clients_.detach();
  const auto busy = std::make_shared<size_t>(shards_.size());
  for (size_t i = 0; i < shards_.size(); i++) {
    shards_[i]->set_ready(false);
    (i == 0 ? log_loop_ : shard_loop_).post([this, i, busy, alive = alive_] {
      if (*alive && i < shards_.size()) shards_[i]->when_idle([busy] { --*busy; });
    });
  }
  bool drained = run_until([&] { return *busy == 0; }, us_max);
  shards_.clear();
  const auto stages = std::make_shared<int>(5);
  pipeline_.post([this, stages, alive = alive_] {
    if (!*alive) return;
    ingest_->stop([stages] { --*stages; });
    replay_->stop([stages] { --*stages; });
    definitions_->stop([stages] { --*stages; });
    deliveries_->stop([stages] { --*stages; });
    squash_->stop();
    loads_->stop(5000, [stages] { --*stages; });
  });
  drained = run_until([&] { return *stages == 0; }, us_max) && drained;
  ingest_.reset();
  replay_.reset();
  definitions_.reset();
  deliveries_.reset();
  squash_.reset();
  loads_.reset();
  if (dead()) return false;
  (void)ledger_->checkpoint(*log_);
  (void)persons_->checkpoint(*log_);
  (void)cookieless_->checkpoint(*log_);
  (void)definition_store_->flush(*log_);
  log_->stop();
  return drained && !dead();
}

Result<std::vector<std::vector<std::string>>> Life::read(std::string_view name) {
  PENSTOCK_TRY(const auto bounds, log_->bounds(std::string(name)));
  std::vector<log::ScanRange> ranges;
  for (const auto& b : bounds) ranges.push_back({b.partition, b.start, b.end});
  struct Reading {
    std::vector<std::vector<std::string>> records;
    Status outcome;
    bool finished = false;
  };
  const auto reading = std::make_shared<Reading>();
  reading->records.resize(bounds.size());
  log::scan(
      *log_, pipeline_, std::string(name), std::move(ranges),
      [reading](const log::ScanSlice& slice) -> Status {
        auto& list = reading->records[static_cast<size_t>(slice.partition.value)];
        for (std::string_view r : slice.records) list.emplace_back(r);
        return {};
      },
      [reading](const Status& s) {
        reading->outcome = s;
        reading->finished = true;
      });
  if (!run_until([&] { return reading->finished; }, kRecoverUsMax)) {
    return fail(Code::kCancelled, "reading did not come to an end");
  }
  PENSTOCK_CHECK(reading->outcome);
  return std::move(reading->records);
}

}  // namespace penstock::simulation
