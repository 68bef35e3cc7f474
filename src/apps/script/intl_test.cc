// Goal: numbers and dates look as they do in Node, whose answers the expectations are.
#include "apps/script/intl.h"

#include <gtest/gtest.h>

#include "apps/script/intl_words.h"

namespace penstock::apps {
namespace {

std::string joined(const Result<IntlParts>& parts) {
  if (!parts) return "RangeError: " + parts.error().message;
  std::string out;
  for (const auto& [type, text] : *parts) out += text;
  return out;
}

std::string number(double value, std::string_view options = "{}",
                   std::string_view locale = "en-US") {
  return joined(format_number(locale, options, value));
}

std::string date(double ms, std::string_view options = "{}", std::string_view locale = "en-US") {
  return joined(format_date(locale, options, ms));
}

constexpr double kMs = 1'582'934'405'678;  // 2020-02-29T00:00:05.678Z

TEST(Intl, Numbers) {
  EXPECT_EQ(number(1234567.8915), "1,234,567.892");
  EXPECT_EQ(number(0.5, R"({"maximumFractionDigits":0})"), "1");
  EXPECT_EQ(number(-2.5, R"({"maximumFractionDigits":0})"), "-3");
  EXPECT_EQ(number(1234.5, "{}", "de-DE"), "1.234,5");
  EXPECT_EQ(number(12.5, R"({"style":"currency","currency":"USD"})"), "$12.50");
  EXPECT_EQ(number(12.5, R"({"style":"currency","currency":"EUR"})", "de-DE"), "12,50\u00a0€");
  EXPECT_EQ(number(1234, R"({"style":"currency","currency":"JPY"})"), "¥1,234");
  EXPECT_EQ(number(3, R"({"style":"currency","currency":"USD","minimumFractionDigits":0})"), "$3");
  EXPECT_EQ(number(0.256, R"({"style":"percent"})"), "26%");
  EXPECT_EQ(number(1234567, R"({"notation":"compact"})"), "1.2M");
  EXPECT_EQ(number(7, R"({"minimumIntegerDigits":2})"), "07");
  EXPECT_EQ(number(123456, R"({"maximumSignificantDigits":3})"), "123,000");
  EXPECT_EQ(number(123456, R"({"useGrouping":false})"), "123456");
  EXPECT_EQ(number(5, R"({"signDisplay":"always"})"), "+5");
  EXPECT_EQ(number(-5, R"({"style":"currency","currency":"USD","currencySign":"accounting"})"),
            "($5.00)");
}

TEST(Intl, WhatIsNoNumberFormat) {
  EXPECT_EQ(number(1, R"({"style":"currency"})"),
            "RangeError: Currency code is required with currency style.");
  EXPECT_EQ(number(1, R"({"maximumFractionDigits":99})"),
            "RangeError: maximumFractionDigits value is out of range");
  EXPECT_EQ(number(1, "{}", "x y"), "RangeError: Incorrect locale information provided: x y");
}

TEST(Intl, Dates) {
  EXPECT_EQ(date(kMs), "2/29/2020");
  EXPECT_EQ(date(kMs, "{}", "de-DE"), "29.2.2020");
  EXPECT_EQ(date(kMs, "{}", "en-CA"), "2020-02-29");
  EXPECT_EQ(date(kMs, R"({"timeZone":"America/New_York","hour":"numeric"})"), "7 PM");
  EXPECT_EQ(date(kMs, R"({"weekday":"long","year":"numeric","month":"long","day":"numeric"})"),
            "Saturday, February 29, 2020");
  EXPECT_EQ(date(kMs, R"({"weekday":"short"})"), "Sat");
  EXPECT_EQ(date(kMs, R"({"hour":"2-digit","minute":"2-digit","second":"2-digit","hour12":false,
                          "timeZone":"Europe/Berlin"})"),
            "01:00:05");
  EXPECT_EQ(date(kMs, R"({"dateStyle":"medium","timeStyle":"short"})"), "Feb 29, 2020, 12:00 AM");
  EXPECT_EQ(date(kMs, R"({"timeZone":"Mars/Base"})"),
            "RangeError: Invalid time zone specified: Mars/Base");
}

TEST(Intl, DatesInParts) {
  const auto parts = format_date("en-US", R"({"year":"numeric","month":"2-digit"})", kMs);
  ASSERT_TRUE(parts);
  EXPECT_EQ(*parts, (IntlParts{{"month", "02"}, {"literal", "/"}, {"year", "2020"}}));
}

TEST(Intl, NumbersInParts) {
  EXPECT_EQ(*format_number("en", "{}", 1234567.5), (IntlParts{{"integer", "1"},
                                                              {"group", ","},
                                                              {"integer", "234"},
                                                              {"group", ","},
                                                              {"integer", "567"},
                                                              {"decimal", "."},
                                                              {"fraction", "5"}}));
  EXPECT_EQ(*format_number("de", R"({"style":"currency","currency":"EUR"})", -1),
            (IntlParts{{"minusSign", "-"},
                       {"integer", "1"},
                       {"decimal", ","},
                       {"fraction", "00"},
                       {"literal", "\u00a0"},
                       {"currency", "€"}}));
  EXPECT_EQ(number(12, R"({"style":"unit","unit":"kilometer-per-hour"})"), "12 km/h");
}

TEST(Intl, APlacesOwnClock) {
  constexpr std::string_view kTime = R"({"hour":"numeric","minute":"2-digit","second":"2-digit"})";
  EXPECT_EQ(date(kMs, kTime, "en-GB"), "00:00:05");
  EXPECT_EQ(date(kMs, kTime, "en-US"), "12:00:05 AM");
  EXPECT_EQ(date(kMs, R"({"timeZoneName":"short","timeZone":"Europe/Berlin"})"),
            "2/29/2020, GMT+1");
}

TEST(Intl, Words) {
  EXPECT_EQ(compare_words("en", "{}", "a", "B"), -1);
  EXPECT_EQ(compare_words("de", "{}", "z", "ä"), 1);
  EXPECT_EQ(compare_words("en", R"({"sensitivity":"base"})", "résumé", "Resume"), 0);
  EXPECT_EQ(compare_words("en", R"({"numeric":true})", "a10", "a2"), 1);
  EXPECT_EQ(*display_name("en", R"({"type":"region"})", "DE"), "Germany");
  EXPECT_EQ(*display_name("de", R"({"type":"language"})", "fr"), "Französisch");
  EXPECT_EQ(*display_name("en", R"({"type":"currency"})", "USD"), "US Dollar");
  EXPECT_EQ(*display_name("en", R"({"type":"region"})", "QX"), "");
  EXPECT_FALSE(display_name("en", R"({"type":"planet"})", "QX"));
  EXPECT_EQ(*plural_of("en", R"({"type":"ordinal"})", 2), "two");
  EXPECT_EQ(*plural_of("pl", "{}", 3), "few");
  EXPECT_EQ(*relative_time("en", R"({"numeric":"auto"})", -1, "day"), "yesterday");
  EXPECT_EQ(*relative_time("en", "{}", 3, "hours"), "in 3 hours");
  EXPECT_FALSE(relative_time("en", "{}", 3, "fortnight"));
  EXPECT_EQ(*list_of_words("en", "{}", {"a", "b", "c"}), "a, b, and c");
  EXPECT_EQ(*list_of_words("de", R"({"type":"disjunction"})", {"a", "b"}), "a oder b");
}

TEST(Intl, MoreFormatsThanAreKept) {
  for (int round = 0; round < 2; round++) {
    for (int digits = 0; digits <= 20; digits++) {
      const std::string options = "{\"minimumFractionDigits\":" + std::to_string(digits) + "}";
      EXPECT_EQ(number(1, options), digits == 0 ? "1" : "1." + std::string(size_t(digits), '0'));
    }
  }
}

}  // namespace
}  // namespace penstock::apps
