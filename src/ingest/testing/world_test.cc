#include "ingest/testing/world.h"

#include <gtest/gtest.h>

#include <map>

#include "base/hash.h"
#include "event/person_command.h"
#include "log/memory_log.h"
#include "log/scan.h"

namespace penstock::ingest::testing {

void FaultyLog::append(runtime::Loop& home, std::string topic, std::vector<log::Batch> batches,
                       log::AppendDone done) {
  if (topic != event::kTopicProcessed || static_cast<int>(random_() % 100) >= percent) {
    return ForwardingLog::append(home, std::move(topic), std::move(batches), std::move(done));
  }
  switch (random_() % 3) {
    case 0:
      home.post([done = std::move(done)]() mutable { done(fail(Code::kBusy, "busy")); });
      return;
    case 1:
      home.post([done = std::move(done)]() mutable { done(fail(Code::kMaybe, "not written")); });
      return;
    default:
      ForwardingLog::append(home, std::move(topic), std::move(batches),
                            [done = std::move(done)](Result<std::vector<log::Appended>>) mutable {
                              done(fail(Code::kMaybe, "written"));
                            });
  }
}

World::World(uint64_t seed, IngestOptions options)
    : runtime_(seed),
      loop_(runtime_.make_loop()),
      options_(options),
      log_(std::make_unique<FaultyLog>(log::make_memory_log(runtime_), seed)),
      catalog_(catalog::make_memory_catalog(runtime_)),
      ledger_kv_(
          std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{.crashable = true, .gate = nullptr})),
      cookieless_kv_(
          std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{.crashable = true, .gate = nullptr})),
      persons_kv_(
          std::make_shared<kv::MemoryKv>(kv::MemoryKvOptions{.crashable = true, .gate = nullptr})) {
  options_.partitions = kPartitions;
  const event::Layout layout = options_.layout();
  std::vector<log::TopicSpec> topics;
  for (event::Lane lane : event::kLanes) {
    topics.push_back({.name = std::string(event::lane_topic(lane)),
                      .partitions = layout.of_lane(lane),
                      .required_groups = {}});
  }
  topics.push_back({.name = std::string(event::kTopicProcessed),
                    .partitions = layout.of_processed(),
                    .required_groups = {}});
  topics.push_back({.name = std::string(event::kTopicRefused), .required_groups = {}});
  topics.push_back({.name = std::string(event::kTopicRefusalCounts), .required_groups = {}});
  topics.push_back({.name = std::string(event::kTopicPersonCommands),
                    .partitions = options_.slice_count,
                    .required_groups = {}});
  EXPECT_TRUE(log_->start(std::move(topics)).has_value());
  create_project("phc_one");
}

World::~World() = default;

void World::create_project(const std::string& token) {
  EXPECT_TRUE(catalog_->create_project({}, "project", token).has_value());
}

void World::start() {
  ledger_ = ledger::make_ledger(
      kv::make_view(ledger_kv_),
      {.decided_elsewhere = options_.slice_count > 1, .lanes_apart = options_.lanes_apart});
  persons_ = persons::make_person_store(kv::make_view(persons_kv_));
  cookieless_ = make_cookieless_store(kv::make_view(cookieless_kv_), runtime_);
  int waiting = 3;
  const auto done = [&waiting](const Status& status) {
    EXPECT_TRUE(status.has_value()) << status.error().message;
    waiting--;
  };
  ledger_->recover(*log_, loop_, done);
  persons_->recover(*log_, loop_, done);
  cookieless_->recover(*log_, loop_, done);
  EXPECT_EQ(runtime_.run_until([&] { return waiting == 0; }), runtime::SimEnd::kDone);
  options_.cookieless = cookieless_.get();
  ingest_ = Ingest::make(loop_, runtime_, *log_, *catalog_, *persons_, *ledger_, options_);
  const Status started = ingest_->start();
  EXPECT_TRUE(started.has_value()) << started.error().message;
}

void World::crash(uint64_t seed) {
  ingest_.reset();
  run_ms(2000);  // a checkpoint that is in the pool ends before the machine does
  ledger_.reset();
  persons_.reset();
  cookieless_.reset();
  ledger_kv_->crash(seed);
  persons_kv_->crash(seed + 1);
  cookieless_kv_->crash(seed + 2);
}

void World::stop() {
  bool stopped = false;
  ingest_->stop([&] { stopped = true; });
  EXPECT_EQ(runtime_.run_until([&] { return stopped; }), runtime::SimEnd::kDone);
  ingest_.reset();
}

