// Migrator: brings a server's tables to this Penstock's schema, while others use it.
//
// What is applied stands in the table `penstock_migrations`. A server that is up to date is only
// read. Otherwise one runner at a time holds a lock, which is a table: it is there or it is not,
// and on a cluster Keeper says so. A lock whose runner has died is taken away after a while. Each
// statement may be run again, so a runner that died in the middle is followed by one that begins
// that migration anew. Home loop only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/runtime.h"
#include "store/clickhouse/ddl_sql.h"
#include "store/dialect/statement.h"

namespace penstock::store::clickhouse {

struct ServerMigration {
  int version;
  std::string name;
  std::vector<std::string> statements;
  uint64_t checksum;  // of the statements for one server in "default", whatever the layout is
};
/// A released migration is never edited.
std::vector<ServerMigration> server_migrations(const Layout& layout);

inline constexpr int64_t kLockSecondsMax = 300;

class Migrator {
 public:
  /// How a statement reaches the server; `in_database`: it is there already.
  using Run = std::function<void(std::string sql, bool in_database, TextDone done)>;
  using Done = std::move_only_function<void(Status)>;

  Migrator(runtime::Loop& loop, Layout layout, std::string owner, Run run);
  ~Migrator() { *alive_ = false; }

  /// kConflict: another runner holds the lock, ask again. kInvalid: the tables are of another
  /// Penstock. Else what the server said.
  void migrate(Done done);

 private:
  void read_applied(std::function<void(Result<int>)> next);
  void lock(int applied);
  void apply(size_t migration, size_t statement);
  void unlock(Status outcome);
  void finish(Status outcome);
  Result<int> compare(const std::string& lines) const;

  runtime::Loop& loop_;
  const Layout layout_;
  const std::string owner_;
  const Run run_;
  const std::vector<ServerMigration> all_;
  Done done_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::store::clickhouse
