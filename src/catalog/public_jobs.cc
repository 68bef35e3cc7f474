#include "catalog/public_jobs.h"

#include <fmt/format.h>

#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::catalog {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

std::string text_of(const JsonFields& from, std::string_view key) {
  const auto raw = from.find(key);
  return raw && json_type(*raw) == JsonType::kString ? event::decode_string(*raw) : std::string();
}

bool is_blank(std::string_view raw) { return json_type(raw) == JsonType::kNull || raw == "\"\""; }

bool is_time(std::string_view raw) {
  return json_type(raw) == JsonType::kString &&
         event::parse_timestamp_ms(event::decode_string(raw)).has_value();
}

bool is_range(std::string_view raw) {
  if (json_type(raw) != JsonType::kArray) return false;
  const auto ends = event::split_array(raw);
  return ends && ends->size() == 2 && is_time((*ends)[0]) && is_time((*ends)[1]);
}

/// Nothing, or what is wrong with the value. Types are those of PostHog's forms; others take all.
std::string_view misfit(std::string_view type, std::string_view raw) {
  const JsonType is = json_type(raw);
  if (type == "number") return is == JsonType::kNumber ? "" : "is a number";
  if (type == "boolean") return is == JsonType::kBool ? "" : "is true or false";
  if (type == "date") return is_time(raw) ? "" : "is a day or a time: 2024-01-31";
  if (type == "daterange") {
    return is_range(raw) ? "" : R"(is two days: ["2024-01-01","2024-01-31"])";
  }
  if (type == "json") {
    const bool text = is == JsonType::kString;
    return !text || event::validate_json(event::decode_string(raw)) ? "" : "is not valid JSON";
  }
  if (type == "string" || type.empty()) return is == JsonType::kString ? "" : "is a text";
  return "";
}

}  // namespace

std::vector<std::string> public_job_names(std::string_view public_jobs) {
  std::vector<std::string> out;
  if (const auto jobs = JsonFields::parse(public_jobs)) {
    for (const JsonFields::Field& job : jobs->fields()) out.emplace_back(job.key);
  }
  return out;
}

Result<std::string> public_job_payload(std::string_view public_jobs, std::string_view job,
                                       std::string_view given) {
  PENSTOCK_TRY(const auto jobs, JsonFields::parse(public_jobs));
  const auto found = jobs.find(job);
  if (!found) {
    const auto names = public_job_names(public_jobs);
    return fail(Code::kNotFound, names.empty()
                                     ? std::string("the app has no job that may be started: its "
                                                   "plugin.json has no publicJobs")
                                     : fmt::format("the app has no public job '{}', but: {}", job,
                                                   fmt::join(names, ", ")));
  }
  PENSTOCK_TRY(auto payload, JsonFields::parse(given));
  const auto spec = json_type(*found) == JsonType::kObject ? JsonFields::parse(*found)
                                                           : Result<JsonFields>(JsonFields());
  const auto asked = spec ? spec->find("payload") : std::nullopt;
  if (!asked || json_type(*asked) != JsonType::kObject) return std::string(payload.text());
  PENSTOCK_TRY(const auto fields, JsonFields::parse(*asked));
  for (const JsonFields::Field& one : payload.fields()) {
    if (fields.contains(one.key)) continue;
    return fail(Code::kInvalid, fmt::format("the job '{}' is given no '{}'", job, one.key));
  }
  for (const JsonFields::Field& field : fields.fields()) {
    const auto about = json_type(field.value) == JsonType::kObject
                           ? JsonFields::parse(field.value)
                           : Result<JsonFields>(JsonFields());
    if (!about) return std::unexpected(about.error());
    auto value = payload.find(field.key);
    const auto preset = about->find("default");
    if (!value && preset && json_type(*preset) != JsonType::kNull) {
      payload.set(field.key, std::string(*preset));
      continue;
    }
    const auto required = about->find("required");
    if (!value || is_blank(*value)) {
      if (required && *required == "true") {
        return fail(Code::kInvalid, fmt::format("'{}' needs a value", field.key));
      }
      continue;
    }
    if (const auto wrong = misfit(text_of(*about, "type"), *value); !wrong.empty()) {
      return fail(Code::kInvalid, fmt::format("'{}' {}", field.key, wrong));
    }
  }
  return std::string(payload.text());
}

}  // namespace penstock::catalog
