#include "catalog/posthog_projects.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/json_writer.h"
#include "catalog/catalog.h"
#include "event/json_fields.h"
#include "postgres/connection.h"

namespace penstock::catalog {
namespace {

using event::JsonFields;
using event::JsonType;

constexpr size_t kProjectsMax = 100'000;
constexpr size_t kNameBytesMax = 200;
constexpr std::array kColumns{"id",
                              "api_token",
                              "name",
                              "project_id",
                              "timezone",
                              "anonymize_ips",
                              "person_processing_opt_out",
                              "cookieless_server_hash_mode",
                              "app_urls",
                              "recording_domains",
                              "autocapture_opt_out",
                              "autocapture_exceptions_opt_in",
                              "autocapture_web_vitals_opt_in",
                              "autocapture_web_vitals_allowed_metrics",
                              "capture_performance_opt_in",
                              "capture_console_log_opt_in",
                              "capture_dead_clicks",
                              "heatmaps_opt_in",
                              "session_recording_opt_in",
                              "session_recording_sample_rate",
                              "session_recording_minimum_duration_milliseconds",
                              "session_recording_linked_flag",
                              "session_recording_network_payload_capture_config",
                              "session_recording_masking_config",
                              "session_recording_url_trigger_config",
                              "session_recording_url_blocklist_config",
                              "session_recording_event_trigger_config",
                              "session_recording_trigger_match_type_config",
                              "session_replay_config"};

class Row {
 public:
  explicit Row(const JsonFields& fields) : fields_(fields) {}

  /// Nothing where the column is not there or null.
  std::optional<std::string_view> raw(std::string_view column) const {
    const auto value = fields_.find(column);
    if (!value || event::json_type(*value) == JsonType::kNull) return std::nullopt;
    return value;
  }
  bool is_true(std::string_view column) const { return raw(column) == "true"; }
  std::string text(std::string_view column) const {
    const auto value = raw(column);
    if (!value) return {};
    return event::json_type(*value) == JsonType::kString ? event::decode_string(*value)
                                                         : std::string(*value);
  }
  int64_t number(std::string_view column) const {
    return std::strtoll(text(column).c_str(), nullptr, 10);
  }

 private:
  const JsonFields& fields_;
};

bool is_empty_list(std::string_view raw) {
  const auto items = event::split_array(raw);
  return items && std::ranges::all_of(*items, [](std::string_view item) {
           return event::json_type(item) == JsonType::kNull || item == "\"\"";
         });
}

/// A setting that takes member after member; what it does not take is told.
class Setting {
 public:
  Setting(std::string name, std::vector<std::string>& left_out)
      : name_(std::move(name)), left_out_(left_out) {}

  void add(std::string_view member, std::string_view json) {
    std::string longer = members_;
    if (!longer.empty()) longer += ',';
    append_json_escaped(longer, member);
    longer += ':';
    longer += json;
    ProjectSettings checked;
    if (const Status taken = apply_setting(name_, wrapped(longer), checked); !taken) {
      left_out_.push_back(taken.error().message);
      return;
    }
    members_ = std::move(longer);
  }
  void add_if(const Row& row, std::string_view member, std::string_view column) {
    if (row.is_true(column)) add(member, "true");
  }
  bool empty() const { return members_.empty(); }
  std::string json() const { return "{" + members_ + "}"; }

  /// Its members are those of an object within the setting.
  std::string within{};

 private:
  std::string wrapped(const std::string& members) const {
    return within.empty() ? "{" + members + "}" : "{\"" + within + "\":{" + members + "}}";
  }

