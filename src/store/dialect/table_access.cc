#include "store/table_access.h"

#include <string>

namespace penstock::store {

TableAccess* table_access(EventStore& store) { return dynamic_cast<TableAccess*>(&store); }

const std::vector<CarriedTable>& carried_tables() {
  constexpr TableKey kTeam{"team_id", "toInt64"};
  constexpr TableKey kTime{"toUnixTimestamp64Micro(timestamp)", "toInt64"};
  static const std::vector<CarriedTable> all{
      {"sharded_events",
       {kTeam, {"toDate(timestamp)", "toDate"}},
       {{"event", "toString"},
        {"cityHash64(distinct_id)", "toUInt64"},
        {"cityHash64(uuid)", "toUInt64"}},
       true,
       {},
       true},
      {"person", {kTeam}, {{"id", "toUUID"}}, true},
      {"person_distinct_id2", {kTeam}, {{"distinct_id", "toString"}}, true},
      {"person_distinct_id_overrides", {kTeam}, {{"distinct_id", "toString"}}, true},
      {"groups", {kTeam}, {{"group_type_index", "toUInt8"}, {"group_key", "toString"}}, true},
      {"ingestion_warnings",
       {kTeam},
       {kTime, {"type", "toString"}, {"cityHash64(details)", "toUInt64"}},
       false,
       {},
       true},
      {"session_replay_blocks",
       {kTeam},
       {{"session_id", "toString"},
        {"toUnixTimestamp64Micro(first_timestamp)", "toInt64"},
        {"cityHash64(block_url)", "toUInt64"}},
       false,
       "retention_period_days = 0 OR _timestamp + toIntervalDay(retention_period_days) > now() + "
       "86400",
       true},
      {"log_entries",
       {kTeam},
       {{"log_source_id", "toString"}, kTime, {"cityHash64(message)", "toUInt64"}},
       false,
       "timestamp > now() - toIntervalDay(89)",
       true},
      {"heatmaps",
       {kTeam},
       {{"session_id", "toString"}, kTime, {"cityHash64(x, y, type, current_url)", "toUInt64"}},
       false,
       "timestamp > now() - toIntervalDay(89)",
       true},
      {"penstock_erasures",
       {},
       {{"erasure", "toString"}, {"name", "toString"}},
       false,
       "at > now() - toIntervalDay(89)"},
  };
  return all;
}

namespace {

/// Of a sharded table the one that each shard has.
std::string local_table(const CarriedTable& table, std::string_view cluster) {
  const bool prefixed = cluster.empty() || !table.sharded || table.name.starts_with("sharded_");
  return (prefixed ? "" : "sharded_") + std::string(table.name);
}

}  // namespace

std::string whole_table(const CarriedTable& table, std::string_view cluster) {
  if (!cluster.empty() && table.name == "sharded_events") return "writable_events";
  return std::string(table.name);
}

std::string empty_table(const CarriedTable& table, std::string_view database,
                        std::string_view cluster) {
  if (cluster.empty()) return "TRUNCATE TABLE " + std::string(table.name);
  // A Distributed table has nothing of its own to empty.
  return "TRUNCATE TABLE " + std::string(database) + "." + local_table(table, cluster) +
         (table.sharded ? " ON CLUSTER '" + std::string(cluster) + "'" : "");
}

std::string settle_table(const CarriedTable& table, std::string_view database,
                         std::string_view cluster) {
  if (cluster.empty()) return {};
  return "SYSTEM SYNC REPLICA ON CLUSTER '" + std::string(cluster) + "' " + std::string(database) +
         "." + local_table(table, cluster);
}

}  // namespace penstock::store
