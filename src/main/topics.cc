#include "main/topics.h"

#include <fmt/format.h>

#include "definitions/definitions.h"
#include "deliver/deliver.h"
#include "event/lane.h"
#include "event/messages.h"
#include "load/loader.h"
#include "main/move/hold.h"
#include "main/stages.h"

namespace penstock::cli {

namespace {

/// On a full disk capture stops first: what it took can still be decided and stored.
constexpr uint64_t kProcessedReservePercent = 50;

}  // namespace

std::string lease_topic(const Settings& settings) {
  const auto range = settings.slice_range();
  if (!settings.looks_at_some_slices() || !range) return std::string(event::kTopicPersonCommands);
  return fmt::format("{}{}_{}", kSlicesPrefix, range->from, range->to);
}

std::vector<log::TopicSpec> topics_of(const Settings& settings) {
  std::vector<log::TopicSpec> out;
  const auto add = [&](std::string_view name, int32_t partitions, std::vector<std::string> groups) {
    out.push_back({std::string(name), partitions, settings.log_retention_bytes,
                   settings.log_retention_ms, std::move(groups)});
  };
  const event::Layout layout = settings.layout();
  for (const event::Lane lane : event::kLanes) {
    const bool recorded = lane == event::Lane::kReplay;
    add(event::lane_topic(lane), layout.of_lane(lane),
        {std::string(recorded ? event::kGroupReplay : event::kGroupIngest),
         std::string(event::kGroupLedger)});
  }
  std::vector<std::string> readers{
      std::string(event::kGroupLedger), std::string(event::kGroupPersons),
      std::string(event::kGroupCookieless), std::string(event::kGroupLoad)};
  // Who runs without definitions must not keep the log for them.
  const bool held = settings.runs(move::kHeldStage);  // they will read on where they are
  if (held || settings.runs("definitions")) readers.emplace_back(definitions::kConsumerGroup);
  if (held || settings.runs("deliver")) readers.emplace_back(deliver::kConsumerGroup);
  add(event::kTopicProcessed, layout.of_processed(), std::move(readers));
  out.back().free_reserve_percent = kProcessedReservePercent;
  add(event::kTopicRefused, 1, {});
  add(event::kTopicRefusalCounts, 1, {std::string(event::kGroupIngest)});
  add(event::kTopicPersonCommands, settings.slices, {std::string(event::kGroupIngest)});
  if (const auto range = settings.slice_range(); range && settings.looks_at_some_slices()) {
    add(lease_topic(settings), range->size(), {});
  }
  if (shares_load(settings)) {
    add(load::kIntentsTopic, 1, {std::string(event::kGroupLoad)});
    // As long as there may be rows of a batch, what it was has to be there.
    out.back().retention_bytes = 0;
    out.back().retention_ms *= 2;
  }
  return out;
}

std::vector<log::TopicSpec> published_topics(const Settings& settings) {
  std::vector<log::TopicSpec> out;
  for (const std::string_view name : event::kMessageTopics) {
    out.push_back({std::string(name),
                   settings.partitions,
                   settings.log_retention_bytes,
                   settings.log_retention_ms,
                   {}});
  }
  return out;
}

}  // namespace penstock::cli
