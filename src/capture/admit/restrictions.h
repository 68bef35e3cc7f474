// RestrictionPlan: a project's event restrictions, made ready for asking about every event.
//
// Rules that filter on one kind alone (the usual ones) are folded into one set per kind, so that a
// thousand blocked distinct ids cost one look-up. Immutable once made; borrows the settings it was
// made from, which must outlive it. A project without rules costs one comparison.
#pragma once

#include <string_view>
#include <unordered_set>
#include <vector>

#include "catalog/admission_settings.h"
#include "event/raw_record.h"

namespace penstock::capture {

/// What the rules that match an event say together.
struct Restricted {
  bool drop = false, quarantine = false, overflow = false, skip_persons = false;
  std::string_view topic{};  // of the first matching redirect_to_topic; empty: none

  bool diverts() const { return drop || quarantine || !topic.empty(); }
};

class RestrictionPlan {
 public:
  explicit RestrictionPlan(const std::vector<catalog::EventRestriction>& rules);

  bool empty() const { return rules_.empty(); }
  Restricted apply(const event::RawRecord& record, catalog::Pipeline pipeline) const;

 private:
  struct Rule {
    catalog::RestrictionType type{};
    uint8_t pipelines = 0;
    std::string_view topic;
    // Empty: matches everything.
    std::unordered_set<std::string_view> distinct_ids, session_ids, event_names;
    std::unordered_set<Uuid> uuids;

    int kinds() const;  // how many of the sets are not empty
    bool matches(const event::RawRecord& record) const;
  };
  bool fold(Rule& rule);

  std::vector<Rule> rules_;
};

}  // namespace penstock::capture
