// DefinitionNote: what people say of an event or a property of a project, beside what was seen.
//
// A name may be described before it is seen. Pure data; the Catalog keeps it.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::catalog {

struct DefinitionKey {
  std::string kind;        // "event", or whose property: "event_property", "person_property", …
  std::string group_type;  // of a "group_property"
  std::string name;
  auto operator<=>(const DefinitionKey&) const = default;
};

struct DefinitionNote {
  std::string description;
  std::vector<std::string> tags;
  bool verified = false;  // somebody vouches for it, as in PostHog

  bool empty() const { return description.empty() && tags.empty() && !verified; }
  bool operator==(const DefinitionNote&) const = default;
};
using DefinitionNotes = std::map<DefinitionKey, DefinitionNote>;

inline constexpr size_t kNotesPerProjectMax = 20'000;
inline constexpr size_t kNoteBytesMax = 4000;  // of a description
inline constexpr size_t kNoteTagsMax = 20, kNoteTagBytesMax = 100;
inline constexpr size_t kNotedNameBytesMax = 200;

/// kInvalid with a sentence.
Status check_note(const DefinitionKey& key, const DefinitionNote& note);

/// Tags as a JSON array, and back.
std::string tags_json(const std::vector<std::string>& tags);
Result<std::vector<std::string>> read_tags(std::string_view json);

}  // namespace penstock::catalog
