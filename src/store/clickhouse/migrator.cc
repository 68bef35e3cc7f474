#include "store/clickhouse/migrator.h"

#include <fmt/format.h>

#include <cstdlib>
#include <sstream>
#include <utility>

#include "base/diag.h"
#include "base/hash.h"

namespace penstock::store::clickhouse {
namespace {

std::vector<std::string> statements_of(int version, const Layout& layout) {
  return version == 1 ? create_tables(layout) : std::vector<std::string>{};
}

bool is_taken(const Error& error) {
  // 57 TABLE_ALREADY_EXISTS and 253 REPLICA_ALREADY_EXISTS, as `status_of` and the text say it.
  return error.code == Code::kConflict ||
         error.message.find("REPLICA_ALREADY_EXISTS") != std::string::npos;
}

}  // namespace

std::vector<ServerMigration> server_migrations(const Layout& layout) {
  std::vector<ServerMigration> out;
  const auto add = [&](std::string name) {
    const int version = static_cast<int>(out.size()) + 1;
    uint64_t sum = hash64(name, static_cast<uint64_t>(version));
    for (const std::string& statement : statements_of(version, {})) sum = hash64(statement, sum);
    out.push_back({version, std::move(name), statements_of(version, layout), sum});
  };
  add("posthog-shaped tables on a server");
  return out;
}

Migrator::Migrator(runtime::Loop& loop, Layout layout, std::string owner, Run run)
    : loop_(loop),
      layout_(std::move(layout)),
      owner_(std::move(owner)),
      run_(std::move(run)),
      all_(server_migrations(layout_)) {}

void Migrator::migrate(Done done) {
  done_ = std::move(done);
  read_applied([this](Result<int> applied) {
    if (!applied) return finish(std::unexpected(std::move(applied).error()));
    if (*applied == static_cast<int>(all_.size())) return finish({});
    lock(*applied);
  });
}

/// How many migrations are applied; 0 where nothing is there at all.
void Migrator::read_applied(std::function<void(Result<int>)> next) {
  auto failed = [next](Result<std::string>& r) {
    if (r) return false;
    next(std::unexpected(std::move(r).error()));
    return true;
  };
  run_(fmt::format("SELECT count() FROM system.tables WHERE database = '{}' AND name = "
                   "'penstock_migrations'",
                   layout_.database),
       false, [this, alive = alive_, next, failed](Result<std::string> there) {
         if (!*alive || failed(there)) return;
         if (there->starts_with("0")) return next(0);
         run_(
             "SELECT version, any(checksum) FROM penstock_migrations GROUP BY version ORDER BY "
             "version",
             true, [this, alive, next, failed](Result<std::string> lines) {
               if (!*alive || failed(lines)) return;
               next(compare(*lines));
             });
       });
}

Result<int> Migrator::compare(const std::string& lines) const {
  std::istringstream in(lines);
  int version = 0, last = 0;
  uint64_t checksum = 0;
  while (in >> version >> checksum) {
    last = version;
    if (version < 1 || version > static_cast<int>(all_.size())) continue;
    if (all_[static_cast<size_t>(version) - 1].checksum == checksum) continue;
    return fail(Code::kInvalid,
                fmt::format("the tables in {} were made by another Penstock: migration {} has "
                            "changed",
                            layout_.database, version));
  }
  if (last > static_cast<int>(all_.size())) {
    return fail(Code::kInvalid,
                fmt::format("the tables in {} were made by a newer Penstock (schema {}, this one "
                            "knows {})",
                            layout_.database, last, all_.size()));
  }
  return last;
}

void Migrator::lock(int applied) {
  const auto next = [this, alive = alive_](std::string sql, bool in_database, auto then) {
    run_(std::move(sql), in_database,
         [this, alive, then = std::move(then)](Result<std::string> r) mutable {
           if (!*alive) return;
           if (!r) return finish(std::unexpected(std::move(r).error()));
           then(*r);
         });
  };
  const auto take = [this, alive = alive_, next](const std::string&) {
    run_(take_lock(layout_, owner_), true, [this, alive, next](Result<std::string> taken) {
      if (!*alive) return;
      if (taken) {
        // Somebody else may have been through with it just before.
        return read_applied([this](Result<int> now) {
          if (!now) return unlock(std::unexpected(std::move(now).error()));
          apply(static_cast<size_t>(*now), 0);
        });
      }
      if (!is_taken(taken.error())) {
        return finish(std::unexpected(std::move(taken).error()));
      }
      next(fmt::format("SELECT toInt64(now() - max(metadata_modification_time)), any(comment) FROM "
                       "system.tables WHERE database = '{}' AND name = 'penstock_migrating'",
                       layout_.database),
           true, [this, next](const std::string& age) {
             const int64_t seconds = std::strtoll(age.c_str(), nullptr, 10);
             const size_t tab = age.find('\t');
             const std::string owner =
                 tab == std::string::npos ? "" : age.substr(tab + 1, age.find('\n') - tab - 1);
             Status held = fail(Code::kConflict, fmt::format("'{}' is making the tables since {} s",
                                                             owner, seconds));
             if (seconds < kLockSecondsMax) return finish(std::move(held));
             diag::warn("a lock on migrations is taken away", {{"owner", owner}, {"s", seconds}});
             next(drop_lock(layout_), true, [this, held](const std::string&) { finish(held); });
           });
    });
  };
  if (applied > 0) return take("");
  // A database that is there needs no right to create one.
  next(fmt::format("SELECT count() FROM system.databases WHERE name = '{}'", layout_.database),
       false, [this, next, take](const std::string& there) {
         const auto tables = [this, next, take](const std::string&) {
           next(create_migrations(layout_), true, take);
         };
         if (!there.starts_with("0")) return tables("");
         next(create_database(layout_), false, tables);
       });
}

void Migrator::apply(size_t migration, size_t statement) {
  if (migration == all_.size()) return unlock({});
  const ServerMigration& m = all_[migration];
  const bool last = statement == m.statements.size();
  std::string sql = last ? fmt::format(
                               "INSERT INTO penstock_migrations (version, name, checksum) SETTINGS "
                               "async_insert=0 VALUES ({}, '{}', {})",
                               m.version, m.name, m.checksum)
                         : m.statements[statement];
  run_(std::move(sql), true,
       [this, alive = alive_, migration, statement, last](Result<std::string> r) {
         if (!*alive) return;
         if (!r) return unlock(std::unexpected(std::move(r).error()));
         last ? apply(migration + 1, 0) : apply(migration, statement + 1);
       });
}

/// A lock that could not be given back is taken away by its age.
void Migrator::unlock(Status outcome) {
  run_(drop_lock(layout_), true,
       [this, alive = alive_, outcome = std::move(outcome)](const Result<std::string>& r) mutable {
         if (!*alive) return;
         if (!r) diag::warn("the lock on migrations stays", {{"error", r.error().message}});
         finish(std::move(outcome));
       });
}

void Migrator::finish(Status outcome) { std::exchange(done_, nullptr)(std::move(outcome)); }

}  // namespace penstock::store::clickhouse
