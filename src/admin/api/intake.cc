// What a project has used of its quotas.
#include "admin/api/service.h"
#include "usage/month.h"

namespace penstock::admin {

void Service::quotas(Call& call, wire::Responder& r) {
  using catalog::QuotaResource;
  const catalog::Project* project = parts_.catalog.snapshot()->find(call.project);
  if (project == nullptr) return reply_error(r, {Code::kNotFound, "there is no such project"});
  const auto settings = project->settings;
  const int64_t now_ms = parts_.runtime.clock().wall_ms();
  const usage::Month month = usage::month_at(now_ms);
  const usage::Meter& meter = parts_.usage.meter(call.project);
  const auto time_or_null = [](JsonWriter& w, std::string_view name, int64_t ms) {
    w.key(name);
    ms == 0 ? w.null() : w.string(iso_time(ms));
  };
  JsonWriter w;
  w.begin_object().field("project_id", call.project.value).field("month", month.text());
  w.field("resets_at", iso_time(month.end_ms)).key("quotas").begin_array();
  for (size_t i = 0; i < catalog::kQuotaResources; i++) {
    const auto resource = static_cast<QuotaResource>(i);
    const auto& quota = settings->admission.quotas[i];
    const usage::Meter::Counts counts = meter.counts(resource, month);
    const bool limited = quota && meter.is_over(resource, *quota, month, now_ms);
    w.begin_object().field("resource", quota_resource_name(resource));
    w.field("used", counts.used).field("refused", counts.refused).key("limit");
    if (quota && quota->events_per_month_max) {
      w.number(*quota->events_per_month_max);
    } else {
      w.null();
    }
    time_or_null(w, "limited_until", quota ? quota->limited_until_ms : 0);
    w.field("limited", limited);
    time_or_null(w, "limited_since", limited ? counts.limited_since_ms : 0);
    w.end_object();
  }
  reply_json(r, w.end_array().end_object().take());
}

}  // namespace penstock::admin
