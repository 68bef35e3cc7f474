// Lanes: the topics an event can travel in, and the names of the log's topics.
//
// Names are PostHog's, so that a Kafka log and another PostHog-compatible consumer meet. A lane is
// also a dimension of the ledger.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace penstock::event {

enum class Lane : uint8_t {
  kMain = 0,
  kHistorical = 1,
  kOverflow = 2,
  kReplay = 3,
  kExceptions = 4
};
/// Everything that capture writes and the ledger counts.
inline constexpr std::array<Lane, 5> kLanes{Lane::kMain, Lane::kHistorical, Lane::kOverflow,
                                            Lane::kReplay, Lane::kExceptions};
/// What ingest reads: events. The rest has a consumer of its own.
inline constexpr std::array<Lane, 4> kEventLanes{Lane::kMain, Lane::kHistorical, Lane::kOverflow,
                                                 Lane::kExceptions};

inline constexpr std::string_view kTopicMain = "events_plugin_ingestion";
inline constexpr std::string_view kTopicHistorical = "events_plugin_ingestion_historical";
inline constexpr std::string_view kTopicOverflow = "events_plugin_ingestion_overflow";
/// `$exception` events, so that a storm of them does not delay the others.
inline constexpr std::string_view kTopicExceptions = "exceptions_ingestion";
/// Session recordings, one record per request; consumed by the replay stage.
inline constexpr std::string_view kTopicReplay = "session_recording_snapshot_item_events";
/// What ingest decided, one record per received event, plus person changes.
inline constexpr std::string_view kTopicProcessed = "processed";
/// Refusals at the edge, so that `trace` can answer for them.
inline constexpr std::string_view kTopicRefused = "capture_refused";
/// How often requests of a project were refused and why, for its ingestion warnings.
inline constexpr std::string_view kTopicRefusalCounts = "capture_refusal_counts";
/// What people ask to be done to persons (event/person_command.h).
inline constexpr std::string_view kTopicPersonCommands = "person_commands";

/// Topics that projects redirect events to are named by them, behind this.
inline constexpr std::string_view kRedirectPrefix = "redirect_";

std::string_view lane_name(Lane lane);  // "main", "historical", "overflow", "replay", "exceptions"
std::string_view lane_topic(Lane lane);
/// The producer under which the lane's consumer (ingest, replay) appends what became of its records
/// to `processed`; its sequence in a partition is the raw partition's next offset.
constexpr uint64_t ingest_producer(Lane lane) {
  return lane == Lane::kExceptions ? 7 : static_cast<uint64_t>(lane) + 1;
}
/// The same for the warnings made of kTopicRefusalCounts. Logs hold these numbers: none changes.
inline constexpr uint64_t kRefusalCountsProducer = 5;
/// And for what kTopicPersonCommands asks for; its sequences are ingest/commands/executor.h's.
inline constexpr uint64_t kPersonCommandsProducer = 6;

/// Consumer groups that retention waits for.
inline constexpr std::string_view kGroupIngest = "ingest";    // raw topics, refusal counts
inline constexpr std::string_view kGroupReplay = "replay";    // the replay topic: as kGroupIngest
inline constexpr std::string_view kGroupLedger = "ledger";    // raw, processed, refused
inline constexpr std::string_view kGroupPersons = "persons";  // processed
inline constexpr std::string_view kGroupCookieless = "cookieless";  // processed
inline constexpr std::string_view kGroupLoad = "load";              // processed: stored

}  // namespace penstock::event
