// What the store uses of PostgreSQL's sessions, and how it sets them up.
#pragma once

#include "persons/postgres_store.h"
#include "postgres/connection.h"
#include "postgres/wire_format.h"

namespace penstock::persons {

using postgres::ArrayOf;
using postgres::ArrayWriter;
using postgres::Connection;
using postgres::Params;
using postgres::Rows;

/// By its value: repeating it would be refused again.
inline bool is_refused(const Status& s) {
  return !s && (s.error().code == Code::kInvalid || s.error().code == Code::kConflict);
}

/// Plans are the same whatever the tables' statistics say: keys are looked up one by one.
inline postgres::SessionOptions session_options(const PostgresOptions& options) {
  return {options.url, options.connect_ms, options.statement_ms, options.retry_ms,
          "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off"};
}

}  // namespace penstock::persons
