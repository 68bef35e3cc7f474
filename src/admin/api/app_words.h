// The admin API's words for apps: reading bodies about them and writing them as JSON.
//
// Secrets never pass here: a configuration is written through catalog::masked_app_config.
#pragma once

#include "admin/app_sources.h"
#include "base/json_writer.h"
#include "catalog/app_catalog.h"
#include "catalog/project_settings.h"
#include "event/json_fields.h"

namespace penstock::admin {

void write_app(JsonWriter& w, const catalog::App& app);
void write_app_version(JsonWriter& w, const catalog::AppVersion& version);
/// `app` and `project` are the configuration's; `running` may be null.
void write_app_config(JsonWriter& w, const catalog::AppConfig& config, const catalog::App& app,
                      const catalog::ProjectSettings& project, const AppRunStatus* running);
/// With what they are compiled to, as PostHog stores them: `bytecode`, or null and
/// `bytecode_error`.
void write_filters(JsonWriter& w, std::string_view filters,
                   const catalog::ProjectSettings& project);
void write_app_log(JsonWriter& w, const AppLogLine& line);

Result<catalog::AppConfigChange> read_config_change(const event::JsonFields& body);

}  // namespace penstock::admin
