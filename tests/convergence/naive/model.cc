#include "tests/convergence/naive/model.h"

namespace naive {
namespace {

bool one_of(const std::string& name, const std::set<std::string>& names) {
  return names.contains(name);
}

bool merges(const std::string& name) {
  return one_of(name, {"$identify", "$create_alias", "$merge_dangerously"});
}

std::set<std::string> unset_keys(const EventJson& properties) {
  std::set<std::string> out;
  if (!properties.contains("$unset")) return out;
  const EventJson& unset = properties["$unset"];
  if (unset.is_array()) {
    for (const auto& key : unset) {
      if (key.is_string()) out.insert(key.get<std::string>());
    }
  }
  if (unset.is_object()) {
    for (const auto& [key, value] : unset.items()) out.insert(key);
  }
  return out;
}

Json plain(const Properties& properties) {
  Json out = Json::object();
  for (const auto& [key, value] : properties) out[key] = value.value;
  return out;
}

/// §1.6.
bool group_key_too_long(const Event& event, const EventJson& whole) {
  if (event.name != "$groupidentify" || !whole.contains("properties")) return false;
  const EventJson& properties = whole["properties"];
  return properties.contains("$group_key") && properties["$group_key"].is_string() &&
         code_points(properties["$group_key"].get<std::string>()) > 400;
}

Row ended(Fate fate, std::string why) {
  Row row;
  row.fate = fate;
  row.why = std::move(why);
  return row;
}

}  // namespace

std::set<std::string> Model::ids_of(const std::string& person_uuid) const {
  std::set<std::string> out;
  for (const auto& [id, mapping] : mappings_) {
    if (mapping.person == person_uuid) out.insert(id);
  }
  return out;
}

/// §1, in its order.
Row Model::apply(const Event& event) {
  if (seen_before(event)) return ended(Fate::kDuplicate, "seen");
  const EventJson whole = EventJson::parse(event.data, nullptr, false);
  if (!whole.is_object()) return ended(Fate::kQuarantined, "not an object");
  for (const std::string member : {"properties", "$set", "$set_once"}) {
    if (whole.contains(member) && !whole[member].is_object()) {
      return ended(Fate::kQuarantined, member + " is no object");
    }
  }
  if (code_points(event.distinct_id) > 400) return ended(Fate::kDropped, "long distinct id");
  if (group_key_too_long(event, whole)) return ended(Fate::kDropped, "long group key");
  Work w(event);
  if (whole.contains("properties")) w.properties = whole["properties"];
  if (event.name == "$$client_ingestion_warning") return ended(Fate::kDropped, "client warning");
  if (const auto key = broken_merge_key(w)) return ended(Fate::kDropped, *key);

  const Processing how = processing(w);
  if (how == Processing::kDropped) return ended(Fate::kDropped, "needs a person profile");
  if (how == Processing::kFull) {
    full(w);
  } else {
    personless(w, how);
  }
  seen_.insert(event.uuid);
  return w.row;
}

/// §8: the tests never use a uuid for two events, so the uuid alone is enough here.
bool Model::seen_before(const Event& event) { return seen_.contains(event.uuid); }

/// A3: another id that is neither text nor null ends the event. By B2 nothing ends one that asks
/// for no person.
std::optional<std::string> Model::broken_merge_key(const Work& w) const {
  if (!merges(w.event.name) || w.event.force_disable) return {};
  const std::string key = w.event.name == "$identify" ? "$anon_distinct_id" : "alias";
  if (!w.properties.contains(key)) return {};
  if (w.properties[key].is_null() || w.properties[key].is_string()) return {};
  return key;
}

/// §3, B2, B27.
Model::Processing Model::processing(const Work& w) const {
  if (w.event.force_disable) return Processing::kForcedPersonless;
  bool wanted = true;
  if (w.properties.contains("$process_person_profile")) {
    wanted = w.properties["$process_person_profile"] != false;  // other values count as true
  }
  if (project_.opt_out) wanted = false;
  if (wanted) return Processing::kFull;
  if (merges(w.event.name) || w.event.name == "$groupidentify") return Processing::kDropped;
  return Processing::kPersonless;
}

/// §3, personless result.
void Model::personless(Work& w, Processing how) {
  w.row.person_mode = "propertyless";
  const Person* person = how == Processing::kForcedPersonless ? nullptr : find(w.event.distinct_id);
  if (person == nullptr) {
    w.row.person_id = person_uuid(project_.id, w.event.distinct_id);
    w.row.person_created_at_ms = 5000;
    return;
  }
  w.row.person_id = person->uuid;
  w.row.person_created_at_ms = person->created_at_ms;
  if (!project_.opt_out && w.event.timestamp_ms > person->created_at_ms + 60'000) {
    w.row.person_mode = "force_upgrade";
  }
}

/// §4, §5, §6 of an event with person processing.
void Model::full(Work& w) {
  // §3: `$groupidentify` always loses them, whether sent or derived from its properties.
  if (w.event.name != "$groupidentify") {
    normalise(w.event, w.properties, w.set, w.set_once);
    w.unset = unset_keys(w.properties);
  }

  merge(w);
  if (w.person.empty()) {
    if (const Person* found = find(w.event.distinct_id)) {
      w.person = found->uuid;
    } else {
      w.person = create(w, w.event.distinct_id).uuid;
    }
  }
  Person& person = persons_.at(w.person);
  begin_no_later(person, w);
  update(person, w);

  // §8, B7: the person after this event, overlaid by this event's `$set`.
  w.row.person_mode = "full";
  w.row.person_id = person.uuid;
  w.row.person_created_at_ms = person.created_at_ms;
  w.row.person_properties = plain(person.properties);
  w.row.person_properties.update(w.set);

  put_groups_on_row(w);
  if (w.event.name == "$groupidentify") group_identify(w);
}

Person* Model::find(const std::string& distinct_id) {
  const auto mapping = mappings_.find(distinct_id);
  return mapping == mappings_.end() ? nullptr : &persons_.at(mapping->second.person);
}

}  // namespace naive
