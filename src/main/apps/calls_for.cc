#include "main/apps/calls_for.h"

#include "base/json_writer.h"
#include "event/timestamp.h"

namespace penstock::cli {
namespace {

std::string_view name_of(const catalog::Snapshot& now, int64_t config) {
  for (const catalog::Project& project : now.projects) {
    if (project.apps == nullptr) continue;
    for (const auto& app : *project.apps) {
      if (app->config.id == config) return app->app.manifest.name;
    }
  }
  return {};
}

}  // namespace

Result<std::string> calls_for(const deliver::Deliver& deliver, const catalog::Snapshot& now,
                              const Uuid& event) {
  PENSTOCK_TRY(const auto attempts, deliver.attempts(event));
  JsonWriter w;
  w.begin_array();
  for (const deliver::Attempt& one : attempts) {
    w.begin_object().field("id", one.config).field("name", name_of(now, one.config));
    w.field("method", deliver::method_name(one.method)).field("attempt", one.number);
    w.field("at", event::format_rfc3339_ms(one.at_ms));
    w.field("status", one.ok ? "succeeded" : one.next_ms != 0 ? "failed" : "given_up");
    w.key("next_at");
    one.next_ms == 0 ? w.null() : w.string(event::format_rfc3339_ms(one.next_ms));
    if (!one.error.empty()) w.field("error", one.error);
    w.end_object();
  }
  return w.end_array().take();
}

}  // namespace penstock::cli
