// The catalog in a database that speaks SQL. Every change is one transaction with its audit row.
//
// `Db` is SQLite's Database or PostgresDatabase; what differs between them is theirs: how a
// transaction begins, and the types of columns. Where others may write too (`shared`), a change
// first reads what they did. Secrets that were right a while ago stay right while the database is
// away, so that somebody can still look at what is wrong.
#pragma once

#include <fmt/format.h>

#include <map>
#include <mutex>

#include "base/diag.h"
#include "catalog/apps/app_book.h"
#include "catalog/apps/sql_app_rows.h"
#include "catalog/postgres_catalog.h"
#include "catalog/publisher.h"
#include "catalog/secrets.h"

namespace penstock::catalog {

inline constexpr int64_t kSessionMs = int64_t{30} * 24 * 3600 * 1000;
inline constexpr size_t kNameBytesMax = 200;
inline constexpr size_t kRememberedMax = 256;          // sessions and keys
inline constexpr int64_t kRememberedMs = 15 * 60'000;  // after the database has said so

// One entry per version, in order; a released entry is never edited.
inline constexpr const char* kMigrations[] = {
    R"(CREATE TABLE projects(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL,
         token TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
         anonymize_ips INTEGER NOT NULL DEFAULT 0,
         person_processing_opt_out INTEGER NOT NULL DEFAULT 0);
       CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL UNIQUE,
         password TEXT NOT NULL DEFAULT '', created_at INTEGER NOT NULL);
       CREATE TABLE login_secrets(hash TEXT PRIMARY KEY, expires_at INTEGER NOT NULL);
       CREATE TABLE sessions(hash TEXT PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users(id),
         created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL);
       CREATE TABLE api_keys(id INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL UNIQUE,
         label TEXT NOT NULL, prefix TEXT NOT NULL, project_id INTEGER NOT NULL,
         created_at INTEGER NOT NULL);
       CREATE TABLE audit(id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL,
         who TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL);)",
    R"(CREATE TABLE project_settings(project_id INTEGER NOT NULL REFERENCES projects(id),
         name TEXT NOT NULL, json TEXT NOT NULL, changed_at INTEGER NOT NULL,
         PRIMARY KEY(project_id, name));)",
    R"(CREATE TABLE definition_notes(project_id INTEGER NOT NULL REFERENCES projects(id),
         kind TEXT NOT NULL, group_type TEXT NOT NULL, name TEXT NOT NULL,
         description TEXT NOT NULL, tags TEXT NOT NULL, verified INTEGER NOT NULL,
         changed_at INTEGER NOT NULL, PRIMARY KEY(project_id, kind, group_type, name));)",
    kAppTables,
};

inline std::unexpected<Error> newer_catalog(int64_t version, int64_t known) {
  return fail(Code::kInvalid, fmt::format("the catalog is of a newer Penstock (version {}, this "
                                          "one knows {}): start that one",
                                          version, known));
}

template <class Db>
class SqlCatalog final : public SharedCatalog {
 public:
  SqlCatalog(std::unique_ptr<Db> database, runtime::Runtime& runtime,
             std::shared_ptr<const ConfigSeal> seal)
      : database_(std::move(database)),
        runtime_(runtime),
        apps_(runtime,
              std::make_unique<SqlAppRows<Db>>(
                  *database_, mutex_,
                  [this](const Principal& by, std::string_view action, const std::string& target,
                         const std::function<Status()>& change) {
                    return transaction(by, action, target, change);
                  },
                  std::move(seal)),
              [this](AppsByProject apps) { return take_apps(std::move(apps)); }) {}

  Status migrate() {
    PENSTOCK_CHECK(migrate_tables());
    return apps_.load();  // publishes
  }

  Status migrate_tables() {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    return database_->migrate(kMigrations);
  }

  Status look() override {
    int64_t before = 0, after = 0;
    {
      const std::lock_guard lock(mutex_);
      before = seen_;
      PENSTOCK_CHECK(catch_up());
      after = seen_;
    }
    // The book locks first itself and then the catalog.
    return before == after ? Status{} : apps_.load();
  }

  AppCatalog& apps() override { return apps_; }

