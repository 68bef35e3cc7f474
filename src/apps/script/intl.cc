#include "apps/script/intl.h"

#include <unicode/datefmt.h>
#include <unicode/dtptngen.h>
#include <unicode/fpositer.h>
#include <unicode/numberformatter.h>
#include <unicode/smpdtfmt.h>
#include <unicode/timezone.h>

#include <array>
#include <charconv>
#include <cmath>
#include <memory>

#include "apps/script/intl_kept.h"

namespace penstock::apps {

namespace intl {

std::string text_of(const event::JsonFields& options, std::string_view name) {
  const auto raw = options.find(name);
  return raw && raw->starts_with('"') ? event::decode_string(*raw) : std::string();
}

std::string utf8(const icu::UnicodeString& text) {
  std::string out;
  text.toUTF8String(out);
  return out;
}

icu::UnicodeString utf16(std::string_view text) {
  return icu::UnicodeString::fromUTF8(
      icu::StringPiece(text.data(), static_cast<int32_t>(text.size())));
}

Result<icu::Locale> locale_of(std::string_view name) {
  UErrorCode error = U_ZERO_ERROR;
  icu::Locale out = icu::Locale::forLanguageTag(
      icu::StringPiece(name.data(), static_cast<int32_t>(name.size())), error);
  if (U_SUCCESS(error) && !out.isBogus() && *out.getLanguage() != '\0') return out;
  return fail(Code::kInvalid, fmt::format("Incorrect locale information provided: {}", name));
}

}  // namespace intl

namespace {

using event::JsonFields;
using icu::UnicodeString;

using intl::kept;
using intl::text_of;
using intl::utf8;

constexpr int kFractionMax = 20;

/// -1: it is not there.
Result<int> digits_of(const JsonFields& options, std::string_view name, int max) {
  const auto raw = options.find(name);
  if (!raw) return -1;
  int out = 0;
  const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), out);
  if (error != std::errc() || end != raw->data() + raw->size() || out < 0 || out > max) {
    return fail(Code::kInvalid, fmt::format("{} value is out of range", name));
  }
  return out;
}

bool is_false(const JsonFields& options, std::string_view name) {
  const auto raw = options.find(name);
  return raw && *raw == "false";
}

// ---- Numbers ----

using Number = icu::number::LocalizedNumberFormatter;
using Settings = icu::number::UnlocalizedNumberFormatter;
using icu::number::Precision;

UNumberUnitWidth width_of(const std::string& display) {
  if (display == "long") return UNUM_UNIT_WIDTH_FULL_NAME;
  return display == "narrow" ? UNUM_UNIT_WIDTH_NARROW : UNUM_UNIT_WIDTH_SHORT;
}

Result<Settings> with_unit(const JsonFields& options, Settings out) {
  const std::string name = text_of(options, "unit");
  UErrorCode error = U_ZERO_ERROR;
  const icu::MeasureUnit unit = icu::MeasureUnit::forIdentifier(icu::StringPiece(name), error);
  if (name.empty() || U_FAILURE(error)) {
    return fail(Code::kInvalid,
                fmt::format("Invalid unit argument for Intl.NumberFormat() '{}'", name));
  }
  return out.unit(unit).unitWidth(width_of(text_of(options, "unitDisplay")));
}

Result<Settings> with_style(const JsonFields& options, Settings out) {
  const std::string style = text_of(options, "style");
  if (style == "percent") {
    return out.unit(icu::MeasureUnit::getPercent()).scale(icu::number::Scale::powerOfTen(2));
  }
  if (style == "unit") return with_unit(options, std::move(out));
  if (style != "currency") {
    if (style.empty() || style == "decimal") return out;
    return fail(Code::kInvalid, fmt::format("Value {} out of range for style", style));
  }
  const std::string name = text_of(options, "currency");
  if (name.empty()) return fail(Code::kInvalid, "Currency code is required with currency style.");
  UErrorCode error = U_ZERO_ERROR;
  const icu::CurrencyUnit currency(icu::StringPiece(name), error);
  if (U_FAILURE(error)) return fail(Code::kInvalid, "Invalid currency code : " + name);
  const std::string display = text_of(options, "currencyDisplay");
  UNumberUnitWidth width = UNUM_UNIT_WIDTH_SHORT;
  if (display == "code") width = UNUM_UNIT_WIDTH_ISO_CODE;
  if (display == "name") width = UNUM_UNIT_WIDTH_FULL_NAME;
  if (display == "narrowSymbol") width = UNUM_UNIT_WIDTH_NARROW;
  return out.unit(currency).unitWidth(width);
}