  std::string name_, members_;
  std::vector<std::string>& left_out_;
};

std::string ingestion(const Row& row, PosthogProject& out) {
  Setting s("ingestion", out.left_out);
  s.add_if(row, "anonymize_ips", "anonymize_ips");
  s.add_if(row, "person_processing_opt_out", "person_processing_opt_out");
  if (const int64_t age = row.number("drop_events_older_than_seconds"); age > 0) {
    s.add("drop_events_older_than_seconds", fmt::to_string(age));
  }
  return s.empty() ? "" : s.json();
}

std::string cookieless(const Row& row, PosthogProject& out) {
  Setting s("cookieless", out.left_out);
  const int64_t mode = row.number("cookieless_server_hash_mode");
  if (mode == 1 || mode == 2) {
    s.add("cookieless_server_hash_mode", mode == 1 ? R"("stateless")" : R"("stateful")");
  }
  if (const std::string zone = row.text("timezone"); !zone.empty() && zone != "UTC") {
    s.add("timezone", *row.raw("timezone"));
  }
  return s.empty() ? "" : s.json();
}

/// The flag's key alone, or with the variant that it has to be.
std::string linked_flag(std::string_view raw) {
  const auto flag = JsonFields::parse(raw);
  if (!flag || !flag->contains("key")) return "null";
  const auto variant = flag->find("variant");
  if (!variant || event::json_type(*variant) != JsonType::kString) {
    return std::string(*flag->find("key"));
  }
  return fmt::format(R"({{"flag":{},"variant":{}}})", *flag->find("key"), *variant);
}

std::string recording(const Row& row, PosthogProject& out) {
  Setting s("remote_config", out.left_out);
  s.within = "sessionRecording";
  s.add_if(row, "consoleLogRecordingEnabled", "capture_console_log_opt_in");
  if (row.raw("session_recording_sample_rate")) {
    s.add("sampleRate", "\"" + row.text("session_recording_sample_rate") + "\"");
  }
  if (const int64_t ms = row.number("session_recording_minimum_duration_milliseconds"); ms > 0) {
    s.add("minimumDurationMilliseconds", fmt::to_string(ms));
  }
  if (const auto flag = row.raw("session_recording_linked_flag")) {
    s.add("linkedFlag", linked_flag(*flag));
  }
  for (const auto& [member, column] :
       {std::pair{"networkPayloadCapture", "session_recording_network_payload_capture_config"},
        {"masking", "session_recording_masking_config"},
        {"urlTriggers", "session_recording_url_trigger_config"},
        {"urlBlocklist", "session_recording_url_blocklist_config"},
        {"eventTriggers", "session_recording_event_trigger_config"},
        {"triggerMatchType", "session_recording_trigger_match_type_config"}}) {
    const auto value = row.raw(column);
    if (value && !is_empty_list(*value)) s.add(member, *value);
  }
  if (const auto replay = row.raw("session_replay_config")) {
    const auto config = JsonFields::parse(*replay);
    if (config && config->find("record_canvas") == "true") {
      // What PostHog says of a canvas then.
      s.add("recordCanvas", "true");
      s.add("canvasFps", "3");
      s.add("canvasQuality", R"("0.4")");
    }
  }
  return s.empty() ? "true" : s.json();
}

std::string remote_config(const Row& row, PosthogProject& out) {
  Setting s("remote_config", out.left_out);
  s.add_if(row, "autocapture_opt_out", "autocapture_opt_out");
  s.add_if(row, "captureDeadClicks", "capture_dead_clicks");
  s.add_if(row, "heatmaps", "heatmaps_opt_in");
  if (row.is_true("autocapture_exceptions_opt_in")) {
    s.add("autocaptureExceptions", "true");
    s.add("errorTracking", R"({"autocaptureExceptions":true,"suppressionRules":[]})");
  }
  const bool timing = row.is_true("capture_performance_opt_in");
  const bool vitals = row.is_true("autocapture_web_vitals_opt_in");
  if (timing || vitals) {
    const auto metrics = row.raw("autocapture_web_vitals_allowed_metrics");
    s.add("capturePerformance",
          fmt::format(R"({{"network_timing":{},"web_vitals":{},"web_vitals_allowed_metrics":{}}})",
                      timing, vitals, metrics.value_or("null")));
  }
  if (row.is_true("session_recording_opt_in")) s.add("sessionRecording", recording(row, out));
  return s.empty() ? "" : s.json();
}

/// An environment of a project with several has the project's name before its own.
std::string name_of(const Row& row) {
  std::string team = row.text("name"), project = row.text("project_name");
  std::string out = project.empty() || project == team ? team : project + " / " + team;
  while (out.size() > kNameBytesMax) {
    out.pop_back();
    while (!out.empty() && (static_cast<uint8_t>(out.back()) & 0xC0U) == 0x80U) out.pop_back();
  }
  return out.empty() ? "Project " + row.text("id") : out;
}

Result<std::string> question(postgres::Connection& server) {
  PENSTOCK_TRY(const postgres::Rows rows,
               server.run("SELECT table_name::text, column_name::text FROM "
                          "information_schema.columns WHERE table_name IN ('posthog_team', "
                          "'posthog_project', 'posthog_organization') AND table_schema = ANY "
                          "(current_schemas(false))"));
  std::set<std::string, std::less<>> there;
  for (int i = 0; i < rows.size(); i++) {
    there.insert(std::string(rows.bytes(i, 0)) + "." + std::string(rows.bytes(i, 1)));
  }
  for (const char* needed : {"posthog_team.id", "posthog_team.api_token", "posthog_team.name"}) {
    if (there.contains(needed)) continue;
    return fail(Code::kNotFound, fmt::format("this database has no {}: it is not PostHog's, or "
                                             "its tables lie in a schema that is not searched "
                                             "(options=-csearch_path=…)",
                                             needed));
  }
  std::vector<std::string> selected;
  for (const char* column : kColumns) {
    if (there.contains(fmt::format("posthog_team.{}", column))) {
      selected.push_back(fmt::format("t.{}", column));
    }
  }
  if (there.contains("posthog_team.created_at")) {
    selected.emplace_back("(extract(epoch FROM t.created_at) * 1000)::bigint AS created_at_ms");
  }
  if (there.contains("posthog_team.drop_events_older_than")) {
    selected.emplace_back(
        "extract(epoch FROM t.drop_events_older_than)::bigint AS drop_events_older_than_seconds");
  }
  std::string joins;
  if (there.contains("posthog_project.name") && there.contains("posthog_team.project_id")) {
    selected.emplace_back("p.name AS project_name");
    joins += " LEFT JOIN posthog_project p ON p.id = t.project_id";
  }
  if (there.contains("posthog_organization.name") &&
      there.contains("posthog_team.organization_id")) {
    selected.emplace_back("o.name AS organization_name");
    joins += " LEFT JOIN posthog_organization o ON o.id = t.organization_id";
  }
  return fmt::format(
      "SELECT row_to_json(r)::text FROM (SELECT {} FROM posthog_team t{} ORDER BY t.id LIMIT {}) r",
      fmt::join(selected, ", "), joins, kProjectsMax + 1);
}

}  // namespace

Result<PosthogProject> posthog_project(std::string_view text) {
  auto fields = JsonFields::parse(text);
  if (!fields) return fail(Code::kCorrupt, "a row of posthog_team: " + fields.error().message);
  const Row row(*fields);
  PosthogProject out;
  out.id.value = row.number("id");
  out.token = row.text("api_token");
  out.name = name_of(row);
  out.organization = row.text("organization_name");
  out.created_at_ms = row.number("created_at_ms");
  if (out.id.value <= 0 || !token_is_well_formed(out.token)) {
    return fail(Code::kCorrupt,
                fmt::format("team {} of posthog_team has no id or no token that SDKs could send",
                            row.text("id")));
  }
  const auto keep = [&](const char* name, std::string json) {
    if (!json.empty()) out.settings.emplace_back(name, std::move(json));
  };
  keep("ingestion", ingestion(row, out));
  keep("cookieless", cookieless(row, out));
  keep("remote_config", remote_config(row, out));
  for (const char* list : {"app_urls", "recording_domains"}) {
    const auto value = row.raw(list);
    if (value && !is_empty_list(*value)) out.left_out.push_back(fmt::format("{} {}", list, *value));
  }
  return out;
}

Result<std::vector<PosthogProject>> read_posthog_projects(const std::string& url) {
  postgres::Connection server({.url = url, .set_up = "SET default_transaction_read_only = on"});
  PENSTOCK_CHECK(server.open());
  PENSTOCK_TRY(const std::string sql, question(server));
  PENSTOCK_TRY(const postgres::Rows rows, server.run(sql.c_str()));
  if (std::cmp_greater(rows.size(), kProjectsMax)) {
    return fail(Code::kExhausted, fmt::format("more than {} projects", kProjectsMax));
  }
  std::vector<PosthogProject> out;
  for (int i = 0; i < rows.size(); i++) {
    PENSTOCK_TRY(out.emplace_back(), posthog_project(rows.bytes(i, 0)));
  }
  return out;
}

}  // namespace penstock::catalog
