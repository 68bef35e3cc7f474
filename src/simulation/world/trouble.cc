#include "simulation/world/trouble.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/json_writer.h"
#include "event/lane.h"
#include "event/person_command.h"
#include "event/processed_record.h"
#include "event/quarantine_change.h"
#include "event/raw_record.h"

namespace penstock::simulation {
namespace {

constexpr int64_t kTickMs = 500;
constexpr uint64_t kRoomLeft = 24U << 10;  // of a disk that is called full
constexpr uint64_t kPeoplePercent = 6;     // of ticks
constexpr uint64_t kTokens = 5;            // four, and what is under way between stages
constexpr size_t kCommandsMax = 16, kEntriesSeen = 50;
constexpr std::string_view kProperties = R"("properties":{)";

}  // namespace

Trouble::Trouble(Life& life) : life_(life), m_(life.machine()) {}

void Trouble::begin() { tick(); }

void Trouble::tick() {
  disk();
  pace();
  time();
  m_.wall_us_max = std::max(m_.wall_us_max, life_.runtime().clock().wall_us());
  if (m_.dice.percent(kPeoplePercent)) people();
  look();
  life_.outside().after(std::chrono::milliseconds(m_.dice.between(1, 2 * kTickMs)),
                        [this, alive = alive_] {
                          if (*alive) tick();
                        });
}

void Trouble::disk() {
  const int64_t now = life_.runtime().clock().mono_ns();
  runtime::SimFaults faults = m_.disk->faults();
  if (m_.faults.strike(Fault::kDiskFull)) {
    faults.capacity_bytes = m_.disk->used_bytes() + m_.dice.below(kRoomLeft);
    full_until_ns_ = now + m_.dice.between(100, 15'000) * 1'000'000;
  } else if (faults.capacity_bytes > 0 && now >= full_until_ns_) {
    faults.capacity_bytes = 0;
  } else {
    return;
  }
  m_.disk->set_faults(faults);
}

void Trouble::pace() {
  const int64_t now = life_.runtime().clock().mono_ns();
  if (m_.faults.strike(Fault::kSlowDisk)) {
    slow_until_ns_ = now + m_.dice.between(500, 20'000) * 1'000'000;
  }
  if (m_.faults.strike(Fault::kPoolFull)) {
    pool_until_ns_ = now + m_.dice.between(100, 5000) * 1'000'000;
  }
  runtime::SimOptions options = pace_of(m_);
  if (now < slow_until_ns_) {
    options.job_delay_max = std::chrono::milliseconds(300);
    options.sync_delay_max = std::chrono::milliseconds(2500);
  }
  if (now < pool_until_ns_) options.pool_queue_max = m_.dice.below(4);
  life_.runtime().set_pace(options);
  if (m_.faults.strike(Fault::kFolderSyncError)) {
    names_until_ns_ = now + m_.dice.between(100, 15'000) * 1'000'000;
  }
  m_.names_stay_volatile = now < names_until_ns_;
}

void Trouble::time() {
  if (m_.faults.strike(Fault::kPause)) {
    life_.runtime().stall(std::chrono::milliseconds(m_.dice.between(20, 40'000)));
  }
  if (m_.faults.strike(Fault::kThreadPause)) {
    life_.runtime().stall(life_.thread(m_.dice.below(3)),
                          std::chrono::milliseconds(m_.dice.between(5, 5000)));
  }
  if (m_.faults.strike(Fault::kClockJump)) {
    const int64_t ms = m_.dice.pick<int64_t>({1, 1000, 90'000, 7'200'000});
    life_.runtime().jump_wall(std::chrono::milliseconds(m_.dice.percent(50) ? ms : -ms));
  }
}

void Trouble::people() {
  switch (m_.dice.below(7)) {
    case 0:
      if (!m_.late_project) (void)life_.make_late_project();
      return;
    case 1: {
      const std::string json = m_.dice.pick(
          {R"({})", R"({"anonymize_ips":true})", R"({"person_processing_opt_out":true})",
           R"({"event_filters":{"mode":"live","filter":{"event":{"exact":"other"}}}})",
           R"({"schemas":[{"event":"seen","required":{"n":"number"}}]})"});
      return (void)life_.change_setting({ProjectId{1}, "ingestion", json});
    }
    case 2: {
      const std::string json = m_.dice.pick({R"({})", R"({"too_many_ids":"refuse","ids_max":2})",
                                             R"({"identified_into_identified":"refuse"})"});
      return (void)life_.change_setting({ProjectId{1}, "merges", json});
    }
    case 3: {
      // Over its quota, sooner or later; diverted into quarantine, dropped, or sent another way.
      const std::string json = m_.dice.pick(
          {R"({})", R"({"quotas":[{"resource":"events","events_per_month_max":40}]})",
           R"({"quotas":[{"resource":"recordings","limited_until":"2037-12-01T00:00:00Z"}]})",
           R"({"restrictions":[{"type":"redirect_to_dlq","event_names":["$set"]}]})",
           R"({"restrictions":[{"type":"drop_event_from_ingestion","event_names":["other"]}]})",
           R"({"restrictions":[{"type":"force_overflow_from_ingestion"}]})"});
      return (void)life_.change_setting({ProjectId{1}, "admission", json});
    }
    case 4: return operator_command();
    case 5: {
      const std::string json =
          m_.dice.pick({R"({})", R"({"cookieless_server_hash_mode":"stateless"})",
                        R"({"cookieless_server_hash_mode":"stateful"})"});
      return (void)life_.change_setting({ProjectId{1}, "cookieless", json});
    }
    default: return command();
  }
}

/// Somebody looks into quarantine: mends an event, gives some up, lets some be received again.
void Trouble::operator_command() {
  if (m_.promises.commands.size() >= kCommandsMax) return;
  const auto entries = life_.ledger().quarantined("", "", kEntriesSeen);
  if (!entries || entries->empty()) return;
  const ledger::QuarantineEntry& entry = (*entries)[m_.dice.below(entries->size())];
  JsonWriter w;
  w.begin_object();
  switch (m_.dice.below(4)) {
    case 0: {
      const auto raw = event::decode_raw(entry.raw);
      if (!raw || entry.source.lane == event::Lane::kReplay) return;
      std::string data(raw->data);
      const size_t at = data.find(kProperties);
      if (at == std::string::npos) return;
      data.insert(at + kProperties.size(), R"("mended":true,)");
      w.field("id", entry.id).field("data", data);
      return send(event::kQuarantineEdit, w.end_object().take());
    }
    case 1:
      w.key("select").begin_object().key("ids").begin_array().string(entry.id).end_array();
      w.end_object();
      return send(event::kQuarantineDiscard, w.end_object().take());
    case 2:
      w.key("select").begin_object().key("ids").begin_array().string(entry.id).end_array();
      break;
    default: w.key("select").begin_object().field("reason", entry.reason);
  }
  w.end_object().field("per_second", m_.dice.pick<int64_t>({5, 50, 2000}));
  send(event::kQuarantineRedrive, w.end_object().take());
}

/// As the admin API does it.
void Trouble::command() {
  if (m_.promises.distinct_ids.empty() || m_.promises.commands.size() >= kCommandsMax) return;
  auto id = m_.promises.distinct_ids.begin();
  std::advance(id, static_cast<std::ptrdiff_t>(m_.dice.below(m_.promises.distinct_ids.size())));
  const ProjectId project{1};
  const auto found = life_.persons().fetch({{project, *id}});
  if (!found || !found->front()) return;
  const Uuid person = found->front()->id;
  JsonWriter w;
  w.begin_object().field("person", person.text());
  std::string_view kind = event::kDeletePerson;
  switch (m_.dice.below(3)) {
    case 0: break;
    case 1:
      kind = event::kTakeIds;
      w.key("distinct_ids").begin_array().string(*id).end_array();
      break;
    default: {
      kind = event::kUndoMerge;
      const auto history = life_.persons().merges(project, person);
      if (!history || history->records.empty()) return;
      const auto record =
          event::decode_processed(history->records[m_.dice.below(history->records.size())]);
      const auto* merge = record ? std::get_if<event::PersonMerge>(&*record) : nullptr;
      if (merge == nullptr) return;
      w.field("event", merge->event_uuid.text());
    }
  }
  send(kind, w.end_object().take());
}

/// Durable before it is answered.
void Trouble::send(std::string_view kind, const std::string& body) {
  event::PersonCommand command;
  command.time_ms = life_.runtime().clock().wall_ms();
  std::array<uint8_t, 10> random{};
  for (uint8_t& byte : random) byte = static_cast<uint8_t>(m_.dice.below(256));
  command.id = Uuid::v7(command.time_ms, random);
  command.project = {1};
  command.kind = kind;
  command.who = "simulation";
  command.body = body;
  std::string bytes;
  event::encode(command, bytes);
  log::Batch batch;
  batch.count = 1;
  log::encode_record(batch.data, bytes);
  std::vector<log::Batch> batches;
  batches.push_back(std::move(batch));
  life_.log().append(life_.outside(), std::string(event::kTopicPersonCommands), std::move(batches),
                     [this, alive = alive_, uuid = command.id,
                      name = std::string(kind)](const Result<std::vector<log::Appended>>& done) {
                       if (*alive && done) m_.promises.commands.emplace(uuid, name);
                     });
}

/// Progress never passes output.
void Trouble::look() {
  const std::string processed(event::kTopicProcessed);
  for (const event::Lane lane : event::kLanes) {
    const std::string topic(event::lane_topic(lane));
    const bool recorded = lane == event::Lane::kReplay;
    const auto group = recorded ? event::kGroupReplay : event::kGroupIngest;
    for (const log::Position& p : life_.log().committed(std::string(group), topic)) {
      const int64_t decided =
          life_.log().last_sequence(processed, p.partition, event::ingest_producer(lane));
      if (p.next.value > std::max<int64_t>(decided, 0)) {
        m_.broken("progress", fmt::format("{} {} is committed up to {}, decided up to {}", topic,
                                          p.partition.value, p.next.value, decided));
      }
    }
  }
  const auto bounds = life_.log().bounds(processed);
  if (!bounds) return;
  for (const auto group :
       {event::kGroupLoad, event::kGroupLedger, event::kGroupPersons, deliver::kConsumerGroup}) {
    for (const log::Position& p : life_.log().committed(std::string(group), processed)) {
      const Offset end = (*bounds)[static_cast<size_t>(p.partition.value)].end;
      if (p.next <= end) continue;
      m_.broken("progress",
                fmt::format("{} is committed up to {} of processed {}, which ends at {}", group,
                            p.next.value, p.partition.value, end.value));
    }
  }
  const ledger::QuarantineUsage usage = life_.ledger().quarantine_usage();
  const uint64_t limit = m_.tempo.quarantine_bytes_per_token_max;
  if (usage.bytes > limit * kTokens) {
    m_.broken("queues", fmt::format("{} bytes in quarantine", usage.bytes));
  }
}

}  // namespace penstock::simulation
