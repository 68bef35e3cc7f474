#include "tests/convergence/engine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hash.h"
#include "event/raw_record.h"
#include "log/embedded_log.h"
#include "log/forwarding_log.h"
#include "log/memory_log.h"
#include "log/scan.h"

namespace penstock::convergence {

using event::Lane;
using naive::Event;
using naive::Fate;

/// Refuses some appends to `processed`, before or after they were written.
class Engine::FaultyLog : public log::ForwardingLog {
 public:
  FaultyLog(std::unique_ptr<log::Log> inner, uint64_t seed, int percent)
      : ForwardingLog(std::move(inner)), random_(seed), percent_(percent) {}

  void append(runtime::Loop& home, std::string topic, std::vector<log::Batch> batches,
              log::AppendDone done) override {
    const bool refuse =
        topic == event::kTopicProcessed && static_cast<int>(random_() % 100) < percent_;
    if (!refuse)
      return ForwardingLog::append(home, std::move(topic), std::move(batches), std::move(done));
    if (random_() % 2 == 0) {
      home.post([done = std::move(done)]() mutable { done(fail(Code::kBusy, "busy")); });
      return;
    }
    ForwardingLog::append(
        home, std::move(topic), std::move(batches),
        [done = std::move(done)](const Result<std::vector<log::Appended>>&) mutable {
          done(fail(Code::kMaybe, "perhaps"));
        });
  }

 private:
  std::mt19937_64 random_;
  int percent_;
};

Engine::Engine(EngineOptions options, const std::vector<naive::Project>& projects)
    : options_(std::move(options)),
      wanted_(projects),
      random_(options_.seed),
      disk_(std::make_shared<runtime::SimDisk>(options_.seed)),
      arrived_(projects.size()),
      decided_(projects.size()) {
  // Only with the disk may a death strike in the middle of an I/O.
  std::function<Status()> gate;
  if (options_.disk) gate = [d = disk_] { return d->foreign_io(); };
  ledger_kv_ = std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{true, gate});
  persons_memory_ = std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{true, gate});
  persons_kv_ = persons_memory_;
  if (!options_.rocks_directory.empty()) {
    auto opened = kv::open_rocks_kv({options_.rocks_directory, 8U << 20, 4U << 20, true});
    EXPECT_TRUE(opened.has_value());
    persons_kv_ = std::move(*opened);
  }
  boot();
}

Engine::~Engine() {
  ingest_.reset();
  if (log_) log_->stop();
}

void Engine::boot() {
  for (;;) {
    lives_++;
    runtime::SimOptions sim;
    sim.wall_start_us = 1'785'700'000'000'000;  // after every event
    runtime_ = std::make_unique<runtime::SimRuntime>(options_.seed * 1000 + lives_, disk_, sim);
    loop_ = &runtime_->make_loop();
    log::EmbeddedLogOptions embedded;
    embedded.directory = "/data/log";
    embedded.segment_bytes = 4U << 20;
    embedded.free_reserve_bytes = 0;
    log_ = std::make_unique<FaultyLog>(options_.disk
                                           ? log::open_embedded_log(*runtime_, *loop_, embedded)
                                           : log::make_memory_log(*runtime_),
                                       options_.seed + lives_, options_.refused_percent);
    std::vector<log::TopicSpec> topics;
    for (Lane lane : event::kLanes) {
      topics.push_back({.name = std::string(event::lane_topic(lane)),
                        .partitions = options_.partitions,
                        .required_groups = {}});
    }
    topics.push_back({.name = std::string(event::kTopicProcessed),
                      .partitions = options_.partitions,
                      .required_groups = {}});
    topics.push_back({.name = std::string(event::kTopicRefused), .required_groups = {}});
    topics.push_back({.name = std::string(event::kTopicRefusalCounts), .required_groups = {}});
    const Status started = log_->start(std::move(topics));
    EXPECT_TRUE(started.has_value()) << started.error().message;
    make_catalog();
    start_stages();
    return;
  }
}

void Engine::make_catalog() {
  catalog_ = catalog::make_memory_catalog(*runtime_);
  history_of_.clear();
  for (size_t i = 0; i < wanted_.size(); i++) {
    const auto made = catalog_->create_project({}, "p", "phc_" + std::to_string(wanted_[i].id));
    ASSERT_TRUE(made.has_value());
    ASSERT_EQ(made->id.value, wanted_[i].id) << "projects are numbered from 1";
    history_of_[made->id.value] = i;
  }
  // There is no call for it yet; a catalog in memory has no other reader.
  const auto snapshot = catalog_->snapshot();
  for (const catalog::Project& project : snapshot->projects) {
    const_cast<catalog::Project&>(project).person_processing_opt_out =
        wanted_[history_of_.at(project.id.value)].opt_out;
  }
}

