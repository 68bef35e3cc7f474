#include <algorithm>

#include "tests/convergence/naive/model.h"

namespace naive {
namespace {

/// 0008.3: the value by `$set` that stands above the other, when different ids wrote them. What the
/// person had of its own stands above what came by a merge, the first merge above the next, and
/// then the later event above the earlier.
bool set_stands_above(const Value& a, const Value& b) {
  if (a.came_by_merge() != b.came_by_merge()) return b.came_by_merge();
  if (a.came_by_merge() && a.reached_ms != b.reached_ms) return a.reached_ms < b.reached_ms;
  return a.event_ms > b.event_ms;
}

/// 0008.2 and .3: does a new `$set` replace what is there?
bool set_replaces(const Value& offered, const Value& present) {
  if (present.once) return true;
  if (offered.writer == present.writer) return true;  // one id: the last to arrive
  return !set_stands_above(present, offered);
}

/// 0008.3: does a new `$set_once` replace what is there? Only an older one of another id does.
bool set_once_replaces(const Value& offered, const Value& present) {
  if (!present.once || offered.writer == present.writer) return false;
  if (offered.reached_ms != present.reached_ms) return offered.reached_ms < present.reached_ms;
  return offered.event_ms < present.event_ms;
}

}  // namespace

/// §4: an id goes to a person, by a merge at that time (0: by creation).
void Model::give(const std::string& distinct_id, const std::string& person, int64_t version,
                 int64_t at_ms) {
  Mapping& mapping = mappings_[distinct_id];
  mapping = {person, version, std::max(mapping.merged_ms, at_ms)};
}

/// §5: not found. Properties follow in `update`.
Person& Model::create(const Work& w, const std::string& distinct_id) {
  Person person;
  person.uuid = person_uuid(project_.id, distinct_id);
  person.created_at_ms = w.event.timestamp_ms;
  give(distinct_id, person.uuid, 0, 0);
  return persons_[person.uuid] = person;
}

/// 0008.3: an event of an id that came by a merge may show that the person is older.
void Model::begin_no_later(Person& person, const Work& w) {
  if (project_.contract_alone || mappings_.at(w.event.distinct_id).merged_ms == 0) return;
  person.created_at_ms = std::min(person.created_at_ms, w.event.timestamp_ms);
}

/// §5: create and update, with write suppression decided per event (A11, 0008.1).
void Model::update(Person& person, const Work& w) {
  if (w.identifies) person.is_identified = true;
  const bool is_new = person.properties.empty();
  if (!is_new && (w.event.name == "$exception" || w.event.name == "$$heatmap")) return;

  Value offered;
  offered.event_ms = w.event.timestamp_ms;
  offered.reached_ms = std::max(w.event.timestamp_ms, mappings_.at(w.event.distinct_id).merged_ms);
  offered.writer = w.event.distinct_id;
  Properties changed = person.properties;
  bool worth_writing = is_new;
  bool anything = is_new;

  offered.once = true;
  for (const auto& [key, value] : w.set_once.items()) {
    if (w.set.contains(key)) continue;  // B5
    const auto present = person.properties.find(key);
    if (present != person.properties.end()) {
      if (project_.contract_alone || !set_once_replaces(offered, present->second)) continue;
    }
    offered.value = value;
    changed[key] = offered;
    worth_writing = true;
  }
  offered.value = w.event.uuid;
  const auto creator = person.properties.find("$creator_event_uuid");
  if (is_new || (creator != person.properties.end() && !project_.contract_alone &&
                 set_once_replaces(offered, creator->second))) {
    changed["$creator_event_uuid"] = offered;
    worth_writing = true;
  }

  offered.once = false;
  for (const auto& [key, value] : w.set.items()) {
    const auto present = person.properties.find(key);
    Value put = offered;
    put.value = value;
    if (present != person.properties.end()) {
      if (present->second.value == value) continue;
      if (!project_.contract_alone && !set_replaces(offered, present->second)) continue;
      // Of one id the latest time counts.
      if (!present->second.once && present->second.writer == offered.writer &&
          set_stands_above(present->second, offered)) {
        put.event_ms = present->second.event_ms;
        put.reached_ms = present->second.reached_ms;
      }
    }
    changed[key] = put;
    anything = true;
    if (present == person.properties.end() || !filtered(key)) worth_writing = true;
  }
  for (const std::string& key : w.unset) {
    if (changed.erase(key) > 0) worth_writing = true;
  }
  const bool person_event = w.event.name == "$identify" || w.event.name == "$create_alias" ||
                            w.event.name == "$merge_dangerously" || w.event.name == "$set";
  if (worth_writing || (anything && person_event)) person.properties = changed;
}

/// §4, table: which other id is to be joined with the event's; nothing when no merge is asked for.
std::optional<std::pair<std::string, std::string>> Model::merge_wish(const Work& w) const {
  const std::string key = w.event.name == "$identify" ? "$anon_distinct_id" : "alias";
  const bool asks = w.event.name == "$identify" || w.event.name == "$create_alias" ||
                    w.event.name == "$merge_dangerously";
  if (!asks || !w.properties.contains(key)) return {};
  std::string source = "null";
  if (w.properties[key].is_string()) source = w.properties[key];
  // `$identify` needs the key to be there, the others need it to be truthy.
  if (key == "alias" && (w.properties[key].is_null() || source.empty())) return {};
  const std::string& target = w.event.distinct_id;
  if (source == target) return {};                            // §4.1
  if (unmergeable(target) || unmergeable(source)) return {};  // §4.2, A2
  return std::pair{source, target};
}

/// §4.3 to §4.5 with A1 and B3.
void Model::merge(Work& w) {
  const auto wish = merge_wish(w);
  if (!wish) return;
  const auto& [source_id, target_id] = *wish;
  const int64_t at_ms = w.event.timestamp_ms;
  w.identifies = true;
  const Person* source = find(source_id);
  const Person* target = find(target_id);
  if (source == nullptr && target == nullptr) {
    w.person = create(w, target_id).uuid;
    give(source_id, w.person, 1, at_ms);
    return;
  }
  if (target == nullptr) {
    w.person = source->uuid;
    give(target_id, w.person, 1, at_ms);
    return;
  }
  w.person = target->uuid;
  if (source == nullptr) {
    give(source_id, w.person, 1, at_ms);
    return;
  }
  if (source->uuid == target->uuid) return;
  if (w.event.name != "$merge_dangerously" && source->is_identified) return;  // refused
  merge_persons(w, source->uuid, target->uuid);
}

/// §4.5: source overlaid by target; the source's ids move, one version up each.
void Model::merge_persons(const Work& w, const std::string& source_uuid,
                          const std::string& target_uuid) {
  const int64_t at_ms = w.event.timestamp_ms;
  const Person source = persons_.at(source_uuid);
  Person& target = persons_.at(target_uuid);
  for (auto [key, value] : source.properties) {
    // 0008.3: up to the merge it came with the merge; what is later overtook it.
    const bool overtook = value.event_ms > at_ms;
    value.reached_ms = std::max(value.reached_ms, at_ms);
    const auto present = target.properties.find(key);
    if (present != target.properties.end()) {
      if (!overtook && present->second.reached_ms <= at_ms) continue;
      if (project_.contract_alone || value.once != present->second.once) continue;
      const bool wins = value.once ? set_once_replaces(value, present->second)
                                   : set_stands_above(value, present->second);
      if (!wins) continue;
    }
    target.properties[key] = value;
  }
  target.created_at_ms = std::min(target.created_at_ms, source.created_at_ms);
  target.is_identified = true;
  for (const auto& [id, mapping] : std::map<std::string, Mapping>(mappings_)) {
    if (mapping.person == source_uuid) give(id, target_uuid, mapping.version + 1, at_ms);
  }
  persons_.erase(source_uuid);
}

}  // namespace naive
