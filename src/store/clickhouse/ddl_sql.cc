#include "store/clickhouse/ddl_sql.h"

#include <fmt/format.h>

#include <algorithm>

#include "event/messages.h"
#include "store/clickhouse/schema_tables.h"

namespace penstock::store::clickhouse {
namespace {

constexpr std::string_view kNobody = "toUUID('00000000-0000-0000-0000-000000000000')";
constexpr std::string_view kHash =
    "  distinct_id_hash UInt64 MATERIALIZED sipHash64(distinct_id),\n";

std::string named(const Layout& l, std::string_view table) {
  return fmt::format("{}.{}", l.database, table);
}

/// "MergeTree", "ReplicatedReplacingMergeTree('path', 'replica', version)" …
std::string engine(const Layout& l, std::string_view table, const Table& t) {
  const std::string_view kind = t.replaces ? "ReplacingMergeTree" : "MergeTree";
  if (l.cluster.empty()) return fmt::format("{}({})", kind, t.version);
  // What is whole on every node is one set of replicas across all shards.
  const bool sharded = !t.shard_by.empty();
  return fmt::format("Replicated{}('{}/{}/{}.{}', '{}'{}{})", kind, l.keeper_path,
                     sharded ? "{shard}" : "noshard", l.database, table,
                     sharded ? "{replica}" : "{replica}-{shard}", t.replaces ? ", " : "",
                     t.version);
}

std::string settings(const Layout& l, std::string_view own) {
  return fmt::format("SETTINGS {}{}{}, fsync_after_insert = 1, fsync_part_directory = 1", own,
                     own.empty() ? "" : ", ",
                     l.cluster.empty() ? "non_replicated_deduplication_window = 10000"
                                       : "replicated_deduplication_window = 10000, "
                                         "replicated_deduplication_window_seconds = 604800");
}

/// A distributed query does not need the column that one server finds overrides by.
std::string columns_of(const Layout& l, const Table& t) {
  std::string out(t.columns);
  const size_t at = out.find(kHash);
  if (!l.cluster.empty() && at != std::string::npos) out.erase(at, kHash.size());
  return out;
}

void add_table(const Layout& l, const Table& t, std::vector<std::string>& out) {
  const bool sharded = !l.cluster.empty() && !t.shard_by.empty();
  const bool prefixed = t.name.starts_with("sharded_");
  const std::string local =
      sharded && !prefixed ? fmt::format("sharded_{}", t.name) : std::string(t.name);
  out.push_back(fmt::format("CREATE TABLE IF NOT EXISTS {}{} (\n{})\nENGINE = {}\n{}\n{}{}{}{}",
                            named(l, local), on_cluster(l), columns_of(l, t), engine(l, local, t),
                            t.keys, t.ttl.empty() ? "" : "TTL ", t.ttl, t.ttl.empty() ? "" : "\n",
                            settings(l, t.settings)));
  if (!sharded) return;
  const std::string_view whole = t.insert_to.empty() ? t.name : t.insert_to;
  out.push_back(fmt::format(
      "CREATE TABLE IF NOT EXISTS {}{} AS {}\nENGINE = Distributed('{}', '{}', '{}', {})",
      named(l, whole), on_cluster(l), named(l, local), l.cluster, l.database, local, t.shard_by));
}

/// Penstock's own. What an erasure looks for has to be there when its mutations run.
void add_own_tables(const Layout& l, std::vector<std::string>& out) {
  const auto plain = [&](std::string_view name, std::string_view columns, std::string_view keys) {
    out.push_back(fmt::format("CREATE TABLE IF NOT EXISTS {}{} ({})\nENGINE = {}\n{}",
                              named(l, name), on_cluster(l), columns, engine(l, name, {}), keys));
  };
  plain("penstock_erasing", "kind UInt8, text String", "ORDER BY (kind, text)");
  plain("penstock_erasures", "erasure String, name String, rows UInt64, at DateTime DEFAULT now()",
        "ORDER BY (erasure, name) TTL at + toIntervalDay(90)");
  if (!l.cluster.empty()) {
    // Whole on every node, which makes a dictionary of it while a squash runs.
    plain("penstock_squash", "team_id Int64, distinct_id String, person_id UUID, version Int64",
          "ORDER BY (team_id, distinct_id)");
  }
  if (!l.overrides_in_memory()) return;
  const auto in_memory = [&](std::string_view name, std::string_view columns,
                             std::string_view keep) {
    out.push_back(fmt::format("CREATE TABLE IF NOT EXISTS {} ({})\nENGINE = {}", named(l, name),
                              columns, keep));
  };
  in_memory("penstock_overrides", "team_id Int64, distinct_id_hash UInt64, person_id UUID",
            "Join(ANY, LEFT, team_id, distinct_id_hash)\n"
            "SETTINGS persistent = 0, join_any_take_last_row = 1");
  // Has a row as long as what the others have in memory is there: a server that was started again
  // has lost both.
  in_memory("penstock_alive", "at DateTime", "Memory");
  in_memory("penstock_fresh", "team_id Int64, distinct_id String", "Memory");
  in_memory("penstock_squash", "team_id Int64, distinct_id String, version Int64",
            "Join(ANY, LEFT, team_id, distinct_id)\n"
            "SETTINGS persistent = 0, join_any_take_last_row = 1");
}

std::string events_view(const Layout& l) {
  const bool in_memory = l.overrides_in_memory();
  const std::string person =
      in_memory ? fmt::format(
                      "if((SELECT count() FROM {0}.penstock_overrides) = 0, s.person_id,\n"
                      "     if((joinGet('{0}.penstock_overrides', 'person_id', team_id, "
                      "distinct_id_hash) AS o) !=\n          {1}, o, s.person_id))",
                      l.database, kNobody)
                : fmt::format("if(o.person != {}, o.person, s.person_id)", kNobody);
  // Each shard joins with its own copy: overrides are whole on every node.
  const std::string joined =
      in_memory ? std::string()
                : fmt::format(
                      "\nANY LEFT JOIN (SELECT team_id, distinct_id, argMax(person_id, version) "
                      "AS person\n  FROM {} GROUP BY team_id, distinct_id\n"
                      "  HAVING argMax(is_deleted, version) = 0) AS o\n"
                      "ON s.team_id = o.team_id AND s.distinct_id = o.distinct_id",
                      named(l, "person_distinct_id_overrides"));
  return fmt::format(
      "CREATE VIEW IF NOT EXISTS {}{} (\n{})\n"
      "AS SELECT s.uuid AS uuid, s.event AS event, s.properties AS properties,\n"
      "  s.timestamp AS timestamp, s.team_id AS team_id, s.distinct_id AS distinct_id,\n"
      "  s.elements_chain AS elements_chain, s.created_at AS created_at,\n"
      "  {} AS person_id,\n"
      "  person_created_at, person_properties,\n"
      "  group0_properties, group1_properties, group2_properties, group3_properties, "
      "group4_properties,\n"
      "  group0_created_at, group1_created_at, group2_created_at, group3_created_at, "
      "group4_created_at,\n"
      "  person_mode, s._timestamp AS _timestamp, s._offset AS _offset, inserted_at,\n"
      "  consumer_breadcrumbs, s.is_deleted AS is_deleted\n"
      "FROM {} AS s{}",
      named(l, "events"), on_cluster(l), events_columns(), person,
      named(l, l.cluster.empty() ? "sharded_events" : "writable_events"), joined);
}

std::string view(const Layout& l, std::string_view name, std::string_view select) {
  return fmt::format("CREATE VIEW IF NOT EXISTS {}{} AS\n{}", named(l, name), on_cluster(l),
                     select);
}

/// `FROM table` of a view is of its own database.
std::string replay(const Layout& l) {
  std::string out(replay_view());
  constexpr std::string_view kFrom = "FROM session_replay_blocks";
  out.replace(out.find(kFrom), kFrom.size(), "FROM " + named(l, "session_replay_blocks"));
  return out;
}

struct Topic {
  std::string_view topic, name, columns, selected, where, into;
  bool partition = false;  // the table keeps which one a message came from
};

// Columns are the members of the contract's messages that PostHog's tables take; the others are
// skipped, as the Kafka engine does by itself.
constexpr std::string_view kMapping =
    "  team_id Int64, distinct_id String, person_id UUID, is_deleted Int8, version Int64";
const std::vector<Topic>& topics() {
  static const std::vector<Topic> all{
      {event::kMessagesEvents, "events_json",
       "  uuid UUID, event String, properties String, timestamp DateTime64(6,'UTC'),\n"
       "  team_id Int64, distinct_id String, elements_chain String,\n"
       "  created_at DateTime64(6,'UTC'), person_id UUID, person_created_at DateTime64(3),\n"
       "  person_properties String, group0_properties String, group1_properties String,\n"
       "  group2_properties String, group3_properties String, group4_properties String,\n"
       "  group0_created_at DateTime64(3), group1_created_at DateTime64(3),\n"
       "  group2_created_at DateTime64(3), group3_created_at DateTime64(3),\n"
       "  group4_created_at DateTime64(3),\n"
       "  person_mode Enum8('full'=0,'propertyless'=1,'force_upgrade'=2)",
       "uuid, event, properties, timestamp, team_id, distinct_id, elements_chain, created_at,\n"
       "  person_id, person_created_at, person_properties, group0_properties, "
       "group1_properties,\n"
       "  group2_properties, group3_properties, group4_properties, group0_created_at,\n"
       "  group1_created_at, group2_created_at, group3_created_at, group4_created_at, person_mode",
       "", "sharded_events"},
      {event::kMessagesPersons, "person",
       "  id UUID, created_at DateTime64(3), team_id Int64, properties String,\n"
       "  is_identified Int8, is_deleted Int8, version UInt64",
       "id, created_at, team_id, properties, is_identified, is_deleted, version", "", "person"},
      {event::kMessagesDistinctIds, "person_distinct_id2", kMapping,
       "team_id, distinct_id, person_id, is_deleted, version", "", "person_distinct_id2", true},
      {event::kMessagesDistinctIds, "person_distinct_id_overrides", kMapping,
       "team_id, distinct_id, person_id, is_deleted, version", "version > 0",
       "person_distinct_id_overrides", true},
      {event::kMessagesGroups, "groups",
       "  group_type_index UInt8, group_key String, created_at DateTime64(3), team_id Int64,\n"
       "  group_properties String, version UInt64",
       "group_type_index, group_key, created_at, team_id, group_properties, version", "", "groups"},
      {event::kMessagesWarnings, "ingestion_warnings",
       "  team_id Int64, source LowCardinality(String), type String, details String,\n"
       "  timestamp DateTime64(6,'UTC')",
       "team_id, source, type, details, timestamp", "", "ingestion_warnings", true},
      {event::kMessagesHeatmaps, "heatmaps",
       "  session_id String, team_id Int64, distinct_id String, timestamp DateTime64(6,'UTC'),\n"
       "  x Int16, y Int16, scale_factor Int16, viewport_width Int16, viewport_height Int16,\n"
       "  pointer_target_fixed Bool, current_url String, type LowCardinality(String)",
       "session_id, team_id, distinct_id, timestamp, x, y, scale_factor, viewport_width,\n"
       "  viewport_height, pointer_target_fixed, current_url, type",
       "", "heatmaps", true}};
  return all;
}

}  // namespace

Status check_layout(const Layout& layout) {
  const auto is_name = [](std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
  };
  if (!is_name(layout.database)) {
    return fail(Code::kInvalid, "the database is no name of letters, digits and _");
  }
  if (!layout.cluster.empty() && !is_name(layout.cluster)) {
    return fail(Code::kInvalid, "the cluster is no name of letters, digits and _");
  }
  return {};
}

std::string on_cluster(const Layout& layout) {
  return layout.cluster.empty() ? std::string() : fmt::format(" ON CLUSTER '{}'", layout.cluster);
}

std::string create_database(const Layout& l) {
  return fmt::format("CREATE DATABASE IF NOT EXISTS {}{}", l.database, on_cluster(l));
}

std::string create_migrations(const Layout& l) {
  return fmt::format(
      "CREATE TABLE IF NOT EXISTS {}{} (version Int32, name String, checksum UInt64, "
      "at DateTime DEFAULT now())\nENGINE = {}\nORDER BY version\n{}",
      named(l, "penstock_migrations"), on_cluster(l), engine(l, "penstock_migrations", {}),
      settings(l, ""));
}

std::vector<std::string> create_tables(const Layout& l) {
  std::vector<std::string> out;
  for (const Table& t : tables()) add_table(l, t, out);
  add_own_tables(l, out);
  out.push_back(events_view(l));
  out.push_back(view(l, "session_replay_events", replay(l)));
  out.push_back(view(l, "persons",
                     fmt::format("SELECT id, created_at, team_id, properties, is_identified, "
                                 "version\nFROM {} FINAL WHERE is_deleted = 0",
                                 named(l, "person"))));
  out.push_back(view(l, "person_distinct_ids",
                     fmt::format("SELECT team_id, distinct_id, person_id, version\n"
                                 "FROM {} FINAL WHERE is_deleted = 0",
                                 named(l, "person_distinct_id2"))));
  return out;
}

std::string take_lock(const Layout& l, std::string_view owner) {
  // On a cluster two nodes may not be one replica of one table: Keeper decides who is first.
  const std::string kept = l.cluster.empty()
                               ? "MergeTree"
                               : fmt::format(
                                     "ReplicatedMergeTree('{}/noshard/{}.penstock_migrating', "
                                     "'lock')",
                                     l.keeper_path, l.database);
  return fmt::format("CREATE TABLE {} (at DateTime) ENGINE = {} ORDER BY at COMMENT '{}'",
                     named(l, "penstock_migrating"), kept, owner);
}

std::string drop_lock(const Layout& l) {
  return fmt::format("DROP TABLE IF EXISTS {} SYNC", named(l, "penstock_migrating"));
}

std::vector<std::string> create_kafka_reading(const Layout& l, const KafkaReading& kafka) {
  std::vector<std::string> out;
  for (const Topic& t : topics()) {
    const std::string source = fmt::format("kafka_{}", t.name);
    // A group of its own for the second reader of a topic: both want all of it.
    const std::string group = t.where.empty() ? kafka.group : kafka.group + "_overrides";
    const std::string from = !kafka.engine.empty()
                                 ? kafka.engine
                                 : fmt::format(
                                       "Kafka('{}', '{}{}', '{}', 'JSONEachRow')\n"
                                       "SETTINGS kafka_skip_broken_messages = 100",
                                       kafka.brokers, kafka.prefix, t.topic, group);
    out.push_back(fmt::format("CREATE TABLE IF NOT EXISTS {}{} (\n{})\nENGINE = {}",
                              named(l, source), on_cluster(l), t.columns, from));
    const bool distributed = !l.cluster.empty() && t.into == "sharded_events";
    // The engine's own columns; a stand-in for it has none.
    const bool real = kafka.engine.empty();
    std::string about =
        real ? ",\n  _timestamp, _offset" : ",\n  now() AS _timestamp, 0 AS _offset";
    if (t.partition) about += real ? ", _partition" : ", 0 AS _partition";
    out.push_back(fmt::format(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS {}{} TO {} AS\nSELECT {}{}\nFROM {}{}{}",
        named(l, fmt::format("{}_mv", t.name)), on_cluster(l),
        named(l, distributed ? "writable_events" : t.into), t.selected, about, named(l, source),
        t.where.empty() ? "" : "\nWHERE ", t.where));
  }
  return out;
}

}  // namespace penstock::store::clickhouse
