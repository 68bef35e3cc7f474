// The rows of an AppBook in the catalog's database, of whatever kind that is.
//
// Private to the room. Shares the catalog's connection: every call locks `mutex`, `transaction`
// for as long as its change takes. `Db` as in sql/sql_catalog.h.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/diag.h"
#include "catalog/apps/app_rows.h"
#include "catalog/config_seal.h"

namespace penstock::catalog {

/// The migration that makes the tables; one entry of the catalog's list.
inline constexpr const char* kAppTables = R"(
  CREATE TABLE apps(id INTEGER PRIMARY KEY, project_id INTEGER NOT NULL, version INTEGER NOT NULL,
    capabilities TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);
  CREATE TABLE app_versions(app_id INTEGER NOT NULL REFERENCES apps(id), number INTEGER NOT NULL,
    created_at INTEGER NOT NULL, who TEXT NOT NULL, source TEXT NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY(app_id, number));
  CREATE TABLE app_files(app_id INTEGER NOT NULL, number INTEGER NOT NULL, path TEXT NOT NULL,
    content TEXT NOT NULL, PRIMARY KEY(app_id, number, path));
  CREATE TABLE app_configs(id INTEGER PRIMARY KEY, app_id INTEGER NOT NULL REFERENCES apps(id),
    project_id INTEGER NOT NULL REFERENCES projects(id), enabled INTEGER NOT NULL,
    "order" INTEGER NOT NULL, config TEXT NOT NULL, filters TEXT NOT NULL, error TEXT NOT NULL,
    web_token TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL);)";

using AuditedChange =
    std::function<Status(const Principal& by, std::string_view action, const std::string& target,
                         const std::function<Status()>& change)>;

/// `audited` runs a change in one transaction with its row of audit; the mutex is held by then.
template <class Db>
class SqlAppRows final : public AppRows {
 public:
  SqlAppRows(Db& database, std::mutex& mutex, AuditedChange audited,
             std::shared_ptr<const ConfigSeal> seal)
      : database_(database), mutex_(mutex), audited_(std::move(audited)), seal_(std::move(seal)) {}

  bool shared() const override { return database_.shared(); }

