// Jobs of an app that a person starts; one of them hands past events to its exportEvents.
#include <fmt/format.h>

#include <algorithm>

#include "admin/api/reply.h"
#include "admin/api/service.h"
#include "catalog/public_jobs.h"
#include "event/timestamp.h"

namespace penstock::admin {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr int kCreated = 201;
constexpr std::string_view kPastEvents = "Export historical events";

/// `key`, or what PostHog's job calls it.
Result<int64_t> time_in(const JsonFields& range, std::string_view key, std::string_view posthogs,
                        int64_t without) {
  PENSTOCK_TRY(auto text, body_string(range, key));
  if (!text) {
    PENSTOCK_TRY(text, body_string(range, posthogs));
  }
  if (!text && without >= 0) return without;
  const auto ms = text ? event::parse_timestamp_ms(*text) : std::nullopt;
  if (ms) return *ms;
  return fail(Code::kInvalid,
              fmt::format("'{}' is a time: 2024-01-31, or 2024-01-31T12:00:00Z", key));
}

AppSources::Begun answer(wire::Responder& r, std::shared_ptr<bool> alive, int status) {
  auto to = std::make_shared<wire::Responder>(std::move(r));
  return [alive = std::move(alive), to, status](const Status& done) {
    if (!*alive) return;
    done ? reply_json(*to, "{}", status) : reply_error(*to, done.error());
  };
}

bool is_capability(const catalog::App& app, std::string_view kind, std::string_view wanted) {
  const auto fields = JsonFields::parse(app.capabilities);
  const auto list = event::split_array(fields ? fields->find(kind).value_or("[]") : "[]");
  return list && std::ranges::any_of(*list, [&](std::string_view name) {
           return event::decode_string(name) == wanted;
         });
}

struct JobAsked {
  std::string name, payload = "{}";
};

/// {"job": name, "payload": {…}}, or as PostHog's API is asked: {"job": {"type", "payload"}}.
Result<JobAsked> job_in(const JsonFields& body) {
  const auto job = body.find("job");
  JobAsked out;
  JsonFields inner;
  const JsonFields* from = &body;
  if (job && json_type(*job) == JsonType::kObject) {
    PENSTOCK_TRY(inner, JsonFields::parse(*job));
    from = &inner;
  }
  PENSTOCK_TRY(const auto name, body_string(*from, from == &body ? "job" : "type"));
  if (!name || name->empty()) return fail(Code::kInvalid, "'job' says which one");
  out.name = *name;
  const auto payload = from->find("payload");
  if (payload && json_type(*payload) != JsonType::kNull) {
    if (json_type(*payload) != JsonType::kObject) {
      return fail(Code::kInvalid, "'payload' is an object");
    }
    out.payload = *payload;
  }
  return out;
}

}  // namespace

void Service::begin_export(ProjectId project, const JsonFields& range, wire::Responder& r,
                           const catalog::AppConfig& config) {
  if (!sources_.apps.begin_export) {
    return reply_error(r, {Code::kUnavailable, "no events are stored where apps run"});
  }
  const auto from = time_in(range, "from", "dateFrom", -1);
  if (!from) return reply_error(r, from.error());
  const auto to = time_in(range, "to", "dateTo", parts_.runtime.clock().wall_ms());
  if (!to) return reply_error(r, to.error());
  const auto app = parts_.catalog.apps().app(config.app);
  if (!app) return reply_error(r, app.error());
  if (!is_capability(*app, "methods", "exportEvents")) {
    return reply_error(r, {Code::kInvalid, "this app exports no events: it has no exportEvents"});
  }
  if (!config.enabled) return reply_error(r, {Code::kInvalid, "this app is not enabled"});
  sources_.apps.begin_export(project, config.id, *from, *to, answer(r, alive_, kCreated));
}

void Service::cancel_export(wire::Responder& r, const catalog::AppConfig& config) {
  if (!sources_.apps.cancel_export) {
    return reply_error(r, {Code::kUnavailable, "no events are stored where apps run"});
  }
  sources_.apps.cancel_export(config.id, answer(r, alive_, 200));
}

void Service::start_app_job(Call& call, wire::Responder& r, const catalog::AppConfig& config) {
  const auto asked = job_in(call.body);
  if (!asked) return reply_error(r, asked.error());
  const auto app = parts_.catalog.apps().app(config.app);
  if (!app) return reply_error(r, app.error());
  const bool own = is_capability(*app, "jobs", asked->name);
  // PostHog adds it to whatever exports events, named in plugin.json or not.
  if (asked->name == kPastEvents && !own && is_capability(*app, "methods", "exportEvents")) {
    const auto range = JsonFields::parse(asked->payload);
    if (!range) return reply_error(r, range.error());
    return begin_export(call.project, *range, r, config);
  }
  auto payload =
      catalog::public_job_payload(app->manifest.public_jobs, asked->name, asked->payload);
  if (!payload) return reply_error(r, payload.error());
  if (!config.enabled) return reply_error(r, {Code::kInvalid, "this app is not enabled"});
  // Until it has been loaded once nobody knows; then the job waits for it.
  if (!own && app->capabilities != "{}") {
    return reply_error(
        r, {Code::kInvalid, fmt::format("plugin.json names the job '{}', but the app's code has no "
                                        "function jobs['{}']",
                                        asked->name, asked->name)});
  }
  if (!sources_.apps.start_job) {
    return reply_error(r, {Code::kUnavailable, "no apps run in this process"});
  }
  sources_.apps.start_job(config.id, asked->name, std::move(*payload), answer(r, alive_, kCreated));
}

}  // namespace penstock::admin
