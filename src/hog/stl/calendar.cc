// Calculations with dates and datetimes.
#include <cmath>
#include <limits>

#include "hog/stl/dates.h"
#include "hog/stl/functions.h"
#include "hog/values/compare.h"

namespace penstock::hog::stl {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kDayMs = 86'400'000;

/// A value as a moment of a zone; dates are midnight UTC, texts are read as UTC.
struct Moment {
  std::optional<int64_t> ms;
  std::string zone = "UTC";
};

Moment moment_of(const Value& value) {
  if (value.is(Kind::kDateTime)) {
    const auto& cell = value.as<DateTime>();
    return {moment_ms(cell.seconds), std::string(cell.zone.text())};
  }
  if (value.is(Kind::kDate)) {
    const auto& date = value.as<Date>();
    return {moment_ms(civil_seconds(date.year, date.month, date.day)), "UTC"};
  }
  if (value.is_string()) {
    const auto seconds = date_text_seconds(value.text());
    return {moment_ms(seconds.value_or(kNan)), "UTC"};
  }
  return {};
}

Value from_ms(Context& context, int64_t ms, std::string_view zone) {
  return context.heap.date_time(static_cast<double>(ms) / 1000, zone);
}

Value added(Context& context, const Value& base, double amount, std::string unit) {
  if (!base.is(Kind::kDate) && !base.is(Kind::kDateTime)) throw Failure{"Expected a date"};
  if (unit == "week") {
    unit = "day";
    amount *= 7;
  } else if (unit == "year") {
    unit = "month";
    amount *= 12;
  }
  const Moment from = moment_of(base);
  constexpr double kAmountMax = 1e10;
  if (!from.ms || !(std::fabs(amount) < kAmountMax)) {
    if (base.is(Kind::kDate)) return context.heap.date(kNan, kNan, kNan);
    return context.heap.date_time(kNan, from.zone);
  }
  CivilTime t = context.zones.civil(from.zone, *from.ms);
  double rest_ms = 0;
  const double whole = std::trunc(amount);
  if (unit == "day") {
    t.day += static_cast<int>(whole);
    rest_ms = (amount - whole) * static_cast<double>(kDayMs);
  } else if (unit == "month") {
    const int64_t months = t.year * 12 + (t.month - 1) + static_cast<int64_t>(whole);
    t.year = months / 12 - (months % 12 < 0 ? 1 : 0);
    t.month = static_cast<int>(months - t.year * 12) + 1;
    t.day = std::min(t.day, days_in_month(t.year, t.month));
    rest_ms = (amount - whole) * 30 * static_cast<double>(kDayMs);
  } else if (unit == "hour") {
    rest_ms = amount * 3'600'000;
  } else if (unit == "minute") {
    rest_ms = amount * 60'000;
  } else if (unit == "second") {
    rest_ms = amount * 1000;
  } else {
    throw Failure{"Unsupported interval unit: " + unit};
  }
  const bool calendar = unit == "day" || unit == "month";
  const int64_t ms = (calendar ? context.zones.moment(from.zone, t, t.offset_minutes) : *from.ms) +
                     static_cast<int64_t>(rest_ms);
  if (base.is(Kind::kDateTime)) return from_ms(context, ms, from.zone);
  const CivilTime day = civil_of(ms);
  return context.heap.date(static_cast<double>(day.year), day.month, day.day);
}

Value truncated(Context& context, const Value& value, std::string_view unit) {
  const Moment from = moment_of(value);
  static constexpr std::string_view kUnits[] = {"year", "month", "day", "hour", "minute"};
  size_t kept = 0;
  while (kept < std::size(kUnits) && kUnits[kept] != unit) kept++;
  if (kept == std::size(kUnits)) {
    throw Failure{"Unsupported unit for dateTrunc: " + std::string(unit)};
  }
  if (!from.ms) return context.heap.date_time(kNan, from.zone);
  CivilTime t = context.zones.civil(from.zone, *from.ms);
  t.second = t.millisecond = 0;
  if (kept < 4) t.minute = 0;
  if (kept < 3) t.hour = 0;
  if (kept < 2) t.day = 1;
  if (kept < 1) t.month = 1;
  const int guess = context.zones.offset_minutes(from.zone, context.host->now_ms());
  return from_ms(context, context.zones.moment(from.zone, t, guess), from.zone);
}

double part_of(Context& context, const Value& value, std::string_view part) {
  const Moment from = moment_of(value);
  if (part != "year" && part != "month" && part != "day" && part != "hour" && part != "minute" &&
      part != "second") {
    throw Failure{"Unknown extract part: " + std::string(part)};
  }
  if (!from.ms) return kNan;
  const CivilTime t = context.zones.civil(from.zone, *from.ms);
  if (part == "year") return static_cast<double>(t.year);
  if (part == "month") return t.month;
  if (part == "day") return t.day;
  if (part == "hour") return t.hour;
  return part == "minute" ? t.minute : t.second;
}

}  // namespace

