// Group step: which groups an event belongs to, and what $groupidentify says of one (contract
// section 6, ERRATA A19, B12).
//
// Works on the overlay alone. Only events with person processing have groups. Failure: the
// overlay's reads, and then the whole cycle is repeated.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "ingest/steps/group_overlay.h"
#include "ingest/steps/item.h"

namespace penstock::ingest {

inline constexpr std::string_view kGroupIdentify = "$groupidentify";
inline constexpr size_t kGroupKeyCharsMax = 400;
inline constexpr size_t kGroupTypeCharsMax = 400;
/// A group's properties as JSON text; what would make them longer is refused.
inline constexpr size_t kGroupBytesMax = 655'360;

/// Drops a $groupidentify whose key is too long to be stored.
Verdict check_group_key(const Item& item, Warnings& warnings);

class GroupStep {
 public:
  GroupStep(GroupOverlay& overlay, Warnings& warnings) : overlay_(overlay), warnings_(warnings) {}

  /// Adds `$group_<index>` to the properties and applies $groupidentify.
  Status run(Item& item);

 private:
  Status number_groups(Item& item);
  Status identify(const Item& item);
  void update(const Item& item, GroupState& group, const event::JsonFields& set);
  void warn(const Item& item, std::string_view type, std::string_view category,
            std::string_view severity, std::string_view group_key);

  GroupOverlay& overlay_;
  Warnings& warnings_;
};

/// A value as JavaScript's String() writes it, NUL made U+FFFD; nullopt when it counts as false.
/// Objects and arrays are written as their JSON text.
std::optional<std::string> truthy_text(std::optional<std::string_view> raw);

}  // namespace penstock::ingest