/// `currency` has digits of its own, compact notation too.
Result<Settings> with_digits(const JsonFields& options, Settings out) {
  const std::string style = text_of(options, "style");
  PENSTOCK_TRY(const int low, digits_of(options, "minimumFractionDigits", kFractionMax));
  PENSTOCK_TRY(const int high, digits_of(options, "maximumFractionDigits", kFractionMax));
  PENSTOCK_TRY(const int least, digits_of(options, "minimumSignificantDigits", 21));
  PENSTOCK_TRY(const int most, digits_of(options, "maximumSignificantDigits", 21));
  PENSTOCK_TRY(const int whole, digits_of(options, "minimumIntegerDigits", 21));
  if (low >= 0 && high >= 0 && low > high) {
    return fail(Code::kInvalid, "maximumFractionDigits value is out of range");
  }
  if (whole > 0) out = out.integerWidth(icu::number::IntegerWidth::zeroFillTo(whole));
  const bool compact = text_of(options, "notation") == "compact";
  if (least > 0 || most > 0) {
    const int from = std::max(least, 1);
    return out.precision(Precision::minMaxSignificantDigits(from, std::max(most, from)));
  }
  if (low < 0 && high < 0) {
    if (style == "currency" || compact) return out;
    return out.precision(Precision::maxFraction(style == "percent" ? 0 : 3));
  }
  int from = std::max(low, 0);
  int to = high;
  if (to < 0) to = std::max(from, style == "percent" ? 0 : style == "currency" ? 2 : 3);
  if (low < 0 && style == "currency") from = std::min(2, to);
  return out.precision(Precision::minMaxFraction(from, to));
}

UNumberSignDisplay sign_of(const JsonFields& options) {
  const std::string display = text_of(options, "signDisplay");
  const bool books = text_of(options, "currencySign") == "accounting";
  if (display == "always") return books ? UNUM_SIGN_ACCOUNTING_ALWAYS : UNUM_SIGN_ALWAYS;
  if (display == "exceptZero") {
    return books ? UNUM_SIGN_ACCOUNTING_EXCEPT_ZERO : UNUM_SIGN_EXCEPT_ZERO;
  }
  if (display == "never") return UNUM_SIGN_NEVER;
  if (display == "negative") return UNUM_SIGN_NEGATIVE;
  return books ? UNUM_SIGN_ACCOUNTING : UNUM_SIGN_AUTO;
}

Result<std::unique_ptr<Number>> make_number(const icu::Locale& locale, const JsonFields& options) {
  Settings out = icu::number::NumberFormatter::with().roundingMode(UNUM_ROUND_HALFUP);
  PENSTOCK_TRY(out, with_style(options, std::move(out)));
  PENSTOCK_TRY(out, with_digits(options, std::move(out)));
  out = out.sign(sign_of(options));
  if (is_false(options, "useGrouping")) out = out.grouping(UNUM_GROUPING_OFF);
  const std::string notation = text_of(options, "notation");
  if (notation == "scientific") out = out.notation(icu::number::Notation::scientific());
  if (notation == "engineering") out = out.notation(icu::number::Notation::engineering());
  if (notation == "compact") {
    const bool is_long = text_of(options, "compactDisplay") == "long";
    out = out.notation(is_long ? icu::number::Notation::compactLong()
                               : icu::number::Notation::compactShort());
  }
  return std::make_unique<Number>(out.locale(locale));
}

// ---- Dates ----

/// How a field's option is written in a skeleton: the letter once, twice (2-digit), thrice …
std::string letters(const std::string& value, char letter) {
  if (value == "2-digit") return std::string(2, letter);
  if (value == "short") return std::string(3, letter);
  if (value == "long") return std::string(4, letter);
  if (value == "narrow") return std::string(5, letter);
  return value.empty() ? std::string() : std::string(1, letter);
}

char hour_letter(const JsonFields& options) {
  const auto twelve = options.find("hour12");
  const std::string cycle = text_of(options, "hourCycle");
  if (twelve) return *twelve == "true" ? 'h' : 'H';
  if (cycle.empty()) return 'j';
  return cycle == "h23" || cycle == "h24" ? 'H' : 'h';
}