Value date_add(Context& context, Arguments args, std::string_view self) {
  return added(context, args[2], to_number(context.heap, args[1]),
               std::string(text_argument(args, 0, self)));
}

Value add_days(Context& context, Arguments args, std::string_view) {
  return added(context, args[0], to_number(context.heap, args[1]), "day");
}

Value date_diff(Context& context, Arguments args, std::string_view self) {
  const std::string_view unit = text_argument(args, 0, self);
  static constexpr std::pair<std::string_view, double> kUnits[] = {{"day", 86'400'000.0},
                                                                   {"hour", 3'600'000.0},
                                                                   {"minute", 60'000.0},
                                                                   {"second", 1000.0},
                                                                   {"week", 604'800'000.0}};
  const Moment start = moment_of(args[1]), end = moment_of(args[2]);
  for (const auto& [name, ms] : kUnits) {
    if (name != unit) continue;
    if (!start.ms || !end.ms) return Value::number(kNan);
    return Value::number(std::floor(static_cast<double>(*end.ms - *start.ms) / ms));
  }
  if (unit != "month" && unit != "year") {
    throw Failure{"Unsupported unit for dateDiff: " + std::string(unit)};
  }
  if (!start.ms || !end.ms) return Value::number(kNan);
  const CivilTime a = context.zones.civil(start.zone, *start.ms);
  const CivilTime b = context.zones.civil(end.zone, *end.ms);
  const auto years = static_cast<double>(b.year - a.year);
  return Value::number(unit == "year" ? years : years * 12 + (b.month - a.month));
}

Value date_trunc(Context& context, Arguments args, std::string_view self) {
  if (!args[1].is(Kind::kDateTime)) throw Failure{"Expected a DateTime for dateTrunc"};
  return truncated(context, args[1], text_argument(args, 0, self));
}

Value extract_part(Context& context, Arguments args, std::string_view self) {
  return Value::number(part_of(context, args[1], text_argument(args, 0, self)));
}
Value to_year(Context& context, Arguments args, std::string_view) {
  return Value::number(part_of(context, args[0], "year"));
}
Value to_month(Context& context, Arguments args, std::string_view) {
  return Value::number(part_of(context, args[0], "month"));
}
Value to_yyyymm(Context& context, Arguments args, std::string_view) {
  return Value::number(part_of(context, args[0], "year") * 100 +
                       part_of(context, args[0], "month"));
}
Value start_of_day(Context& context, Arguments args, std::string_view) {
  return truncated(context, args[0], "day");
}
Value start_of_hour(Context& context, Arguments args, std::string_view) {
  return truncated(context, args[0], "hour");
}
Value start_of_month(Context& context, Arguments args, std::string_view) {
  return truncated(context, args[0], "month");
}

Value start_of_week(Context& context, Arguments args, std::string_view) {
  const Moment from = moment_of(args[0]);
  if (!from.ms) return context.heap.date_time(kNan, from.zone);
  CivilTime t = context.zones.civil(from.zone, *from.ms);
  t.day -= t.weekday - 1;
  t.hour = t.minute = t.second = t.millisecond = 0;
  return from_ms(context, context.zones.moment(from.zone, t, t.offset_minutes), from.zone);
}

Value to_interval(Context& context, Arguments args, std::string_view self) {
  std::string unit(self.substr(std::string_view("toInterval").size()));
  unit[0] = static_cast<char>(unit[0] + ('a' - 'A'));
  return context.heap.interval(args[0], unit);
}

}  // namespace penstock::hog::stl
