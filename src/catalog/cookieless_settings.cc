#include "catalog/cookieless_settings.h"

#include <fmt/format.h>

#include "catalog/settings/reader.h"

namespace penstock::catalog {
namespace {

constexpr std::string_view kModeMember = "cookieless_server_hash_mode", kZoneMember = "timezone";
constexpr size_t kZoneNameMax = 63;

}  // namespace

Result<CookielessSettings> parse_cookieless(std::string_view json) {
  const SettingReader reader("cookieless");
  PENSTOCK_TRY(const auto members, reader.object(json, "the setting"));
  CookielessSettings out;
  for (const auto& [key, raw] : members.fields()) {
    if (key == kModeMember) {
      PENSTOCK_TRY(const std::string mode, reader.text(raw, key));
      if (mode == "stateless") {
        out.mode = CookielessMode::kStateless;
      } else if (mode == "stateful") {
        out.mode = CookielessMode::kStateful;
      } else if (mode != "disabled") {
        return reader.wrong(key, "is none of disabled, stateless, stateful");
      }
    } else if (key == kZoneMember) {
      PENSTOCK_TRY(out.timezone, reader.text(raw, key));
      const bool plain =
          out.timezone.find_first_not_of(
              "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
          std::string::npos;
      if (out.timezone.empty() || out.timezone.size() > kZoneNameMax || !plain) {
        return reader.wrong(key, "is no name of a time zone, such as Europe/Berlin");
      }
    } else {
      return reader.wrong(key,
                          "is no member of it; there are cookieless_server_hash_mode and timezone");
    }
  }
  return out;
}

}  // namespace penstock::catalog
