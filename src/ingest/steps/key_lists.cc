#include "ingest/steps/key_lists.h"

#include <array>
#include <unordered_map>
#include <unordered_set>

namespace penstock::ingest {
namespace {

constexpr std::array<std::string_view, 44> kLifted{
    "$app_build", "$app_name", "$app_namespace", "$app_version", "$browser", "$browser_version",
    "$device_type", "$current_url", "$pathname", "$os", "$os_name", "$os_version",
    "$referring_domain", "$referrer", "$screen_height", "$screen_width", "$viewport_height",
    "$viewport_width", "$raw_user_agent",
    // campaign parameters
    "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_name", "utm_term", "gclid",
    "gad_source", "gclsrc", "dclid", "gbraid", "wbraid", "fbclid", "msclkid", "twclid", "li_fat_id",
    "mc_cid", "igshid", "ttclid", "rdt_cid", "irclid", "_kx", "epik", "qclid", "sccid"};

constexpr std::array<std::string_view, 14> kSuppressed{"$current_url",
                                                       "$pathname",
                                                       "$referring_domain",
                                                       "$referrer",
                                                       "$screen_height",
                                                       "$screen_width",
                                                       "$viewport_height",
                                                       "$viewport_width",
                                                       "$browser",
                                                       "$browser_version",
                                                       "$device_type",
                                                       "$raw_user_agent",
                                                       "$os",
                                                       "$os_version"};

constexpr std::array<std::string_view, 17> kKept{"email",
                                                 "name",
                                                 "$session_id",
                                                 "$window_id",
                                                 "$pageview_id",
                                                 "$host",
                                                 "$user_id",
                                                 "$device_id",
                                                 "$anon_distinct_id",
                                                 "$initial_referrer",
                                                 "$initial_referring_domain",
                                                 "$initial_utm_source",
                                                 "$initial_utm_medium",
                                                 "$initial_utm_campaign",
                                                 "$initial_utm_content",
                                                 "$initial_utm_term",
                                                 "$fbc"};

std::unordered_map<std::string_view, LiftedKey> make_lifted() {
  std::unordered_map<std::string_view, LiftedKey> out;
  out.max_load_factor(0.5F);
  for (std::string_view key : kLifted) {
    std::string initial = "$initial_";
    initial.append(key.starts_with('$') ? key.substr(1) : key);
    out.emplace(key, LiftedKey{key, std::move(initial)});
  }
  return out;
}

std::unordered_set<std::string_view> make_suppressed() {
  std::unordered_set<std::string_view> out(kSuppressed.begin(), kSuppressed.end());
  out.insert("$os_name");
  return out;
}

}  // namespace

const LiftedKey* find_lifted(std::string_view key) {
  static const auto kTable = make_lifted();
  // No listed key is longer than this; most event properties end here.
  if (key.size() > 17 || key.size() < 3) return nullptr;
  const auto it = kTable.find(key);
  return it == kTable.end() ? nullptr : &it->second;
}

bool is_suppressed_key(std::string_view key) {
  static const auto kTable = make_suppressed();
  if (kTable.contains(key)) return true;
  if (!key.starts_with("$geoip_")) return false;
  return key != "$geoip_country_name" && key != "$geoip_city_name";
}

bool is_kept_when_trimmed(std::string_view key) {
  static const std::unordered_set<std::string_view> kTable(kKept.begin(), kKept.end());
  return kTable.contains(key) || find_lifted(key) != nullptr;
}

}  // namespace penstock::ingest