Result<std::string> skeleton_of(const JsonFields& options) {
  std::string out = letters(text_of(options, "weekday"), 'E');
  if (out == "E") out = "EEE";
  out += letters(text_of(options, "era"), 'G') + letters(text_of(options, "year"), 'y') +
         letters(text_of(options, "month"), 'M') + letters(text_of(options, "day"), 'd');
  out += letters(text_of(options, "hour"), hour_letter(options));
  const std::string part_of_day = text_of(options, "dayPeriod");
  out += part_of_day == "short" ? "B" : letters(part_of_day, 'B');
  out += letters(text_of(options, "minute"), 'm') + letters(text_of(options, "second"), 's');
  PENSTOCK_TRY(const int fraction, digits_of(options, "fractionalSecondDigits", 3));
  if (fraction > 0) out += std::string(static_cast<size_t>(fraction), 'S');
  const std::string zone = text_of(options, "timeZoneName");
  if (!zone.empty()) out += zone.starts_with("long") ? "zzzz" : "z";
  return out;
}

icu::DateFormat::EStyle style_of(const std::string& name) {
  if (name == "full") return icu::DateFormat::kFull;
  if (name == "long") return icu::DateFormat::kLong;
  if (name == "medium") return icu::DateFormat::kMedium;
  return name == "short" ? icu::DateFormat::kShort : icu::DateFormat::kNone;
}

Result<std::unique_ptr<icu::TimeZone>> zone_of(const JsonFields& options) {
  const std::string name = text_of(options, "timeZone");
  const UnicodeString id = UnicodeString::fromUTF8(name.empty() ? "UTC" : name);
  std::unique_ptr<icu::TimeZone> out(icu::TimeZone::createTimeZone(id));
  if (*out != icu::TimeZone::getUnknown()) return out;
  return fail(Code::kInvalid, "Invalid time zone specified: " + name);
}

using Date = icu::DateFormat;

Result<std::unique_ptr<Date>> make_date(const icu::Locale& locale, const JsonFields& options) {
  PENSTOCK_TRY(auto zone, zone_of(options));
  UErrorCode error = U_ZERO_ERROR;
  std::unique_ptr<Date> out;
  const std::string date = text_of(options, "dateStyle"), time = text_of(options, "timeStyle");
  if (!date.empty() || !time.empty()) {
    out.reset(Date::createDateTimeInstance(style_of(date), style_of(time), locale));
  } else {
    PENSTOCK_TRY(std::string skeleton, skeleton_of(options));
    if (skeleton.find_first_not_of("Gz") == std::string::npos) skeleton += "yMd";
    const std::unique_ptr<icu::DateTimePatternGenerator> patterns(
        icu::DateTimePatternGenerator::createInstance(locale, error));
    if (U_SUCCESS(error)) {
      const UnicodeString wanted = UnicodeString::fromUTF8(skeleton);
      // A place's own clock may have two digits where one was asked for.
      const auto match = text_of(options, "hour") == "2-digit" ? UDATPG_MATCH_HOUR_FIELD_LENGTH
                                                               : UDATPG_MATCH_NO_OPTIONS;
      const UnicodeString pattern = patterns->getBestPattern(wanted, match, error);
      // How programs get at 2024-02-29; other versions of ICU's data write it so.
      const bool is_iso = skeleton == "yMd" && std::string_view(locale.getName()) == "en_CA";
      out = std::make_unique<icu::SimpleDateFormat>(is_iso ? UnicodeString(u"y-MM-dd") : pattern,
                                                    locale, error);
    }
  }
  if (U_FAILURE(error) || out == nullptr) return fail(Code::kInvalid, u_errorName(error));
  out->adoptTimeZone(zone.release());
  return out;
}

