// Past events for an app's exportEvents: the job that PostHog calls "Export historical events".
#include <fmt/format.h>

#include "admin/api/reply.h"
#include "admin/api/service.h"
#include "event/timestamp.h"

namespace penstock::admin {
namespace {

/// `key`, or what PostHog's job calls it.
Result<int64_t> time_in(const event::JsonFields& body, std::string_view key,
                        std::string_view posthogs, int64_t without) {
  PENSTOCK_TRY(auto text, body_string(body, key));
  if (!text) {
    PENSTOCK_TRY(text, body_string(body, posthogs));
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

}  // namespace

void Service::begin_export(Call& call, wire::Responder& r, const catalog::AppConfig& config) {
  constexpr int kCreated = 201;
  if (!sources_.apps.begin_export) {
    return reply_error(r, {Code::kUnavailable, "no events are stored where apps run"});
  }
  const auto from = time_in(call.body, "from", "dateFrom", -1);
  if (!from) return reply_error(r, from.error());
  const auto to = time_in(call.body, "to", "dateTo", parts_.runtime.clock().wall_ms());
  if (!to) return reply_error(r, to.error());
  const auto app = parts_.catalog.apps().app(config.app);
  if (!app) return reply_error(r, app.error());
  if (!app->capabilities.contains("\"exportEvents\"")) {
    return reply_error(r, {Code::kInvalid, "this app exports no events: it has no exportEvents"});
  }
  if (!config.enabled) return reply_error(r, {Code::kInvalid, "this app is not enabled"});
  sources_.apps.begin_export(call.project, config.id, *from, *to, answer(r, alive_, kCreated));
}

void Service::cancel_export(wire::Responder& r, const catalog::AppConfig& config) {
  if (!sources_.apps.cancel_export) {
    return reply_error(r, {Code::kUnavailable, "no events are stored where apps run"});
  }
  sources_.apps.cancel_export(config.id, answer(r, alive_, 200));
}

}  // namespace penstock::admin
