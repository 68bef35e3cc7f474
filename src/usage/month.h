// Month: a calendar month in UTC, the period that quotas are about.
//
// A value; the bounds let a hot path ask "still the same month?" with two comparisons. Pure
// functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::usage {

struct Month {
  int32_t number = -1;  // year * 12 + month from 0
  int64_t begin_ms = 0, end_ms = 0;

  bool holds(int64_t ms) const { return ms >= begin_ms && ms < end_ms; }
  std::string text() const;  // "2026-11"
};

Month month_at(int64_t unix_ms);
std::optional<Month> parse_month(std::string_view text);

}  // namespace penstock::usage
