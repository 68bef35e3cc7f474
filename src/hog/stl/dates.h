// Date texts and moments without a zone table. Private to the room; pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace penstock::hog {

/// Unix seconds of midnight UTC; NaN when it is no day of the calendar.
double civil_seconds(double year, double month, double day);
/// Seconds of a date-like text (YYYY-MM-DD[ HH:MM[:SS[.f]][zone]]) read as UTC; nullopt: none.
std::optional<double> date_text_seconds(std::string_view text);

/// Its parts; `zoned` says whether the text has an offset of its own.
struct DateText {
  int year, month, day, hour = 0, minute = 0, second = 0, millisecond = 0;
  bool zoned = false;
  int offset_minutes = 0;
};
std::optional<DateText> parse_date_text(std::string_view text);

/// Milliseconds, cut as JavaScript's Date cuts them; nullopt outside its range.
std::optional<int64_t> moment_ms(double seconds);

}  // namespace penstock::hog
