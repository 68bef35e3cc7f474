#include "capture/decode/distinct_id.h"

#include <algorithm>

#include "event/json_fields.h"

namespace penstock::capture {
namespace {

using event::JsonType;

/// Compact text with sorted keys. The recursion is as deep as the value, which the parser has
/// bounded (event::kJsonDepthMax).
std::string canonical(std::string_view raw) {
  switch (event::json_type(raw)) {
    case JsonType::kObject: {
      auto fields = event::JsonFields::parse(raw);
      if (!fields) return std::string(raw);
      std::vector<std::pair<std::string, std::string_view>> members;
      for (const auto& f : fields->fields()) members.emplace_back(f.key, f.value);
      std::sort(members.begin(), members.end());
      std::string out = "{";
      for (const auto& [key, value] : members) {
        if (out.size() > 1) out += ',';
        event::append_json_string(out, key);
        out += ':' + canonical(value);
      }
      return out + "}";
    }
    case JsonType::kArray: {
      const auto elements = event::split_array(raw);
      if (!elements) return std::string(raw);
      std::string out = "[";
      for (const std::string_view e : *elements) {
        if (out.size() > 1) out += ',';
        out += canonical(e);
      }
      return out + "]";
    }
    case JsonType::kString: {
      std::string out;
      event::append_json_string(out, event::decode_string(raw));
      return out;
    }
    default: return std::string(raw);
  }
}

}  // namespace

std::string normal_distinct_id(std::string_view raw, size_t chars_max) {
  const std::string text =
      event::json_type(raw) == JsonType::kString ? event::decode_string(raw) : canonical(raw);
  std::string out;
  size_t chars = 0;
  for (const char c : text) {
    const bool begins = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (begins && chars++ == chars_max) break;
    if (c == '\0') {
      out += "\xef\xbf\xbd";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace penstock::capture
