// Apps: packages, their versions, and how the project has configured them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "admin/api/app_checks.h"
#include "admin/api/app_templates.h"
#include "admin/api/app_words.h"
#include "admin/api/person_query.h"
#include "admin/api/service.h"

namespace penstock::admin {
namespace {

using catalog::App;
using catalog::AppConfig;
using catalog::AppFiles;
using event::json_type;
using event::JsonType;

Result<int64_t> number_of(std::string_view text) {
  int64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error == std::errc() && end == text.data() + text.size() && out > 0) return out;
  return fail(Code::kNotFound, fmt::format("'{}' is no id", text));
}

/// An app that the project may use.
Result<App> app_of(catalog::AppCatalog& apps, ProjectId project, int64_t id) {
  PENSTOCK_TRY(App app, apps.app(id));
  if (app.project.value == 0 || app.project == project) return app;
  return fail(Code::kNotFound, fmt::format("there is no app {}", id));
}

Result<AppConfig> config_of(catalog::AppCatalog& apps, ProjectId project, int64_t id) {
  PENSTOCK_TRY(AppConfig config, apps.config(id));
  if (config.project == project) return config;
  return fail(Code::kNotFound, fmt::format("there is no app configuration {}", id));
}

void reply_app(wire::Responder& to, const Result<App>& app, int status = 200) {
  if (!app) return reply_error(to, app.error());
  JsonWriter w;
  write_app(w, *app);
  reply_json(to, w.take(), status);
}

const AppRunStatus* status_of_config(const std::vector<AppRunStatus>& all, int64_t config) {
  const auto found = std::ranges::find(all, config, &AppRunStatus::config);
  return found == all.end() ? nullptr : &*found;
}

constexpr int kCreated = 201;

/// What the change makes of the configuration, looked at; a value that does not fit is the
/// catalog's to tell.
std::optional<AppProblem> change_problem(const App& app, const AppConfig& before,
                                         const catalog::AppConfigChange& change) {
  // What is switched off may be as broken as it was.
  if (!change.config && !change.enabled.value_or(false)) return std::nullopt;
  const auto config = catalog::merge_app_config(app.manifest.fields, before.config,
                                                change.config.value_or("{}"), false);
  return config ? config_problem(app.manifest, *config) : std::nullopt;
}

}  // namespace

std::vector<AppRunStatus> Service::app_statuses() const {
  return sources_.apps.statuses ? sources_.apps.statuses() : std::vector<AppRunStatus>{};
}

bool Service::apps(Call& call, wire::Responder& r) {
  const std::string_view what = call.path[3], method = call.request.method;
  const size_t depth = call.path.size();
  const bool get = method == "GET", post = method == "POST";
  if (what == "app_templates") return depth == 4 && get && (app_templates(r), true);
  if (what == "app_logs") return depth == 4 && get && (app_logs(call, r), true);
  if (what == "apps" && depth == 4) {
    if (get) return list_apps(call, r), true;
    if (post) return create_app(call, r), true;
    return false;
  }
  if (what == "app_configs") return app_configs(call, r);
  if (what == "app_filters") return depth == 4 && post && (count_filtered(call, r), true);
  if (what != "apps" || depth > 6) return false;
  if (depth == 5 && call.path[4] == "test" && post) return test_package(call, r), true;
  if (depth == 5 && call.path[4] == "check" && post) return check_package(call, r), true;
  const auto id = number_of(call.path[4]);
  const auto app = id ? app_of(parts_.catalog.apps(), call.project, *id)
                      : Result<App>(std::unexpected(id.error()));
  if (!app) return reply_error(r, app.error()), true;
  const std::string_view verb = depth == 6 ? call.path[5] : "";
  if (verb.empty() && get) return show_app(call, r, *app), true;
  if (verb == "test" && post) return test_app(call, r, *app), true;
  // What every project may use is changed by who may change every project.
  if (app->project.value == 0 && call.principal.project.value != 0) {
    return reply_error(r, {Code::kDenied, "this app belongs to every project"}), true;
  }
  if (verb.empty() && method == "DELETE") return delete_app(call, r, *app), true;
  if (verb == "versions" && post) return add_app_version(call, r, *app), true;
  if (verb == "use" && post) return use_app_version(call, r, *app), true;
  return false;
}

void Service::app_templates(wire::Responder& r) {
  JsonWriter w;
  w.begin_object().key("results").begin_array();
  for (const AppTemplate& t : app_template_list()) {
    w.begin_object().field("id", t.id).field("name", t.manifest.name);
    w.field("description", t.manifest.description);
    w.field("language", catalog::app_language_name(t.manifest.language));
    w.key("config_schema").raw(t.manifest.config_schema).end_object();
  }
  reply_json(r, w.end_array().end_object().take());
}

