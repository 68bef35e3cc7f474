#include "main/topics.h"

#include "definitions/definitions.h"
#include "event/lane.h"

namespace penstock::cli {

namespace {

/// On a full disk capture stops first: what it took can still be decided and stored.
constexpr uint64_t kProcessedReservePercent = 50;

}  // namespace

std::vector<log::TopicSpec> topics_of(const Settings& settings) {
  std::vector<log::TopicSpec> out;
  const auto add = [&](std::string_view name, int32_t partitions, std::vector<std::string> groups) {
    out.push_back({std::string(name), partitions, settings.log_retention_bytes,
                   settings.log_retention_ms, std::move(groups)});
  };
  for (const event::Lane lane : event::kLanes) {
    const bool recorded = lane == event::Lane::kReplay;
    add(event::lane_topic(lane), settings.partitions,
        {std::string(recorded ? event::kGroupReplay : event::kGroupIngest),
         std::string(event::kGroupLedger)});
  }
  std::vector<std::string> readers{
      std::string(event::kGroupLedger), std::string(event::kGroupPersons),
      std::string(event::kGroupCookieless), std::string(event::kGroupLoad)};
  // Who runs without definitions must not keep the log for them.
  if (settings.runs("definitions")) readers.emplace_back(definitions::kConsumerGroup);
  add(event::kTopicProcessed, settings.partitions, std::move(readers));
  out.back().free_reserve_percent = kProcessedReservePercent;
  add(event::kTopicRefused, 1, {});
  add(event::kTopicRefusalCounts, 1, {std::string(event::kGroupIngest)});
  add(event::kTopicPersonCommands, 1, {std::string(event::kGroupIngest)});
  return out;
}

}  // namespace penstock::cli