void Engine::start_stages() {
  ledger_ = ledger::make_ledger(kv::make_view(ledger_kv_), {});
  persons_ = persons::make_person_store(kv::make_view(persons_kv_));
  int waiting = 2;
  const auto done = [&waiting](const Status& status) {
    EXPECT_TRUE(status.has_value()) << status.error().message;
    waiting--;
  };
  ledger_->recover(*log_, *loop_, done);
  persons_->recover(*log_, *loop_, done);
  EXPECT_EQ(runtime_->run_until([&] { return waiting == 0; }), runtime::SimEnd::kDone);
  ingest::IngestOptions options;
  options.partitions = options_.partitions;
  options.events_per_cycle_max = options_.events_per_cycle_max;
  options.checkpoint_ms = 50;
  options.retry_ms_min = 1;
  options.retry_ms_max = 4;
  ingest_ = ingest::Ingest::make(*loop_, *runtime_, *log_, *catalog_, *persons_, *ledger_, options);
  const Status started = ingest_->start();
  EXPECT_TRUE(started.has_value()) << started.error().message;
}

void Engine::die() {
  deaths_++;
  ingest_.reset();
  if (!options_.disk) runtime_->run_for(std::chrono::seconds(2));  // a checkpoint in the pool
  ledger_.reset();
  persons_.reset();
  ledger_kv_->crash(random_());
  persons_memory_->crash(random_());
  if (!options_.disk) return start_stages();
  log_->stop();
  log_.reset();
  catalog_.reset();
  runtime_.reset();
  disk_->crash();
  boot();
}

bool Engine::send(const std::vector<Arrival>& arrivals, size_t from, size_t to) {
  std::map<int32_t, log::Batch> batches;
  for (size_t i = from; i < to; i++) {
    const Event& e = arrivals[i].event;
    const std::string token = "phc_" + std::to_string(wanted_[arrivals[i].history].id);
    event::RawRecord raw;
    raw.uuid = *Uuid::parse(e.uuid);
    raw.project = {wanted_[arrivals[i].history].id};
    raw.now_ms = e.now_ms;
    raw.timestamp_ms = e.timestamp_ms;
    raw.token = token;
    raw.distinct_id = e.distinct_id;
    raw.event = e.name;
    raw.data = e.data;
    raw.skip_persons = e.force_disable;
    std::string bytes, key;
    event::encode(raw, bytes);
    event::partition_key(raw, Lane::kMain, key);
    log::Batch& batch = batches[partition_of(key, options_.partitions)];
    batch.partition = {partition_of(key, options_.partitions)};
    batch.count++;
    bytes_ += bytes.size();
    log::encode_record(batch.data, bytes);
  }
  std::vector<log::Batch> list;
  for (auto& [partition, batch] : batches) list.push_back(std::move(batch));
  bool answered = false, written = false;
  log_->append(*loop_, std::string(event::lane_topic(Lane::kMain)), std::move(list),
               [&](const Result<std::vector<log::Appended>>& appended) {
                 answered = true;
                 written = appended.has_value();
               });
  runtime_->run_until([&] { return answered; });
  return written;
}

bool Engine::settled() const {
  if (ingest_->stats().lag_records != 0) return false;
  const auto bounds = log_->bounds(std::string(event::kTopicProcessed));
  if (!bounds) return false;
  const auto applied = persons_->applied();
  return std::ranges::all_of(*bounds, [&](const log::PartitionBounds& b) {
    return b.end.value == 0 || std::ranges::any_of(applied, [&](const log::Position& p) {
             return p.partition == b.partition && p.next == b.end;
           });
  });
}

bool Engine::settle() {
  return runtime_->run_until([&] { return settled(); }, std::chrono::minutes(10)) ==
         runtime::SimEnd::kDone;
}

void Engine::run(const std::vector<Arrival>& arrivals) {
  for (size_t from = 0; from < arrivals.size();) {
    const size_t to = std::min(arrivals.size(), from + 1 + random_() % options_.chunk_max);
    const bool dies = random_() % 100 < options_.deaths_percent;
    if (dies && options_.disk) {
      disk_->set_faults({.kill_at_io = disk_->io_count() + 1 + random_() % 40});
    }
    // A client that got no answer sends again.
    if (send(arrivals, from, to)) from = to;
    if (dies) {
      size_t turns = random_() % 60;
      runtime_->run_until([&] { return turns-- == 0 || settled(); });
      if (options_.disk) {
        runtime_->run_for(std::chrono::milliseconds(random_() % 80));
        disk_->kill();
      }
      die();
    } else if (random_() % 2 == 0) {
      settle();
    }
  }
  ASSERT_TRUE(settle()) << ingest_->stats().last_error;
  read_back();
}

