#include "catalog/shared_salts.h"

#include <mutex>

#include "postgres/connection.h"

namespace penstock::catalog {
namespace {

// One script is one transaction, and the lock is its own: of two sessions that both find no table,
// the later one's CREATE TABLE is refused, as 42P07, 42710 or 23505 by how far the first one is.
constexpr const char* kMake =
    "SELECT pg_advisory_xact_lock(7062002); "
    "CREATE TABLE IF NOT EXISTS cookieless_salt(day BIGINT PRIMARY KEY, salt UUID NOT NULL)";
constexpr const char* kPut =
    "INSERT INTO cookieless_salt(day, salt) VALUES($1, $2) ON CONFLICT (day) DO NOTHING";
constexpr const char* kGet = "SELECT salt FROM cookieless_salt WHERE day = $1";
constexpr const char* kForget = "DELETE FROM cookieless_salt WHERE day = $1";

class PostgresSalts final : public SharedSalts {
 public:
  explicit PostgresSalts(const PostgresCatalogOptions& options)
      : connection_({options.url, options.connect_ms, options.statement_ms, options.retry_ms,
                     "SET search_path = " + options.schema}) {}

  Result<Uuid> take(int32_t day, const Uuid& fresh) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(ready());
    postgres::Params put, get;
    put.number(day).uuid(fresh);
    PENSTOCK_CHECK(connection_.run(kPut, put));
    get.number(day);
    PENSTOCK_TRY(const postgres::Rows rows, connection_.run(kGet, get));
    if (rows.size() != 1) return fail(Code::kUnavailable, "PostgreSQL: a salt was forgotten");
    return rows.uuid(0, 0);
  }

  Status forget(int32_t day) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(ready());
    postgres::Params params;
    params.number(day);
    PENSTOCK_CHECK(connection_.run(kForget, params));
    return {};
  }

 private:
  Status ready() {
    PENSTOCK_CHECK(connection_.open());
    if (made_) return {};
    PENSTOCK_CHECK(connection_.run_script(kMake));
    made_ = true;
    return {};
  }

  std::mutex mutex_;
  postgres::Connection connection_;
  bool made_ = false;
};

}  // namespace

std::unique_ptr<SharedSalts> make_postgres_salts(const PostgresCatalogOptions& options) {
  return std::make_unique<PostgresSalts>(options);
}

}  // namespace penstock::catalog
