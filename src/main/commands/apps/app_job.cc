// penstock app job: public jobs of an app.
#include <fmt/format.h>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "main/commands/apps/app_calls.h"
#include "main/commands/commands.h"
#include "main/table.h"

namespace penstock::cli {
namespace {

/// The app of a configuration, as the API shows it.
Result<std::string> app_shown(const Instance& instance, const AppArgs& args, int64_t config) {
  const std::string path = project_path(args);
  PENSTOCK_TRY(const std::string about,
               call_admin(instance, "GET", fmt::format("{}/app_configs/{}", path, config)));
  PENSTOCK_TRY(const auto fields, event::JsonFields::parse(about));
  PENSTOCK_TRY(
      const std::string shown,
      call_admin(instance, "GET", fmt::format("{}/apps/{}", path, text_of(fields, "app"))));
  PENSTOCK_TRY(const auto all, event::JsonFields::parse(shown));
  return std::string(all.find("app").value_or("{}"));
}

int list_jobs(const AppArgs& args, const std::string& app_json) {
  const auto app = event::JsonFields::parse(app_json);
  const auto jobs = event::JsonFields::parse(app ? app->find("public_jobs").value_or("{}") : "{}");
  Table table{{"job", "payload", "type", "needed", "what"}, {}, {}};
  if (jobs) {
    for (const auto& job : jobs->fields()) {
      const auto spec = event::JsonFields::parse(job.value);
      const auto payload =
          event::JsonFields::parse(spec ? spec->find("payload").value_or("{}") : "{}");
      if (!payload || payload->empty()) {
        table.rows.push_back({std::string(job.key), "", "", "", ""});
        continue;
      }
      for (const auto& field : payload->fields()) {
        const auto about = event::JsonFields::parse(field.value);
        const event::JsonFields none;
        const event::JsonFields& a = about ? *about : none;
        const std::string type = text_of(a, "type");
        table.rows.push_back({std::string(job.key), std::string(field.key),
                              type.empty() ? "string" : type,
                              text_of(a, "required") == "true" ? "yes" : "", text_of(a, "title")});
      }
    }
  }
  if (table.rows.empty()) {
    fmt::print("{} has no public jobs (publicJobs of plugin.json).\n", args.target);
    return 0;
  }
  std::fputs(render(table, terminal_width()).c_str(), stdout);
  return 0;
}

}  // namespace

int start_job(const AppArgs& args) {
  const auto instance = find_instance(args.data);
  if (!instance) return complain(instance.error().message);
  const auto id = config_named(*instance, args);
  if (!id) return complain(id.error().message);
  if (args.job.empty()) {
    const auto app = app_shown(*instance, args, *id);
    return app ? list_jobs(args, *app) : complain(app.error().message);
  }
  if (!event::validate_json(args.payload)) return complain("--payload is not valid JSON");
  JsonWriter w;
  w.begin_object().field("job", args.job).key("payload").raw(args.payload).end_object();
  const auto started = call_admin(
      *instance, "POST", fmt::format("{}/app_configs/{}/job", project_path(args), *id), w.take());
  if (!started) return complain(started.error().message);
  fmt::print("'{}' is started; `penstock app logs {}` shows what it says.\n", args.job,
             args.target);
  return 0;
}

}  // namespace penstock::cli
