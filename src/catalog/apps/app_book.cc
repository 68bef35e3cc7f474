#include "catalog/apps/app_book.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/diag.h"
#include "catalog/secrets.h"
#include "event/json_fields.h"

namespace penstock::catalog {
namespace {

std::unexpected<Error> no_app(int64_t id) {
  return fail(Code::kNotFound, fmt::format("there is no app {}", id));
}
std::unexpected<Error> no_config(int64_t id) {
  return fail(Code::kNotFound, fmt::format("there is no app configuration {}", id));
}

}  // namespace

Status AppBook::load() {
  const std::lock_guard lock(mutex_);
  PENSTOCK_TRY(all_, rows_->load());
  return publish();
}

Status AppBook::catch_up() {
  if (!rows_->shared()) return {};
  PENSTOCK_TRY(all_, rows_->load());
  return {};
}

Result<App> AppBook::create_app(const Principal& by, ProjectId owner, AppFiles files,
                                std::string source) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  if (all_.apps.size() >= kAppsMax) {
    return fail(Code::kExhausted, fmt::format("there are {} apps already", kAppsMax));
  }
  App app;
  app.id = all_.apps.empty() ? 1 : all_.apps.rbegin()->first + 1;
  app.project = owner;
  app.created_at_ms = now();
  return store_version(by, std::move(app), std::move(files), std::move(source), "app.create");
}

Result<App> AppBook::add_version(const Principal& by, int64_t app, AppFiles files,
                                 std::string source) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  const auto found = all_.apps.find(app);
  if (found == all_.apps.end()) return no_app(app);
  return store_version(by, found->second, std::move(files), std::move(source), "app.version");
}

Result<App> AppBook::store_version(const Principal& by, App app, AppFiles files, std::string source,
                                   std::string_view action) {
  tidy_app_files(files);
  PENSTOCK_TRY(app.manifest, read_app_manifest(files));
  auto& versions = all_.versions[app.id];
  AppVersion version;
  version.number = versions.empty() ? 1 : versions.rbegin()->first + 1;
  version.created_at_ms = app.updated_at_ms = now();
  version.who = by.name;
  version.source = std::move(source);
  for (const auto& [path, content] : files) version.bytes += content.size();
  app.version = version.number;
  const bool full = versions.size() >= kAppVersionsMax;
  const int64_t oldest = full ? versions.begin()->first : 0;
  const std::string target =
      fmt::format("{} {} version {}", app.id, app.manifest.name, version.number);
  PENSTOCK_CHECK(rows_->transaction(by, action, target, [&]() -> Status {
    PENSTOCK_CHECK(rows_->put(app));
    PENSTOCK_CHECK(rows_->put(app.id, version, files));
    if (full) PENSTOCK_CHECK(rows_->remove_version(app.id, oldest));
    return {};
  }));
  if (full) versions.erase(oldest);
  versions[version.number] = version;
  all_.apps[app.id] = app;
  PENSTOCK_CHECK(publish());
  return app;
}

Result<App> AppBook::use_version(const Principal& by, int64_t id, int64_t number) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  const auto found = all_.apps.find(id);
  if (found == all_.apps.end()) return no_app(id);
  if (!all_.versions[id].contains(number)) {
    return fail(Code::kNotFound, fmt::format("app {} has no version {}", id, number));
  }
  App app = found->second;
  PENSTOCK_TRY(const auto files, files_locked(id, number));
  PENSTOCK_TRY(app.manifest, read_app_manifest(*files));
  app.version = number;
  app.updated_at_ms = now();
  PENSTOCK_CHECK(rows_->transaction(by, "app.use_version", fmt::format("{} version {}", id, number),
                                    [&] { return rows_->put(app); }));
  all_.apps[id] = app;
  PENSTOCK_CHECK(publish());
  return app;
}

Status AppBook::delete_app(const Principal& by, int64_t id) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  if (!all_.apps.contains(id)) return no_app(id);
  for (const auto& [config_id, config] : all_.configs) {
    if (config.app != id) continue;
    return fail(Code::kConflict, fmt::format("project {} has a configuration of this app ({})",
                                             config.project.value, config_id));
  }
  PENSTOCK_CHECK(rows_->transaction(by, "app.delete", fmt::to_string(id),
                                    [&] { return rows_->remove_app(id); }));
  all_.apps.erase(id);
  all_.versions.erase(id);
  return {};
}

std::vector<App> AppBook::apps(ProjectId project) const {
  const std::lock_guard lock(mutex_);
  std::vector<App> out;
  for (const auto& [id, app] : all_.apps) {
    if (app.project.value == 0 || app.project == project) out.push_back(app);
  }
  return out;
}

