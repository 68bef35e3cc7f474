// TableAccess: statements with every right, for whoever carries whole tables from one store to
// another; and which tables those are, and how each is read in pieces.
//
// A piece is the rows of one group (a partition, a project, a day) whose key lies between two
// others, so that reading it touches little else and the same piece can be read again. Calls on
// the store's home loop, callbacks too. Failure: as EventStore's inserts; an answer that is longer
// than kTableAnswerBytesMax is kExhausted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/event_store.h"

namespace penstock::store {

inline constexpr size_t kTableAnswerBytesMax = 256U << 20;

class TableAccess {
 public:
  using Answer = std::move_only_function<void(Result<std::string>)>;

  virtual ~TableAccess() = default;
  /// One statement without FORMAT; `format` is "TSV" or "RowBinary".
  virtual void ask(std::string sql, std::string_view format, Answer done) = 0;
  /// An INSERT without FORMAT and its rows in RowBinary; stored when it answers.
  virtual void put(std::string sql, std::string rows, Answer done) = 0;
};

/// Of a store that keeps its tables in ClickHouse, itself and not a decorator around it; else null.
TableAccess* table_access(EventStore& store);

/// A value by which rows are grouped or ordered, and what makes it of its text.
struct TableKey {
  std::string_view expression, from_text;  // "cityHash64(uuid)", "toUInt64"
};

struct CarriedTable {
  std::string_view name;
  std::vector<TableKey> groups;  // beside the partition
  std::vector<TableKey> keys;    // order within a group; equal ones stay together
  bool replaces = false;         // of rows with one key the newest counts
  std::string_view kept{};       // rows that are not about to expire; empty: all
  bool sharded = false;          // on a cluster: over its shards, else whole on every node
};
/// Where all rows of a table are read and inserted, and the statement that empties it. `database`
/// and `cluster` are of that store; without a cluster the table is its own.
std::string whole_table(const CarriedTable& table, std::string_view cluster);
std::string empty_table(const CarriedTable& table, std::string_view database,
                        std::string_view cluster);
/// Replicas of a cluster have caught up behind it; empty: there are none.
std::string settle_table(const CarriedTable& table, std::string_view database,
                         std::string_view cluster);
/// All that rows are ever inserted into, but what a start makes of others.
const std::vector<CarriedTable>& carried_tables();

}  // namespace penstock::store
