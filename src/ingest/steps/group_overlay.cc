#include "ingest/steps/group_overlay.h"

#include <algorithm>

#include "ingest/steps/group_step.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

std::string lookup_key(ProjectId project, uint8_t type_index, std::string_view key) {
  std::string out(reinterpret_cast<const char*>(&project.value), sizeof project.value);
  out.push_back(static_cast<char>(type_index));
  out.append(key);
  return out;
}

}  // namespace

GroupState::GroupState(persons::Group group, bool is_stored)
    : project(group.project),
      type_index(group.type_index),
      key(std::move(group.key)),
      created_at_ms(group.created_at_ms),
      version(group.version),
      stored(is_stored),
      properties_(std::move(group.properties)) {}

Result<GroupOverlay::Types*> GroupOverlay::types_of(ProjectId project) {
  if (const auto it = types_.find(project); it != types_.end()) return &it->second;
  PENSTOCK_TRY(auto stored, store_.group_types(project));
  Types& out = types_[project];
  for (persons::GroupType& type : stored) {
    out.push_back(std::make_unique<TypeState>(std::move(type), false, Partition{}));
  }
  return &out;
}

Result<std::optional<uint8_t>> GroupOverlay::type_index(ProjectId project, std::string_view name,
                                                        int64_t event_ms, Partition partition) {
  PENSTOCK_TRY(Types* const types, types_of(project));
  for (const auto& known : *types) {
    if (known->type.name == name) return known->type.index;
  }
  if (types->size() >= event::kGroupTypesMax) return std::nullopt;
  if (name.empty() || name.find('\0') != std::string_view::npos ||
      longer_than(name, kGroupTypeCharsMax)) {
    return std::nullopt;
  }
  uint8_t free = 0;
  const auto taken = [&free](const auto& t) { return t->type.index == free; };
  while (std::ranges::any_of(*types, taken)) free++;
  types->push_back(std::make_unique<TypeState>(
      persons::GroupType{free, std::string(name), event_ms}, true, partition));
  return free;
}

Result<GroupState*> GroupOverlay::group(ProjectId project, uint8_t type_index,
                                        std::string_view key) {
  std::string lookup = lookup_key(project, type_index, key);
  if (const auto it = groups_.find(lookup); it != groups_.end()) return it->second.get();
  PENSTOCK_TRY(auto found, store_.fetch_groups({{project, type_index, std::string(key)}}));
  const bool stored = found[0].has_value();
  persons::Group group;
  if (stored) {
    group = std::move(*found[0]);
  } else {
    group.project = project;
    group.type_index = type_index;
    group.key = key;
  }
  auto state = std::make_unique<GroupState>(std::move(group), stored);
  group_order_.push_back(state.get());
  return groups_.emplace(std::move(lookup), std::move(state)).first->second.get();
}

GroupOverlay::Changes GroupOverlay::changes() const {
  Changes out;
  for (const auto& [project, types] : types_) {
    for (const auto& t : types) {
      if (!t->fresh) continue;
      out.types.push_back(
          {t->partition, {project, t->type.index, t->type.name, t->type.created_at_ms}});
    }
  }
  for (const GroupState* g : group_order_) {
    if (!g->write) continue;
    out.groups.push_back(
        {g->partition,
         {g->project, g->type_index, g->key, g->text(), g->created_at_ms, g->version}});
  }
  return out;
}

}  // namespace penstock::ingest
