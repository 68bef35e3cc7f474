// FilterGlobals: an event as filters see it (contract delivery, section 2).
//
// Names are looked up when a filter asks for them; what is derived from the elements chain is made
// then. Borrows the event. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "event/json_fields.h"
#include "hog/machine.h"

namespace penstock::ingest {

/// The properties of a group, a JSON object; empty: there is none. `index` is its type's.
using GroupOf = std::function<std::string(uint8_t index, std::string_view key)>;

class FilterGlobals final : public hog::Globals {
 public:
  /// `event` as the plugin contract's section 5 shapes it; must outlive the run, as `groups`.
  /// Without `groups` no group has properties.
  explicit FilterGlobals(const event::JsonFields& event, const GroupOf* groups = nullptr)
      : event_(event), groups_(groups) {}
  bool find(hog::Heap& heap, std::string_view name, hog::Value& value) override;

 private:
  hog::Value kept(std::string json);

  std::string group(uint8_t index) const;

  const event::JsonFields& event_;
  const GroupOf* groups_;
  std::deque<std::string> made_;  // texts that values look into
};

/// What PostHog's filters call `elements_chain_…`, as JSON.
std::string chain_href(std::string_view chain);
std::string chain_texts(std::string_view chain);
std::string chain_ids(std::string_view chain);
std::string chain_elements(std::string_view chain);

}  // namespace penstock::ingest
