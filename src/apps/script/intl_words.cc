#include "apps/script/intl_words.h"

#include <unicode/coll.h>
#include <unicode/curramt.h>
#include <unicode/listformatter.h>
#include <unicode/locdspnm.h>
#include <unicode/plurrule.h>
#include <unicode/reldatefmt.h>
#include <unicode/ucurr.h>

#include <cmath>

#include "apps/script/intl_kept.h"

namespace penstock::apps {
namespace {

using event::JsonFields;
using icu::UnicodeString;
using intl::kept;
using intl::text_of;
using intl::utf16;
using intl::utf8;

bool is_true(const JsonFields& options, std::string_view name) {
  const auto raw = options.find(name);
  return raw && *raw == "true";
}

template <class T>
Result<std::unique_ptr<T>> made(std::unique_ptr<T> it, UErrorCode error) {
  if (U_SUCCESS(error) && it != nullptr) return it;
  return fail(Code::kInvalid, u_errorName(error));
}

Result<std::unique_ptr<icu::Collator>> make_collator(const icu::Locale& locale,
                                                     const JsonFields& options) {
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<icu::Collator> out(icu::Collator::createInstance(locale, error));
  if (U_FAILURE(error)) return fail(Code::kInvalid, u_errorName(error));
  if (is_true(options, "numeric")) {
    out->setAttribute(UCOL_NUMERIC_COLLATION, UCOL_ON, error);
  }
  const std::string sensitivity = text_of(options, "sensitivity");
  if (sensitivity == "base") out->setStrength(icu::Collator::PRIMARY);
  if (sensitivity == "accent") out->setStrength(icu::Collator::SECONDARY);
  if (sensitivity == "case") {
    out->setStrength(icu::Collator::PRIMARY);
    out->setAttribute(UCOL_CASE_LEVEL, UCOL_ON, error);
  }
  const std::string first = text_of(options, "caseFirst");
  if (first == "upper") out->setAttribute(UCOL_CASE_FIRST, UCOL_UPPER_FIRST, error);
  if (first == "lower") out->setAttribute(UCOL_CASE_FIRST, UCOL_LOWER_FIRST, error);
  if (is_true(options, "ignorePunctuation")) {
    out->setAttribute(UCOL_ALTERNATE_HANDLING, UCOL_SHIFTED, error);
  }
  return made(std::move(out), error);
}

using Names = icu::LocaleDisplayNames;

Result<std::unique_ptr<Names>> make_names(const icu::Locale& locale, const JsonFields& options) {
  const bool is_short = text_of(options, "style") == "short";
  UDisplayContext contexts[] = {UDISPCTX_CAPITALIZATION_NONE, UDISPCTX_NO_SUBSTITUTE,
                                is_short ? UDISPCTX_LENGTH_SHORT : UDISPCTX_LENGTH_FULL,
                                text_of(options, "languageDisplay") == "standard"
                                    ? UDISPCTX_STANDARD_NAMES
                                    : UDISPCTX_DIALECT_NAMES};
  return made(std::unique_ptr<Names>(Names::createInstance(locale, contexts, 4)), U_ZERO_ERROR);
}

/// Of a currency in a language, or of nothing at all.
std::string currency_name(std::string_view locale, std::string_view code) {
  UErrorCode error = U_ZERO_ERROR;
  int32_t length = 0;
  const UnicodeString id = utf16(code);
  const icu::Locale place =
      icu::Locale::forLanguageTag(icu::StringPiece(locale.data(), int32_t(locale.size())), error);
  const char16_t* name = ucurr_getName(UnicodeString(id).getTerminatedBuffer(), place.getName(),
                                       UCURR_LONG_NAME, nullptr, &length, &error);
  if (U_FAILURE(error) || error == U_USING_DEFAULT_WARNING) return {};
  return utf8(UnicodeString(name, length));
}

Result<std::unique_ptr<icu::PluralRules>> make_plurals(const icu::Locale& locale,
                                                       const JsonFields& options) {
  UErrorCode error = U_ZERO_ERROR;
  const bool ordinal = text_of(options, "type") == "ordinal";
  std::unique_ptr<icu::PluralRules> out(icu::PluralRules::forLocale(
      locale, ordinal ? UPLURAL_TYPE_ORDINAL : UPLURAL_TYPE_CARDINAL, error));
  return made(std::move(out), error);
}

using Relative = icu::RelativeDateTimeFormatter;

Result<std::unique_ptr<Relative>> make_relative(const icu::Locale& locale,
                                                const JsonFields& options) {
  UErrorCode error = U_ZERO_ERROR;
  const std::string style = text_of(options, "style");
  const auto width = style == "short"    ? UDAT_STYLE_SHORT
                     : style == "narrow" ? UDAT_STYLE_NARROW
                                         : UDAT_STYLE_LONG;
  auto out =
      std::make_unique<Relative>(locale, nullptr, width, UDISPCTX_CAPITALIZATION_NONE, error);
  return made(std::move(out), error);
}

Result<URelativeDateTimeUnit> unit_of(std::string_view name) {
  static constexpr std::pair<std::string_view, URelativeDateTimeUnit> kUnits[] = {
      {"year", UDAT_REL_UNIT_YEAR},     {"quarter", UDAT_REL_UNIT_QUARTER},
      {"month", UDAT_REL_UNIT_MONTH},   {"week", UDAT_REL_UNIT_WEEK},
      {"day", UDAT_REL_UNIT_DAY},       {"hour", UDAT_REL_UNIT_HOUR},
      {"minute", UDAT_REL_UNIT_MINUTE}, {"second", UDAT_REL_UNIT_SECOND}};
  for (const auto& [unit, code] : kUnits) {
    if (name == unit || (name.ends_with('s') && name.substr(0, name.size() - 1) == unit)) {
      return code;
    }
  }
  return fail(Code::kInvalid, fmt::format("Invalid unit argument for format() '{}'", name));
}

Result<std::unique_ptr<icu::ListFormatter>> make_list(const icu::Locale& locale,
                                                      const JsonFields& options) {
  UErrorCode error = U_ZERO_ERROR;
  const std::string type = text_of(options, "type"), style = text_of(options, "style");
  const auto kind = type == "disjunction" ? ULISTFMT_TYPE_OR
                    : type == "unit"      ? ULISTFMT_TYPE_UNITS
                                          : ULISTFMT_TYPE_AND;
  const auto width = style == "short"    ? ULISTFMT_WIDTH_SHORT
                     : style == "narrow" ? ULISTFMT_WIDTH_NARROW
                                         : ULISTFMT_WIDTH_WIDE;
  return made(std::unique_ptr<icu::ListFormatter>(
                  icu::ListFormatter::createInstance(locale, kind, width, error)),
              error);
}

}  // namespace

Result<int> compare_words(std::string_view locale, std::string_view options, std::string_view a,
                          std::string_view b) {
  PENSTOCK_TRY(const icu::Collator* order, kept<icu::Collator>(locale, options, make_collator));
  UErrorCode error = U_ZERO_ERROR;
  return order->compareUTF8(icu::StringPiece(a.data(), int32_t(a.size())),
                            icu::StringPiece(b.data(), int32_t(b.size())), error);
}

Result<std::string> display_name(std::string_view locale, std::string_view options,
                                 std::string_view code) {
  PENSTOCK_TRY(const JsonFields fields, JsonFields::parse(options));
  const std::string type = text_of(fields, "type"), name(code);
  if (type == "currency") return currency_name(locale, code);
  PENSTOCK_TRY(const Names* names, kept<Names>(locale, options, make_names));
  UnicodeString out;
  if (type == "region") {
    names->regionDisplayName(name.c_str(), out);
  } else if (type == "script") {
    names->scriptDisplayName(name.c_str(), out);
  } else if (type == "language") {
    PENSTOCK_TRY(const icu::Locale asked, intl::locale_of(code));
    names->localeDisplayName(asked, out);
  } else {
    return fail(Code::kInvalid, fmt::format("Value {} out of range for type", type));
  }
  return out.isBogus() ? std::string() : utf8(out);
}

Result<std::string> plural_of(std::string_view locale, std::string_view options, double value) {
  PENSTOCK_TRY(const icu::PluralRules* rules,
               kept<icu::PluralRules>(locale, options, make_plurals));
  return utf8(rules->select(value));
}

Result<std::string> relative_time(std::string_view locale, std::string_view options, double value,
                                  std::string_view unit) {
  PENSTOCK_TRY(const Relative* format, kept<Relative>(locale, options, make_relative));
  PENSTOCK_TRY(const URelativeDateTimeUnit code, unit_of(unit));
  if (!std::isfinite(value)) return fail(Code::kInvalid, "Invalid number value");
  PENSTOCK_TRY(const JsonFields fields, JsonFields::parse(options));
  UErrorCode error = U_ZERO_ERROR;
  UnicodeString out;
  if (text_of(fields, "numeric") == "auto") {
    format->format(value, code, out, error);
  } else {
    format->formatNumeric(value, code, out, error);
  }
  if (U_FAILURE(error)) return fail(Code::kInvalid, u_errorName(error));
  return utf8(out);
}

Result<std::string> list_of_words(std::string_view locale, std::string_view options,
                                  const std::vector<std::string>& words) {
  PENSTOCK_TRY(const icu::ListFormatter* format,
               kept<icu::ListFormatter>(locale, options, make_list));
  std::vector<UnicodeString> all;
  all.reserve(words.size());
  for (const std::string& word : words) all.push_back(utf16(word));
  UErrorCode error = U_ZERO_ERROR;
  UnicodeString out;
  format->format(all.data(), static_cast<int32_t>(all.size()), out, error);
  if (U_FAILURE(error)) return fail(Code::kInvalid, u_errorName(error));
  return utf8(out);
}

}  // namespace penstock::apps
