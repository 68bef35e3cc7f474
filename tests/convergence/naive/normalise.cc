#include <algorithm>
#include <array>

#include "tests/convergence/naive/model.h"

namespace naive {
namespace {

constexpr std::array kFromEvent{
    "$app_build",       "$app_name",        "$app_namespace",    "$app_version",   "$browser",
    "$browser_version", "$device_type",     "$current_url",      "$pathname",      "$os",
    "$os_name",         "$os_version",      "$referring_domain", "$referrer",      "$screen_height",
    "$screen_width",    "$viewport_height", "$viewport_width",   "$raw_user_agent"};
constexpr std::array kCampaign{
    "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_name", "utm_term", "gclid",
    "gad_source", "gclsrc",     "dclid",        "gbraid",      "wbraid",   "fbclid",   "msclkid",
    "twclid",     "li_fat_id",  "mc_cid",       "igshid",      "ttclid",   "rdt_cid",  "irclid",
    "_kx",        "epik",       "qclid",        "sccid"};

std::string initial(const std::string& key) {
  return "$initial_" + (key.starts_with('$') ? key.substr(1) : key);
}

/// §2: top-level `$set`/`$set_once` win over those in properties; A7: what is no object is {}.
Json updates(const EventJson& whole, const EventJson& properties, const std::string& name) {
  Json out = Json::object();
  if (properties.contains(name) && properties[name].is_object()) out.update(Json(properties[name]));
  if (whole.contains(name) && whole[name].is_object()) out.update(Json(whole[name]));
  return out;
}

/// §2b with A5: never a null into `$set_once`.
void lift(const std::string& key, const Json& value, Json& set, Json& set_once) {
  if (!set.contains(key)) set[key] = value;
  if (!value.is_null() && !set_once.contains(initial(key))) set_once[initial(key)] = value;
}

/// A6: Meta's click id.
void derive_fbc(const Event& event, const EventJson& properties, Json& set) {
  if (!properties.contains("fbclid") || !properties["fbclid"].is_string()) return;
  if (set.contains("$fbc")) return;
  const std::string id = properties["fbclid"];
  const bool plain = std::ranges::all_of(id, [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  });
  if (id.empty() || id.size() > 400 || !plain) return;
  const int64_t click = std::min(event.now_ms, event.timestamp_ms);
  const int64_t day = click / 86'400'000 * 86'400'000;
  set["$fbc"] = "fb.1." + std::to_string(day) + "." + id;
}

}  // namespace

void normalise(const Event& event, EventJson& properties, Json& set, Json& set_once) {
  const EventJson whole = EventJson::parse(event.data);
  set = updates(whole, properties, "$set");
  set_once = updates(whole, properties, "$set_once");
  if (event.name == "$snapshot" || event.name == "$performance_event") return;
  // A4: what a server runs on is not what its user runs on.
  const bool server = properties.contains("$is_server") && properties["$is_server"] == true;
  for (const std::string key : kFromEvent) {
    if (!properties.contains(key)) continue;
    if (server && (key == "$os" || key == "$os_version")) continue;
    if (key == "$os_name" && !server) {
      // An alias: its value goes by the name `$os` too.
      lift("$os", Json(properties[key]), set, set_once);
      set.erase("$os_name");
      set_once.erase("$initial_os_name");
      continue;
    }
    lift(key, Json(properties[key]), set, set_once);
  }
  for (const std::string key : kCampaign) {
    if (properties.contains(key)) lift(key, Json(properties[key]), set, set_once);
  }
  derive_fbc(event, properties, set);
}

bool filtered(const std::string& key) {
  static const std::set<std::string> keys{"$current_url",  "$pathname",        "$referring_domain",
                                          "$referrer",     "$browser",         "$browser_version",
                                          "$device_type",  "$raw_user_agent",  "$os",
                                          "$os_name",      "$os_version",      "$screen_height",
                                          "$screen_width", "$viewport_height", "$viewport_width"};
  if (key == "$geoip_country_name" || key == "$geoip_city_name") return false;
  return keys.contains(key) || key.starts_with("$geoip_");
}

size_t code_points(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool unmergeable(const std::string& id) {
  if (id.find_first_not_of(" \t\r\n\f\v") == std::string::npos) return true;
  if (id.find('\0') != std::string::npos || code_points(id) > 400) return true;
  std::string lower = id;
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const std::string word : {"anonymous", "guest", "distinctid", "distinct_id", "id",
                                 "not_authenticated", "email", "undefined", "true", "false"}) {
    if (lower == word || lower == "'" + word + "'" || lower == "\"" + word + "\"") return true;
  }
  for (const std::string word :
       {"[object Object]", "NaN", "None", "none", "null", "0", "undefined"}) {
    if (id == word || id == "'" + word + "'" || id == "\"" + word + "\"") return true;
  }
  return false;
}

}  // namespace naive
