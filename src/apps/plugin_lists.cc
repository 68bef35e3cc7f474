#include "apps/plugin_lists.h"

#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::apps {
namespace {

void set_list(event::JsonFields& properties, std::string_view key,
              const std::vector<std::string>& names) {
  if (names.empty()) return;
  JsonWriter list;
  list.begin_array();
  for (const std::string& name : names) list.string(name);
  list.end_array();
  properties.set(key, list.take());
}

}  // namespace

std::string app_label(const AppConfig& config) {
  return (config.package ? config.package->name : std::string()) + " (" +
         std::to_string(config.id) + ")";
}

std::string with_plugin_lists(std::string_view event, const std::vector<std::string>& succeeded,
                              const std::vector<std::string>& failed) {
  auto fields = event::JsonFields::parse(event);
  if (!fields) return std::string(event);
  const std::string text(fields->find("properties").value_or("{}"));
  auto properties = event::JsonFields::parse(text);
  if (!properties) properties = event::JsonFields::parse("{}");
  set_list(*properties, "$plugins_succeeded", succeeded);
  set_list(*properties, "$plugins_failed", failed);
  fields->set("properties", properties->text());
  return fields->text();
}

std::string_view health_name(Health health) {
  switch (health) {
    case Health::kLoading: return "loading";
    case Health::kHealthy: return "healthy";
    case Health::kDegraded: return "degraded";
    case Health::kDisabled: return "disabled";
    case Health::kFailed: return "failed";
  }
  return "loading";
}

}  // namespace penstock::apps
