#include "admin/api/app_words.h"

#include "admin/api/reply.h"
#include "hog/filters.h"

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

void write_export(JsonWriter& w, const std::optional<AppExport>& one) {
  w.key("export");
  if (!one) {
    w.null();
    return;
  }
  w.begin_object().field("state", one->state).field("from", iso_time(one->from_ms));
  w.field("to", iso_time(one->to_ms)).field("at", iso_time(one->at_ms));
  const auto whole = static_cast<double>(one->to_ms - one->from_ms);
  const double share =
      one->state == "done" ? 1 : static_cast<double>(one->at_ms - one->from_ms) / whole;
  w.key("share").real(share, 4).field("exported", one->exported).field("failed", one->failed);
  w.field("passed_over", one->passed_over).field("repeated", one->repeated);
  write_time(w, "next_at", one->next_ms);
  w.key("error");
  one->error.empty() ? w.null() : w.string(one->error);
  w.end_object();
}

void write_run(JsonWriter& w, const AppRunStatus& s) {
  w.field("health", s.health).field("attempts", s.attempts);
  write_time(w, "retry_at", s.retry_at_ms);
  w.key("last_error");
  s.error.empty() ? w.null() : w.raw(s.error);
  w.field("events", s.events).field("succeeded", s.succeeded).field("failed", s.failed);
  w.field("dropped", s.dropped).field("changed", s.changed).field("filtered", s.filtered);
  // Of the project, that came to its turn: what apps before it had dropped did not.
  w.field("offered", s.events + s.filtered + s.filtering_failed);
  w.field("filtering_failed", s.filtering_failed).key("filters_error");
  s.filters_error.empty() ? w.null() : w.string(s.filters_error);
  w.key("cpu_us_per_event")
      .real(s.events == 0 ? 0 : static_cast<double>(s.cpu_us) / static_cast<double>(s.events), 1);
  w.field("cpu_us", s.cpu_us).field("memory_bytes", s.memory_bytes);
  w.key("metrics").begin_object();
  for (const auto& [name, value] : s.metrics) w.key(name).real(value);
  w.end_object().key("calls").begin_object();
  for (const AppCallCounts& one : s.calls) {
    w.key(one.category).begin_object().field("successes", one.successes);
    w.field("successes_on_retry", one.successes_on_retry).field("failures", one.failures);
    w.field("waiting", one.waiting).end_object();
  }
  w.end_object();
  write_export(w, s.exporting);
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
                      const catalog::ProjectSettings& project, const AppRunStatus* running) {
  w.begin_object().field("id", c.id).field("app", c.app).field("name", app.manifest.name);
  w.field("enabled", c.enabled).field("order", c.order);
  w.key("config").raw(catalog::masked_app_config(app.manifest.fields, c.config));
  w.key("filters");
  write_filters(w, c.filters, project);
  w.key("error");
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

void write_filters(JsonWriter& w, std::string_view filters,
                   const catalog::ProjectSettings& project) {
  auto out = JsonFields::parse(filters);
  if (!out) {
    w.raw("{}");
    return;
  }
  const auto program =
      hog::compile_filters(hog::with_test_accounts(filters, project.test_account_filters));
  out->set("bytecode", program ? (*program)->to_json() : "null");
  if (!program) out->set_string("bytecode_error", program.error().message);
  w.raw(out->text());
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
  if (out.filters) {
    // Made from the others, each time they are asked for.
    PENSTOCK_TRY(auto filters, JsonFields::parse(*out.filters));
    for (const char* made : {"bytecode", "bytecode_error", "test_account_properties"}) {
      filters.erase(made);
    }
    out.filters = filters.text();
  }
  return out;
}

}  // namespace penstock::admin
