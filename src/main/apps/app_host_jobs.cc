// Jobs that people start, and exports of past events.
#include <fmt/format.h>

#include <algorithm>

#include "event/timestamp.h"
#include "main/apps/app_host.h"

namespace penstock::cli {

std::shared_ptr<const catalog::EnabledApp> AppHost::app_of(int64_t config) const {
  const auto found =
      std::ranges::find_if(enabled_, [&](const auto& app) { return app->config.id == config; });
  return found == enabled_.end() ? nullptr : *found;
}

/// A line of the system's in the app's log.
void AppHost::note(int64_t config, apps::LogEntry::Level level, std::string message) {
  apps::LogEntry entry;
  entry.config = config;
  if (const auto app = app_of(config)) {
    entry.project = app->config.project;
    entry.plugin_id = app->app.id;
  }
  entry.time_ms = runtime_.clock().wall_ms();
  entry.level = level;
  entry.message = std::move(message);
  log(std::move(entry));
}

Status AppHost::start_job(int64_t config, const std::string& job, const std::string& payload) {
  PENSTOCK_CHECK(engine_->start_job(config, job, payload));
  note(config, apps::LogEntry::Level::kInfo, fmt::format("job '{}' was started: {}", job, payload));
  return {};
}

Status AppHost::export_past(ProjectId project, apps::ConfigId config, std::string_view payload) {
  if (!exports_) return fail(Code::kUnavailable, "no events are stored where apps run");
  const auto range = event::JsonFields::parse(payload);
  const auto time = [&](std::string_view key) {
    const auto raw = range ? range->find(key) : std::nullopt;
    const bool text = raw && event::json_type(*raw) == event::JsonType::kString;
    return text ? event::parse_timestamp_ms(event::decode_string(*raw)) : std::nullopt;
  };
  const auto from = time("dateFrom");
  if (!from) return fail(Code::kInvalid, "its payload has no dateFrom that is a time");
  const Status begun =
      exports_->begin(project, config, *from, time("dateTo").value_or(runtime_.clock().wall_ms()));
  // The contract ignores a second one while the first is under way.
  if (!begun && begun.error().code == Code::kConflict) return {};
  return begun;
}

Status AppHost::open_exports(const deliver::DeliverOptions& options) {
  auto filters = std::make_shared<ingest::AppFilters>(runtime_, groups_.on_loop());
  exports_ = std::make_unique<AppExports>(AppExports::Parts{
      .loop = loop_,
      .runtime = runtime_,
      .engine = *engine_,
      .store = *store_,
      .kept = *state_,
      .look_up =
          [this, filters](int64_t config, const std::vector<std::string>& events, auto then) {
            AppGroups::Keys keys;
            const auto app = app_of(config);
            const auto snapshot = catalog_.snapshot();
            const auto* project = app ? snapshot->find(app->config.project) : nullptr;
            if (project != nullptr && filters->ask_groups(*app, *project->settings)) {
              for (const std::string& event : events) {
                const auto fields = event::JsonFields::parse(event);
                if (!fields) continue;
                AppGroups::add_keys(project->id, fields->find("properties").value_or("{}"), keys);
              }
            }
            groups_.look_up(std::move(keys), std::move(then));
          },
      .wants =
          [this, filters](int64_t config, const event::JsonFields& fields) {
            const auto app = app_of(config);
            const auto snapshot = catalog_.snapshot();
            const auto* project = app ? snapshot->find(app->config.project) : nullptr;
            // One that is switched off is asked when it is on again.
            return project == nullptr || filters->matches(*app, *project->settings, fields);
          },
      .exists =
          [this](int64_t config) {
            const auto found = catalog_.apps().config(config);
            return found || found.error().code != Code::kNotFound;
          },
      .log = [this](int64_t config, apps::LogEntry::Level level,
                    std::string message) { note(config, level, std::move(message)); },
      .site_url = options.site_url,
      .retry_ms = options.export_attempt_ms,
  });
  return exports_->open();
}

}  // namespace penstock::cli
