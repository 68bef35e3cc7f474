#include "catalog/definition_notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json_writer.h"
#include "event/json_fields.h"

namespace penstock::catalog {

Status check_note(const DefinitionKey& key, const DefinitionNote& note) {
  if (key.name.empty() || key.name.size() > kNotedNameBytesMax) {
    return fail(Code::kInvalid, fmt::format("a name has 1 to {} bytes", kNotedNameBytesMax));
  }
  if (note.description.size() > kNoteBytesMax) {
    return fail(Code::kInvalid, fmt::format("a description has up to {} bytes", kNoteBytesMax));
  }
  const auto fits = [](const std::string& tag) {
    return !tag.empty() && tag.size() <= kNoteTagBytesMax;
  };
  if (note.tags.size() > kNoteTagsMax || !std::ranges::all_of(note.tags, fits)) {
    return fail(Code::kInvalid, fmt::format("tags are up to {} texts of 1 to {} bytes",
                                            kNoteTagsMax, kNoteTagBytesMax));
  }
  return {};
}

std::string tags_json(const std::vector<std::string>& tags) {
  JsonWriter w;
  w.begin_array();
  for (const std::string& tag : tags) w.string(tag);
  return w.end_array().take();
}

Result<std::vector<std::string>> read_tags(std::string_view json) {
  PENSTOCK_TRY(const auto items, event::split_array(json));
  std::vector<std::string> out;
  for (const std::string_view item : items) {
    if (event::json_type(item) != event::JsonType::kString) {
      return fail(Code::kInvalid, "tags must be a list of texts");
    }
    out.push_back(event::decode_string(item));
  }
  return out;
}

}  // namespace penstock::catalog
