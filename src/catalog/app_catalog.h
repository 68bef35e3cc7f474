// AppCatalog: the apps of an installation, their versions, and how projects have configured them.
//
// An app is a package of files with versions; one of them is current, and going back to another one
// moves only that pointer. A configuration is an app at work in a project: its place in the order,
// its values, whether it is on. What ingest needs of a project is in the catalog's Snapshot
// (`Project::apps`). Every change is audited, those that the machine makes itself
// (`note_error`, `note_capabilities`) are not. Writing calls block briefly: pool jobs or start-up.
// Values of secret fields are in `AppConfig::config`: show them through `masked_app_config` only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "catalog/app_manifest.h"

namespace penstock::catalog {

struct Principal;

struct App {
  int64_t id = 0;
  ProjectId project;                // whose it is; 0: every project may use it
  AppManifest manifest;             // of the current version
  std::string capabilities = "{}";  // JSON: {"methods":[…],"scheduled_tasks":[…],"jobs":[…]}
  int64_t version = 0;              // the current one
  int64_t created_at_ms = 0, updated_at_ms = 0;
};

struct AppVersion {
  int64_t number = 0;  // 1, 2, … of its app
  int64_t created_at_ms = 0;
  std::string who;
  std::string source;  // "upload", "npm @posthog/geoip-plugin@1.0.0", "template url-parser"
  size_t bytes = 0;    // of its files
};

struct AppConfig {
  int64_t id = 0;
  int64_t app = 0;
  ProjectId project;
  bool enabled = false;
  int64_t order = 0;           // lower ones run first, then the lower id
  std::string config = "{}";   // JSON object, with secrets
  std::string filters = "{}";  // PostHog's filter JSON; {}: every event
  std::string error;           // JSON object of the last error; empty: none
  std::string web_token;
  int64_t created_at_ms = 0, updated_at_ms = 0;
};

/// All that running one configuration takes.
struct EnabledApp {
  AppConfig config;
  App app;
  std::shared_ptr<const AppFiles> files;
};
/// In the order in which they run.
using EnabledApps = std::vector<std::shared_ptr<const EnabledApp>>;

struct AppConfigChange {
  std::optional<bool> enabled{};
  std::optional<int64_t> order{};
  std::optional<std::string> config{}, filters{};  // JSON objects; config as merge_app_config
};

inline constexpr size_t kAppsMax = 500;        // of an installation
inline constexpr size_t kAppVersionsMax = 50;  // of an app: the oldest unused one goes
inline constexpr size_t kAppConfigsPerProject = 200;
inline constexpr size_t kAppErrorBytesMax = 8U << 10;
inline constexpr size_t kAppFiltersBytesMax = 64U << 10;

class AppCatalog {
 public:
  virtual ~AppCatalog() = default;

  /// kInvalid: the package is none (read_app_manifest). kExhausted: kAppsMax.
  virtual Result<App> create_app(const Principal& by, ProjectId owner, AppFiles files,
                                 std::string source) = 0;
  /// The new version is the current one at once.
  virtual Result<App> add_version(const Principal& by, int64_t app, AppFiles files,
                                  std::string source) = 0;
  virtual Result<App> use_version(const Principal& by, int64_t app, int64_t number) = 0;
  /// kConflict while a project has a configuration of it.
  virtual Status delete_app(const Principal& by, int64_t app) = 0;
  /// By id: the project's own and those for every project.
  virtual std::vector<App> apps(ProjectId project) const = 0;
  virtual Result<App> app(int64_t id) const = 0;
  virtual Result<std::vector<AppVersion>> versions(int64_t app) const = 0;
  virtual Result<std::shared_ptr<const AppFiles>> files(int64_t app, int64_t version) const = 0;

  /// At the end of the order. kInvalid: a value does not fit, or one is missing and it is enabled.
  virtual Result<AppConfig> create_config(const Principal& by, ProjectId project, int64_t app,
                                          const AppConfigChange& values) = 0;
  virtual Result<AppConfig> change_config(const Principal& by, int64_t id,
                                          const AppConfigChange& change) = 0;
  virtual Status delete_config(const Principal& by, int64_t id) = 0;
  /// In the order in which they would run.
  virtual std::vector<AppConfig> configs(ProjectId project) const = 0;
  virtual Result<AppConfig> config(int64_t id) const = 0;
  /// Puts these in this order; the project's others follow as they were.
  virtual Status reorder(const Principal& by, ProjectId project,
                         const std::vector<int64_t>& ids) = 0;

  /// The configuration's last error as JSON; empty clears it. Does not make a new Snapshot.
  virtual Status note_error(int64_t config, std::string json) = 0;
  virtual Status note_capabilities(int64_t app, std::string json) = 0;
};

}  // namespace penstock::catalog
