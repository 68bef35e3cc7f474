#include "admin/api/app_words.h"

#include "admin/api/reply.h"

namespace penstock::admin {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

Result<std::optional<std::string>> body_object(const JsonFields& body, std::string_view key) {
  const auto raw = body.find(key);
  if (!raw || json_type(*raw) == JsonType::kNull) return std::nullopt;
  if (json_type(*raw) != JsonType::kObject) {
    return fail(Code::kInvalid, "'" + std::string(key) + "' is an object");
  }
  return std::string(*raw);
}

void write_time(JsonWriter& w, std::string_view key, int64_t ms) {
  w.key(key);
  ms == 0 ? w.null() : w.string(iso_time(ms));
}

void write_run(JsonWriter& w, const AppRunStatus& s) {
  w.field("health", s.health).field("attempts", s.attempts);
  write_time(w, "retry_at", s.retry_at_ms);
  w.key("last_error");
  s.error.empty() ? w.null() : w.raw(s.error);
  w.field("events", s.events).field("succeeded", s.succeeded).field("failed", s.failed);
  w.field("dropped", s.dropped).field("filtered", s.filtered);
  w.field("filtering_failed", s.filtering_failed).key("filters_error");
  s.filters_error.empty() ? w.null() : w.string(s.filters_error);
  w.key("cpu_us_per_event")
      .real(s.events == 0 ? 0 : static_cast<double>(s.cpu_us) / static_cast<double>(s.events), 1);
  w.field("cpu_us", s.cpu_us).field("memory_bytes", s.memory_bytes);
  w.key("metrics").begin_object();
  for (const auto& [name, value] : s.metrics) w.key(name).real(value);
  w.end_object();
}

}  // namespace

void write_app(JsonWriter& w, const catalog::App& app) {
  const catalog::AppManifest& m = app.manifest;
  w.begin_object().field("id", app.id).field("name", m.name).field("description", m.description);
  w.field("url", m.url).field("language", catalog::app_language_name(m.language));
  w.field("main", m.main).field("is_stateless", m.is_stateless).field("version", app.version);
  w.field("is_global", app.project.value == 0);
  w.key("config_schema").raw(m.config_schema).key("public_jobs").raw(m.public_jobs);
  w.key("capabilities").raw(app.capabilities);
  w.field("created_at", iso_time(app.created_at_ms));
  w.field("updated_at", iso_time(app.updated_at_ms)).end_object();
}

void write_app_version(JsonWriter& w, const catalog::AppVersion& v) {
  w.begin_object().field("version", v.number).field("created_at", iso_time(v.created_at_ms));
  w.field("by", v.who).field("source", v.source).field("bytes", uint64_t{v.bytes}).end_object();
}

void write_app_config(JsonWriter& w, const catalog::AppConfig& c, const catalog::App& app,
                      const AppRunStatus* running) {
  w.begin_object().field("id", c.id).field("app", c.app).field("name", app.manifest.name);
  w.field("enabled", c.enabled).field("order", c.order);
  w.key("config").raw(catalog::masked_app_config(app.manifest.fields, c.config));
  w.key("filters").raw(c.filters).key("error");
  c.error.empty() ? w.null() : w.raw(c.error);
  w.field("web_token", c.web_token).field("created_at", iso_time(c.created_at_ms));
  w.field("updated_at", iso_time(c.updated_at_ms)).key("status");
  if (running == nullptr) {
    w.null();
  } else {
    w.begin_object();
    write_run(w, *running);
    w.end_object();
  }
  w.end_object();
}

void write_app_log(JsonWriter& w, const AppLogLine& line) {
  w.begin_object().field("number", line.number).field("app_config", line.config);
  w.field("timestamp", iso_time(line.time_ms)).field("source", line.source);
  w.field("type", line.type).field("message", line.message).end_object();
}

Result<catalog::AppConfigChange> read_config_change(const JsonFields& body) {
  catalog::AppConfigChange out;
  if (const auto enabled = body.find("enabled")) {
    if (json_type(*enabled) != JsonType::kBool) {
      return fail(Code::kInvalid, "'enabled' is true or false");
    }
    out.enabled = *enabled == "true";
  }
  PENSTOCK_TRY(out.order, body_integer(body, "order"));
  PENSTOCK_TRY(out.config, body_object(body, "config"));
  PENSTOCK_TRY(out.filters, body_object(body, "filters"));
  return out;
}

}  // namespace penstock::admin
