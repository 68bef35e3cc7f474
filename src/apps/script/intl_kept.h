// What intl.cc and intl_words.cc share: locales, options, and formats that are kept because making
// one costs a millisecond.
#pragma once

#include <fmt/format.h>
#include <unicode/locid.h>
#include <unicode/unistr.h>

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "event/json_fields.h"

namespace penstock::apps::intl {

constexpr size_t kKeptMax = 16;

/// An option that is a text; empty where it is not there.
std::string text_of(const event::JsonFields& options, std::string_view name);
std::string utf8(const icu::UnicodeString& text);
icu::UnicodeString utf16(std::string_view text);
Result<icu::Locale> locale_of(std::string_view name);

/// What `make` makes of a locale and its options, made once for each thread.
template <class Format, class Make>
Result<Format*> kept(std::string_view locale, std::string_view options, Make make) {
  static thread_local std::list<std::pair<std::string, std::unique_ptr<Format>>> all;
  const std::string key = fmt::format("{}\n{}", locale, options);
  for (auto at = all.begin(); at != all.end(); ++at) {
    if (at->first != key) continue;
    all.splice(all.begin(), all, at);
    return at->second.get();
  }
  PENSTOCK_TRY(const icu::Locale place, locale_of(locale));
  PENSTOCK_TRY(const event::JsonFields fields, event::JsonFields::parse(options));
  PENSTOCK_TRY(std::unique_ptr<Format> made, make(place, fields));
  all.emplace_front(key, std::move(made));
  if (all.size() > kKeptMax) all.pop_back();
  return all.front().second.get();
}

}  // namespace penstock::apps::intl
