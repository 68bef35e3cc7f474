#include "ingest/steps/key_lists.h"

#include <array>
#include <cstdint>
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

constexpr size_t kLiftedSizeMin = 3, kLiftedSizeMax = 17;  // of a key

/// Asked for every property of every event, mostly in vain: the slot, by the key's size and its
/// first, middle and last letters, is nearly always free then.
class LiftedTable {
 public:
  LiftedTable() {
    for (size_t i = 0; i < kLifted.size(); i++) {
      const std::string_view key = kLifted[i];
      std::string initial = "$initial_";
      initial.append(key.starts_with('$') ? key.substr(1) : key);
      keys_[i] = {key, std::move(initial)};
      size_t slot = slot_of(key);
      while (slots_[slot] != 0) slot = (slot + 1) % slots_.size();
      slots_[slot] = static_cast<uint8_t>(i + 1);
    }
  }

  const LiftedKey* find(std::string_view key) const {
    for (size_t slot = slot_of(key); slots_[slot] != 0; slot = (slot + 1) % slots_.size()) {
      const LiftedKey& found = keys_[slots_[slot] - 1U];
      if (found.key == key) return &found;
    }
    return nullptr;
  }

 private:
  static size_t slot_of(std::string_view key) {
    const auto at = [key](size_t i) { return static_cast<uint32_t>(static_cast<uint8_t>(key[i])); };
    const uint32_t letters = at(1) | at(key.size() / 2) << 8 | at(key.size() - 1) << 16;
    return ((letters ^ static_cast<uint32_t>(key.size()) << 24) * 0x9e3779b1U) >> 24;
  }

  std::array<LiftedKey, kLifted.size()> keys_;
  std::array<uint8_t, 256> slots_{};
};

std::unordered_set<std::string_view> make_suppressed() {
  std::unordered_set<std::string_view> out(kSuppressed.begin(), kSuppressed.end());
  out.insert("$os_name");
  return out;
}

}  // namespace

const LiftedKey* find_lifted(std::string_view key) {
  static const LiftedTable kTable;
  if (key.size() > kLiftedSizeMax || key.size() < kLiftedSizeMin) return nullptr;
  return kTable.find(key);
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
