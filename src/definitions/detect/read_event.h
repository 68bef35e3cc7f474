// The names that one event defines: its own properties, those it sets on a person, a group's.
//
// One pass over the properties' JSON, without a tree; the names are handed to a sink, with the raw
// value of each. What is no event-level property (`$set`, `$groups`, …) is known here, what the
// names are worth is not. Not thread safe; the views last as long as the call of the sink.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "definitions/definition_store.h"
#include "event/json_fields.h"
#include "event/json_index.h"

namespace penstock::definitions {

inline constexpr size_t kNameBytesMax = 200;
inline constexpr std::string_view kIgnoredEvent = "$$plugin_metrics";

/// One name with its value. A pair is a property that is told of the event, too.
struct SeenName {
  Owner owner = Owner::kEvent;
  bool pair = false;
  std::string_view name;
  std::string_view raw;
};

/// A text with U+FFFD for every NUL; the text itself when it has none.
std::string_view without_nul(std::string_view text, std::string& scratch);

class EventReader {
 public:
  struct Result {
    bool readable = true;
    uint64_t long_names = 0;
    /// What PostHog counts as updates: the event, each property, each pair.
    uint64_t updates = 1;
    std::string group_type;  // of `$groupidentify`
  };

  /// Calls `sink(SeenName)` for every name of at most kNameBytesMax bytes.
  template <typename Sink>
  Result read(std::string_view event, std::string_view properties, Sink&& sink) {
    if (index_.read(properties)) {
      return walk(event, event::JsonWalker(index_), sink);
    }
    return walk(event, event::JsonScanner(properties), sink);
  }

 private:
  template <typename Walker, typename Visit>
  static bool each_member(Walker& w, Visit&& visit) {
    if (!w.accept('{')) return false;
    if (w.accept('}')) return true;
    do {
      std::string_view key, value;
      bool escaped = false;
      if (!w.string(key, escaped) || !w.accept(':')) return false;
      const Walker at_value = w;
      if (!w.value(value)) return false;
      visit(key, escaped, value, at_value);
    } while (w.accept(','));
    return w.accept('}');
  }

  static bool is_never_a_property(std::string_view name) {
    return name == "$set" || name == "$set_once" || name == "$unset" || name == "$groups" ||
           (name.size() == 8 && name.starts_with("$group_") && name[7] >= '0' && name[7] <= '4');
  }
  static bool is_never_a_pair(std::string_view name) {
    return name.starts_with("$feature/") || name.starts_with("$feature_enrollment/");
  }

  std::string_view decoded(std::string_view key, bool escaped) {
    if (!escaped) return key.substr(1, key.size() - 2);
    decoded_ = event::decode_string(key);
    return without_nul(decoded_, scratch_);
  }

  template <typename Sink>
  void take(Result& out, const SeenName& seen, Sink& sink) {
    if (seen.name.size() > kNameBytesMax) {
      out.long_names++;
      return;
    }
    out.updates += seen.pair ? 2 : 1;
    sink(seen);
  }

  template <typename Walker, typename Sink>
  void take_all(Result& out, Walker nested, Owner owner, Sink& sink) {
    if (nested.peek() != '{') return;
    each_member(nested,
                [&](std::string_view key, bool escaped, std::string_view value, const Walker&) {
                  take(out, {owner, false, decoded(key, escaped), value}, sink);
                });
  }

  template <typename Walker, typename Sink>
  Result walk(std::string_view event, Walker w, Sink& sink) {
    Result out;
    const bool of_group = event == "$groupidentify";
    std::optional<Walker> group_set;
    out.readable = each_member(
        w, [&](std::string_view key, bool escaped, std::string_view value, const Walker& at_value) {
          const std::string_view name = decoded(key, escaped);
          if (of_group) {
            if (name == "$group_set") group_set = at_value;
            if (name == "$group_type" && value.starts_with('"')) {
              out.group_type = event::decode_string(value);
            }
            return;
          }
          if (name.starts_with('$') && is_never_a_property(name)) {
            if (name == "$set" || name == "$set_once")
              take_all(out, at_value, Owner::kPerson, sink);
            return;
          }
          take(out, {Owner::kEvent, !is_never_a_pair(name), name, value}, sink);
        });
    out.group_type = std::string(without_nul(out.group_type, scratch_));
    if (group_set && out.readable && out.group_type.size() <= kNameBytesMax) {
      take_all(out, *group_set, Owner::kGroup, sink);
    }
    return out;
  }

  event::JsonIndex index_;
  std::string decoded_, scratch_;
};

}  // namespace penstock::definitions
