// Story: events of a few people, one after the other, and what their persons are.
//
// For tests of what people ask to be done to persons: over a World, with a time and a uuid for each
// event, so that two stories can be compared that differ in one event.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ingest/testing/world.h"

namespace penstock::ingest::testing {

struct StoryEvent {
  uint64_t n = 0;  // its uuid, and its time in minutes
  std::string distinct_id, event = "seen";
  std::string properties = "{}";
};

/// A merge of `source` into the event's person.
StoryEvent merge_event(uint64_t n, const std::string& source, const std::string& target,
                       const std::string& set = "{}", const std::string& name = "$identify");
/// The same without the merge.
StoryEvent without_merge(StoryEvent event);
StoryEvent set_event(uint64_t n, const std::string& id, const std::string& set);

/// A person as somebody sees it; versions are left out.
struct PersonSeen {
  Uuid id;
  std::map<std::string, std::string> properties;
  int64_t created_at_ms = 0;
  bool is_identified = false;
  std::set<std::string> distinct_ids;
  bool operator==(const PersonSeen&) const = default;
};

class Story {
 public:
  explicit Story(uint64_t seed, IngestOptions options = {}) : world(seed, options) {
    world.start();
  }
  static Uuid uuid(uint64_t n);
  /// Sends them together and waits until they are decided.
  void tell(const std::vector<StoryEvent>& events);
  std::optional<PersonSeen> person(const std::string& distinct_id);
  /// Of every id that has one.
  std::map<std::string, PersonSeen> persons(const std::vector<std::string>& ids);
  /// The undo of the merge that this event made, found in the history of the id's person.
  World::Report undo(const std::string& distinct_id, uint64_t n);
  std::vector<event::PersonMerge> merges(const std::string& distinct_id);

  World world;

 private:
  std::deque<std::string> records_;  // what views of merges point into
};

}  // namespace penstock::ingest::testing
