// AppBook: the rules of an AppCatalog, over rows that lie anywhere.
//
// Keeps everything but files in memory; a change is made on a copy, stored, and then taken over.
// After each change that running apps must hear of, `changed` gets the enabled ones of every
// project; it may lock the catalog, so the catalog never calls the book while it is locked.
// Any thread.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "catalog/apps/app_rows.h"
#include "runtime/runtime.h"

namespace penstock::catalog {

using AppsByProject = std::map<ProjectId, std::shared_ptr<const EnabledApps>>;

class AppBook final : public AppCatalog {
 public:
  AppBook(runtime::Runtime& runtime, std::unique_ptr<AppRows> rows,
          std::function<Status(AppsByProject)> changed)
      : runtime_(runtime), rows_(std::move(rows)), changed_(std::move(changed)) {}
  Status load();

  Result<App> create_app(const Principal& by, ProjectId owner, AppFiles files,
                         std::string source) override;
  Result<App> add_version(const Principal& by, int64_t app, AppFiles files,
                          std::string source) override;
  Result<App> use_version(const Principal& by, int64_t app, int64_t number) override;
  Status delete_app(const Principal& by, int64_t app) override;
  std::vector<App> apps(ProjectId project) const override;
  Result<App> app(int64_t id) const override;
  Result<std::vector<AppVersion>> versions(int64_t app) const override;
  Result<std::shared_ptr<const AppFiles>> files(int64_t app, int64_t version) const override;
  Result<AppConfig> create_config(const Principal& by, ProjectId project, int64_t app,
                                  const AppConfigChange& values) override;
  Result<AppConfig> change_config(const Principal& by, int64_t id,
                                  const AppConfigChange& change) override;
  Status delete_config(const Principal& by, int64_t id) override;
  std::vector<AppConfig> configs(ProjectId project) const override;
  Result<AppConfig> config(int64_t id) const override;
  Status reorder(const Principal& by, ProjectId project, const std::vector<int64_t>& ids) override;
  Status note_error(int64_t config, std::string json) override;
  Status note_capabilities(int64_t app, std::string json) override;

 private:
  Result<App> store_version(const Principal& by, App app, AppFiles files, std::string source,
                            std::string_view action);
  Status apply(const AppConfigChange& change, AppConfig& config) const;
  std::vector<AppConfig> ordered(ProjectId project) const;
  Result<std::shared_ptr<const AppFiles>> files_locked(int64_t app, int64_t version) const;
  /// Before a change: what others have changed meanwhile.
  Status catch_up();
  Status publish();
  int64_t now() const { return runtime_.clock().wall_ms(); }

  runtime::Runtime& runtime_;
  std::unique_ptr<AppRows> rows_;
  std::function<Status(AppsByProject)> changed_;
  mutable std::mutex mutex_;
  StoredApps all_;
  /// Files that a snapshot holds, so that a version is read once.
  mutable std::map<std::pair<int64_t, int64_t>, std::weak_ptr<const AppFiles>> open_files_;
};

/// Rows that are forgotten with the process.
std::unique_ptr<AppRows> make_memory_app_rows();

}  // namespace penstock::catalog