std::string_view part_name(int32_t field) {
  switch (field) {
    case UDAT_ERA_FIELD: return "era";
    case UDAT_YEAR_FIELD: return "year";
    case UDAT_MONTH_FIELD:
    case UDAT_STANDALONE_MONTH_FIELD: return "month";
    case UDAT_DATE_FIELD: return "day";
    case UDAT_DAY_OF_WEEK_FIELD:
    case UDAT_STANDALONE_DAY_FIELD: return "weekday";
    case UDAT_AM_PM_FIELD: return "dayPeriod";
    case UDAT_HOUR0_FIELD:
    case UDAT_HOUR1_FIELD:
    case UDAT_HOUR_OF_DAY0_FIELD:
    case UDAT_HOUR_OF_DAY1_FIELD: return "hour";
    case UDAT_MINUTE_FIELD: return "minute";
    case UDAT_SECOND_FIELD: return "second";
    case UDAT_FRACTIONAL_SECOND_FIELD: return "fractionalSecond";
    case UDAT_TIMEZONE_FIELD:
    case UDAT_TIMEZONE_SPECIAL_FIELD: return "timeZoneName";
    default: return "literal";
  }
}

std::string_view number_part(int32_t field, double value) {
  switch (field) {
    case UNUM_INTEGER_FIELD:
      return std::isnan(value) ? "nan" : std::isinf(value) ? "infinity" : "integer";
    case UNUM_FRACTION_FIELD: return "fraction";
    case UNUM_DECIMAL_SEPARATOR_FIELD: return "decimal";
    case UNUM_EXPONENT_SYMBOL_FIELD: return "exponentSeparator";
    case UNUM_EXPONENT_SIGN_FIELD: return "exponentMinusSign";
    case UNUM_EXPONENT_FIELD: return "exponentInteger";
    case UNUM_PERCENT_FIELD: return "percentSign";
    case UNUM_CURRENCY_FIELD: return "currency";
    case UNUM_SIGN_FIELD: return std::signbit(value) ? "minusSign" : "plusSign";
    case UNUM_MEASURE_UNIT_FIELD: return "unit";
    case UNUM_COMPACT_FIELD: return "compact";
    default: return "literal";
  }
}

}  // namespace

Result<IntlParts> format_number(std::string_view locale, std::string_view options, double value) {
  PENSTOCK_TRY(const Number* format, kept<Number>(locale, options, make_number));
  UErrorCode error = U_ZERO_ERROR;
  const auto out = format->formatDouble(value, error);
  const UnicodeString text = out.toString(error);
  IntlParts parts;
  int32_t at = 0;
  const auto add = [&](std::string_view type, int32_t from, int32_t to) {
    if (from < to) parts.emplace_back(type, utf8(text.tempSubStringBetween(from, to)));
  };
  icu::ConstrainedFieldPosition field;
  std::vector<std::array<int32_t, 3>> groups;  // they lie within the whole part
  while (out.nextPosition(field, error) && U_SUCCESS(error)) {
    if (field.getField() == UNUM_GROUPING_SEPARATOR_FIELD) {
      groups.push_back({field.getStart(), field.getLimit(), 0});
      continue;
    }
    if (field.getStart() < at) continue;
    add("literal", at, field.getStart());
    int32_t from = field.getStart();
    for (const auto& [start, limit, none] : groups) {
      if (start < from || limit > field.getLimit()) continue;
      add(number_part(field.getField(), value), from, start);
      add("group", start, limit);
      from = limit;
    }
    add(number_part(field.getField(), value), from, field.getLimit());
    at = field.getLimit();
  }
  add("literal", at, text.length());
  if (U_FAILURE(error)) return fail(Code::kInvalid, u_errorName(error));
  return parts;
}

Result<IntlParts> format_date(std::string_view locale, std::string_view options, double ms) {
  PENSTOCK_TRY(const Date* format, kept<Date>(locale, options, make_date));
  UErrorCode error = U_ZERO_ERROR;
  UnicodeString text;
  icu::FieldPositionIterator fields;
  format->format(ms, text, &fields, error);
  if (U_FAILURE(error)) return fail(Code::kInvalid, u_errorName(error));
  // As engines do: programs look for a plain space before AM and PM.
  text.findAndReplace(UnicodeString(UChar32{0x202f}), UnicodeString(UChar32{' '}));
  IntlParts out;
  int32_t at = 0;
  const auto add = [&](std::string_view type, int32_t from, int32_t to) {
    if (from < to) out.emplace_back(type, utf8(text.tempSubStringBetween(from, to)));
  };
  for (icu::FieldPosition field; fields.next(field);) {
    if (field.getBeginIndex() < at) continue;
    add("literal", at, field.getBeginIndex());
    add(part_name(field.getField()), field.getBeginIndex(), field.getEndIndex());
    at = field.getEndIndex();
  }
  add("literal", at, text.length());
  return out;
}

}  // namespace penstock::apps