void World::send(const std::vector<Sent>& events, const std::string& data, bool report) {
  const int64_t now_ms = runtime_.clock().wall_ms();
  const auto snapshot = catalog_->snapshot();
  for (event::Lane lane : event::kLanes) {
    std::map<int32_t, log::Batch> batches;
    std::map<int64_t, uint64_t> counts;  // by project
    for (const Sent& e : events) {
      if (e.lane != lane) continue;
      event::RawRecord raw;
      raw.uuid = e.uuid;
      const auto* project = snapshot->find_token(e.token);
      raw.project = project == nullptr ? ProjectId{} : project->id;
      raw.now_ms = raw.timestamp_ms = now_ms;
      raw.token = e.token;
      raw.distinct_id = e.distinct_id;
      raw.event = e.event;
      raw.data = data;
      std::string bytes, key;
      event::encode(raw, bytes);
      event::partition_key(raw, lane, key);
      const int32_t partition =
          options_.layout().in_lane(lane, e.placed_as.empty() ? e.token : e.placed_as, key);
      log::Batch& batch = batches[partition];
      batch.partition = {partition};
      batch.count++;
      log::encode_record(batch.data, bytes);
      counts[raw.project.value]++;
    }
    if (batches.empty()) continue;
    std::vector<log::Batch> list;
    std::vector<uint32_t> record_counts;
    for (auto& [partition, batch] : batches) {
      record_counts.push_back(batch.count);
      list.push_back(std::move(batch));
    }
    std::vector<ledger::Ledger::Received> received;
    for (const auto& [project, n] : counts) {
      received.push_back({{{project}, now_ms / 60'000, lane}, n});
    }
    log_->append(loop_, std::string(event::lane_topic(lane)), std::move(list),
                 [this, lane, record_counts, received,
                  report](const Result<std::vector<log::Appended>>& appended) {
                   ASSERT_TRUE(appended.has_value());
                   if (report && ledger_) {
                     ledger_->received(lane, *appended, record_counts, received);
                   }
                 });
  }
}

void World::settle() {
  const auto end = runtime_.run_until(
      [&] {
        const auto balance = ledger_->balance(*log_);
        return ingest_->stats().lag_records == 0 && balance.uncounted == 0 &&
               balance.decided == balance.received;
      },
      std::chrono::minutes(10));
  EXPECT_EQ(end, runtime::SimEnd::kDone) << ingest_->stats().last_error;
}

std::vector<std::vector<std::string>> World::read(const std::string& topic) {
  const auto bounds = log_->bounds(topic);
  EXPECT_TRUE(bounds.has_value());
  std::vector<std::vector<std::string>> out(bounds->size());
  std::vector<log::ScanRange> ranges;
  for (const auto& b : *bounds) ranges.push_back({b.partition, b.start, b.end});
  bool finished = false;
  log::scan(
      *log_, loop_, topic, std::move(ranges),
      [&](const log::ScanSlice& slice) -> Status {
        auto& list = out[static_cast<size_t>(slice.partition.value)];
        for (std::string_view r : slice.records) list.emplace_back(r);
        return {};
      },
      [&](const Status& status) {
        EXPECT_TRUE(status.has_value());
        finished = true;
      });
  EXPECT_EQ(runtime_.run_until([&] { return finished; }), runtime::SimEnd::kDone);
  return out;
}

void World::refuse(const event::RefusalCount& count) {
  std::string record;
  event::encode(count, record);
  log::Batch batch;
  batch.count = 1;
  log::encode_record(batch.data, record);
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  bool done = false;
  log_->append(loop_, std::string(event::kTopicRefusalCounts), std::move(batches),
               [&](const Result<std::vector<log::Appended>>& got) {
                 EXPECT_TRUE(got.has_value());
                 done = true;
               });
  EXPECT_EQ(runtime_.run_until([&] { return done; }), runtime::SimEnd::kDone);
}

Uuid World::command(std::string_view kind, const std::string& body, ProjectId project) {
  Uuid id;
  id.bytes[0] = 7;
  for (size_t i = 0; i < 8; i++) {
    id.bytes[15 - i] = static_cast<uint8_t>(commands_ >> (8 * i));
  }
  commands_++;
  std::string record;
  event::encode(event::PersonCommand{id, project, runtime_.clock().wall_ms(), kind, "a test", body},
                record);
  log::Batch batch;
  const auto snapshot = catalog_->snapshot();
  batch.partition = {event::slice_of(snapshot->find(project)->token, options_.slice_count)};
  batch.count = 1;
  log::encode_record(batch.data, record);
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  bool done = false;
  log_->append(loop_, std::string(event::kTopicPersonCommands), std::move(batches),
               [&](const Result<std::vector<log::Appended>>& got) {
                 EXPECT_TRUE(got.has_value());
                 done = true;
               });
  EXPECT_EQ(runtime_.run_until([&] { return done; }), runtime::SimEnd::kDone);
  return id;
}

World::Report World::report_of(const Uuid& command, ProjectId project) {
  Report out;
  const auto look = [&] {
    const auto bytes = persons_->command_report(project, command);
    if (!bytes || !*bytes) return false;
    const auto record = event::decode_processed(**bytes);
    const auto& report = std::get<event::PersonCommandReport>(*record);
    out = {std::string(report.state), std::string(report.report)};
    return out.state != "running" && ingest_->commands().empty();
  };
  EXPECT_EQ(runtime_.run_until(look, std::chrono::minutes(10)), runtime::SimEnd::kDone);
  return out;
}

std::vector<std::vector<std::string>> World::processed() {
  return read(std::string(event::kTopicProcessed));
}

}  // namespace penstock::ingest::testing