void Service::list_apps(Call& call, wire::Responder& r) {
  JsonWriter w;
  w.begin_object().key("results").begin_array();
  for (const App& app : parts_.catalog.apps().apps(call.project)) write_app(w, app);
  reply_json(r, w.end_array().end_object().take());
}

void Service::use_app_version(Call& call, wire::Responder& r, const App& app) {
  const auto version = body_integer(call.body, "version");
  if (!version) return reply_error(r, version.error());
  if (!*version) return reply_error(r, {Code::kInvalid, "'version' says which one"});
  in_pool(
      std::move(r),
      [&catalog = parts_.catalog, by = call.principal, id = app.id, number = **version] {
        return catalog.apps().use_version(by, id, number);
      },
      [](wire::Responder& to, const Result<App>& changed) { reply_app(to, changed); });
}

void Service::delete_app(Call& call, wire::Responder& r, const App& app) {
  in_pool(
      std::move(r),
      [&catalog = parts_.catalog, by = call.principal, id = app.id] {
        return catalog.apps().delete_app(by, id);
      },
      [](wire::Responder& to, const Status& done) {
        done ? reply_json(to, "{}") : reply_error(to, done.error());
      });
}

/// With its versions, and the files of the current one or of ?version=.
void Service::show_app(Call& call, wire::Responder& r, const App& app) {
  const auto asked =
      query_number(call.request.query, "version", 1, INT32_MAX, static_cast<uint64_t>(app.version));
  if (!asked) return reply_error(r, asked.error());
  using Files = std::shared_ptr<const AppFiles>;
  in_pool(
      std::move(r),
      [&catalog = parts_.catalog, id = app.id, version = static_cast<int64_t>(*asked)] {
        return catalog.apps().files(id, version);
      },
      [this, app](wire::Responder& to, const Result<Files>& files) {
        if (!files) return reply_error(to, files.error());
        JsonWriter w;
        w.begin_object().key("app");
        write_app(w, app);
        w.key("versions").begin_array();
        if (const auto versions = parts_.catalog.apps().versions(app.id)) {
          for (const auto& v : *versions) write_app_version(w, v);
        }
        w.end_array().key("files").begin_object();
        for (const auto& [path, text] : **files) w.field(path, text);
        reply_json(to, w.end_object().end_object().take());
      });
}

bool Service::app_configs(Call& call, wire::Responder& r) {
  const std::string_view method = call.request.method;
  const size_t depth = call.path.size();
  if (depth == 4 && method == "GET") return list_app_configs(call, r), true;
  if (depth == 4 && method == "POST") return create_app_config(call, r), true;
  if (depth == 5 && call.path[4] == "order" && method == "PUT") {
    return order_app_configs(call, r), true;
  }
  if (depth < 5 || depth > 6) return false;
  const auto id = number_of(call.path[4]);
  const auto config = id ? config_of(parts_.catalog.apps(), call.project, *id)
                         : Result<AppConfig>(std::unexpected(id.error()));
  if (!config) return reply_error(r, config.error()), true;
  if (depth == 5 && method == "GET") return reply_app_config(r, *config), true;
  if (depth == 5 && method == "PATCH") return change_app_config(call, r, *config), true;
  if (depth == 5 && method == "DELETE") return delete_app_config(call, r, *config), true;
  if (depth == 6 && call.path[5] == "reset" && method == "POST") {
    if (sources_.apps.reset) sources_.apps.reset(config->id);
    return reply_json(r, "{}"), true;
  }
  if (depth == 6 && call.path[5] == "export" && method == "POST") {
    return begin_export(call.project, call.body, r, *config), true;
  }
  if (depth == 6 && call.path[5] == "job" && method == "POST") {
    return start_app_job(call, r, *config), true;
  }
  if (depth == 6 && call.path[5] == "export" && method == "DELETE") {
    return cancel_export(r, *config), true;
  }
  return false;
}

void Service::reply_app_config(wire::Responder& r, const Result<AppConfig>& config, int status) {
  if (!config) return reply_error(r, config.error());
  const auto app = parts_.catalog.apps().app(config->app);
  if (!app) return reply_error(r, app.error());
  const auto running = app_statuses();
  JsonWriter w;
  const auto snapshot = parts_.catalog.snapshot();
  write_app_config(w, *config, *app, *snapshot->find(config->project)->settings,
                   status_of_config(running, config->id));
  reply_json(r, w.take(), status);
}

