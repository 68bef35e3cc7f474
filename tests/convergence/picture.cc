#include "tests/convergence/picture.h"

#include <sstream>

namespace naive {
namespace {

const char* fate_name(Fate fate) {
  switch (fate) {
    case Fate::kAccepted: return "accepted";
    case Fate::kDropped: return "dropped";
    case Fate::kDuplicate: return "duplicate";
    case Fate::kQuarantined: return "quarantined";
    case Fate::kHeatmap: return "heatmap";
  }
  return "";
}

class Lines {
 public:
  template <class A, class B>
  void differ(const std::string& what, const A& model, const B& engine) {
    if (model == engine) return;
    out_ << what << ": model " << model << ", engine " << engine << "\n";
  }
  /// Only the members that differ.
  void differ(const std::string& what, const Json& model, const Json& engine) {
    for (const auto& [key, value] : model.items()) {
      if (!model.is_object() || !engine.is_object()) break;
      if (!engine.contains(key)) {
        out_ << what << " " << key << ": model " << value << ", engine has none\n";
      } else if (engine[key] != value) {
        out_ << what << " " << key << ": model " << value << ", engine " << engine[key] << "\n";
      }
    }
    for (const auto& [key, value] : engine.items()) {
      if (!model.is_object() || !engine.is_object()) break;
      if (!model.contains(key)) {
        out_ << what << " " << key << ": model has none, engine " << value << "\n";
      }
    }
    if (!model.is_object() && model != engine) {
      out_ << what << ": model " << model << ", engine " << engine << "\n";
    }
  }
  void say(const std::string& line) { out_ << line << "\n"; }
  std::string text() const { return out_.str(); }

