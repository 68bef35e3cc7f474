// Patches: how an event that apps changed goes back to the parent, which has the event's text:
// how much of it stays in front and behind, and what is between. Pure; a patch that does not fit
// the text is refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/codec.h"

namespace penstock::apps {

/// A text as it became, by what of the text before stays in front of it and behind it.
struct NewText {
  size_t front = 0, behind = 0;
  std::string between{};
  /// Of an event, in the new text: where the members of its properties end, if it has properties
  /// and none of them begins with "$plugins_"; else 0.
  size_t properties_end = 0;

  size_t size() const { return front + between.size() + behind; }
  std::string whole(std::string_view before) const;
  /// Adds members at the end of properties, which must be known.
  void put_members(std::string_view before, std::string_view members);
};
void put_patch(ByteWriter& out, const NewText& text);

/// varint bytes in front, varint bytes behind, bytes between.
void put_patch(ByteWriter& out, std::string_view before, std::string_view after);
struct Patch {
  size_t front = 0, behind = 0;
  std::string_view between{};  // a view of what was read

  bool fits(size_t bytes) const { return front <= bytes && behind <= bytes - front; }
};
Patch read_patch(ByteReader& in);
/// How many bytes both end with.
size_t same_behind(std::string_view a, std::string_view b);
/// Nothing: the patch is of another text.
std::optional<std::string> patched(std::string_view before, const Patch& patch);

}  // namespace penstock::apps
