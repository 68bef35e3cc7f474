// Projects in memory, for tests and simulated runs. Users, sessions and keys answer kUnavailable.
#include <fmt/format.h>

#include <mutex>

#include "catalog/apps/app_book.h"
#include "catalog/catalog.h"
#include "catalog/publisher.h"
#include "catalog/secrets.h"

namespace penstock::catalog {
namespace {

class MemoryCatalog : public Catalog {
 public:
  explicit MemoryCatalog(runtime::Runtime& runtime) : runtime_(runtime) {}

  std::shared_ptr<const Snapshot> snapshot() const override { return publisher_.current(); }
  AppCatalog& apps() override { return apps_; }
  void on_change(Publisher::Listener callback) override {
    publisher_.add_listener(std::move(callback));
  }

  Result<Project> create_project(const Principal&, std::string name, std::string token) override {
    if (token.empty()) token = make_secret(runtime_.random(), "phc_");
    if (!token_is_well_formed(token)) return fail(Code::kInvalid, "the token is malformed");
    std::vector<Project> projects = publisher_.current()->projects;
    if (publisher_.current()->find_token(token) != nullptr) {
      return fail(Code::kConflict, "another project has this token");
    }
    Project fresh{ProjectId{static_cast<int64_t>(projects.size()) + 1},
                  std::move(name),
                  std::move(token),
                  runtime_.clock().wall_ms(),
                  false,
                  false,
                  std::make_shared<const ProjectSettings>(),
                  nullptr};
    projects.push_back(fresh);
    publisher_.publish(std::move(projects));
    return fresh;
  }

  Status rename_project(const Principal&, ProjectId id, std::string name) override {
    std::vector<Project> projects = publisher_.current()->projects;
    for (Project& p : projects) {
      if (p.id != id) continue;
      p.name = std::move(name);
      publisher_.publish(std::move(projects));
      return {};
    }
    return fail(Code::kNotFound, fmt::format("there is no project {}", id.value));
  }

  Status set_project_setting(const Principal&, ProjectId id, std::string_view name,
                             std::string json) override {
    std::vector<Project> projects = publisher_.current()->projects;
    for (Project& p : projects) {
      if (p.id != id) continue;
      auto settings = std::make_shared<ProjectSettings>(*p.settings);
      PENSTOCK_CHECK(apply_setting(name, json, *settings));
      p.settings = std::move(settings);
      publisher_.publish(std::move(projects));
      return {};
    }
    return fail(Code::kNotFound, fmt::format("there is no project {}", id.value));
  }

  Status set_definition_note(const Principal&, ProjectId id, const DefinitionKey& key,
                             const DefinitionNote& note) override {
    PENSTOCK_CHECK(check_note(key, note));
    if (publisher_.current()->find(id) == nullptr) return fail(Code::kNotFound, "no such project");
    const std::lock_guard lock(notes_mutex_);
    if (note.empty()) {
      notes_[id].erase(key);
    } else {
      notes_[id][key] = note;
    }
    return {};
  }
  Result<DefinitionNotes> definition_notes(ProjectId id, std::string_view kind) const override {
    const std::lock_guard lock(notes_mutex_);
    DefinitionNotes out;
    const auto it = notes_.find(id);
    if (it != notes_.end()) out = it->second;
    std::erase_if(out, [&](const auto& entry) { return entry.first.kind != kind; });
    return out;
  }

  Result<std::string> create_login_secret(int64_t) override { return no_users(); }
  Result<std::string> login_with_secret(std::string_view) override { return no_users(); }
  Result<std::string> login_with_password(std::string_view, std::string_view) override {
    return no_users();
  }
  Status set_password(const Principal&, std::string_view, std::string_view) override {
    return no_users();
  }
  Status logout(std::string_view) override { return no_users(); }
  Result<std::string> create_api_key(const Principal&, std::string, ProjectId) override {
    return no_users();
  }
  Result<std::vector<ApiKey>> api_keys() const override { return no_users(); }
  Status delete_api_key(const Principal&, int64_t) override { return no_users(); }
  Result<Principal> authenticate_session(std::string_view) const override { return no_users(); }
  Result<Principal> authenticate_key(std::string_view) const override { return no_users(); }

 private:
  Status take_apps(AppsByProject apps) {
    std::vector<Project> projects = publisher_.current()->projects;
    for (Project& p : projects) {
      const auto found = apps.find(p.id);
      p.apps = found == apps.end() ? nullptr : found->second;
    }
    publisher_.publish(std::move(projects));
    return {};
  }
  static std::unexpected<Error> no_users() {
    return fail(Code::kUnavailable, "the memory catalog keeps no users or keys");
  }

  runtime::Runtime& runtime_;
  Publisher publisher_;
  mutable std::mutex notes_mutex_;
  std::map<ProjectId, DefinitionNotes> notes_;
  AppBook apps_{runtime_, make_memory_app_rows(),
                [this](AppsByProject apps) { return take_apps(std::move(apps)); }};
};

}  // namespace

std::unique_ptr<Catalog> make_memory_catalog(runtime::Runtime& runtime) {
  return std::make_unique<MemoryCatalog>(runtime);
}

}  // namespace penstock::catalog
