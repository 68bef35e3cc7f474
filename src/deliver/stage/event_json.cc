#include "deliver/event_json.h"

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "base/json_writer.h"
#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::deliver {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr size_t kElementsMax = 1000;

/// Where the next `sign` outside of quotes is, or the end.
size_t outside_quotes(std::string_view text, char sign) {
  bool quoted = false;
  for (size_t at = 0; at < text.size(); at++) {
    if (quoted && text[at] == '\\') {
      at++;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (!quoted && text[at] == sign) {
      return at;
    }
  }
  return text.size();
}

/// key="value"key="value"…, where a value's quotes stand behind a backslash.
std::vector<std::pair<std::string, std::string>> attributes_of(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> out;
  while (true) {
    const size_t equals = text.find("=\"");
    if (equals == std::string_view::npos) return out;
    std::string value;
    size_t at = equals + 2;
    for (; at < text.size() && text[at] != '"'; at++) {
      if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == '"') at++;
      value += text[at];
    }
    out.emplace_back(text.substr(0, equals), std::move(value));
    if (at >= text.size()) return out;
    text.remove_prefix(at + 1);
  }
}

void write_element(JsonWriter& w, std::string_view element, int order) {
  const size_t colon = outside_quotes(element, ':');
  std::string_view names = element.substr(0, colon);
  const size_t dot = names.find('.');
  w.begin_object().field("tag_name", names.substr(0, dot)).field("order", order);
  if (dot != std::string_view::npos) {
    w.key("attr_class").begin_array();
    for (names.remove_prefix(dot + 1);;) {
      const size_t next = names.find('.');
      if (const auto name = names.substr(0, next); !name.empty()) w.string(name);
      if (next == std::string_view::npos) break;
      names.remove_prefix(next + 1);
    }
    w.end_array();
  }
  std::vector<std::pair<std::string, std::string>> rest;
  if (colon < element.size()) {
    for (auto& [key, value] : attributes_of(element.substr(colon + 1))) {
      if (key == "text" || key == "href" || key == "attr_id") {
        w.field(key, value);
      } else if (key == "nth-child" || key == "nth-of-type") {
        int64_t number = 0;
        std::from_chars(value.data(), value.data() + value.size(), number);
        w.field(key == "nth-child" ? "nth_child" : "nth_of_type", number);
      } else {
        rest.emplace_back(std::move(key), std::move(value));
      }
    }
  }
  w.key("attributes").begin_object();
  for (const auto& [key, value] : rest) w.field(key, value);
  w.end_object().end_object();
}

void copy_object(JsonWriter& w, const JsonFields& properties, std::string_view key) {
  const auto raw = properties.find(key);
  if (raw && json_type(*raw) == JsonType::kObject) w.key(key).raw(*raw);
}

void write_groups(JsonWriter& w, const JsonFields& properties) {
  w.key("groups").begin_object();
  const auto raw = properties.find("$groups");
  const auto groups = JsonFields::parse(raw.value_or("{}"));
  if (groups) {
    for (const JsonFields::Field& group : groups->fields()) {
      w.key(group.key).begin_object().field("type", group.key).key("key").raw(group.value);
      w.end_object();
    }
  }
  w.end_object();
}

}  // namespace

std::string elements_json(std::string_view chain) {
  JsonWriter w;
  w.begin_array();
  for (int order = 0; !chain.empty() && order < static_cast<int>(kElementsMax); order++) {
    const size_t end = outside_quotes(chain, ';');
    if (end > 0) write_element(w, chain.substr(0, end), order);
    chain.remove_prefix(std::min(end + 1, chain.size()));
  }
  return w.end_array().take();
}

std::string event_json(const event::Outcome& outcome, std::string_view site_url) {
  const event::EventRow& row = outcome.row;
  JsonWriter w;
  w.begin_object().field("uuid", outcome.uuid.text()).field("event", row.event);
  w.field("team_id", outcome.project.value).field("distinct_id", row.distinct_id);
  w.field("timestamp", event::format_rfc3339_ms(row.timestamp_ms));
  const auto properties = JsonFields::parse(row.properties);
  const auto ip = properties ? properties->find("$ip") : std::nullopt;
  w.key("ip").raw(ip && json_type(*ip) == JsonType::kString ? *ip : "null");
  w.key("properties").raw(properties ? row.properties : "{}");
  if (properties) {
    copy_object(w, *properties, "$set");
    copy_object(w, *properties, "$set_once");
    write_groups(w, *properties);
  }
  w.key("elements").raw(elements_json(row.elements_chain));
  if (!row.elements_chain.empty()) w.field("elements_chain", row.elements_chain);
  if (row.person_mode != event::PersonMode::kPropertyless) {
    w.key("person").begin_object().field("uuid", row.person_id.text());
    w.field("team_id", outcome.project.value).key("properties");
    w.raw(row.person_properties.empty() ? "{}" : row.person_properties);
    w.field("created_at", event::format_rfc3339_ms(row.person_created_at_ms));
    w.field("posthog_url", std::string(site_url) + "/person/" + std::string(row.distinct_id));
    w.end_object();
  }
  return w.end_object().take();
}

uint64_t utf16_units(std::string_view text) {
  uint64_t out = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0) != 0x80) out += byte >= 0xf0 ? 2 : 1;
  }
  return out;
}

}  // namespace penstock::deliver
