// The tables of a ClickHouse server, apart from the engines that keep them: names, columns, types
// and order keys are those of the embedded store (engine/schema.h), which are PostHog's. A test
// compares both, column by column.
#pragma once

#include <string_view>
#include <vector>

namespace penstock::store::clickhouse {

struct Table {
  std::string_view name;
  std::string_view columns;
  bool replaces = false;         // rows of the same key: the one with the highest version stays
  std::string_view version{};    // which column that is
  std::string_view keys;         // PARTITION BY, ORDER BY, SAMPLE BY
  std::string_view ttl{};        // without the word
  std::string_view settings{};   // "index_granularity = 512"
  std::string_view shard_by{};   // on a cluster; empty: every node keeps all of it
  std::string_view insert_to{};  // on a cluster, if not its own name: the Distributed table
};

/// Those that rows are inserted into.
const std::vector<Table>& tables();
/// Columns of the view `events`, and what it selects but `person_id`.
std::string_view events_columns();
/// AS … of the view `session_replay_events`.
std::string_view replay_view();

}  // namespace penstock::store::clickhouse
