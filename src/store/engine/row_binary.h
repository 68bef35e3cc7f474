// Rows of an InsertBatch in ClickHouse's RowBinary, one statement per table. Pure functions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store/event_store.h"

namespace penstock::store {

struct TableInsert {
  std::string sql;   // INSERT … SETTINGS insert_deduplication_token … FORMAT RowBinary
  std::string rows;
};

/// Tables without rows are left out.
std::vector<TableInsert> encode_inserts(const InsertBatch& batch, int64_t now_ms);

}  // namespace penstock::store