Result<App> AppBook::app(int64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = all_.apps.find(id);
  if (found == all_.apps.end()) return no_app(id);
  return found->second;
}

Result<std::vector<AppVersion>> AppBook::versions(int64_t app) const {
  const std::lock_guard lock(mutex_);
  const auto found = all_.versions.find(app);
  if (found == all_.versions.end()) return no_app(app);
  std::vector<AppVersion> out;
  for (const auto& [number, version] : found->second) out.push_back(version);
  return out;
}

Result<std::shared_ptr<const AppFiles>> AppBook::files(int64_t app, int64_t version) const {
  const std::lock_guard lock(mutex_);
  return files_locked(app, version);
}

Result<std::shared_ptr<const AppFiles>> AppBook::files_locked(int64_t app, int64_t version) const {
  auto& open = open_files_[{app, version}];
  if (auto known = open.lock()) return known;
  PENSTOCK_TRY(auto read, rows_->files(app, version));
  auto out = std::make_shared<const AppFiles>(std::move(read));
  open = out;
  return out;
}

Status AppBook::apply(const AppConfigChange& change, AppConfig& config) const {
  const auto app = all_.apps.find(config.app);
  if (app == all_.apps.end()) return no_app(config.app);
  if (change.enabled) config.enabled = *change.enabled;
  if (change.order) config.order = *change.order;
  PENSTOCK_TRY(config.config, merge_app_config(app->second.manifest.fields, config.config,
                                               change.config.value_or("{}"), config.enabled));
  if (change.filters) {
    if (change.filters->size() > kAppFiltersBytesMax) {
      return fail(Code::kInvalid, fmt::format("filters have up to {} bytes", kAppFiltersBytesMax));
    }
    if (!event::JsonFields::parse(*change.filters)) {
      return fail(Code::kInvalid, "filters must be a JSON object");
    }
    config.filters = *change.filters;
  }
  if (change.enabled && *change.enabled) config.error.clear();
  config.updated_at_ms = std::max(now(), config.updated_at_ms + 1);
  return {};
}

Result<AppConfig> AppBook::create_config(const Principal& by, ProjectId project, int64_t app,
                                         const AppConfigChange& values) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  const auto found = all_.apps.find(app);
  if (found == all_.apps.end() ||
      (found->second.project.value != 0 && found->second.project != project)) {
    return no_app(app);
  }
  const auto there = ordered(project);
  if (there.size() >= kAppConfigsPerProject) {
    return fail(Code::kExhausted,
                fmt::format("a project has up to {} apps", kAppConfigsPerProject));
  }
  AppConfig config;
  config.id = all_.configs.empty() ? 1 : all_.configs.rbegin()->first + 1;
  config.app = app;
  config.project = project;
  config.order = there.empty() ? 1 : there.back().order + 1;
  config.web_token = make_secret(runtime_.random(), "").substr(0, 20);
  config.created_at_ms = now();
  PENSTOCK_CHECK(apply(values, config));
  PENSTOCK_CHECK(
      rows_->transaction(by, "app_config.create",
                         fmt::format("{} of app {} in project {}", config.id, app, project.value),
                         [&] { return rows_->put(config); }));
  all_.configs[config.id] = config;
  PENSTOCK_CHECK(publish());
  return config;
}

Result<AppConfig> AppBook::change_config(const Principal& by, int64_t id,
                                         const AppConfigChange& change) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  const auto found = all_.configs.find(id);
  if (found == all_.configs.end()) return no_config(id);
  AppConfig config = found->second;
  PENSTOCK_CHECK(apply(change, config));
  const std::string_view what = !change.enabled ? "" : *change.enabled ? " enabled" : " disabled";
  PENSTOCK_CHECK(rows_->transaction(by, "app_config.change", fmt::format("{}{}", id, what),
                                    [&] { return rows_->put(config); }));
  found->second = config;
  PENSTOCK_CHECK(publish());
  return config;
}

Status AppBook::delete_config(const Principal& by, int64_t id) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  if (!all_.configs.contains(id)) return no_config(id);
  PENSTOCK_CHECK(rows_->transaction(by, "app_config.delete", fmt::to_string(id),
                                    [&] { return rows_->remove_config(id); }));
  all_.configs.erase(id);
  return publish();
}

std::vector<AppConfig> AppBook::ordered(ProjectId project) const {
  std::vector<AppConfig> out;
  for (const auto& [id, config] : all_.configs) {
    if (config.project == project) out.push_back(config);
  }
  std::ranges::stable_sort(out, {}, &AppConfig::order);
  return out;
}

std::vector<AppConfig> AppBook::configs(ProjectId project) const {
  const std::lock_guard lock(mutex_);
  return ordered(project);
}