  Result<StoredApps> load() override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_.ready());
    StoredApps out;
    PENSTOCK_CHECK(load_apps(out));
    PENSTOCK_CHECK(load_versions(out));
    for (auto& [id, app] : out.apps) {
      const auto files = read_files(id, app.version);
      auto manifest = files ? read_app_manifest(*files) : std::unexpected(files.error());
      // One app that cannot be read must not keep the process from starting.
      if (manifest) {
        app.manifest = std::move(*manifest);
        continue;
      }
      app.manifest.name = "app " + std::to_string(id);
      diag::warn("an app cannot be read",
                 {{"app", std::to_string(id)}, {"error", manifest.error().message}});
    }
    std::vector<int64_t> open;
    PENSTOCK_CHECK(load_configs(out, open));
    if (seal_ && !open.empty()) PENSTOCK_CHECK(seal_now(out, open));
    return out;
  }

  Status transaction(const Principal& by, std::string_view action, const std::string& target,
                     const std::function<Status()>& change) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_.ready());
    return audited_(by, action, target, change);
  }

  Status put(const App& app) override {
    PENSTOCK_TRY(auto s, database_.prepare(
                             "INSERT INTO apps VALUES(?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET "
                             "version=excluded.version,capabilities=excluded.capabilities,"
                             "updated_at=excluded.updated_at"));
    s.bind(app.id).bind(app.project.value).bind(app.version).bind(app.capabilities);
    PENSTOCK_CHECK(s.bind(app.created_at_ms).bind(app.updated_at_ms).step());
    return {};
  }

  Status put(int64_t app, const AppVersion& v, const AppFiles& files) override {
    PENSTOCK_TRY(auto s, database_.prepare("INSERT INTO app_versions VALUES(?,?,?,?,?,?)"));
    s.bind(app).bind(v.number).bind(v.created_at_ms).bind(v.who).bind(v.source);
    PENSTOCK_CHECK(s.bind(static_cast<int64_t>(v.bytes)).step());
    for (const auto& [path, content] : files) {
      PENSTOCK_TRY(auto f, database_.prepare("INSERT INTO app_files VALUES(?,?,?,?)"));
      PENSTOCK_CHECK(f.bind(app).bind(v.number).bind(path).bind(content).step());
    }
    return {};
  }

  Status put(const AppConfig& c) override {
    std::string config = c.config;
    if (seal_) {
      PENSTOCK_TRY(config, seal_->seal(c.id, c.config));
    }
    PENSTOCK_TRY(auto s,
                 database_.prepare("INSERT INTO app_configs VALUES(?,?,?,?,?,?,?,?,?,?,?) ON "
                                   "CONFLICT(id) DO UPDATE SET enabled=excluded.enabled,"
                                   "\"order\"=excluded.\"order\",config=excluded.config,"
                                   "filters=excluded.filters,error=excluded.error,"
                                   "updated_at=excluded.updated_at"));
    s.bind(c.id).bind(c.app).bind(c.project.value).bind(int64_t{c.enabled}).bind(c.order);
    s.bind(config).bind(c.filters).bind(c.error).bind(c.web_token);
    PENSTOCK_CHECK(s.bind(c.created_at_ms).bind(c.updated_at_ms).step());
    return {};
  }

  Status remove_app(int64_t app) override {
    for (const char* sql :
         {"DELETE FROM app_files WHERE app_id=?", "DELETE FROM app_versions WHERE app_id=?",
          "DELETE FROM apps WHERE id=?"}) {
      PENSTOCK_TRY(auto s, database_.prepare(sql));
      PENSTOCK_CHECK(s.bind(app).step());
    }
    return {};
  }

  Status remove_version(int64_t app, int64_t number) override {
    for (const char* sql : {"DELETE FROM app_files WHERE app_id=? AND number=?",
                            "DELETE FROM app_versions WHERE app_id=? AND number=?"}) {
      PENSTOCK_TRY(auto s, database_.prepare(sql));
      PENSTOCK_CHECK(s.bind(app).bind(number).step());
    }
    return {};
  }

  Status remove_config(int64_t config) override {
    PENSTOCK_TRY(auto s, database_.prepare("DELETE FROM app_configs WHERE id=?"));
    PENSTOCK_CHECK(s.bind(config).step());
    return {};
  }

  Result<AppFiles> files(int64_t app, int64_t number) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_.ready());
    return read_files(app, number);
  }

 private:
  Result<AppFiles> read_files(int64_t app, int64_t number) {
    PENSTOCK_TRY(auto s, database_.prepare(
                             "SELECT path,content FROM app_files WHERE app_id=? AND number=?"));
    s.bind(app).bind(number);
    AppFiles out;
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) break;
      out.emplace(s.text(0), s.text(1));
    }
    if (out.empty()) return fail(Code::kNotFound, "there is no such version of the app");
    return out;
  }

  Status load_apps(StoredApps& out) {
    PENSTOCK_TRY(auto s, database_.prepare("SELECT id,project_id,version,capabilities,created_at,"
                                           "updated_at FROM apps"));
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) return {};
      App app;
      app.id = s.integer(0);
      app.project.value = s.integer(1);
      app.version = s.integer(2);
      app.capabilities = s.text(3);
      app.created_at_ms = s.integer(4);
      app.updated_at_ms = s.integer(5);
      out.apps.emplace(app.id, std::move(app));
    }
  }

  Status load_versions(StoredApps& out) {
    PENSTOCK_TRY(auto s, database_.prepare("SELECT app_id,number,created_at,who,source,bytes "
                                           "FROM app_versions"));
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) return {};
      out.versions[s.integer(0)].emplace(
          s.integer(1), AppVersion{s.integer(1), s.integer(2), s.text(3), s.text(4),
                                   static_cast<size_t>(s.integer(5))});
    }
  }

  /// Configurations of before there was a seal; what they were is wiped out of the file too.
  Status seal_now(const StoredApps& all, const std::vector<int64_t>& open) {
    PENSTOCK_CHECK(database_.forget_for_good());
    PENSTOCK_CHECK(database_.begin());
    for (const int64_t id : open) {
      if (Status s = put(all.configs.at(id)); !s) {
        (void)database_.run("ROLLBACK");
        return s;
      }
    }
    PENSTOCK_CHECK(database_.commit());
    diag::info("configurations of apps are sealed now", {{"count", std::to_string(open.size())}});
    return database_.forget_for_good();
  }

  Status load_configs(StoredApps& out, std::vector<int64_t>& open) {
    PENSTOCK_TRY(auto s,
                 database_.prepare("SELECT id,app_id,project_id,enabled,\"order\",config,filters,"
                                   "error,web_token,created_at,updated_at FROM app_configs"));
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) return {};
      AppConfig c;
      c.id = s.integer(0);
      c.app = s.integer(1);
      c.project.value = s.integer(2);
      c.enabled = s.integer(3) != 0;
      c.order = s.integer(4);
      c.config = s.text(5);
      if (!ConfigSeal::is_sealed(c.config)) {
        open.push_back(c.id);
      } else if (!seal_) {
        return fail(Code::kDenied, "configurations of apps are sealed: set catalog.key_file");
      } else {
        PENSTOCK_TRY(c.config, seal_->unseal(c.id, c.config));
      }
      c.filters = s.text(6);
      c.error = s.text(7);
      c.web_token = s.text(8);
      c.created_at_ms = s.integer(9);
      c.updated_at_ms = s.integer(10);
      out.configs.emplace(c.id, std::move(c));
    }
  }

  Db& database_;
  std::mutex& mutex_;
  AuditedChange audited_;
  std::shared_ptr<const ConfigSeal> seal_;  // null: none
};

}  // namespace penstock::catalog
