#include "event/event_diff.h"

#include <algorithm>
#include <array>

#include "event/json_equal.h"
#include "event/json_fields.h"

namespace penstock::event {
namespace {

constexpr std::array<std::string_view, 7> kSaysThatAppsRan = {"$plugins_succeeded",
                                                              "$plugins_failed",
                                                              "$plugins_deferred",
                                                              "$transformations_failed",
                                                              "$transformations_skipped",
                                                              "$transformations_succeeded",
                                                              "properties"};

bool is_told(std::string_view key, bool is_property) {
  const auto end = kSaysThatAppsRan.end() - (is_property ? 1 : 0);
  return std::find(kSaysThatAppsRan.begin(), end, key) == end;
}

struct Written {
  size_t keys = 0, bytes = 0;
};

void write_set(JsonWriter& w, std::string_view name, const JsonFields& from, const JsonFields& to,
               bool are_properties, Written& written) {
  bool open = false;
  for (const JsonFields::Field& f : to.fields()) {
    if (!is_told(f.key, are_properties)) continue;
    const auto old = from.find(f.key);
    if (old && json_equal(*old, f.value)) continue;
    if (!std::exchange(open, true)) w.key(name).begin_object();
    w.key(f.key).raw(f.value);
    written.keys++;
    written.bytes += f.key.size() + f.value.size();
  }
  if (open) w.end_object();
}

}  // namespace

bool write_event_diff(JsonWriter& w, std::string_view before, std::string_view after,
                      size_t bytes_max) {
  JsonFields old_properties, new_properties;
  const auto a = JsonFields::parse_with(before, "properties", old_properties);
  const auto b = JsonFields::parse_with(after, "properties", new_properties);
  if (!a || !b) return false;
  Written written;
  JsonWriter told;
  told.begin_object();
  write_set(told, "set", old_properties, new_properties, true, written);
  bool open = false;
  for (const JsonFields::Field& f : old_properties.fields()) {
    if (new_properties.contains(f.key) || !is_told(f.key, true)) continue;
    if (!std::exchange(open, true)) told.key("unset").begin_array();
    told.string(f.key);
    written.keys++;
    written.bytes += f.key.size();
  }
  if (open) told.end_array();
  write_set(told, "fields", *a, *b, false, written);
  const std::string text = told.end_object().take();
  if (written.bytes > bytes_max) {
    w.field("keys", uint64_t{written.keys});
    return true;
  }
  const auto members = JsonFields::parse(text);
  if (!members) return false;
  for (const JsonFields::Field& f : members->fields()) w.key(f.key).raw(f.value);
  return !members->fields().empty();
}

}  // namespace penstock::event