Result<AppConfig> AppBook::config(int64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto found = all_.configs.find(id);
  if (found == all_.configs.end()) return no_config(id);
  return found->second;
}

Status AppBook::reorder(const Principal& by, ProjectId project, const std::vector<int64_t>& ids) {
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(catch_up());
  std::vector<AppConfig> left = ordered(project), sorted;
  for (const int64_t id : ids) {
    const auto found = std::ranges::find(left, id, &AppConfig::id);
    if (found == left.end()) return no_config(id);
    sorted.push_back(std::move(*found));
    left.erase(found);
  }
  std::ranges::move(left, std::back_inserter(sorted));
  PENSTOCK_CHECK(rows_->transaction(by, "app_config.reorder",
                                    fmt::format("{}: {}", project.value, fmt::join(ids, ", ")),
                                    [&]() -> Status {
                                      int64_t order = 0;
                                      for (AppConfig& config : sorted) {
                                        config.order = ++order;
                                        PENSTOCK_CHECK(rows_->put(config));
                                      }
                                      return {};
                                    }));
  for (AppConfig& config : sorted) all_.configs[config.id] = config;
  return publish();
}

Status AppBook::note_error(int64_t id, std::string json) {
  const std::lock_guard lock(mutex_);
  const auto found = all_.configs.find(id);
  if (found == all_.configs.end()) return no_config(id);
  if (json.size() > kAppErrorBytesMax) {
    return fail(Code::kInvalid, fmt::format("an error has up to {} bytes", kAppErrorBytesMax));
  }
  if (found->second.error == json) return {};
  AppConfig config = found->second;
  config.error = std::move(json);
  PENSTOCK_CHECK(rows_->transaction({}, "", "", [&] { return rows_->put(config); }));
  found->second = std::move(config);
  return {};
}

Status AppBook::note_capabilities(int64_t id, std::string json) {
  const std::lock_guard lock(mutex_);
  const auto found = all_.apps.find(id);
  if (found == all_.apps.end()) return no_app(id);
  if (found->second.capabilities == json) return {};  // rewritten only when they changed
  App app = found->second;
  app.capabilities = std::move(json);
  PENSTOCK_CHECK(rows_->transaction({}, "", "", [&] { return rows_->put(app); }));
  found->second = std::move(app);
  return {};
}

Status AppBook::publish() {
  std::map<ProjectId, std::vector<AppConfig>> enabled;
  for (const auto& [id, config] : all_.configs) {
    if (config.enabled) enabled[config.project].push_back(config);
  }
  AppsByProject out;
  for (auto& [project, configs] : enabled) {
    std::ranges::stable_sort(configs, {}, &AppConfig::order);
    auto apps = std::make_shared<EnabledApps>();
    for (AppConfig& config : configs) {
      const App& app = all_.apps.at(config.app);
      auto files = files_locked(app.id, app.version);
      // One app that cannot be read must not keep the others, or the process, from starting.
      if (!files) {
        diag::warn("an app's files cannot be read",
                   {{"app", fmt::to_string(app.id)}, {"error", files.error().message}});
        continue;
      }
      EnabledApp one{std::move(config), app, *files};
      apps->push_back(std::make_shared<const EnabledApp>(std::move(one)));
    }
    out[project] = std::move(apps);
  }
  std::erase_if(open_files_, [](const auto& entry) { return entry.second.expired(); });
  return changed_(std::move(out));
}

namespace {

class MemoryAppRows final : public AppRows {
 public:
  Result<StoredApps> load() override { return StoredApps{}; }
  Status transaction(const Principal&, std::string_view, const std::string&,
                     const std::function<Status()>& change) override {
    return change();
  }
  Status put(const App&) override { return {}; }
  Status put(int64_t app, const AppVersion& version, const AppFiles& files) override {
    files_[{app, version.number}] = files;
    return {};
  }
  Status put(const AppConfig&) override { return {}; }
  Status remove_app(int64_t app) override {
    std::erase_if(files_, [app](const auto& entry) { return entry.first.first == app; });
    return {};
  }
  Status remove_version(int64_t app, int64_t number) override {
    files_.erase({app, number});
    return {};
  }
  Status remove_config(int64_t) override { return {}; }
  Result<AppFiles> files(int64_t app, int64_t number) override {
    const auto found = files_.find({app, number});
    if (found == files_.end()) return fail(Code::kNotFound, "there is no such version");
    return found->second;
  }

 private:
  std::map<std::pair<int64_t, int64_t>, AppFiles> files_;
};

}  // namespace

std::unique_ptr<AppRows> make_memory_app_rows() { return std::make_unique<MemoryAppRows>(); }

}  // namespace penstock::catalog
