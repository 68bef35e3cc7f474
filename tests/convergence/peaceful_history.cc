#include "tests/convergence/drawing.h"

namespace naive {
namespace {

/// Users, each with anonymous ids and aliases of its own.
class PeacefulHistory {
 public:
  PeacefulHistory(uint64_t seed, int64_t project) : d_(seed) {
    history_.seed = seed;
    history_.project = {project, d_.percent(3)};
    const size_t users = 1 + d_.below(3);
    browser_ = d_.word();
    for (size_t u = 0; u < users; u++) {
      own(u, "user" + std::to_string(u));
      for (size_t i = d_.below(3); i > 0; i--) {
        own(u, "anon" + std::to_string(u) + std::to_string(i));
      }
    }
    if (d_.percent(15)) own(0, "anonymous");  // refused as source every time, nobody's otherwise
  }

  History make() {
    const size_t count = 4 + d_.below(20);
    for (size_t i = 0; i < count; i++) add();
    return std::move(history_);
  }

 private:
  struct Id {
    size_t user;
    std::string text;
    int64_t skew_ms;
  };
  void own(size_t user, std::string text) {
    const int64_t skew = d_.percent(60) ? 0 : 100 * static_cast<int64_t>(d_.below(100'000));
    ids_.push_back({user, std::move(text), skew});
  }

  void add() {
    const Id& id = d_.pick(ids_);
    Event e;
    e.uuid = event_uuid(history_.seed, history_.events.size());
    e.distinct_id = id.text;
    // Each id's clock is off by its own, and rises. No two events are of one time: which of them
    // came first would decide.
    now_ms_ += 100 * (1 + static_cast<int64_t>(d_.below(d_.percent(20) ? 40'000 : 900)));
    e.timestamp_ms = now_ms_ + id.skew_ms + static_cast<int64_t>(history_.events.size());
    e.now_ms = now_ms_ + 1'000;
    e.force_disable = d_.percent(3);
    properties_ = EventJson::object();
    e.name = kind(id);
    if (e.name != "$exception") {
      sets(id);
      if (d_.percent(40)) properties_["$browser"] = browser_;
    }
    if (d_.percent(20)) groups();
    if (d_.percent(8)) properties_["$process_person_profile"] = false;
    EventJson whole{{"event", e.name}, {"distinct_id", e.distinct_id}, {"properties", properties_}};
    e.data = whole.dump();
    history_.events.push_back(std::move(e));
  }

  std::string kind(const Id& id) {
    const size_t luck = d_.below(100);
    if (id.text.starts_with("user") && luck < 45) return merge(id);
    if (luck < 55) return "$set";
    if (luck < 62) return group_identify(id);
    if (luck < 67) return "$exception";
    return "seen";
  }

  /// Only a user's own ids are joined with it.
  std::string merge(const Id& user) {
    std::vector<std::string> own;
    for (const Id& id : ids_) {
      if (id.user == user.user && id.text != user.text) own.push_back(id.text);
    }
    own.push_back("alias" + std::to_string(user.user));
    const std::string other = d_.pick(own);
    const bool identify = d_.percent(70);
    properties_[identify ? "$anon_distinct_id" : "alias"] = other;
    if (identify) return "$identify";
    return d_.percent(50) ? "$create_alias" : "$merge_dangerously";
  }

  void sets(const Id& id) {
    if (d_.percent(50)) {
      const std::string key = id.text + "." + std::to_string(d_.below(3));
      if (d_.percent(20)) {
        properties_["$unset"] = EventJson::array({key});
      } else {
        properties_["$set"] = EventJson{{key, d_.value()}};
      }
    }
    // Anybody's, but no value twice: one that is only repeated keeps its first time.
    if (d_.percent(30)) {
      properties_["$set"]["shared" + std::to_string(d_.below(2))] = history_.events.size();
    }
    if (d_.percent(40)) {
      properties_["$set_once"] = EventJson{{"once" + std::to_string(d_.below(3)), d_.value()}};
    }
    if (d_.percent(15) && id.text == "user0") properties_["utm_source"] = d_.word();
  }

  void groups() {
    properties_["$groups"] = EventJson::object();
    for (size_t i = 1 + d_.below(2); i > 0; i--) {
      properties_["$groups"]["type" + std::to_string(d_.below(5))] = d_.word();
    }
  }

  /// A group's properties are one distinct id's.
  std::string group_identify(const Id& id) {
    properties_["$group_type"] = "type" + std::to_string(d_.below(5));
    properties_["$group_key"] = id.text;
    properties_["$group_set"] = EventJson{{d_.word(), d_.value()}};
    return "$groupidentify";
  }

  Drawing d_;
  History history_;
  std::string browser_;
  std::vector<Id> ids_;
  EventJson properties_;
  int64_t now_ms_ = kFirstMs;
};

}  // namespace

History peaceful_history(uint64_t seed, int64_t project) {
  return PeacefulHistory(seed, project).make();
}

}  // namespace naive
