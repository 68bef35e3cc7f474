// Rows of an InsertBatch in ClickHouse's RowBinary, one statement per table. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "store/dialect/statement.h"
#include "store/event_store.h"

namespace penstock::store {

/// The statements of a batch, in order. Tables without rows are left out; `rows` counts them all,
/// and 0 means there is nothing to send.
struct BatchStatements {
  std::vector<Statement> statements;
  size_t rows = 0;
};
BatchStatements batch_statements(const InsertBatch& batch, int64_t now_ms);
/// Where queries look at overrides in memory: the ids of a batch that have one, as conditions for
/// sql::refresh, each of a length that a statement may have. Empty: none has.
std::vector<std::string> overridden_ids(const InsertBatch& batch);

/// The same as the engine child takes them, and what keeps up its overrides in memory: varint n,
/// n × (sql, rows).
struct EncodedInserts {
  std::string operands;
  size_t rows = 0;
};
EncodedInserts encode_inserts(const InsertBatch& batch, int64_t now_ms);
/// Takes the rows' memory along as it goes.
std::string pack(std::vector<Statement> statements);

}  // namespace penstock::store
