#include "admin/api/flag_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace penstock::admin {
namespace {

using event::JsonFields;

int64_t number_of(const JsonFields& fields, std::string_view key) {
  int64_t value = 0;
  const auto raw = fields.find(key);
  if (raw) std::from_chars(raw->data(), raw->data() + raw->size(), value);
  return value;
}

/// What the server decides; a body that names them is not refused, PostHog's clients send them
/// back.
bool is_servers(std::string_view key) {
  return key == "id" || key == "version" || key == "created_at" || key == "updated_at";
}

Status check_name(const JsonFields& body) {
  const auto key = body.find("key");
  if (key && event::json_type(*key) == event::JsonType::kString) return {};
  return fail(Code::kInvalid, "a feature flag needs a key");
}

bool is_deleted(const JsonFields& fields) { return fields.find("deleted") == "true"; }

}  // namespace

Result<FlagList> FlagList::parse(std::string_view setting) {
  PENSTOCK_TRY(auto fields, JsonFields::parse(setting));
  FlagList out;
  if (const auto flags = fields.find("flags")) {
    PENSTOCK_TRY(const auto items, event::split_array(*flags));
    out.flags_.assign(items.begin(), items.end());
  }
  fields.erase("flags");
  out.others_ = fields.text();
  return out;
}

Result<size_t> FlagList::position(int64_t id) const {
  for (size_t i = 0; i < flags_.size(); i++) {
    const auto fields = JsonFields::parse(flags_[i]);
    if (fields && number_of(*fields, "id") == id) return i;
  }
  return fail(Code::kNotFound, fmt::format("there is no feature flag {}", id));
}

bool FlagList::has_key(std::string_view quoted_key, int64_t but_not) const {
  const std::string wanted = event::decode_string(quoted_key);
  return std::ranges::any_of(flags_, [&](const std::string& flag) {
    const auto fields = JsonFields::parse(flag);
    if (!fields || is_deleted(*fields) || number_of(*fields, "id") == but_not) return false;
    const auto key = fields->find("key");
    return key && event::json_type(*key) == event::JsonType::kString &&
           event::decode_string(*key) == wanted;
  });
}

Result<std::string> FlagList::create(const JsonFields& body, std::string_view created_at) {
  PENSTOCK_CHECK(check_name(body));
  if (has_key(*body.find("key"), 0)) {
    return fail(Code::kConflict, "there is already a feature flag with this key");
  }
  int64_t last = 0;
  for (const std::string& flag : flags_) {
    const auto fields = JsonFields::parse(flag);
    if (fields) last = std::max(last, number_of(*fields, "id"));
  }
  PENSTOCK_TRY(auto fields, JsonFields::parse("{}"));
  fields.set("id", fmt::to_string(last + 1));
  for (const auto& [key, value] : body.fields()) {
    if (!is_servers(key)) fields.set(key, value);
  }
  if (!fields.contains("name")) fields.set("name", R"("")");
  if (!fields.contains("active")) fields.set("active", "true");
  if (!fields.contains("deleted")) fields.set("deleted", "false");
  if (!fields.contains("filters")) fields.set("filters", R"({"groups":[]})");
  fields.set("version", "1");
  fields.set_string("created_at", created_at);
  flags_.push_back(fields.text());
  return flags_.back();
}

Result<std::string> FlagList::change(int64_t id, const JsonFields& body,
                                     std::string_view updated_at) {
  PENSTOCK_TRY(const size_t at, position(id));
  const std::string before = flags_[at];
  PENSTOCK_TRY(auto fields, JsonFields::parse(before));
  for (const auto& [key, value] : body.fields()) {
    if (!is_servers(key)) fields.set(key, value);
  }
  PENSTOCK_CHECK(check_name(fields));
  if (!is_deleted(fields) && has_key(*fields.find("key"), id)) {
    return fail(Code::kConflict, "there is already a feature flag with this key");
  }
  fields.set("version", fmt::to_string(number_of(fields, "version") + 1));
  fields.set_string("updated_at", updated_at);
  flags_[at] = fields.text();
  return flags_[at];
}

Status FlagList::remove(int64_t id) {
  PENSTOCK_TRY(const size_t at, position(id));
  flags_.erase(flags_.begin() + static_cast<ptrdiff_t>(at));
  return {};
}

Result<std::string> FlagList::find(int64_t id) const {
  PENSTOCK_TRY(const size_t at, position(id));
  return flags_[at];
}

std::string FlagList::list(size_t& count) const {
  std::vector<std::string_view> alive;
  for (const std::string& flag : flags_) {
    const auto fields = JsonFields::parse(flag);
    if (fields && !is_deleted(*fields)) alive.push_back(flag);
  }
  count = alive.size();
  return fmt::format("[{}]", fmt::join(alive, ","));
}

std::string FlagList::setting() const {
  auto fields = JsonFields::parse(others_);
  const std::string flags = fmt::format("[{}]", fmt::join(flags_, ","));
  if (!fields) return "{\"flags\":" + flags + "}";
  fields->set("flags", flags);
  return fields->text();
}

}  // namespace penstock::admin
