#include "ingest/steps/cookieless_day.h"

#include <unicode/ucal.h>

#include <array>

namespace penstock::ingest {
namespace {

constexpr size_t kZonesMax = 600;    // there are about as many
constexpr size_t kZoneNameMax = 63;  // the longest has 32 characters
constexpr int64_t kDayMs = 86'400'000;

int64_t floor_days(int64_t ms) { return ms >= 0 ? ms / kDayMs : -((kDayMs - 1 - ms) / kDayMs); }

}  // namespace

/// Null inside: no such zone, remembered so that it is asked for once.
struct ZoneDays::Calendar {
  UCalendar* of = nullptr;
  Calendar() = default;
  Calendar(const Calendar&) = delete;
  Calendar& operator=(const Calendar&) = delete;
  ~Calendar() {
    if (of != nullptr) ucal_close(of);
  }
};

ZoneDays::ZoneDays() = default;
ZoneDays::~ZoneDays() = default;

ZoneDays::Calendar* ZoneDays::calendar(std::string_view zone) {
  if (zone.empty() || zone.size() > kZoneNameMax) return nullptr;
  const std::string name(zone);
  if (const auto it = calendars_.find(name); it != calendars_.end()) return it->second.get();
  if (calendars_.size() >= kZonesMax) calendars_.clear();
  Calendar* made = calendars_.emplace(name, std::make_unique<Calendar>()).first->second.get();
  std::array<UChar, kZoneNameMax + 1> text{};
  for (size_t i = 0; i < zone.size(); i++) {
    if (static_cast<unsigned char>(zone[i]) > 0x7e) return made;
    text[i] = static_cast<UChar>(zone[i]);
  }
  const auto length = static_cast<int32_t>(zone.size());
  std::array<UChar, kZoneNameMax + 1> canonical{};
  UBool known = 0;
  UErrorCode error = U_ZERO_ERROR;
  ucal_getCanonicalTimeZoneID(text.data(), length, canonical.data(),
                              static_cast<int32_t>(canonical.size()), &known, &error);
  if (U_FAILURE(error) || known == 0) return made;
  made->of = ucal_open(text.data(), length, "en", UCAL_GREGORIAN, &error);
  if (U_FAILURE(error)) made->of = nullptr;
  return made;
}

std::optional<LocalDay> ZoneDays::day_of(std::string_view zone, int64_t time_ms) {
  const Calendar* found = calendar(zone);
  if (found == nullptr || found->of == nullptr) return std::nullopt;
  UCalendar* c = found->of;
  UErrorCode error = U_ZERO_ERROR;
  ucal_setMillis(c, static_cast<UDate>(time_ms), &error);
  const int64_t offset =
      ucal_get(c, UCAL_ZONE_OFFSET, &error) + int64_t{ucal_get(c, UCAL_DST_OFFSET, &error)};
  for (const auto field : {UCAL_HOUR_OF_DAY, UCAL_MINUTE, UCAL_SECOND, UCAL_MILLISECOND}) {
    ucal_set(c, field, 0);
  }
  const auto start = static_cast<int64_t>(ucal_getMillis(c, &error));
  if (U_FAILURE(error)) return std::nullopt;
  return LocalDay{static_cast<int32_t>(floor_days(time_ms + offset)), start};
}

}  // namespace penstock::ingest
