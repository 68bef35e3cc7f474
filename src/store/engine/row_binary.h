// Rows of an InsertBatch in ClickHouse's RowBinary, one statement per table. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "store/event_store.h"

namespace penstock::store {

/// The inserts to run in order, as the engine child takes them: varint n, n × (sql, rows). Tables
/// without rows are left out; `rows` counts them all, and 0 means there is nothing to send.
struct EncodedInserts {
  std::string operands;
  size_t rows = 0;
};
EncodedInserts encode_inserts(const InsertBatch& batch, int64_t now_ms);

}  // namespace penstock::store
