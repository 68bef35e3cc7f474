// Feature flags, one by one, in PostHog's shape. They are stored as the setting "feature_flags".
#include <fmt/format.h>

#include <charconv>

#include "admin/api/flag_list.h"
#include "admin/api/service.h"

namespace penstock::admin {

Status Service::store_flags(Call& call, FlagList& flags) {
  return parts_.catalog.set_project_setting(call.principal, call.project, "feature_flags",
                                            flags.setting());
}

void Service::feature_flags(Call& call, wire::Responder& r) {
  const auto settings = parts_.catalog.snapshot()->find(call.project)->settings;
  auto flags = FlagList::parse(settings->text("feature_flags"));
  if (!flags) return reply_error(r, flags.error());
  const std::string_view method = call.request.method;
  const std::string now = iso_time(parts_.runtime.clock().wall_ms());
  if (call.path.size() == 4) {
    if (method == "GET") {
      size_t count = 0;
      const std::string list = flags->list(count);
      return reply_json(r, fmt::format(R"({{"count":{},"next":null,"previous":null,"results":{}}})",
                                       count, list));
    }
    if (method != "POST") return reply_error(r, {Code::kNotFound, "use GET or POST"});
    const auto made = flags->create(call.body, now);
    if (!made) return reply_error(r, made.error());
    if (const Status done = store_flags(call, *flags); !done) return reply_error(r, done.error());
    return reply_json(r, *made, 201);
  }
  int64_t id = 0;
  const std::string_view text = call.path[4];
  std::from_chars(text.data(), text.data() + text.size(), id);
  if (method == "DELETE") {
    Status done = flags->remove(id);
    if (done) done = store_flags(call, *flags);
    if (!done) return reply_error(r, done.error());
    return reply_json(r, "", 204);
  }
  if (method != "GET" && method != "PATCH") {
    return reply_error(r, {Code::kNotFound, "use GET, PATCH or DELETE"});
  }
  const auto flag = method == "GET" ? flags->find(id) : flags->change(id, call.body, now);
  if (!flag) return reply_error(r, flag.error());
  if (method == "PATCH") {
    if (const Status done = store_flags(call, *flags); !done) return reply_error(r, done.error());
  }
  reply_json(r, *flag);
}

}  // namespace penstock::admin
