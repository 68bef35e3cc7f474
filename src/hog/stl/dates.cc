// Dates and datetimes: reading, writing, formatting.
#include "hog/stl/dates.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "hog/stl/functions.h"
#include "hog/values/compare.h"
#include "hog/values/text.h"

namespace penstock::hog {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Reads fixed digits off the front.
class DigitReader {
 public:
  explicit DigitReader(std::string_view text) : text_(text) {}
  bool number(size_t digits, int& out) {
    if (text_.size() < digits) return false;
    out = 0;
    for (size_t i = 0; i < digits; i++) {
      if (text_[i] < '0' || text_[i] > '9') return false;
      out = out * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return true;
  }
  bool accept(std::string_view any) {
    if (text_.empty() || any.find(text_[0]) == std::string_view::npos) return false;
    taken_ = text_[0];
    text_.remove_prefix(1);
    return true;
  }
  char taken() const { return taken_; }
  bool at_end() const { return text_.empty(); }
  bool digit() const { return !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; }

 private:
  std::string_view text_;
  char taken_ = 0;
};

bool read_time(DigitReader& in, DateText& out) {
  if (!in.number(2, out.hour) || out.hour > 23 || !in.accept(":") || !in.number(2, out.minute) ||
      out.minute > 59) {
    return false;
  }
  if (in.accept(":")) {
    if (!in.number(2, out.second) || out.second > 59) return false;
    if (in.accept(".,")) {
      size_t digits = 0;
      for (int one = 0; in.digit(); digits++) {
        in.number(1, one);
        if (digits < 3) out.millisecond += one * (digits == 0 ? 100 : digits == 1 ? 10 : 1);
      }
      if (digits == 0 || digits > 9) return false;
    }
  }
  if (in.at_end()) return true;
  out.zoned = true;
  if (in.accept("Zz")) return in.at_end();
  if (!in.accept("+-")) return false;
  const int sign = in.taken() == '-' ? -1 : 1;
  int hours = 0, minutes = 0;
  if (!in.number(2, hours) || hours > 23) return false;
  if (!in.at_end()) {
    in.accept(":");
    if (!in.number(2, minutes) || minutes > 59) return false;
  }
  out.offset_minutes = sign * (hours * 60 + minutes);
  return in.at_end();
}

int64_t utc_ms(const DateText& text) {
  return days_from_civil(text.year, text.month, text.day) * 86'400'000 +
         text.hour * int64_t{3'600'000} + (text.minute - text.offset_minutes) * int64_t{60'000} +
         text.second * int64_t{1000} + text.millisecond;
}

}  // namespace

std::optional<DateText> parse_date_text(std::string_view text) {
  DigitReader in(trim_js(text));
  DateText out{};
  if (!in.number(4, out.year) || !in.accept("-") || !in.number(2, out.month) || !in.accept("-") ||
      !in.number(2, out.day)) {
    return std::nullopt;
  }
  if (out.year == 0 || out.month < 1 || out.month > 12 || out.day < 1 ||
      out.day > days_in_month(out.year, out.month)) {
    return std::nullopt;
  }
  if (in.at_end()) return out;
  if (!in.accept("Tt ") || !read_time(in, out)) return std::nullopt;
  return out;
}

std::optional<double> date_text_seconds(std::string_view text) {
  const auto parsed = parse_date_text(text);
  if (!parsed) return std::nullopt;
  return static_cast<double>(utc_ms(*parsed)) / 1000;
}

double civil_seconds(double year, double month, double day) {
  constexpr double kYearMax = 275'000;
  if (!(std::fabs(year) < kYearMax) || !(month >= 1 && month <= 12) || !(day >= 1 && day <= 31) ||
      year != std::trunc(year) || month != std::trunc(month) || day != std::trunc(day)) {
    return kNan;
  }
  const auto y = static_cast<int64_t>(year);
  const int m = static_cast<int>(month), d = static_cast<int>(day);
  if (d > days_in_month(y, m)) return kNan;
  return static_cast<double>(days_from_civil(y, m, d)) * 86400;
}

std::optional<int64_t> moment_ms(double seconds) {
  constexpr double kMsMax = 8.64e15;  // the range of JavaScript's dates
  const double ms = seconds * 1000;
  if (!(std::fabs(ms) <= kMsMax)) return std::nullopt;
  return static_cast<int64_t>(ms);
}

namespace stl {
namespace {

std::string year_text(int64_t year) {
  if (year > 9999 || year < 0) {
    return fmt::format("{}{:06}", year < 0 ? '-' : '+', year < 0 ? -year : year);
  }
  return fmt::format("{:04}", year);
}

int iso_week(const CivilTime& t) {
  const int week = (t.day_of_year - t.weekday + 10) / 7;
  const auto weeks_in = [](int64_t year) {
    const auto first = civil_of(days_from_civil(year, 1, 1) * 86'400'000).weekday;
    const bool leap = days_in_month(year, 2) == 29;
    return first == 4 || (leap && first == 3) ? 53 : 52;
  };
  if (week < 1) return weeks_in(t.year - 1);
  return week > weeks_in(t.year) ? 1 : week;
}

constexpr const char* kMonths[] = {"January",   "February", "March",    "April",
                                   "May",       "June",     "July",     "August",
                                   "September", "October",  "November", "December"};
constexpr const char* kDays[] = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                 "Friday", "Saturday", "Sunday"};

/// One letter of ClickHouse's formats; letters it does not know give nothing.
std::string format_letter(char letter, const CivilTime& t) {
  const std::string_view month = kMonths[t.month - 1], day = kDays[t.weekday - 1];
  const int twelve = t.hour % 12 == 0 ? 12 : t.hour % 12,
            short_year = static_cast<int>(t.year % 100);
  const int offset = std::abs(t.offset_minutes);
  const char* half = t.hour < 12 ? "AM" : "PM";
  switch (letter) {
    case 'a': return std::string(day.substr(0, 3));
    case 'b': return std::string(month.substr(0, 3));
    case 'c':
    case 'm': return fmt::format("{:02}", t.month);
    case 'C':
    case 'g':
    case 'y': return fmt::format("{:02}", short_year);
    case 'd': return fmt::format("{:02}", t.day);
    case 'D': return fmt::format("{:02}/{:02}/{:02}", t.month, t.day, short_year);
    case 'e': return std::to_string(t.day);
    case 'f': return fmt::format("{:03}", t.millisecond);
    case 'F': return fmt::format("{:04}-{:02}-{:02}", t.year, t.month, t.day);
    case 'G':
    case 'Y': return fmt::format("{:04}", t.year);
    case 'h':
    case 'I':
    case 'l': return fmt::format("{:02}", twelve);
    case 'H':
    case 'k': return fmt::format("{:02}", t.hour);
    case 'i': return fmt::format("{:02}", t.minute);
    case 'j': return fmt::format("{:03}", t.day_of_year);
    case 'M': return std::string(month);
    case 'n': return "\n";
    case 'p': return half;
    case 'Q': return std::to_string((t.month + 2) / 3);
    case 'r': return fmt::format("{:02}:{:02} {}", twelve, t.minute, half);
    case 'R': return fmt::format("{:02}:{:02}", t.hour, t.minute);
    case 's':
    case 'S': return fmt::format("{:02}", t.second);
    case 't': return "\t";
    case 'T': return fmt::format("{:02}:{:02}:{:02}", t.hour, t.minute, t.second);
    case 'u':
    case 'w': return std::to_string(t.weekday);
    case 'V': return fmt::format("{:02}", iso_week(t));
    case 'W': return std::string(day);
    case 'z':
      return fmt::format("{}{:02}{:02}", t.offset_minutes < 0 ? '-' : '+', offset / 60,
                         offset % 60);
    case '%': return "%";
    default: return {};
  }
}

std::string zone_argument(Arguments args, size_t at, std::string_view otherwise) {
  const Value given = argument(args, at);
  return std::string(given.is_string() && !given.text().empty() ? given.text() : otherwise);
}

double read_seconds(Context& context, const Value& value, const std::string& zone) {
  if (value.is(Kind::kDateTime)) return value.as<DateTime>().seconds;
  if (value.is(Kind::kDate)) {
    const auto& date = value.as<Date>();
    return civil_seconds(date.year, date.month, date.day);
  }
  if (!value.is_string()) return kNan;
  const auto text = parse_date_text(value.text());
  if (!text || !context.zones.known(zone)) return kNan;
  if (text->zoned || context.zones.fixed(zone)) {
    DateText copy = *text;
    if (!copy.zoned) copy.offset_minutes = context.zones.offset_minutes(zone, 0);
    return static_cast<double>(utc_ms(copy)) / 1000;
  }
  CivilTime civil;
  civil.year = text->year;
  civil.month = text->month;
  civil.day = text->day;
  civil.hour = text->hour;
  civil.minute = text->minute;
  civil.second = text->second;
  civil.millisecond = text->millisecond;
  const int guess = context.zones.offset_minutes(zone, context.host->now_ms());
  return static_cast<double>(context.zones.moment(zone, civil, guess)) / 1000;
}

}  // namespace

std::optional<std::string> date_text(Context& context, const Value& value) {
  if (value.is(Kind::kDate)) {
    const auto& date = value.as<Date>();
    const auto two = [&](double n) {
      return (n < 10 ? "0" : "") + to_js_string(context.heap, Value::number(n));
    };
    return to_js_string(context.heap, Value::number(date.year)) + '-' + two(date.month) + '-' +
           two(date.day);
  }
  const auto& moment = value.as<DateTime>();
  const std::string_view zone = moment.zone.text();
  const auto ms = moment_ms(moment.seconds);
  if (!ms || !context.zones.known(zone)) return std::nullopt;
  const CivilTime t = context.zones.civil(zone, *ms);
  std::string out = fmt::format("{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}", year_text(t.year),
                                t.month, t.day, t.hour, t.minute, t.second, t.millisecond);
  if (t.offset_minutes == 0 && context.zones.fixed(zone)) return out + 'Z';
  const int offset = std::abs(t.offset_minutes);
  return out +
         fmt::format("{}{:02}:{:02}", t.offset_minutes < 0 ? '-' : '+', offset / 60, offset % 60);
}

Value now(Context& context, Arguments, std::string_view) {
  return context.heap.date_time(static_cast<double>(context.host->now_ms()) / 1000, "UTC");
}

Value today(Context& context, Arguments, std::string_view) {
  const CivilTime t = civil_of(context.host->now_ms());
  return context.heap.date(static_cast<double>(t.year), t.month, t.day);
}

Value to_date(Context& context, Arguments args, std::string_view) {
  const double seconds =
      args[0].is_number() ? args[0].as_number() : read_seconds(context, args[0], "UTC");
  const auto ms = moment_ms(seconds);
  if (!ms) return context.heap.date(kNan, kNan, kNan);
  const CivilTime t = args[0].is(Kind::kDateTime)
                          ? context.zones.civil(args[0].as<DateTime>().zone.text(), *ms)
                          : civil_of(*ms);
  return context.heap.date(static_cast<double>(t.year), t.month, t.day);
}

Value to_date_time(Context& context, Arguments args, std::string_view) {
  const std::string zone = zone_argument(args, 1, "UTC");
  const double seconds =
      args[0].is_number() ? args[0].as_number() : read_seconds(context, args[0], zone);
  return context.heap.date_time(seconds, zone);
}

Value to_unix(Context& context, Arguments args, std::string_view) {
  return Value::number(read_seconds(context, args[0], zone_argument(args, 1, "UTC")));
}

Value to_unix_milli(Context& context, Arguments args, std::string_view self) {
  return Value::number(to_unix(context, args, self).as_number() * 1000);
}

Value from_unix(Context& context, Arguments args, std::string_view) {
  return context.heap.date_time(to_number(context.heap, args[0]), "UTC");
}

Value from_unix_milli(Context& context, Arguments args, std::string_view) {
  return context.heap.date_time(to_number(context.heap, args[0]) / 1000, "UTC");
}

Value to_time_zone(Context& context, Arguments args, std::string_view self) {
  if (!args[0].is(Kind::kDateTime)) throw Failure{"Expected a DateTime"};
  return context.heap.date_time(args[0].as<DateTime>().seconds, text_argument(args, 1, self));
}

Value format_date_time(Context& context, Arguments args, std::string_view self) {
  if (!args[0].is(Kind::kDateTime)) throw Failure{"Expected a DateTime"};
  const std::string_view format = text_argument(args, 1, self);
  if (format.empty()) throw Failure{"formatDateTime requires at least 2 arguments"};
  const auto& moment = args[0].as<DateTime>();
  const std::string zone = zone_argument(args, 2, moment.zone.text());
  const auto ms = moment_ms(moment.seconds);
  if (!ms || !context.zones.known(zone)) return context.heap.string("Invalid DateTime");
  const CivilTime t = context.zones.civil(zone, *ms);
  std::string out;
  for (size_t i = 0; i < format.size(); i++) {
    if (format[i] != '%') {
      out += format[i];
    } else if (++i < format.size()) {
      out += format_letter(format[i], t);
    }
  }
  return context.heap.string(out);
}

}  // namespace stl
}  // namespace penstock::hog
