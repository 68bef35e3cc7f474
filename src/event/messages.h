// Messages: what a processed record tells other systems, as PostHog's Kafka topics carry it.
//
// One JSON object each, members in the contract's order (ingestion contract, sections 5–8 and 10),
// so that a consumer written for PostHog reads them. One encoder for whatever carries them on.
// Pure functions.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "event/processed_record.h"

namespace penstock::event {

inline constexpr std::string_view kMessagesEvents = "clickhouse_events_json";
inline constexpr std::string_view kMessagesPersons = "clickhouse_person";
inline constexpr std::string_view kMessagesDistinctIds = "clickhouse_person_distinct_id";
inline constexpr std::string_view kMessagesGroups = "clickhouse_groups";
inline constexpr std::string_view kMessagesWarnings = "clickhouse_ingestion_warnings";
inline constexpr std::string_view kMessagesHeatmaps = "clickhouse_heatmap_events";
inline constexpr std::array<std::string_view, 6> kMessageTopics{
    kMessagesEvents, kMessagesPersons,  kMessagesDistinctIds,
    kMessagesGroups, kMessagesWarnings, kMessagesHeatmaps};

/// The topic a record's messages go to; empty: it has none.
std::string_view message_topic(const ProcessedRecord& record);
/// Adds the record's messages: one, of a heatmap one for each point, of the rest none.
void append_messages(const ProcessedRecord& record, std::vector<std::string>& out);
ProjectId project_of(const ProcessedRecord& record);

}  // namespace penstock::event
