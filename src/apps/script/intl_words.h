// The rest of Intl that apps use: the order of words, names of countries, languages and currencies,
// plurals, lists, and how long ago something is; by ICU.
//
// As in intl.h: `options` is the JSON of JavaScript's options object, errors are RangeErrors'
// messages, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::apps {

/// -1, 0 or 1. Options of Intl.Collator: numeric, sensitivity, caseFirst, ignorePunctuation.
Result<int> compare_words(std::string_view locale, std::string_view options, std::string_view a,
                          std::string_view b);

/// Options of Intl.DisplayNames: type (region, language, script, currency), style, fallback. Empty:
/// it has no name.
Result<std::string> display_name(std::string_view locale, std::string_view options,
                                 std::string_view code);

/// "one", "few", …; options of Intl.PluralRules: type (cardinal, ordinal).
Result<std::string> plural_of(std::string_view locale, std::string_view options, double value);

/// Options of Intl.RelativeTimeFormat: numeric (always, auto), style. `unit` is "day", "days", …
Result<std::string> relative_time(std::string_view locale, std::string_view options, double value,
                                  std::string_view unit);

/// Options of Intl.ListFormat: type (conjunction, disjunction, unit), style.
Result<std::string> list_of_words(std::string_view locale, std::string_view options,
                                  const std::vector<std::string>& words);

}  // namespace penstock::apps