  std::shared_ptr<const Snapshot> snapshot() const override { return publisher_.current(); }
  void on_change(Publisher::Listener callback) override {
    publisher_.add_listener(std::move(callback));
  }

  Result<Project> create_project(const Principal& by, std::string name,
                                 std::string token) override {
    if (token.empty()) token = make_secret(runtime_.random(), "phc_");
    if (!token_is_well_formed(token)) {
      return fail(Code::kInvalid,
                  "a token is 1 to 64 ASCII characters and does not begin with phx_");
    }
    if (name.empty() || name.size() > kNameBytesMax) {
      return fail(Code::kInvalid, "a project's name has 1 to 200 characters");
    }
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(catch_up());
    Project project;
    project.name = std::move(name);
    project.token = std::move(token);
    project.created_at_ms = now();
    const Status done = transaction(by, "project.create", project.name, [&]() -> Status {
      PENSTOCK_TRY(auto s,
                   database_->prepare("INSERT INTO projects(name,token,created_at) VALUES(?,?,?) "
                                      "RETURNING id"));
      PENSTOCK_CHECK(s.bind(project.name).bind(project.token).bind(project.created_at_ms).step());
      project.id.value = s.integer(0);
      return {};
    });
    if (!done && done.error().code == Code::kConflict) {
      return fail(Code::kConflict, "another project has this token");
    }
    PENSTOCK_CHECK(done);
    PENSTOCK_CHECK(publish_locked());
    return project;
  }

  Status rename_project(const Principal& by, ProjectId id, std::string name) override {
    if (name.empty() || name.size() > kNameBytesMax) {
      return fail(Code::kInvalid, "a project's name has 1 to 200 characters");
    }
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(catch_up());
    if (publisher_.current()->find(id) == nullptr) {
      return fail(Code::kNotFound, fmt::format("there is no project {}", id.value));
    }
    PENSTOCK_CHECK(transaction(by, "project.rename", fmt::to_string(id.value), [&]() -> Status {
      PENSTOCK_TRY(auto s, database_->prepare("UPDATE projects SET name=? WHERE id=?"));
      PENSTOCK_CHECK(s.bind(name).bind(id.value).step());
      return {};
    }));
    return publish_locked();
  }

  Status set_project_setting(const Principal& by, ProjectId id, std::string_view name,
                             std::string json) override {
    ProjectSettings checked;
    PENSTOCK_CHECK(apply_setting(name, json, checked));
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(catch_up());
    if (publisher_.current()->find(id) == nullptr) {
      return fail(Code::kNotFound, fmt::format("there is no project {}", id.value));
    }
    const std::string target = fmt::format("{} {}", id.value, name);
    PENSTOCK_CHECK(transaction(by, "project.setting", target, [&]() -> Status {
      PENSTOCK_TRY(auto s,
                   database_->prepare("INSERT INTO project_settings VALUES(?,?,?,?) ON CONFLICT"
                                      "(project_id,name) DO UPDATE SET json=excluded.json,"
                                      "changed_at=excluded.changed_at"));
      PENSTOCK_CHECK(s.bind(id.value).bind(name).bind(json).bind(now()).step());
      return {};
    }));
    return publish_locked();
  }

  Status set_definition_note(const Principal& by, ProjectId id, const DefinitionKey& key,
                             const DefinitionNote& note) override {
    PENSTOCK_CHECK(check_note(key, note));
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(catch_up());
    if (publisher_.current()->find(id) == nullptr) {
      return fail(Code::kNotFound, fmt::format("there is no project {}", id.value));
    }
    const std::string target = fmt::format("{} {} {}", id.value, key.kind, key.name);
    return transaction(by, "definition.note", target, [&]() -> Status {
      PENSTOCK_TRY(auto gone, database_->prepare("DELETE FROM definition_notes WHERE project_id=? "
                                                 "AND kind=? AND group_type=? AND name=?"));
      PENSTOCK_CHECK(gone.bind(id.value).bind(key.kind).bind(key.group_type).bind(key.name).step());
      if (note.empty()) return {};
      PENSTOCK_TRY(auto all,
                   database_->prepare("SELECT count(*) FROM definition_notes WHERE project_id=?"));
      PENSTOCK_CHECK(all.bind(id.value).step());
      if (std::cmp_greater_equal(all.integer(0), kNotesPerProjectMax)) {
        return fail(Code::kExhausted,
                    fmt::format("{} names of this project are described", kNotesPerProjectMax));
      }
      PENSTOCK_TRY(auto s,
                   database_->prepare("INSERT INTO definition_notes VALUES(?,?,?,?,?,?,?,?)"));
      s.bind(id.value).bind(key.kind).bind(key.group_type).bind(key.name).bind(note.description);
      s.bind(tags_json(note.tags)).bind(int64_t{note.verified}).bind(now());
      PENSTOCK_CHECK(s.step());
      return {};
    });
  }

