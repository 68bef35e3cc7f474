// What KvDefinitions answers for the UI: scans in the order of the names.
#include "definitions/state/codec.h"
#include "definitions/state/kv_definitions.h"

namespace penstock::definitions {
namespace {

Error unreadable() { return {Code::kCorrupt, "a definition cannot be read"}; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Whether the text holds `part`, which is in lower case already; beyond ASCII as it is written.
bool holds(std::string_view text, std::string_view part) {
  if (part.empty()) return true;
  for (size_t at = 0; at + part.size() <= text.size(); at++) {
    size_t n = 0;
    while (n < part.size() && lower(text[at + n]) == part[n]) n++;
    if (n == part.size()) return true;
  }
  return false;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

}  // namespace

Result<std::vector<EventDefinition>> KvDefinitions::events(ProjectId project,
                                                           const DefinitionsAsked& asked) const {
  std::vector<EventDefinition> out;
  const std::string prefix = project_key(kEventPrefix, project), search = lowered(asked.search);
  std::string from = prefix + asked.after;
  if (!asked.after.empty()) from.push_back('\0');
  bool readable = true;
  PENSTOCK_CHECK(
      kv_->scan(from, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        const std::string_view name = key.substr(prefix.size());
        if (!holds(name, search)) return true;
        EventDefinition e{std::string(name), 0, 0};
        readable = decode_event(value, e.first_seen_ms, e.last_seen_ms);
        if (!readable) return false;
        out.push_back(std::move(e));
        return out.size() < asked.limit;
      }));
  if (!readable) return std::unexpected(unreadable());
  return out;
}

Result<std::vector<PropertyDefinition>> KvDefinitions::properties(
    ProjectId project, Owner owner, const DefinitionsAsked& asked) const {
  std::vector<PropertyDefinition> out;
  const std::string prefix = owner_prefix(project, owner), search = lowered(asked.search);
  std::string from = prefix;
  if (!asked.after.empty()) {
    // Of a group's property the place is its type and its name, with a NUL between: names have
    // none.
    const size_t nul = asked.after.find('\0');
    const bool two = nul != std::string::npos;
    from = property_key(project, owner, two ? asked.after.substr(0, nul) : "",
                        two ? asked.after.substr(nul + 1) : asked.after);
    from.push_back('\0');
  }
  bool readable = true;
  PENSTOCK_CHECK(
      kv_->scan(from, kv::prefix_end(prefix), [&](std::string_view key, std::string_view value) {
        KeyParts parts;
        readable = read_key(key, parts);
        if (!readable) return false;
        if (!holds(parts.second, search)) return true;
        PropertyDefinition p{std::string(parts.second), owner, std::string(parts.first),
                             PropertyType::kUnknown, 0};
        readable = decode_property(value, p.type, p.first_seen_ms);
        if (!readable) return false;
        out.push_back(std::move(p));
        return out.size() < asked.limit;
      }));
  if (!readable) return std::unexpected(unreadable());
  return out;
}

Result<std::vector<std::string>> KvDefinitions::names_below(const std::string& prefix,
                                                            const DefinitionsAsked& asked) const {
  std::vector<std::string> out;
  const std::string search = lowered(asked.search);
  std::string from = prefix + asked.after;
  if (!asked.after.empty()) from.push_back('\0');
  PENSTOCK_CHECK(
      kv_->scan(from, kv::prefix_end(prefix), [&](std::string_view key, std::string_view) {
        const std::string_view name = key.substr(prefix.size());
        if (holds(name, search)) out.emplace_back(name);
        return out.size() < asked.limit;
      }));
  return out;
}

Result<std::vector<PropertyDefinition>> KvDefinitions::properties_of(
    ProjectId project, std::string_view event, const DefinitionsAsked& asked) const {
  PENSTOCK_TRY(auto names, names_below(pair_prefix(kPairPrefix, project, event), asked));
  std::vector<std::string> keys;
  for (const std::string& name : names) {
    keys.push_back(property_key(project, Owner::kEvent, {}, name));
  }
  PENSTOCK_TRY(const auto values, kv_->get_many(keys));
  std::vector<PropertyDefinition> out;
  for (size_t i = 0; i < names.size(); i++) {
    PropertyDefinition p{std::move(names[i]), Owner::kEvent, {}, PropertyType::kUnknown, 0};
    if (values[i] && !decode_property(*values[i], p.type, p.first_seen_ms)) {
      return std::unexpected(unreadable());
    }
    out.push_back(std::move(p));
  }
  return out;
}

Result<std::vector<std::string>> KvDefinitions::events_with(ProjectId project,
                                                            std::string_view property,
                                                            const DefinitionsAsked& asked) const {
  return names_below(pair_prefix(kPairBackPrefix, project, property), asked);
}

std::string_view owner_name(Owner owner) {
  switch (owner) {
    case Owner::kEvent: return "event";
    case Owner::kPerson: return "person";
    case Owner::kGroup: return "group";
    case Owner::kSession: return "session";
  }
  return "";
}

std::optional<Owner> owner_named(std::string_view name) {
  for (const Owner owner : {Owner::kEvent, Owner::kPerson, Owner::kGroup, Owner::kSession}) {
    if (owner_name(owner) == name) return owner;
  }
  return std::nullopt;
}

std::string_view property_type_name(PropertyType type) {
  switch (type) {
    case PropertyType::kUnknown: return "";
    case PropertyType::kString: return "String";
    case PropertyType::kNumeric: return "Numeric";
    case PropertyType::kBoolean: return "Boolean";
    case PropertyType::kDateTime: return "DateTime";
  }
  return "";
}

}  // namespace penstock::definitions
