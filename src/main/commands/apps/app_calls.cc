#include "main/commands/apps/app_calls.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/base64.h"
#include "base/json_writer.h"
#include "main/commands/apps/app_folder.h"

namespace penstock::cli {
namespace {

Result<event::JsonFields> find_result(const std::vector<std::string>& all, std::string_view key,
                                      std::string_view value) {
  for (const std::string& raw : all) {
    PENSTOCK_TRY(auto fields, event::JsonFields::parse(raw));
    if (text_of(fields, key) == value) return fields;
  }
  return fail(Code::kNotFound, "");
}

/// What an app is called whose files do not say: as its folder.
std::string folder_name(const std::string& folder) {
  std::error_code error;
  return std::filesystem::weakly_canonical(folder, error).filename().string();
}

std::string archive_name(const std::string& file) {
  std::string name = std::filesystem::path(file).filename().string();
  for (const std::string_view end : {".zip", ".tar.gz", ".tgz"}) {
    if (name.ends_with(end)) name.resize(name.size() - end.size());
  }
  return name;
}

/// The body that names the package, as the app's next version where its name is known.
Result<std::string> package_body(const AppArgs& args) {
  JsonWriter w;
  w.begin_object().field("update", true);
  const std::string& target = args.target;
  if (target.starts_with("npm:")) {
    w.field("npm", target.substr(4));
  } else if (target.starts_with("template:")) {
    w.field("template", target.substr(9));
  } else if (is_app_archive(target)) {
    PENSTOCK_TRY(const std::string bytes, read_app_archive(target));
    w.field("archive", base64(bytes)).field("name", archive_name(target));
  } else {
    PENSTOCK_TRY(const auto files, read_app_folder(target));
    w.key("files").begin_object();
    for (const auto& [path, text] : files) w.field(path, text);
    w.end_object().field("name", folder_name(target));
  }
  return w.end_object().take();
}

}  // namespace

std::string project_path(const AppArgs& args) {
  return fmt::format("/api/projects/{}", args.project);
}

std::vector<std::string> results_of(const std::string& body) {
  std::vector<std::string> out;
  const auto fields = event::JsonFields::parse(body);
  const auto items = event::split_array(fields ? fields->find("results").value_or("[]") : "[]");
  if (items) out.assign(items->begin(), items->end());
  return out;
}

Result<int64_t> config_named(const Instance& instance, const AppArgs& args) {
  PENSTOCK_TRY(const std::string body,
               call_admin(instance, "GET", project_path(args) + "/app_configs"));
  const auto all = results_of(body);
  for (const char* key : {"id", "name"}) {
    if (const auto found = find_result(all, key, args.target)) return number_of(*found, "id");
  }
  return fail(Code::kNotFound, fmt::format("project {} has no app '{}': penstock app list",
                                           args.project, args.target));
}

Result<std::string> deploy(const Instance& instance, const AppArgs& args) {
  PENSTOCK_TRY(const std::string package, package_body(args));
  const std::string path = project_path(args);
  PENSTOCK_TRY(const std::string made, call_admin(instance, "POST", path + "/apps", package));
  PENSTOCK_TRY(const auto app, event::JsonFields::parse(made));
  const std::string id = text_of(app, "id");
  PENSTOCK_TRY(const std::string configs, call_admin(instance, "GET", path + "/app_configs"));
  const auto all = results_of(configs);
  const auto config = find_result(all, "app", id);
  JsonWriter w;
  w.begin_object().key("config").raw(args.config);
  if (!config) w.key("app").raw(id);
  if (!args.off) w.field("enabled", true);
  const std::string body = w.end_object().take();
  if (!config) return call_admin(instance, "POST", path + "/app_configs", body);
  return call_admin(instance, "PATCH",
                    fmt::format("{}/app_configs/{}", path, text_of(*config, "id")), body);
}

Result<int64_t> roll_back(const Instance& instance, const AppArgs& args) {
  PENSTOCK_TRY(const int64_t config, config_named(instance, args));
  const std::string path = project_path(args);
  PENSTOCK_TRY(const std::string about,
               call_admin(instance, "GET", fmt::format("{}/app_configs/{}", path, config)));
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(about));
  const std::string app_path = fmt::format("{}/apps/{}", path, text_of(fields, "app"));
  PENSTOCK_TRY(const std::string shown, call_admin(instance, "GET", app_path));
  PENSTOCK_TRY(const auto all, event::JsonFields::parse(shown));
  PENSTOCK_TRY(const auto app, event::JsonFields::parse(all.find("app").value_or("{}")));
  const int64_t now = number_of(app, "version");
  int64_t to = args.version;
  if (to == 0) {
    PENSTOCK_TRY(const auto versions, event::split_array(all.find("versions").value_or("[]")));
    for (const auto raw : versions) {
      PENSTOCK_TRY(const auto version, event::JsonFields::parse(raw));
      const int64_t number = number_of(version, "version");
      if (number < now) to = std::max(to, number);
    }
  }
  if (to == 0) return fail(Code::kNotFound, "there is no version before this one");
  PENSTOCK_CHECK(
      call_admin(instance, "POST", app_path + "/use", fmt::format(R"({{"version":{}}})", to)));
  return to;
}

}  // namespace penstock::cli
