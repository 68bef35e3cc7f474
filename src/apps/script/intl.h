// Intl as far as apps use it: numbers and dates as people of a place write them, by ICU.
//
// `options` is the JSON of JavaScript's options object. Errors are RangeErrors' messages. Formats
// are made once and kept, a few for each thread; nothing else is shared. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace penstock::apps {

/// Type ("integer", "year", "literal", …) and text, in their order.
using IntlParts = std::vector<std::pair<std::string, std::string>>;

/// Of Intl.NumberFormat: style (decimal, percent, currency, unit), currency, currencyDisplay, unit,
/// unitDisplay, notation, compactDisplay, useGrouping and the numbers of digits.
Result<IntlParts> format_number(std::string_view locale, std::string_view options, double value);

/// Of Intl.DateTimeFormat: dateStyle and timeStyle, or the single fields, hour12, hourCycle and
/// timeZone (UTC without one). `ms` counts from 1970.
Result<IntlParts> format_date(std::string_view locale, std::string_view options, double ms);

}  // namespace penstock::apps