 private:
  std::ostringstream out_;
};

void compare_rows(const Picture& model, const Picture& engine, Lines& lines) {
  lines.differ("number of outcomes", model.rows.size(), engine.rows.size());
  for (size_t i = 0; i < std::min(model.rows.size(), engine.rows.size()); i++) {
    const auto& [uuid, m] = model.rows[i];
    const auto& [engine_uuid, e] = engine.rows[i];
    const std::string what = "row " + std::to_string(i) + " (" + uuid.substr(24) + ") ";
    lines.differ(what + "uuid", uuid, engine_uuid);
    if (m.fate != e.fate) {
      lines.say(what + "fate: model " + fate_name(m.fate) + " (" + m.why + "), engine " +
                fate_name(e.fate) + " (" + e.why + ")");
      continue;
    }
    if (m.fate != Fate::kAccepted) continue;
    lines.differ(what + "person", m.person_id, e.person_id);
    lines.differ(what + "mode", m.person_mode, e.person_mode);
    lines.differ(what + "person_properties", m.person_properties, e.person_properties);
    lines.differ(what + "person_created_at", m.person_created_at_ms / 1000 * 1000,
                 e.person_created_at_ms / 1000 * 1000);
    lines.differ(what + "groups", m.groups, e.groups);
  }
}

void compare_persons(const Picture& model, const Picture& engine, Lines& lines) {
  for (const auto& [uuid, m] : model.persons) {
    const auto found = engine.persons.find(uuid);
    if (found == engine.persons.end()) {
      lines.say("person " + uuid + " is the model's alone");
      continue;
    }
    const PersonPicture& e = found->second;
    const std::string what = "person " + uuid + " ";
    lines.differ(what + "properties", m.properties, e.properties);
    lines.differ(what + "created_at", m.created_at_ms, e.created_at_ms);
    lines.differ(what + "is_identified", m.is_identified, e.is_identified);
    lines.differ(what + "ids", Json(m.ids), Json(e.ids));
  }
  for (const auto& [uuid, e] : engine.persons) {
    if (!model.persons.contains(uuid)) lines.say("person " + uuid + " is the engine's alone");
  }
}

void compare_groups(const Picture& model, const Picture& engine, Lines& lines) {
  lines.differ("group types", Json(model.group_types), Json(engine.group_types));
  for (const auto& [key, m] : model.groups) {
    const std::string what = "group " + std::to_string(key.first) + " " + key.second + " ";
    const auto found = engine.groups.find(key);
    if (found == engine.groups.end()) {
      lines.say(what + "is the model's alone");
      continue;
    }
    lines.differ(what + "properties", m.properties, found->second.properties);
    lines.differ(what + "created_at", m.created_at_ms, found->second.created_at_ms);
  }
  for (const auto& [key, e] : engine.groups) {
    if (!model.groups.contains(key)) lines.say("group " + key.second + " is the engine's alone");
  }
}

Json ids_of(const PersonPicture& person) {
  Json out = Json::array();
  for (const auto& [id, version] : person.ids) out.push_back(id);
  return out;
}

/// Where a query finds the event's person: by the override of its distinct id, which exists for
/// versions above 0, else by the row itself.
Json leads_to(const Picture& picture, const std::string& distinct_id, const Row& row) {
  std::string uuid = row.person_id;
  for (const auto& [person_uuid, person] : picture.persons) {
    const auto mapping = person.ids.find(distinct_id);
    if (mapping != person.ids.end() && mapping->second > 0) uuid = person_uuid;
  }
  const auto found = picture.persons.find(uuid);
  return found == picture.persons.end() ? Json("nobody " + uuid) : ids_of(found->second);
}

std::map<std::string, std::string> distinct_ids(const std::vector<Event>& events) {
  std::map<std::string, std::string> out;
  for (const Event& e : events) out[e.uuid] = e.distinct_id;
  return out;
}

}  // namespace

Picture model_picture(const Project& project, const std::vector<Event>& events) {
  Model model(project);
  Picture out;
  for (const Event& e : events) out.rows.emplace_back(e.uuid, model.apply(e));
  for (const auto& [uuid, person] : model.persons()) {
    PersonPicture& p = out.persons[uuid];
    p.uuid = uuid;
    for (const auto& [key, value] : person.properties) p.properties[key] = value.value;
    p.created_at_ms = person.created_at_ms;
    p.is_identified = person.is_identified;
  }
  for (const auto& [id, mapping] : model.mappings()) {
    out.persons[mapping.person].ids[id] = mapping.version;
  }
  out.group_types = model.group_types();
  for (const auto& [key, group] : model.groups()) {
    out.groups[key] = {group.properties, group.created_at_ms};
  }
  return out;
}

std::string differences(const Picture& model, const Picture& engine) {
  Lines lines;
  compare_rows(model, engine, lines);
  compare_persons(model, engine, lines);
  compare_groups(model, engine, lines);
  return lines.text();
}

Json joined(const Picture& picture, const std::vector<Event>& events) {
  Json out = Json::object();
  for (const auto& [uuid, person] : picture.persons) {
    Json properties = person.properties;
    properties.erase("$creator_event_uuid");
    out["persons"][ids_of(person).dump()] = {{"properties", properties},
                                             {"created_at", person.created_at_ms},
                                             {"is_identified", person.is_identified}};
  }
  for (const auto& [key, group] : picture.groups) {
    out["groups"][picture.group_types.at(key.first) + " " + key.second] = {
        {"properties", group.properties}, {"created_at", group.created_at_ms}};
  }
  const auto ids = distinct_ids(events);
  for (const auto& [uuid, row] : picture.rows) {
    if (row.fate == Fate::kDuplicate) continue;
    Json& seen = out["rows"][uuid];
    seen = {{"fate", fate_name(row.fate)}};
    if (row.fate != Fate::kAccepted) continue;
    seen["person"] = leads_to(picture, ids.at(uuid), row);
    for (const auto& [member, key] : row.groups.items()) {
      const size_t index = static_cast<size_t>(member.back() - '0');
      const bool known = index < picture.group_types.size();
      seen["groups"][known ? picture.group_types[index] : member] = key;
    }
  }
  return out;
}

std::string differences(const Json& one, const Json& other) {
  std::string out;
  for (const auto& step : Json::diff(one, other)) {
    const Json::json_pointer at(step["path"].get<std::string>());
    out += step.dump() + " was " + (one.contains(at) ? one.at(at).dump() : "absent") + "\n";
  }
  return out;
}

std::string strays(const Picture& picture, const std::vector<Event>& events) {
  std::string out;
  const auto ids = distinct_ids(events);
  for (const auto& [uuid, row] : picture.rows) {
    if (row.fate != Fate::kAccepted) continue;
    const std::string& id = ids.at(uuid);
    Json owner;
    for (const auto& [person_uuid, person] : picture.persons) {
      if (person.ids.contains(id)) owner = ids_of(person);
    }
    if (owner.is_null()) continue;  // personless all along
    const Json found = leads_to(picture, id, row);
    if (found != owner)
      out += "row " + uuid + " leads to " + found.dump() + ", not to " + owner.dump() + "\n";
  }
  return out;
}

}  // namespace naive
