// Rows of an InsertBatch in ClickHouse's RowBinary, one statement per table. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "store/event_store.h"

namespace penstock::store {

/// The statements to run in order, each INSERT … FORMAT RowBinary followed by its rows, as the
/// engine child takes them: varint n, n × bytes. Tables without rows are left out; `rows` counts
/// them all, and 0 means there is nothing to send.
struct EncodedInserts {
  std::string operands;
  size_t rows = 0;
};
EncodedInserts encode_inserts(const InsertBatch& batch, int64_t now_ms);

}  // namespace penstock::store
