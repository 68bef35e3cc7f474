// PropertyText: the properties of a person or group while a cycle changes them.
//
// Read member by member, written as JSON text again only when it was changed and somebody asks. Not
// movable: its members are views into the text it was made of. Ingest loop only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "event/json_fields.h"

namespace penstock::ingest {

class PropertyText {
 public:
  /// Text that is no JSON object counts as an empty one.
  explicit PropertyText(std::string object_text);
  PropertyText(const PropertyText&) = delete;
  PropertyText& operator=(const PropertyText&) = delete;

  const event::JsonFields& fields() const { return fields_; }
  std::optional<std::string_view> find(std::string_view key) const { return fields_.find(key); }
  void set(std::string_view key, std::string_view raw);
  bool erase(std::string_view key);
  /// Valid until the next change.
  const std::string& text() const;

 private:
  std::string loaded_;  // what fields_ borrows, and the text until the first change
  event::JsonFields fields_;
  bool edited_ = false;
  mutable std::string text_;
  mutable bool text_valid_ = false;
};

}  // namespace penstock::ingest
