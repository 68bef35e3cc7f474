// Time zones, from ICU's tables. Private to the room.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace penstock::hog {

/// A moment as clocks of a zone show it.
struct CivilTime {
  int64_t year = 0;
  int month = 1, day = 1, hour = 0, minute = 0, second = 0, millisecond = 0;
  int weekday = 1;  // Monday is 1
  int day_of_year = 1;
  int offset_minutes = 0;  // east of UTC
};

/// Keeps the zones it was asked for. Not thread safe.
class Zones {
 public:
  Zones();
  ~Zones();
  Zones(const Zones&) = delete;
  Zones& operator=(const Zones&) = delete;

  /// False: no such zone. Accepts IANA names, UTC, UTC+3, UTC-03:30.
  bool known(std::string_view zone);
  /// UTC and its offsets, which never change.
  bool fixed(std::string_view zone);
  /// Minutes east of UTC at a moment.
  int offset_minutes(std::string_view zone, int64_t ms);
  CivilTime civil(std::string_view zone, int64_t ms);
  /// The moment when clocks show this. `guess_minutes`: an offset of the zone, which decides where
  /// clocks show a time twice. Months and days may be out of range.
  int64_t moment(std::string_view zone, const CivilTime& time, int guess_minutes);

 private:
  struct Zone;
  Zone& get(std::string_view name);
  std::vector<std::unique_ptr<Zone>> zones_;
  static constexpr size_t kKept = 64;
};

int64_t days_from_civil(int64_t year, int month, int day);
CivilTime civil_of(int64_t local_ms);
int days_in_month(int64_t year, int month);

}  // namespace penstock::hog
