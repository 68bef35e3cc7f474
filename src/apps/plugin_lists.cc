#include "apps/plugin_lists.h"

#include <algorithm>
#include <optional>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/json_scan.h"

namespace penstock::apps {
namespace {

constexpr std::string_view kSucceeded = "$plugins_succeeded", kFailed = "$plugins_failed";

std::string list_of(const std::vector<std::string>& names) {
  JsonWriter list;
  list.begin_array();
  for (const std::string& name : names) list.string(name);
  return list.end_array().take();
}

/// Where the members of `properties` end, if the event has such an object and for certain no list
/// of apps in it: whatever a client or a script may have called by their names is for the long way.
std::optional<size_t> end_of_properties(std::string_view event) {
  for (const std::string_view suspect : {"$plugins_", "\\u00"}) {
    if (event.find(suspect) != std::string_view::npos) return std::nullopt;
  }
  event::JsonScanner in(event);
  if (!in.accept('{')) return std::nullopt;
  std::optional<size_t> end;
  do {
    std::string_view key, value;
    bool escaped = false;
    if (!in.string(key, escaped) || !in.accept(':') || !in.value(value)) return std::nullopt;
    if (key != R"("properties")") continue;
    if (end || value.front() != '{') return std::nullopt;
    end = static_cast<size_t>(value.data() - event.data()) + value.size() - 1;
  } while (in.accept(','));
  return end;
}

}  // namespace

std::string app_label(const AppConfig& config) {
  return (config.package ? config.package->name : std::string()) + " (" +
         std::to_string(config.id) + ")";
}

std::string plugin_lists(const std::vector<std::string>& succeeded,
                         const std::vector<std::string>& failed) {
  std::string lists;
  for (const auto& [key, names] : {std::pair(kSucceeded, &succeeded), {kFailed, &failed}}) {
    if (names->empty()) continue;
    if (!lists.empty()) lists.push_back(',');
    lists.append("\"").append(key).append("\":").append(list_of(*names));
  }
  return lists;
}

void put_plugin_lists(std::string& event, size_t end, std::string_view lists) {
  size_t before = end;
  while (before > 0 && std::string_view(" \n\r\t").contains(event[before - 1])) before--;
  const bool first = before > 0 && event[before - 1] == '{';
  event.insert(end, first ? 0 : 1, ',');
  event.insert(end + (first ? 0 : 1), lists);
}

std::string with_plugin_lists(std::string_view event, std::string_view lists) {
  if (lists.empty()) return std::string(event);
  if (const auto end = end_of_properties(event)) {
    std::string out(event);
    put_plugin_lists(out, *end, lists);
    return out;
  }
  auto fields = event::JsonFields::parse(event);
  if (!fields) return std::string(event);
  const std::string text(fields->find("properties").value_or("{}"));
  auto properties = event::JsonFields::parse(text);
  if (!properties) properties = event::JsonFields::parse("{}");
  const std::string wanted = "{" + std::string(lists) + "}";
  const auto members = event::JsonFields::parse(wanted);
  for (const std::string_view key : {kSucceeded, kFailed}) {
    if (const auto value = members ? members->find(key) : std::nullopt) {
      properties->set(key, *value);
    }
  }
  fields->set("properties", properties->text());
  return fields->text();
}

bool AppStatus::has(std::string_view method) const {
  return is_capability(capabilities, "methods", method);
}

bool AppStatus::has_job(std::string_view name) const {
  return is_capability(capabilities, "jobs", name);
}

bool is_capability(std::string_view capabilities, std::string_view kind, std::string_view wanted) {
  const auto fields = event::JsonFields::parse(capabilities.empty() ? "{}" : capabilities);
  const auto list = event::split_array(fields ? fields->find(kind).value_or("[]") : "[]");
  return list && std::ranges::any_of(*list, [&](std::string_view name) {
           return event::decode_string(name) == wanted;
         });
}

std::string with_plugin_lists(std::string_view event, const std::vector<std::string>& succeeded,
                              const std::vector<std::string>& failed) {
  return with_plugin_lists(event, plugin_lists(succeeded, failed));
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
