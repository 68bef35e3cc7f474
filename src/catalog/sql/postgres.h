// PostgresDatabase: what SqlCatalog asks of a database, by a session with PostgreSQL.
//
// SQL is SQLite's with `?` for parameters; columns that are integers there are bigints here. One
// thread at a time (the catalog holds a mutex).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "catalog/postgres_catalog.h"
#include "postgres/connection.h"

namespace penstock::catalog {

class PostgresStatement {
 public:
  PostgresStatement(postgres::Connection& connection, std::string sql)
      : connection_(&connection), sql_(std::move(sql)) {}

  PostgresStatement& bind(int64_t value);
  PostgresStatement& bind(std::string_view value);
  /// The first runs it. True: a row is there to read.
  Result<bool> step();
  int64_t integer(int column) const { return rows_->number(row_, column); }
  std::string text(int column) const { return std::string(rows_->bytes(row_, column)); }

 private:
  postgres::Connection* connection_;
  std::string sql_;
  postgres::Params params_;
  std::optional<postgres::Rows> rows_;
  int row_ = -1;
};

class PostgresDatabase {
 public:
  explicit PostgresDatabase(const PostgresCatalogOptions& options);

  Status ready();
  bool shared() const { return true; }
  Status begin();
  Status commit();
  Status forget_for_good() { return {}; }  // the server's own business
  Status run(const std::string& sql) { return connection_.run_script(sql); }
  Result<PostgresStatement> prepare(std::string_view sql);
  Status migrate(std::span<const char* const> steps);

 private:
  const std::string schema_;
  postgres::Connection connection_;
};

/// `?` outside of literals becomes $1, $2, …
std::string numbered(std::string_view sql);
/// A step of the catalog's migrations with PostgreSQL's types.
std::string with_bigints(std::string_view sql);

}  // namespace penstock::catalog
