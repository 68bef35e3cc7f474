// The statements that make a server's tables: for one server, or for a cluster by its name.
//
// Pure functions. Every statement may be run again. On a cluster events and the other large tables
// are sharded: `sharded_X` on every shard, replicated, and a Distributed table over it under the
// name that is inserted into and read; the rest is whole on every node. Rows of a repeated batch go
// to the same shards, and the replicas of each know its token.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::store::clickhouse {

struct Layout {
  std::string database = "default";
  std::string cluster;  // empty: one server, no Keeper
  std::string keeper_path = "/clickhouse/tables";
  /// ClickHouse reads topics itself: what queries see of overrides is then worked out when they
  /// ask, as on a cluster, because no insert of Penstock's keeps up a table in memory.
  bool reads_kafka = false;

  bool overrides_in_memory() const { return cluster.empty() && !reads_kafka; }
};

/// Database and cluster are names of letters, digits and `_`.
Status check_layout(const Layout& layout);
/// " ON CLUSTER name", or nothing.
std::string on_cluster(const Layout& layout);

std::string create_database(const Layout& layout);
/// The table of what was migrated; before everything else.
std::string create_migrations(const Layout& layout);
/// All tables and views.
std::vector<std::string> create_tables(const Layout& layout);
/// Fails with 57 (one server) or 253 (cluster) while another holds it; `owner` is its comment.
std::string take_lock(const Layout& layout, std::string_view owner);
std::string drop_lock(const Layout& layout);

struct KafkaReading {
  std::string brokers{};         // "kafka-1:9092,kafka-2:9092"
  std::string prefix{};          // before every topic's name
  std::string group = "group1";  // PostHog's
  std::string engine{};          // for tests: instead of Kafka(…)
};
/// Tables that read the topics Penstock writes (event/messages.h), and the views that carry their
/// rows into the tables of `create_tables`; PostHog's names and columns.
std::vector<std::string> create_kafka_reading(const Layout& layout, const KafkaReading& kafka);

}  // namespace penstock::store::clickhouse
