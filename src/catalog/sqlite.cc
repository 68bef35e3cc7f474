#include "catalog/sqlite.h"

#include <sqlite3.h>

#include "catalog/config_seal.h"
#include "catalog/sql/sql_catalog.h"

namespace penstock::catalog {
namespace {

Code code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL: return Code::kExhausted;
    case SQLITE_CONSTRAINT: return Code::kConflict;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return Code::kCorrupt;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Code::kBusy;
    default: return Code::kUnavailable;
  }
}

std::unexpected<Error> sqlite_fail(sqlite3* handle, int code) {
  return fail(code_of(code), std::string("catalog database: ") + sqlite3_errmsg(handle));
}

}  // namespace

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int64_t value) {
  sqlite3_bind_int64(handle_, next_++, value);
  return *this;
}

Statement& Statement::bind(std::string_view value) {
  sqlite3_bind_text64(handle_, next_++, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return sqlite_fail(sqlite3_db_handle(handle_), code);
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_, column); }

std::string Statement::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(handle_, column))};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  auto database = std::make_unique<Database>(handle);
  if (code != SQLITE_OK) return fail(sqlite_fail(handle, code).error(), "open " + path);
  sqlite3_busy_timeout(handle, 5000);
  PENSTOCK_CHECK(
      database->run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                    "PRAGMA foreign_keys=ON;"));
  return database;
}

Database::~Database() { sqlite3_close_v2(handle_); }

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(handle_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return sqlite_fail(handle_, code);
  return Statement(statement);
}

Status Database::run(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return sqlite_fail(handle_, code);
  return {};
}

Status Database::migrate(std::span<const char* const> steps) {
  int64_t version = 0;
  {
    PENSTOCK_TRY(auto s, prepare("PRAGMA user_version"));
    PENSTOCK_CHECK(s.step());
    version = s.integer(0);
  }
  const auto known = static_cast<int64_t>(steps.size());
  if (version > known) return newer_catalog(version, known);
  for (int64_t v = version; v < known; v++) {
    PENSTOCK_CHECK(run("BEGIN IMMEDIATE; " + std::string(steps[static_cast<size_t>(v)]) +
                       " PRAGMA user_version=" + std::to_string(v + 1) + "; COMMIT;"));
  }
  return {};
}

Result<std::unique_ptr<Catalog>> open_sqlite_catalog(const std::string& path,
                                                     runtime::Runtime& runtime) {
  return open_sqlite_catalog(path, runtime, nullptr);
}

Result<std::unique_ptr<Catalog>> open_sqlite_catalog(const std::string& path,
                                                     runtime::Runtime& runtime,
                                                     std::shared_ptr<const ConfigSeal> seal) {
  PENSTOCK_TRY(auto database, Database::open(path));
  auto catalog =
      std::make_unique<SqlCatalog<Database>>(std::move(database), runtime, std::move(seal));
  PENSTOCK_CHECK(catalog->migrate());
  return catalog;
}

}  // namespace penstock::catalog
