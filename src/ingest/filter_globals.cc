#include "ingest/filter_globals.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/json_writer.h"
#include "ingest/steps/elements.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonFields;
using event::JsonType;

constexpr std::array<std::string_view, 5> kOfTheEvent = {"event", "uuid", "timestamp",
                                                         "distinct_id", "properties"};
constexpr std::array<std::string_view, 7> kTags = {"a",      "button",   "form", "input",
                                                   "select", "textarea", "label"};

bool is_in(const auto& list, std::string_view one) {
  return std::ranges::find(list, one) != list.end();
}

/// Values of name="…" behind a colon or a quote, each once, at most `count`.
std::vector<std::string_view> attribute(std::string_view chain, std::string_view name,
                                        size_t count) {
  std::vector<std::string_view> out;
  const std::string wanted = std::string(name) + "=\"";
  for (size_t at = chain.find(wanted); at != std::string_view::npos && out.size() < count;
       at = chain.find(wanted, at)) {
    const bool begins = at > 0 && (chain[at - 1] == ':' || chain[at - 1] == '"');
    at += wanted.size();
    const size_t end = chain.find('"', at);
    if (end == std::string_view::npos) break;
    const std::string_view value = chain.substr(at, end - at);
    if (begins && !is_in(out, value)) out.push_back(value);
  }
  return out;
}

std::string json_list(const std::vector<std::string_view>& items) {
  JsonWriter w;
  w.begin_array();
  for (const std::string_view item : items) w.string(item);
  return w.end_array().take();
}

std::string quoted(std::string_view text) {
  std::string out;
  event::append_json_string(out, text);
  return out;
}

/// Of an event that still has its elements among its properties.
std::string chain_of(const JsonFields& event) {
  // Of a stored one they stand apart.
  if (const auto chain = event.find("elements_chain")) {
    if (json_type(*chain) == JsonType::kString) return event::decode_string(*chain);
  }
  const auto properties = JsonFields::parse(event.find("properties").value_or("{}"));
  if (!properties) return {};
  if (const auto chain = properties->find("$elements_chain")) {
    return json_type(*chain) == JsonType::kString ? event::decode_string(*chain) : std::string();
  }
  const auto elements = properties->find("$elements");
  return elements ? elements_chain(*elements) : std::string();
}

}  // namespace

std::string chain_href(std::string_view chain) {
  const auto found = attribute(chain, "href", 1);
  return quoted(found.empty() ? std::string_view() : found.front());
}

std::string chain_texts(std::string_view chain) {
  return json_list(attribute(chain, "text", SIZE_MAX));
}

std::string chain_ids(std::string_view chain) {
  return json_list(attribute(chain, "attr_id", SIZE_MAX));
}

std::string chain_elements(std::string_view chain) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < chain.size();) {
    const std::string_view rest = chain.substr(at);
    const std::string_view tag = rest.substr(0, rest.find_first_of(".:;"));
    const bool ends = tag.size() == rest.size() || rest[tag.size()] != ';';
    if (ends && is_in(kTags, tag) && !is_in(out, tag)) {
      out.push_back(tag);
    }
    const size_t next = rest.find(';');
    if (next == std::string_view::npos) break;
    at += next + 1;
  }
  return json_list(out);
}

hog::Value FilterGlobals::kept(std::string json) {
  return hog::Value::raw(made_.emplace_back(std::move(json)));
}

/// Of the event's group of that type.
std::string FilterGlobals::group(uint8_t index) const {
  if (groups_ == nullptr) return {};
  const auto properties = JsonFields::parse(event_.find("properties").value_or("{}"));
  const std::string name = "$group_" + std::to_string(index);
  const auto key = properties ? properties->find(name) : std::nullopt;
  if (!key) return {};
  // Clients number their groups, too: the group's key is the number's text.
  if (json_type(*key) == JsonType::kNumber) return (*groups_)(index, *key);
  if (json_type(*key) != JsonType::kString) return {};
  return (*groups_)(index, event::decode_string(*key));
}

bool FilterGlobals::find(hog::Heap&, std::string_view name, hog::Value& value) {
  if (is_in(kOfTheEvent, name)) {
    value = hog::Value::raw(event_.find(name).value_or("null"));
    return true;
  }
  if (name.starts_with("elements_chain")) {
    const std::string chain = chain_of(event_);
    if (name == "elements_chain") return value = kept(quoted(chain)), true;
    if (name == "elements_chain_href") return value = kept(chain_href(chain)), true;
    if (name == "elements_chain_texts") return value = kept(chain_texts(chain)), true;
    if (name == "elements_chain_ids") return value = kept(chain_ids(chain)), true;
    if (name == "elements_chain_elements") return value = kept(chain_elements(chain)), true;
    return false;
  }
  const auto index = [&](std::string_view prefix) {
    return name.size() == prefix.size() + 1 && name.starts_with(prefix) && name.back() >= '0' &&
           name.back() <= '4';
  };
  if (name == "person" || name == "pdi") {
    const auto person = event_.find("person");  // of a stored event only
    if (!person) return value = hog::Value(), true;
    if (name == "person") return value = hog::Value::raw(*person), true;
    JsonWriter w;
    w.begin_object().key("distinct_id").raw(event_.find("distinct_id").value_or("null"));
    w.key("person").raw(*person).end_object();
    return value = kept(w.take()), true;
  }
  if (index("$group_")) {
    // Of a stored event its groups are numbered.
    const auto properties = JsonFields::parse(event_.find("properties").value_or("{}"));
    const auto key = properties ? properties->find(name) : std::nullopt;
    return value = key ? kept(std::string(*key)) : hog::Value(), true;
  }
  if (index("group_")) {
    const std::string properties = group(static_cast<uint8_t>(name.back() - '0'));
    JsonWriter w;
    w.begin_object().key("properties").raw(properties.empty() ? "{}" : properties).end_object();
    return value = kept(w.take()), true;
  }
  if (name == "variables") return value = hog::Value::raw("{}"), true;
  return false;
}

}  // namespace penstock::ingest
