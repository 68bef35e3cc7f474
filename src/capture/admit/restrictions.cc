#include "capture/admit/restrictions.h"

#include <algorithm>

namespace penstock::capture {

using catalog::RestrictionType;

int RestrictionPlan::Rule::kinds() const {
  return int{!distinct_ids.empty()} + int{!session_ids.empty()} + int{!event_names.empty()} +
         int{!uuids.empty()};
}

bool RestrictionPlan::Rule::matches(const event::RawRecord& r) const {
  return (event_names.empty() || event_names.contains(r.event)) &&
         (distinct_ids.empty() || distinct_ids.contains(r.distinct_id)) &&
         (session_ids.empty() || session_ids.contains(r.session_id)) &&
         (uuids.empty() || uuids.contains(r.uuid));
}

/// Joins a rule of one kind to an earlier one that differs in its entries alone.
bool RestrictionPlan::fold(Rule& rule) {
  if (rule.kinds() != 1) return false;
  const auto same = [&rule](const Rule& other) {
    return other.type == rule.type && other.pipelines == rule.pipelines &&
           other.topic == rule.topic && other.kinds() == 1 &&
           other.distinct_ids.empty() == rule.distinct_ids.empty() &&
           other.session_ids.empty() == rule.session_ids.empty() &&
           other.event_names.empty() == rule.event_names.empty() &&
           other.uuids.empty() == rule.uuids.empty();
  };
  const auto found = std::ranges::find_if(rules_, same);
  if (found == rules_.end()) return false;
  found->distinct_ids.merge(rule.distinct_ids);
  found->session_ids.merge(rule.session_ids);
  found->event_names.merge(rule.event_names);
  found->uuids.merge(rule.uuids);
  return true;
}

RestrictionPlan::RestrictionPlan(const std::vector<catalog::EventRestriction>& rules) {
  for (const catalog::EventRestriction& r : rules) {
    Rule rule{r.type, r.pipelines, r.topic, {}, {}, {}, {}};
    rule.distinct_ids.insert(r.distinct_ids.begin(), r.distinct_ids.end());
    rule.session_ids.insert(r.session_ids.begin(), r.session_ids.end());
    rule.event_names.insert(r.event_names.begin(), r.event_names.end());
    rule.uuids.insert(r.event_uuids.begin(), r.event_uuids.end());
    if (!fold(rule)) rules_.push_back(std::move(rule));
  }
}

Restricted RestrictionPlan::apply(const event::RawRecord& record,
                                  catalog::Pipeline pipeline) const {
  Restricted out;
  for (const Rule& rule : rules_) {
    if ((rule.pipelines & static_cast<uint8_t>(pipeline)) == 0 || !rule.matches(record)) continue;
    switch (rule.type) {
      case RestrictionType::kDropEvent: out.drop = true; return out;
      case RestrictionType::kForceOverflow: out.overflow = true; break;
      case RestrictionType::kQuarantine: out.quarantine = true; break;
      case RestrictionType::kSkipPersons: out.skip_persons = true; break;
      case RestrictionType::kRedirectTopic:
        if (out.topic.empty()) out.topic = rule.topic;
        break;
    }
  }
  return out;
}

}  // namespace penstock::capture
