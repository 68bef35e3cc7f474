// A small owner for SQLite connections and statements.
//
// Every SQLite call stays behind this page; results are Results. One connection, one thread at a
// time (the catalog holds a mutex). SQLITE_FULL is kExhausted, SQLITE_CONSTRAINT kConflict,
// SQLITE_CORRUPT and SQLITE_NOTADB kCorrupt, the rest kUnavailable.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace penstock::catalog {

class Statement {
 public:
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}
  Statement(Statement&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(int64_t value);
  Statement& bind(std::string_view value);
  /// True: a row is there to read; false: the statement is done.
  Result<bool> step();
  int64_t integer(int column) const;
  std::string text(int column) const;

 private:
  sqlite3_stmt* handle_;
  int next_ = 1;
};

class Database {
 public:
  static Result<std::unique_ptr<Database>> open(const std::string& path);
  explicit Database(sqlite3* handle) : handle_(handle) {}
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Result<Statement> prepare(std::string_view sql);
  /// One or more statements without results.
  Status run(const std::string& sql);

  // What SqlCatalog asks of a database (sql/sql_catalog.h).
  Status ready() { return {}; }
  bool shared() const { return false; }
  Status begin() { return run("BEGIN IMMEDIATE"); }
  Status commit() { return run("COMMIT"); }
  /// From now on what is overwritten leaves nothing in the file; called once more after a change,
  /// nothing of before it either.
  Status forget_for_good() {
    return run("PRAGMA secure_delete=ON; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
  }
  /// Applies what comes after the version the file is of; kInvalid: a newer Penstock made it.
  Status migrate(std::span<const char* const> steps);

 private:
  sqlite3* handle_;
};

}  // namespace penstock::catalog
