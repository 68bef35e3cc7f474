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
/// `follow_overrides`: what queries look at is a table in memory, which the batch keeps up.
BatchStatements batch_statements(const InsertBatch& batch, int64_t now_ms, bool follow_overrides);

/// The same as the engine child takes them: varint n, n × (sql, rows).
struct EncodedInserts {
  std::string operands;
  size_t rows = 0;
};
EncodedInserts encode_inserts(const InsertBatch& batch, int64_t now_ms);
/// Takes the rows' memory along as it goes.
std::string pack(std::vector<Statement> statements);

}  // namespace penstock::store
