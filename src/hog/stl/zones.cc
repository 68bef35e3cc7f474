#include "hog/stl/zones.h"

#include <unicode/ucal.h>
#include <unicode/ustring.h>

#include <algorithm>

#include "hog/value.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

constexpr int64_t kMinuteMs = 60'000, kDayMs = 86'400'000;

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

/// UTC, GMT, UTC+3, UTC-03:30.
bool fixed_offset(std::string_view name, int& minutes) {
  std::string lower = to_lower(name);
  if (lower == "utc" || lower == "gmt") {
    minutes = 0;
    return true;
  }
  if (!lower.starts_with("utc") || lower.size() < 5 || (lower[3] != '+' && lower[3] != '-')) {
    return false;
  }
  int parts[2] = {0, 0};
  size_t part = 0, digits = 0;
  for (size_t i = 4; i < lower.size(); i++) {
    if (lower[i] == ':' && part == 0 && digits > 0) {
      part = 1;
      digits = 0;
    } else if (lower[i] >= '0' && lower[i] <= '9' && digits < 2) {
      parts[part] = parts[part] * 10 + (lower[i] - '0');
      digits++;
    } else {
      return false;
    }
  }
  if (digits == 0 || (part == 1 && digits != 2)) return false;
  minutes = (parts[0] * 60 + parts[1]) * (lower[3] == '-' ? -1 : 1);
  return true;
}

}  // namespace

struct Zones::Zone {
  std::string name;
  bool known = false, fixed = false;
  int fixed_minutes = 0;
  UCalendar* calendar = nullptr;
  ~Zone() {
    if (calendar != nullptr) ucal_close(calendar);
  }
};

Zones::Zones() = default;
Zones::~Zones() = default;

Zones::Zone& Zones::get(std::string_view name) {
  for (const auto& zone : zones_) {
    if (zone->name == name) return *zone;
  }
  if (zones_.size() >= kKept) zones_.erase(zones_.begin());
  auto zone = std::make_unique<Zone>();
  zone->name = name;
  if (fixed_offset(name, zone->fixed_minutes)) {
    zone->known = zone->fixed = true;
  } else if (!name.empty() && name.size() < 64) {
    const std::u16string id = to_utf16(name);
    UErrorCode error = U_ZERO_ERROR;
    UBool system = 0;
    UChar canonical[96];
    ucal_getCanonicalTimeZoneID(id.data(), static_cast<int32_t>(id.size()), canonical, 96, &system,
                                &error);
    if (U_SUCCESS(error) != 0 && system != 0) {
      zone->calendar =
          ucal_open(id.data(), static_cast<int32_t>(id.size()), "en", UCAL_GREGORIAN, &error);
      zone->known = U_SUCCESS(error) != 0;
    }
  }
  zones_.push_back(std::move(zone));
  return *zones_.back();
}

bool Zones::known(std::string_view zone) { return get(zone).known; }
bool Zones::fixed(std::string_view zone) { return get(zone).fixed; }

int Zones::offset_minutes(std::string_view name, int64_t ms) {
  Zone& zone = get(name);
  if (zone.fixed || !zone.known) return zone.fixed_minutes;
  UErrorCode error = U_ZERO_ERROR;
  ucal_setMillis(zone.calendar, static_cast<double>(ms), &error);
  const int32_t offset = ucal_get(zone.calendar, UCAL_ZONE_OFFSET, &error) +
                         ucal_get(zone.calendar, UCAL_DST_OFFSET, &error);
  return U_FAILURE(error) ? 0 : static_cast<int>(offset / kMinuteMs);
}

CivilTime Zones::civil(std::string_view zone, int64_t ms) {
  const int offset = offset_minutes(zone, ms);
  CivilTime out = civil_of(ms + offset * kMinuteMs);
  out.offset_minutes = offset;
  return out;
}

int64_t Zones::moment(std::string_view zone, const CivilTime& time, int guess_minutes) {
  int64_t month = time.month - 1;
  const int64_t year = time.year + floor_div(month, 12);
  month -= floor_div(month, 12) * 12;
  const int64_t local =
      (days_from_civil(year, static_cast<int>(month) + 1, 1) + time.day - 1) * kDayMs +
      time.hour * int64_t{3'600'000} + time.minute * kMinuteMs + time.second * int64_t{1000} +
      time.millisecond;
  // Guess, look, correct, look again; where clocks skip this time the smaller offset decides.
  int64_t utc = local - guess_minutes * kMinuteMs;
  const int second = offset_minutes(zone, utc);
  if (second == guess_minutes) return utc;
  utc -= (second - guess_minutes) * kMinuteMs;
  const int third = offset_minutes(zone, utc);
  if (second == third) return utc;
  return local - std::min(second, third) * kMinuteMs;
}

int64_t days_from_civil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = floor_div(year, 400), of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

CivilTime civil_of(int64_t local_ms) {
  const int64_t days = floor_div(local_ms, kDayMs);
  int64_t rest = local_ms - days * kDayMs;
  const int64_t shifted = days + 719468, era = floor_div(shifted, 146097);
  const int64_t of_era = shifted - era * 146097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
  const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t march = (5 * of_year + 2) / 153;
  CivilTime out;
  out.day = static_cast<int>(of_year - (153 * march + 2) / 5 + 1);
  out.month = static_cast<int>(march < 10 ? march + 3 : march - 9);
  out.year = year_of_era + era * 400 + (out.month <= 2 ? 1 : 0);
  out.weekday = static_cast<int>((((days + 3) % 7) + 7) % 7) + 1;
  out.day_of_year = static_cast<int>(days - days_from_civil(out.year, 1, 1)) + 1;
  out.hour = static_cast<int>(rest / 3'600'000);
  rest %= 3'600'000;
  out.minute = static_cast<int>(rest / kMinuteMs);
  rest %= kMinuteMs;
  out.second = static_cast<int>(rest / 1000);
  out.millisecond = static_cast<int>(rest % 1000);
  return out;
}

int days_in_month(int64_t year, int month) {
  const int64_t next =
      month == 12 ? days_from_civil(year + 1, 1, 1) : days_from_civil(year, month + 1, 1);
  return static_cast<int>(next - days_from_civil(year, month, 1));
}

}  // namespace penstock::hog