void Service::list_app_configs(Call& call, wire::Responder& r) {
  const auto running = app_statuses();
  const auto snapshot = parts_.catalog.snapshot();
  JsonWriter w;
  w.begin_object().field("running", static_cast<bool>(sources_.apps.statuses));
  w.key("results").begin_array();
  for (const AppConfig& config : parts_.catalog.apps().configs(call.project)) {
    const auto app = parts_.catalog.apps().app(config.app);
    if (!app) continue;
    write_app_config(w, config, *app, *snapshot->find(call.project)->settings,
                     status_of_config(running, config.id));
  }
  reply_json(r, w.end_array().end_object().take());
}

void Service::create_app_config(Call& call, wire::Responder& r) {
  const auto app = body_integer(call.body, "app");
  auto values = read_config_change(call.body);
  if (!app) return reply_error(r, app.error());
  if (!*app) return reply_error(r, {Code::kInvalid, "'app' says which one"});
  if (!values) return reply_error(r, values.error());
  if (const auto known = parts_.catalog.apps().app(**app)) {
    if (const auto problem = change_problem(*known, {}, *values)) return reply_problem(r, *problem);
  }
  in_pool(
      std::move(r),
      [&catalog = parts_.catalog, by = call.principal, project = call.project, id = **app,
       values = std::move(*values)] {
        return catalog.apps().create_config(by, project, id, values);
      },
      [this](wire::Responder& to, const Result<AppConfig>& made) {
        reply_app_config(to, made, kCreated);
      });
}

void Service::change_app_config(Call& call, wire::Responder& r, const AppConfig& config) {
  auto change = read_config_change(call.body);
  if (!change) return reply_error(r, change.error());
  if (const auto app = parts_.catalog.apps().app(config.app)) {
    if (const auto problem = change_problem(*app, config, *change)) {
      return reply_problem(r, *problem);
    }
  }
  if (change->enabled.value_or(false) && sources_.apps.reset) sources_.apps.reset(config.id);
  in_pool(
      std::move(r),
      [&catalog = parts_.catalog, by = call.principal, id = config.id,
       change = std::move(*change)] { return catalog.apps().change_config(by, id, change); },
      [this](wire::Responder& to, const Result<AppConfig>& changed) {
        reply_app_config(to, changed);
      });
}

void Service::delete_app_config(Call& call, wire::Responder& r, const AppConfig& config) {
  in_pool(
      std::move(r),
      [&catalog = parts_.catalog, by = call.principal, id = config.id] {
        return catalog.apps().delete_config(by, id);
      },
      [](wire::Responder& to, const Status& done) {
        done ? reply_json(to, "{}") : reply_error(to, done.error());
      });
}

void Service::order_app_configs(Call& call, wire::Responder& r) {
  const auto raw = call.body.find("ids");
  const auto items = raw && json_type(*raw) == JsonType::kArray
                         ? event::split_array(*raw)
                         : Result<std::vector<std::string_view>>(
                               fail(Code::kInvalid, "'ids' is a list of app configurations"));
  if (!items) return reply_error(r, items.error());
  std::vector<int64_t> ids;
  for (const std::string_view item : *items) {
    const auto id = number_of(item);
    if (!id) return reply_error(r, id.error());
    ids.push_back(*id);
  }
  in_pool(
      std::move(r),
      [&catalog = parts_.catalog, by = call.principal, project = call.project,
       ids = std::move(ids)] { return catalog.apps().reorder(by, project, ids); },
      [](wire::Responder& to, const Status& done) {
        done ? reply_json(to, "{}") : reply_error(to, done.error());
      });
}

/// Of the project's configurations, or of ?app_config=; only lines behind ?after=.
void Service::app_logs(Call& call, wire::Responder& r) {
  constexpr uint64_t kLimitMax = 1000;
  AppLogsAsked asked;
  const auto limit = query_number(call.request.query, "limit", 1, kLimitMax, asked.limit);
  const auto after = query_number(call.request.query, "after", 0, UINT64_MAX, 0);
  const auto only = query_number(call.request.query, "app_config", 0, INT64_MAX, 0);
  for (const auto* number : {&limit, &after, &only}) {
    if (!*number) return reply_error(r, number->error());
  }
  asked.limit = *limit;
  asked.after = *after;
  std::vector<AppLogLine> lines;
  for (const AppConfig& config : parts_.catalog.apps().configs(call.project)) {
    if (*only != 0 && std::cmp_not_equal(config.id, *only)) continue;
    asked.config = config.id;
    if (sources_.apps.logs) std::ranges::move(sources_.apps.logs(asked), std::back_inserter(lines));
  }
  std::ranges::sort(lines, {}, &AppLogLine::number);
  if (lines.size() > asked.limit)
    lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(asked.limit));
  JsonWriter w;
  w.begin_object().key("results").begin_array();
  for (const AppLogLine& line : lines) write_app_log(w, line);
  w.end_array().field("last", lines.empty() ? asked.after : lines.back().number);
  reply_json(r, w.end_object().take());
}

}  // namespace penstock::admin
