#include <array>

#include "tests/convergence/drawing.h"

namespace naive {
namespace {

std::string repeated(const std::string& text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; i++) out += text;
  return out;
}

/// Ids that rules treat in their own way. None shares its 16-bit stamp with another id here: the
/// engine takes two such for one (persons::writer_of), the model does not.
const std::vector<std::string>& odd_ids() {
  static const std::vector<std::string> ids{
      "anonymous",
      "Guest",
      "'undefined'",
      "\"null\"",
      "null",
      "None",
      "NONE",
      "0",
      "[object Object]",
      " ",
      "\t",
      " anonymous ",
      " x ",
      std::string("nul\0byte", 8),
      repeated("a", 400),
      repeated("b", 401),
      repeated("é", 400),
      repeated("é", 401),
      "ünï-cödé 💡",
      "quote\"and back\\slash",
  };
  return ids;
}

class AnyHistory {
 public:
  AnyHistory(uint64_t seed, int64_t project) : d_(seed) {
    history_.seed = seed;
    history_.project = {project, d_.percent(8)};
    const size_t ids = 2 + d_.below(5);
    for (size_t i = 0; i < ids; i++) {
      ids_.push_back(d_.percent(8) ? d_.pick(odd_ids())
                                   : std::string(1, static_cast<char>('a' + i)));
    }
    keys_ = {"plan",
             "n",
             "$browser",
             "$current_url",
             "$geoip_city_name",
             "$geoip_latitude",
             "first",
             "utm_source",
             "$app_version",
             "$initial_browser",
             "email"};
  }

  History make() {
    const size_t count = 3 + d_.below(d_.percent(10) ? 50 : 18);
    for (size_t i = 0; i < count; i++) add();
    repeat_some();
    return std::move(history_);
  }

 private:
  void add() {
    Event e;
    e.uuid = event_uuid(history_.seed, history_.events.size());
    e.distinct_id = id();
    e.timestamp_ms = d_.time(now_ms_);
    e.now_ms = now_ms_;
    e.force_disable = d_.percent(3);
    properties_ = EventJson::object();
    whole_ = EventJson::object();
    e.name = kind();
    if (d_.percent(35)) lifted();
    if (d_.percent(55)) updates("$set");
    if (d_.percent(35)) updates("$set_once");
    if (d_.percent(15)) unset();
    if (d_.percent(15)) groups();
    if (d_.percent(12)) profile();
    whole_["event"] = e.name;
    whole_["distinct_id"] = e.distinct_id;
    if (!d_.percent(2)) whole_["properties"] = properties_;
    e.data = whole_.dump();
    history_.events.push_back(std::move(e));
  }

  std::string id() { return d_.percent(2) ? d_.pick(odd_ids()) : d_.pick(ids_); }

  /// The event's name, and the properties that belong to it.
  std::string kind() {
    const size_t luck = d_.below(100);
    if (luck < 20) return identify();
    if (luck < 30) return alias("$create_alias");
    if (luck < 37) return alias("$merge_dangerously");
    if (luck < 50) return "$set";
    if (luck < 56) return group_identify();
    if (luck < 61) return "$exception";
    if (luck < 62) return "$$client_ingestion_warning";
    if (luck < 63) return "$snapshot";
    return d_.percent(50) ? "$pageview" : "bought";
  }

  std::string identify() {
    if (d_.percent(90))
      properties_["$anon_distinct_id"] = d_.percent(94) ? EventJson(id()) : d_.value();
    return "$identify";
  }
  std::string alias(const std::string& name) {
    if (d_.percent(95)) properties_["alias"] = d_.percent(94) ? EventJson(id()) : d_.value();
    return name;
  }

  std::string group_identify() {
    if (d_.percent(95)) properties_["$group_type"] = group_type();
    if (d_.percent(95)) properties_["$group_key"] = group_key();
    if (d_.percent(85)) {
      properties_["$group_set"] =
          d_.percent(90) ? EventJson{{d_.pick(keys_), d_.value()}} : d_.value();
    }
    return "$groupidentify";
  }
  std::string group_type() { return "type" + std::to_string(d_.below(d_.percent(20) ? 8 : 3)); }
  EventJson group_key() {
    if (d_.percent(3)) return repeated("k", 399 + d_.below(3));
    if (d_.percent(5)) return d_.below(3);
    return "key" + std::to_string(d_.below(3));
  }
  void groups() {
    if (d_.percent(8)) {
      properties_["$groups"] = d_.value();
      return;
    }
    properties_["$groups"] = EventJson::object();
    for (size_t i = d_.below(3) + 1; i > 0; i--) properties_["$groups"][group_type()] = group_key();
  }

  void lifted() {
    for (const char* key :
         {"$browser", "$current_url", "utm_source", "$os", "$os_name", "$os_version",
          "$app_version", "$screen_height", "fbclid", "$raw_user_agent"}) {
      if (d_.percent(25)) properties_[key] = d_.percent(80) ? EventJson(d_.word()) : d_.value();
    }
    if (d_.percent(10)) properties_["$is_server"] = d_.percent(80) ? EventJson(true) : d_.value();
  }

  void updates(const std::string& name) {
    EventJson value = EventJson::object();
    for (size_t i = d_.below(3) + 1; i > 0; i--) value[d_.pick(keys_)] = d_.value();
    if (d_.percent(3)) value = d_.plain_value();
    if (d_.percent(15)) {
      whole_[name] = value.is_object() ? value : EventJson::object();
      if (d_.percent(1)) whole_[name] = 5;
    } else {
      properties_[name] = value;
    }
    if (d_.percent(10)) properties_[name] = EventJson{{d_.pick(keys_), d_.value()}};
  }

  void unset() {
    if (d_.percent(10)) {
      properties_["$unset"] = d_.plain_value();
      return;
    }
    EventJson list = EventJson::array(), object = EventJson::object();
    for (size_t i = d_.below(2) + 1; i > 0; i--) {
      const std::string key = d_.pick(keys_);
      list.push_back(key);
      object[key] = d_.value();
    }
    if (d_.percent(5)) list.push_back(7);
    properties_["$unset"] = d_.percent(75) ? list : object;
  }

  void profile() {
    properties_["$process_person_profile"] = d_.percent(60)   ? EventJson(false)
                                             : d_.percent(50) ? EventJson(true)
                                                              : d_.value();
  }

  void repeat_some() {
    auto& events = history_.events;
    for (size_t i = d_.below(4); i > 0; i--) {
      const size_t which = d_.below(events.size());
      const size_t where = which + 1 + d_.below(events.size() - which);
      const Event copy = events[which];
      events.insert(events.begin() + static_cast<std::ptrdiff_t>(where), copy);
    }
  }

  Drawing d_;
  History history_;
  std::vector<std::string> ids_, keys_;
  EventJson properties_, whole_;
  int64_t now_ms_ = kFirstMs;
};

}  // namespace

History any_history(uint64_t seed, int64_t project) { return AnyHistory(seed, project).make(); }

}  // namespace naive
