#include <algorithm>

#include "tests/convergence/naive/model.h"

namespace naive {

/// §6: first come, first served, five at most.
std::optional<size_t> Model::group_type_index(const std::string& type) {
  const auto found = std::ranges::find(group_types_, type);
  if (found != group_types_.end()) return static_cast<size_t>(found - group_types_.begin());
  if (group_types_.size() == 5) return {};
  group_types_.push_back(type);
  return group_types_.size() - 1;
}

/// §6: every `$groups` entry becomes `$group_<index>`; A19: only of a plain object.
void Model::put_groups_on_row(Work& w) {
  for (size_t i = 0; i < 5; i++) {
    const std::string key = "$group_" + std::to_string(i);
    if (w.properties.contains(key)) w.row.groups[key] = Json(w.properties[key]);
  }
  if (!w.properties.contains("$groups") || !w.properties["$groups"].is_object()) return;
  for (const auto& [type, key] : w.properties["$groups"].items()) {
    const auto index = group_type_index(type);
    if (index) w.row.groups["$group_" + std::to_string(*index)] = Json(key);
  }
}

/// §6, A19: shallow merge, created at the earliest, nothing written when nothing changes.
void Model::group_identify(const Work& w) {
  const auto text = [&](const std::string& name) -> std::string {
    if (!w.properties.contains(name)) return "";
    const EventJson& value = w.properties[name];
    if (value.is_string()) return value;
    if (value.is_number_integer() && value != 0) return value.dump();
    if (value == true) return "true";
    return "";
  };
  const std::string type = text("$group_type"), key = text("$group_key");
  if (type.empty() || key.empty()) return;
  Json set = Json::object();
  if (w.properties.contains("$group_set")) {
    if (!w.properties["$group_set"].is_object()) return;  // B12: warned, not written
    set = Json(w.properties["$group_set"]);
  }
  const auto index = group_type_index(type);
  if (!index) return;
  const int64_t at = std::min(w.event.now_ms, w.event.timestamp_ms);
  const auto found = groups_.find({*index, key});
  if (found == groups_.end()) {
    groups_[{*index, key}] = {set, at};
    return;
  }
  Json merged = found->second.properties;
  merged.update(set);
  if (merged == found->second.properties) return;
  found->second = {merged, std::min(at, found->second.created_at_ms)};
}

}  // namespace naive