  Result<DefinitionNotes> definition_notes(ProjectId id, std::string_view kind) const override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    PENSTOCK_TRY(auto s, database_->prepare("SELECT group_type,name,description,tags,verified FROM "
                                            "definition_notes WHERE project_id=? AND kind=?"));
    s.bind(id.value).bind(kind);
    DefinitionNotes out;
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) return out;
      PENSTOCK_TRY(auto tags, read_tags(s.text(3)));
      out[{std::string(kind), s.text(0), s.text(1)}] = {s.text(2), std::move(tags),
                                                        s.integer(4) != 0};
    }
  }

  Result<std::string> create_login_secret(int64_t valid_ms) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    const std::string secret = make_secret(runtime_.random(), "");
    PENSTOCK_TRY(auto s, database_->prepare("INSERT INTO login_secrets VALUES(?,?)"));
    PENSTOCK_CHECK(s.bind(hash_secret(secret)).bind(now() + valid_ms).step());
    return secret;
  }

  Result<std::string> login_with_secret(std::string_view secret) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    PENSTOCK_TRY(auto s,
                 database_->prepare("DELETE FROM login_secrets WHERE hash=? RETURNING expires_at"));
    PENSTOCK_TRY(const bool found, s.bind(hash_secret(secret)).step());
    if (!found || s.integer(0) < now()) {
      return fail(Code::kDenied,
                  "this login link was used or has expired: "
                  "`penstock login` prints a new one");
    }
    PENSTOCK_CHECK(s.step());
    PENSTOCK_TRY(const int64_t user, admin_user());
    return start_session(user);
  }

  Result<std::string> login_with_password(std::string_view email,
                                          std::string_view password) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    PENSTOCK_TRY(auto s, database_->prepare("SELECT id,password FROM users WHERE email=?"));
    PENSTOCK_TRY(const bool found, s.bind(email).step());
    if (!found || !password_matches(s.text(1), password)) {
      return fail(Code::kDenied, "wrong email or password");
    }
    return start_session(s.integer(0));
  }

  Status set_password(const Principal& by, std::string_view email,
                      std::string_view password) override {
    if (!by.user_id) return fail(Code::kDenied, "only a logged-in user can set a password");
    if (email.find('@') == std::string_view::npos || email.size() > kNameBytesMax) {
      return fail(Code::kInvalid, "this is not an email address");
    }
    PENSTOCK_TRY(const std::string hash, hash_password(runtime_.random(), password));
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    return transaction(by, "user.set_password", std::string(email), [&]() -> Status {
      PENSTOCK_TRY(auto s, database_->prepare("UPDATE users SET email=?,password=? WHERE id=?"));
      PENSTOCK_CHECK(s.bind(email).bind(hash).bind(*by.user_id).step());
      return {};
    });
  }

  Status logout(std::string_view session_secret) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    remembered_.erase(hash_secret(session_secret));
    PENSTOCK_TRY(auto s, database_->prepare("DELETE FROM sessions WHERE hash=?"));
    PENSTOCK_CHECK(s.bind(hash_secret(session_secret)).step());
    return {};
  }

  Result<std::string> create_api_key(const Principal& by, std::string label,
                                     ProjectId project) override {
    if (label.empty() || label.size() > kNameBytesMax) {
      return fail(Code::kInvalid, "a key's label has 1 to 200 characters");
    }
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(catch_up());
    if (project.value != 0 && publisher_.current()->find(project) == nullptr) {
      return fail(Code::kNotFound, fmt::format("there is no project {}", project.value));
    }
    const std::string key = make_secret(runtime_.random(), "phx_");
    PENSTOCK_CHECK(transaction(by, "key.create", label, [&]() -> Status {
      PENSTOCK_TRY(auto s, database_->prepare("INSERT INTO api_keys(hash,label,prefix,project_id,"
                                              "created_at) VALUES(?,?,?,?,?)"));
      s.bind(hash_secret(key)).bind(label).bind(std::string_view(key).substr(0, 10));
      PENSTOCK_CHECK(s.bind(project.value).bind(now()).step());
      return {};
    }));
    return key;
  }

  Result<std::vector<ApiKey>> api_keys() const override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    PENSTOCK_TRY(auto s, database_->prepare("SELECT id,label,prefix,project_id,created_at "
                                            "FROM api_keys ORDER BY id"));
    std::vector<ApiKey> out;
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) return out;
      out.push_back({s.integer(0), s.text(1), s.text(2), ProjectId{s.integer(3)}, s.integer(4)});
    }
  }

  Status delete_api_key(const Principal& by, int64_t id) override {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(database_->ready());
    remembered_.clear();
    return transaction(by, "key.delete", fmt::to_string(id), [&]() -> Status {
      PENSTOCK_TRY(auto s, database_->prepare("DELETE FROM api_keys WHERE id=? RETURNING id"));
      PENSTOCK_TRY(const bool found, s.bind(id).step());
      if (!found) return fail(Code::kNotFound, fmt::format("there is no key {}", id));
      PENSTOCK_CHECK(s.step());
      return {};
    });
  }

  Result<Principal> authenticate_session(std::string_view session_secret) const override {
    const std::lock_guard lock(mutex_);
    const std::string hash = hash_secret(session_secret);
    return remembering(hash, [&]() -> Result<Principal> {
      PENSTOCK_TRY(auto s, database_->prepare(
                               "SELECT u.id,u.email FROM sessions s JOIN users u ON u.id=s.user_id "
                               "WHERE s.hash=? AND s.expires_at>?"));
      PENSTOCK_TRY(const bool found, s.bind(hash).bind(now()).step());
      if (!found) return fail(Code::kDenied, "log in first");
      return Principal{s.integer(0), s.text(1), ProjectId{}};
    });
  }

  Result<Principal> authenticate_key(std::string_view key) const override {
    const std::lock_guard lock(mutex_);
    const std::string hash = hash_secret(key);
    return remembering(hash, [&]() -> Result<Principal> {
      PENSTOCK_TRY(auto s,
                   database_->prepare("SELECT label,project_id FROM api_keys WHERE hash=?"));
      PENSTOCK_TRY(const bool found, s.bind(hash).step());
      if (!found) return fail(Code::kDenied, "this key is not known here");
      return Principal{std::nullopt, "key " + s.text(0), ProjectId{s.integer(1)}};
    });
  }

 private:
  int64_t now() const { return runtime_.clock().wall_ms(); }

  /// Opens a session, and reads what others changed since.
  Status catch_up() {
    PENSTOCK_CHECK(database_->ready());
    if (!database_->shared()) return {};
    PENSTOCK_TRY(const int64_t last, scalar("SELECT coalesce(max(id),0) FROM audit"));
    return last == seen_ ? Status{} : publish_locked();
  }

  template <typename Ask>
  Result<Principal> remembering(const std::string& hash, Ask ask) const {
    const auto opened = database_->ready();
    auto answer = opened ? ask() : Result<Principal>(std::unexpected(opened.error()));
    if (answer) {
      if (remembered_.size() >= kRememberedMax) remembered_.clear();
      remembered_[hash] = {*answer, now() + kRememberedMs};
      return answer;
    }
    const auto it = remembered_.find(hash);
    if (answer.error().code == Code::kDenied) {
      if (it != remembered_.end()) remembered_.erase(it);
      return answer;
    }
    if (it != remembered_.end() && now() < it->second.until_ms) return it->second.principal;
    return answer;
  }

  Result<int64_t> scalar(std::string_view sql) {
    PENSTOCK_TRY(auto s, database_->prepare(sql));
    PENSTOCK_TRY(const bool row, s.step());
    return row ? s.integer(0) : 0;
  }

  template <typename Change>
  Status transaction(const Principal& by, std::string_view action, const std::string& target,
                     Change change) {
    PENSTOCK_CHECK(database_->begin());
    Status done = change();
    if (done && !action.empty()) done = audit(by, action, target);
    if (done) done = database_->commit();
    if (!done) {
      const Status undone = database_->run("ROLLBACK");
      if (!undone) return fail(undone.error(), done.error().message);
    }
    return done;
  }

  Status audit(const Principal& by, std::string_view action, const std::string& target) {
    PENSTOCK_TRY(auto s, database_->prepare("INSERT INTO audit(at,who,action,target) "
                                            "VALUES(?,?,?,?)"));
    PENSTOCK_CHECK(s.bind(now()).bind(by.name).bind(action).bind(target).step());
    return {};
  }

  /// The first user; made at the first login, before a password is set.
  Result<int64_t> admin_user() {
    PENSTOCK_TRY(const int64_t id, scalar("SELECT id FROM users ORDER BY id LIMIT 1"));
    if (id != 0) return id;
    PENSTOCK_TRY(auto s, database_->prepare("INSERT INTO users(email,created_at) "
                                            "VALUES('admin',?) RETURNING id"));
    PENSTOCK_CHECK(s.bind(now()).step());
    return s.integer(0);
  }

  Result<std::string> start_session(int64_t user) {
    PENSTOCK_TRY(auto old, database_->prepare("DELETE FROM sessions WHERE expires_at<=?"));
    PENSTOCK_CHECK(old.bind(now()).step());
    const std::string secret = make_secret(runtime_.random(), "");
    PENSTOCK_TRY(auto s, database_->prepare("INSERT INTO sessions VALUES(?,?,?,?)"));
    s.bind(hash_secret(secret)).bind(user).bind(now());
    PENSTOCK_CHECK(s.bind(now() + kSessionMs).step());
    return secret;
  }

  Status take_apps(AppsByProject apps) {
    const std::lock_guard lock(mutex_);
    enabled_apps_ = std::move(apps);
    return publish_locked();
  }

  Status publish_locked() {
    // First: what comes in between is read again the next time.
    PENSTOCK_TRY(seen_, scalar("SELECT coalesce(max(id),0) FROM audit"));
    PENSTOCK_TRY(auto s, database_->prepare("SELECT id,name,token,created_at,anonymize_ips,"
                                            "person_processing_opt_out FROM projects ORDER BY id"));
    std::vector<Project> projects;
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) break;
      Project& project = projects.emplace_back();
      project.id.value = s.integer(0);
      project.name = s.text(1);
      project.token = s.text(2);
      project.created_at_ms = s.integer(3);
      project.anonymize_ips = s.integer(4) != 0;
      project.person_processing_opt_out = s.integer(5) != 0;
      PENSTOCK_TRY(project.settings, settings_of(project.id));
      const auto apps = enabled_apps_.find(project.id);
      if (apps != enabled_apps_.end()) project.apps = apps->second;
    }
    publisher_.publish(std::move(projects));
    return {};
  }

  Result<std::shared_ptr<const ProjectSettings>> settings_of(ProjectId id) {
    PENSTOCK_TRY(auto s, database_->prepare("SELECT name,json FROM project_settings "
                                            "WHERE project_id=? ORDER BY name"));
    s.bind(id.value);
    auto out = std::make_shared<ProjectSettings>();
    for (;;) {
      PENSTOCK_TRY(const bool row, s.step());
      if (!row) return out;
      // One that a newer Penstock wrote must not keep this one from starting.
      if (const Status read = apply_setting(s.text(0), s.text(1), *out); !read) {
        diag::warn("a project's setting is left out", {{"project", fmt::to_string(id.value)},
                                                       {"setting", s.text(0)},
                                                       {"error", read.error().message}});
      }
    }
  }

  std::unique_ptr<Db> database_;
  int64_t seen_ = 0;  // the last change in the snapshot, by its audit row
  struct Remembered {
    Principal principal;
    int64_t until_ms = 0;
  };
  mutable std::map<std::string, Remembered, std::less<>> remembered_;  // by the secret's hash
  runtime::Runtime& runtime_;
  mutable std::mutex mutex_;
  Publisher publisher_;
  AppsByProject enabled_apps_;
  AppBook apps_;
};

}  // namespace penstock::catalog
