// ZoneDays: which calendar day it is somewhere, by ICU's copy of the time zone database.
//
// Keeps a calendar per zone that was asked for, a bounded number; belongs to one thread. Names that
// ICU does not know have no day.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace penstock::ingest {

struct LocalDay {
  int32_t day = 0;       // days since 1970 of the calendar date there
  int64_t start_ms = 0;  // when that day began, Unix ms
};

class ZoneDays {
 public:
  ZoneDays();
  ~ZoneDays();

  std::optional<LocalDay> day_of(std::string_view zone, int64_t time_ms);

 private:
  struct Calendar;
  Calendar* calendar(std::string_view zone);

  std::unordered_map<std::string, std::unique_ptr<Calendar>> calendars_;
};

}  // namespace penstock::ingest