std::vector<std::vector<std::string>> Engine::read(std::string_view topic) {
  const auto bounds = log_->bounds(std::string(topic));
  std::vector<std::vector<std::string>> out(bounds->size());
  std::vector<log::ScanRange> ranges;
  for (const auto& b : *bounds) ranges.push_back({b.partition, b.start, b.end});
  bool finished = false;
  log::scan(
      *log_, *loop_, std::string(topic), std::move(ranges),
      [&](const log::ScanSlice& slice) -> Status {
        auto& list = out[static_cast<size_t>(slice.partition.value)];
        for (std::string_view r : slice.records) list.emplace_back(r);
        return {};
      },
      [&](const Status& status) {
        EXPECT_TRUE(status.has_value());
        finished = true;
      });
  EXPECT_EQ(runtime_->run_until([&] { return finished; }), runtime::SimEnd::kDone);
  return out;
}

void Engine::read_back() {
  for (auto& list : arrived_) list.clear();
  for (auto& list : decided_) list.clear();
  for (const auto& partition : read(event::lane_topic(Lane::kMain))) {
    for (const std::string& bytes : partition) {
      const auto raw = event::decode_raw(bytes);
      ASSERT_TRUE(raw.has_value());
      arrived_[history_of_.at(raw->project.value)].push_back(raw->uuid.text());
    }
  }
  for (const auto& partition : read(event::kTopicProcessed)) {
    for (const std::string& bytes : partition) {
      const auto record = event::decode_processed(bytes);
      ASSERT_TRUE(record.has_value());
      if (const auto* outcome = std::get_if<event::Outcome>(&*record)) take(*outcome);
    }
  }
}

void Engine::take(const event::Outcome& outcome) {
  Decided d;
  d.uuid = outcome.uuid.text();
  d.row.why = outcome.reason;
  switch (outcome.kind) {
    case event::OutcomeKind::kAccepted: d.row.fate = Fate::kAccepted; break;
    case event::OutcomeKind::kDropped: d.row.fate = Fate::kDropped; break;
    case event::OutcomeKind::kDuplicate: d.row.fate = Fate::kDuplicate; break;
    case event::OutcomeKind::kQuarantined: d.row.fate = Fate::kQuarantined; break;
  }
  if (d.row.fate == Fate::kAccepted) {
    const event::EventRow& row = outcome.row;
    d.row.person_id = row.person_id.text();
    d.row.person_mode = event::person_mode_name(row.person_mode);
    d.row.person_properties = naive::Json::parse(row.person_properties);
    d.row.person_created_at_ms = row.person_created_at_ms;
    const auto properties = naive::Json::parse(row.properties);
    for (size_t i = 0; i < 5; i++) {
      const std::string key = "$group_" + std::to_string(i);
      if (properties.contains(key)) d.row.groups[key] = properties[key];
    }
  }
  decided_[history_of_.at(outcome.project.value)].push_back(std::move(d));
}

std::vector<std::string> Engine::arrived(size_t history) const { return arrived_[history]; }

void Engine::add_groups(ProjectId project, const std::vector<Event>& events,
                        naive::Picture& out) const {
  const auto types = persons_->group_types(project);
  EXPECT_TRUE(types.has_value());
  std::set<std::string> names;
  for (const Event& e : events) {
    if (const auto name = naive::mentioned_group(e)) names.insert(*name);
  }
  std::vector<persons::GroupKey> keys;
  for (const persons::GroupType& type : *types) {
    EXPECT_EQ(type.index, out.group_types.size());
    out.group_types.push_back(type.name);
    for (const std::string& name : names) keys.push_back({project, type.index, name});
  }
  const auto found = persons_->fetch_groups(keys);
  EXPECT_TRUE(found.has_value());
  for (const auto& group : *found) {
    if (!group) continue;
    out.groups[{group->type_index, group->key}] = {naive::Json::parse(group->properties),
                                                   group->created_at_ms};
  }
}

naive::Picture Engine::picture(size_t history, const std::vector<Event>& events) const {
  naive::Picture out;
  for (const Decided& d : decided_[history]) out.rows.emplace_back(d.uuid, d.row);
  const ProjectId project{wanted_[history].id};
  std::set<std::string> ids;
  for (const Event& e : events) {
    for (const std::string& id : naive::mentioned_ids(e)) ids.insert(id);
  }
  std::vector<persons::DistinctIdKey> keys;
  for (const std::string& id : ids) keys.push_back({project, id});
  const auto found = persons_->fetch(keys);
  EXPECT_TRUE(found.has_value());
  for (const auto& person : *found) {
    if (!person || out.persons.contains(person->id.text())) continue;
    naive::PersonPicture& p = out.persons[person->id.text()];
    p.uuid = person->id.text();
    p.properties = naive::Json::parse(person->properties);
    p.created_at_ms = person->created_at_ms;
    p.is_identified = person->is_identified;
    const auto mappings = persons_->mappings(project, person->id, 1000);
    EXPECT_TRUE(mappings.has_value());
    for (const auto& m : *mappings) p.ids[m.distinct_id] = m.version;
  }
  add_groups(project, events, out);
  return out;
}

}  // namespace penstock::convergence
