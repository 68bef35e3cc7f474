// Catalog: projects and their tokens, users, sessions and keys.
//
// Readers hold an immutable Snapshot (one pointer copy, any thread); one writer changes the store
// and publishes a new one. Every change is recorded in an audit table. Default: SQLite in the data
// directory; PostgreSQL later. Secrets are stored as hashes only. Calls that write block briefly;
// use them from a pool job or at start-up.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "catalog/app_catalog.h"
#include "catalog/definition_notes.h"
#include "catalog/project_settings.h"
#include "runtime/runtime.h"

namespace penstock::catalog {

struct Project {
  ProjectId id;
  std::string name;
  std::string token;  // phc_…
  int64_t created_at_ms = 0;
  bool anonymize_ips = false;
  bool person_processing_opt_out = false;
  /// Never null in a Snapshot.
  std::shared_ptr<const ProjectSettings> settings = std::make_shared<const ProjectSettings>();
  /// The enabled apps in their order; null: none.
  std::shared_ptr<const EnabledApps> apps{};
};

struct Snapshot {
  uint64_t version = 0;
  std::vector<Project> projects;                        // by id
  std::map<std::string, size_t, std::less<>> by_token;  // index into projects
  bool any_apps = false;                                // of any project

  const Project* find_token(std::string_view token) const;
  const Project* find(ProjectId id) const;
};

struct User {
  int64_t id = 0;
  std::string email;
  int64_t created_at_ms = 0;
};

struct ApiKey {
  int64_t id = 0;
  std::string label;
  std::string prefix;  // first characters, to recognise it by
  ProjectId project;   // 0: every project
  int64_t created_at_ms = 0;
};

/// Who a request is from, once it has shown a session or a key.
struct Principal {
  std::optional<int64_t> user_id;  // absent for a key
  std::string name;                // for the audit log
  ProjectId project;               // 0: every project
};

class Catalog {
 public:
  virtual ~Catalog() = default;

  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
  virtual AppCatalog& apps() = 0;
  /// Runs after every published change, on the thread that changed it.
  virtual void on_change(std::function<void(std::shared_ptr<const Snapshot>)> callback) = 0;

  /// `token` empty: a fresh phc_ token. kConflict: the token is taken. kInvalid: malformed.
  virtual Result<Project> create_project(const Principal& by, std::string name,
                                         std::string token) = 0;
  virtual Status rename_project(const Principal& by, ProjectId id, std::string name) = 0;
  /// Replaces one setting (project_settings.h). kInvalid with a sentence when it is not valid.
  virtual Status set_project_setting(const Principal& by, ProjectId id, std::string_view name,
                                     std::string json) = 0;

  /// Replaces what is said of an event or property; an empty note removes it. kExhausted: the
  /// project has kNotesPerProjectMax.
  virtual Status set_definition_note(const Principal& by, ProjectId id, const DefinitionKey& key,
                                     const DefinitionNote& note) = 0;
  virtual Result<DefinitionNotes> definition_notes(ProjectId id, std::string_view kind) const = 0;

  /// A one-time secret for the first (or any) admin login; valid `valid_ms`.
  virtual Result<std::string> create_login_secret(int64_t valid_ms) = 0;
  /// Uses up a login secret and starts a session; answers the session's secret.
  virtual Result<std::string> login_with_secret(std::string_view secret) = 0;
  virtual Result<std::string> login_with_password(std::string_view email,
                                                  std::string_view password) = 0;
  virtual Status set_password(const Principal& by, std::string_view email,
                              std::string_view password) = 0;
  virtual Status logout(std::string_view session_secret) = 0;

  /// phx_…; shown once. project 0: every project.
  virtual Result<std::string> create_api_key(const Principal& by, std::string label,
                                             ProjectId project) = 0;
  virtual Result<std::vector<ApiKey>> api_keys() const = 0;
  virtual Status delete_api_key(const Principal& by, int64_t id) = 0;

  /// kDenied unless the session or key is valid.
  virtual Result<Principal> authenticate_session(std::string_view session_secret) const = 0;
  virtual Result<Principal> authenticate_key(std::string_view key) const = 0;
};

Result<std::unique_ptr<Catalog>> open_sqlite_catalog(const std::string& path,
                                                     runtime::Runtime& runtime);
/// Projects only, in memory: tests and simulation.
std::unique_ptr<Catalog> make_memory_catalog(runtime::Runtime& runtime);

/// The shape check of the capture contract: 1..64 ASCII bytes, no NUL, not phx_.
bool token_is_well_formed(std::string_view token);

}  // namespace penstock::catalog
