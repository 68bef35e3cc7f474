// A deliberately naive model of identity: what the ingestion contract says, one function per rule.
//
// Written from the contract and from docs/decisions/0008-convergence.md, not from the engine, and
// it uses nothing of the engine: plain maps, one event at a time, no batches, no versions of
// persons, no cleverness. When the two differ the contract says which one is wrong. Section numbers
// are the contract's; A.. and B.. are its corrections.
//
// One Model is one project. Single-threaded; it cannot fail.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace naive {

using Json = nlohmann::json;               // sorted members: for comparing
using EventJson = nlohmann::ordered_json;  // members as sent: the order of `$groups` matters

/// An event as capture hands it on.
struct Event {
  std::string uuid;  // text form
  std::string name;
  std::string distinct_id;
  std::string data;  // the event object as sent, JSON text
  int64_t timestamp_ms = 0;
  int64_t now_ms = 0;
  bool force_disable = false;  // header force_disable_person_processing
};

struct Project {
  int64_t id = 1;
  bool opt_out = false;  // person_processing_opt_out
  /// Without decision 0008: what comes is applied as it comes, whatever its time.
  bool contract_alone = false;
};

/// A person property remembers how it came (decision 0008).
struct Value {
  Json value;
  bool once = false;       // by `$set_once`
  int64_t event_ms = 0;    // when the event happened that set it
  int64_t reached_ms = 0;  // when it came to the person: then, or with a merge afterwards
  std::string writer;      // the event's distinct id

  bool came_by_merge() const { return event_ms < reached_ms; }
};
using Properties = std::map<std::string, Value>;

struct Person {
  std::string uuid;
  Properties properties;
  int64_t created_at_ms = 0;
  bool is_identified = false;
};

struct Mapping {
  std::string person;  // uuid
  int64_t version = 0;
  int64_t merged_ms = 0;  // the latest merge that brought the id to its person; 0: none did
};

struct Group {
  Json properties = Json::object();
  int64_t created_at_ms = 0;
};

enum class Fate { kAccepted, kDropped, kDuplicate, kQuarantined, kHeatmap };

/// What becomes of one event.
struct Row {
  Fate fate = Fate::kAccepted;
  std::string why;  // for people reading a failure
  std::string person_id;
  std::string person_mode;
  Json person_properties = Json::object();
  int64_t person_created_at_ms = 0;
  Json groups = Json::object();  // the row's $group_0..4
};

class Model {
 public:
  explicit Model(Project project) : project_(project) {}

  Row apply(const Event& event);

  const std::map<std::string, Person>& persons() const { return persons_; }
  const std::map<std::string, Mapping>& mappings() const { return mappings_; }
  const std::vector<std::string>& group_types() const { return group_types_; }
  const std::map<std::pair<size_t, std::string>, Group>& groups() const { return groups_; }
  std::set<std::string> ids_of(const std::string& person_uuid) const;

 private:
  struct Work;  // one event on its way through the rules
  enum class Processing { kFull, kPersonless, kForcedPersonless, kDropped };

  bool seen_before(const Event& event);
  std::optional<std::string> broken_merge_key(const Work& w) const;
  Processing processing(const Work& w) const;
  void personless(Work& w, Processing how);
  void full(Work& w);

  std::optional<std::pair<std::string, std::string>> merge_wish(const Work& w) const;
  void merge(Work& w);
  void merge_persons(const Work& w, const std::string& source_uuid, const std::string& target_uuid);
  Person& create(const Work& w, const std::string& distinct_id);
  Person* find(const std::string& distinct_id);
  void give(const std::string& distinct_id, const std::string& person, int64_t version,
            int64_t at_ms);
  void begin_no_later(Person& person, const Work& w);
  void update(Person& person, const Work& w);

  std::optional<size_t> group_type_index(const std::string& type);
  void put_groups_on_row(Work& w);
  void group_identify(const Work& w);

  Project project_;
  std::map<std::string, Person> persons_;    // by uuid
  std::map<std::string, Mapping> mappings_;  // by distinct id
  std::vector<std::string> group_types_;
  std::map<std::pair<size_t, std::string>, Group> groups_;  // by type index and key
  std::set<std::string> seen_;
};

/// One event on its way.
struct Model::Work {
  explicit Work(const Event& e) : event(e) {}
  const Event& event;
  EventJson properties = EventJson::object();
  Json set = Json::object(), set_once = Json::object();
  std::set<std::string> unset;
  Row row;
  std::string person;       // uuid of the person found or made so far
  bool identifies = false;  // the resulting person is to be is_identified
};

/// §4.2, A2: a distinct id that no merge may touch.
bool unmergeable(const std::string& distinct_id);
/// §2, §2b: `$set` and `$set_once` of the event with what is derived from its properties.
void normalise(const Event& event, EventJson& properties, Json& set, Json& set_once);
/// §5: keys whose change alone is not worth a write.
bool filtered(const std::string& key);
/// UUIDv5 of a name in PostHog's person namespace, in text form.
std::string person_uuid(int64_t project, const std::string& distinct_id);
/// Number of code points of a UTF-8 text.
size_t code_points(const std::string& text);

}  // namespace naive
