#include "event/timestamp.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <limits>

namespace penstock::event {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kFutureMaxMs = int64_t{23} * 3'600'000;
constexpr int64_t kYear0Ms = -62'167'219'200'000;      // 0000-01-01T00:00:00Z
constexpr int64_t kYear10000Ms = 253'402'300'800'000;  // 10000-01-01T00:00:00Z

/// Days since 1970-01-01 of a civil date (proleptic Gregorian).
int64_t days_of(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t yoe = year - era * 400;
  const int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719'468;
}

struct Civil {
  int64_t year, month, day;
};

Civil civil_of(int64_t days) {
  days += 719'468;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t doe = days - era * 146'097;
  const int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
  const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const int64_t mp = (5 * doy + 2) / 153;
  const int64_t month = mp + (mp < 10 ? 3 : -9);
  return {yoe + era * 400 + (month <= 2 ? 1 : 0), month, doy - (153 * mp + 2) / 5 + 1};
}

int64_t floor_div(int64_t a, int64_t b) { return a / b - ((a % b != 0 && a < 0) ? 1 : 0); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Walks a text; every read answers false, and stays put, when the text does not fit.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool done() const { return text_.empty(); }
  char peek() const { return text_.empty() ? '\0' : text_.front(); }
  bool accept(char c) {
    if (peek() != c || text_.empty()) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool accept_any(std::string_view set) {
    if (text_.empty() || set.find(text_.front()) == std::string_view::npos) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool digits(size_t min, size_t max, int64_t& out) {
    size_t n = 0;
    int64_t value = 0;
    while (n < max && n < text_.size() && is_digit(text_[n]))
      value = value * 10 + (text_[n++] - '0');
    if (n < min) return false;
    text_.remove_prefix(n);
    out = value;
    return true;
  }
  /// Fraction digits of any length, as milliseconds, cut.
  bool fraction_ms(int64_t& out) {
    int64_t scale = 100;
    out = 0;
    size_t n = 0;
    while (n < text_.size() && is_digit(text_[n])) {
      out += (text_[n++] - '0') * scale;
      scale /= 10;
    }
    text_.remove_prefix(n);
    return n > 0;
  }
  void skip_spaces() {
    while (accept(' ')) continue;
  }
  std::string_view word() {
    size_t n = 0;
    while (n < text_.size() && std::isalpha(static_cast<unsigned char>(text_[n])) != 0) n++;
    const std::string_view out = text_.substr(0, n);
    text_.remove_prefix(n);
    return out;
  }

 private:
  std::string_view text_;
};

bool valid_date(const Civil& c) {
  constexpr std::array<int64_t, 12> kDays{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > kDays[static_cast<size_t>(c.month - 1)]) {
    return false;
  }
  const bool leap = (c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0;
  return !(c.month == 2 && c.day == 29 && !leap);
}

/// [hh[:mm[:ss[.fff]]]] into milliseconds of the day.
bool read_clock(Cursor& in, int64_t& ms) {
  int64_t hour = 0, minute = 0, second = 0, fraction = 0;
  if (!in.digits(1, 2, hour) || !in.accept(':') || !in.digits(2, 2, minute)) return false;
  if (in.accept(':')) {
    if (!in.digits(2, 2, second)) return false;
    if (in.accept_any(".,") && !in.fraction_ms(fraction)) return false;
  }
  if (hour > 24 || minute > 59 || second > 60 || (hour == 24 && minute + second + fraction > 0)) {
    return false;
  }
  ms = ((hour * 60 + minute) * 60 + std::min<int64_t>(second, 59)) * 1000 + fraction;
  return true;
}

/// Z, UTC, GMT, ±HH, ±HHMM, ±HH:MM or nothing; minutes to subtract.
bool read_zone(Cursor& in, int64_t& minutes) {
  in.skip_spaces();
  minutes = 0;
  if (in.done() || in.accept('Z') || in.accept('z')) return true;
  if (std::isalpha(static_cast<unsigned char>(in.peek())) != 0) {
    const std::string_view name = in.word();
    return name == "UTC" || name == "GMT" || name == "UT";
  }
  const bool minus = in.peek() == '-';
  if (!in.accept_any("+-")) return false;
  int64_t hours = 0, rest = 0;
  if (!in.digits(2, 2, hours)) return false;
  const bool colon = in.accept(':');
  if (!in.digits(2, 2, rest) && colon) return false;
  if (hours > 23 || rest > 59) return false;
  minutes = (hours * 60 + rest) * (minus ? -1 : 1);
  return true;
}

std::optional<int64_t> assemble(const Civil& date, int64_t clock_ms, int64_t zone_minutes) {
  if (!valid_date(date)) return std::nullopt;
  return days_of(date.year, date.month, date.day) * kDayMs + clock_ms - zone_minutes * 60'000;
}

/// 2026-08-01, 2026/08/01, each with an optional clock and zone.
std::optional<int64_t> parse_iso(std::string_view text) {
  Cursor in(text);
  const bool minus = in.accept('-');
  if (!minus) in.accept('+');
  Civil date{};
  if (!in.digits(4, 6, date.year)) return std::nullopt;
  if (minus) date.year = -date.year;
  const char separator = in.peek();
  if (!in.accept_any("-/") || !in.digits(1, 2, date.month) || !in.accept(separator) ||
      !in.digits(1, 2, date.day)) {
    return std::nullopt;
  }
  int64_t clock = 0, zone = 0;
  if (in.done()) return assemble(date, 0, 0);
  if (!in.accept_any("Tt ")) {
    if (!read_zone(in, zone) || !in.done()) return std::nullopt;
    return assemble(date, 0, zone);
  }
  if (!read_clock(in, clock) || !read_zone(in, zone) || !in.done()) return std::nullopt;
  return assemble(date, clock, zone);
}

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int64_t month_of(std::string_view name) {
  for (size_t i = 0; i < kMonths.size(); i++) {
    if (name.substr(0, 3) == kMonths[i]) return static_cast<int64_t>(i) + 1;
  }
  return 0;
}

/// RFC 2822: [Sat, ]01 Aug 2026 12:00:00 +0000; also 08/01/2026 with an optional clock.
std::optional<int64_t> parse_loose(std::string_view text) {
  Cursor in(text);
  Civil date{};
  if (std::isalpha(static_cast<unsigned char>(in.peek())) != 0) {
    in.word();
    in.accept(',');
    in.skip_spaces();
  }
  int64_t first = 0;
  if (!in.digits(1, 2, first)) return std::nullopt;
  if (in.accept('/')) {  // month first, as written in the United States
    date.month = first;
    if (!in.digits(1, 2, date.day) || !in.accept('/') || !in.digits(4, 4, date.year)) {
      return std::nullopt;
    }
  } else {
    date.day = first;
    in.accept_any(" -");
    date.month = month_of(in.word());
    in.accept_any(" -");
    if (!in.digits(4, 4, date.year)) return std::nullopt;
  }
  in.skip_spaces();
  int64_t clock = 0, zone = 0;
  if (!in.done() && (!read_clock(in, clock) || !read_zone(in, zone) || !in.done())) {
    return std::nullopt;
  }
  return assemble(date, clock, zone);
}

/// Unix seconds or milliseconds as a string; ten digits or fewer are seconds.
std::optional<int64_t> parse_epoch(std::string_view text) {
  Cursor in(text);
  int64_t whole = 0, fraction = 0;
  const size_t length = text.find('.') == std::string_view::npos ? text.size() : text.find('.');
  if (length < 9 || length > 14 || !in.digits(length, length, whole)) return std::nullopt;
  const bool seconds = length <= 10;
  if (in.accept('.') && (!seconds || !in.fraction_ms(fraction))) return std::nullopt;
  if (!in.done()) return std::nullopt;
  return seconds ? whole * 1000 + fraction : whole;
}

int64_t skew_of(int64_t sent_at, int64_t now, SkewRule rule) {
  const int64_t skew = sent_at - now;
  switch (rule) {
    case SkewRule::kExact: return skew;
    case SkewRule::kDeadband150s: {
      constexpr int64_t kDead = 150'000;
      if (std::llabs(skew) <= kDead) return 0;
      return skew > 0 ? skew - kDead : skew + kDead;
    }
    case SkewRule::kRound5Min: {
      constexpr int64_t kQuantum = 300'000;
      const int64_t half = skew >= 0 ? kQuantum / 2 : -kQuantum / 2;
      return (skew + half) / kQuantum * kQuantum;
    }
  }
  return skew;
}

}  // namespace

std::optional<SkewRule> skew_rule_named(std::string_view name) {
  if (name == "exact") return SkewRule::kExact;
  if (name == "deadband_150s") return SkewRule::kDeadband150s;
  if (name == "round_5min") return SkewRule::kRound5Min;
  return std::nullopt;
}

std::optional<int64_t> parse_timestamp_ms(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (text.empty() || text.size() > 64) return std::nullopt;
  if (const auto iso = parse_iso(text)) return iso;
  if (const auto epoch = parse_epoch(text)) return epoch;
  return parse_loose(text);
}

std::optional<int64_t> parse_rfc3339_ms(std::string_view text) {
  Cursor in(text);
  Civil date{};
  int64_t hour = 0, minute = 0, second = 0, fraction = 0, zone = 0;
  const bool shape = in.digits(4, 4, date.year) && in.accept('-') && in.digits(2, 2, date.month) &&
                     in.accept('-') && in.digits(2, 2, date.day) && in.accept_any("Tt ") &&
                     in.digits(2, 2, hour) && in.accept(':') && in.digits(2, 2, minute) &&
                     in.accept(':') && in.digits(2, 2, second);
  if (!shape || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  if (in.accept('.') && !in.fraction_ms(fraction)) return std::nullopt;
  if (!in.accept_any("Zz")) {
    const bool minus = in.peek() == '-';
    int64_t hours = 0, minutes = 0;
    const bool offset = in.accept_any("+-") && in.digits(2, 2, hours) && in.accept(':') &&
                        in.digits(2, 2, minutes) && hours < 24 && minutes < 60;
    if (!offset) return std::nullopt;
    zone = (hours * 60 + minutes) * (minus ? -1 : 1);
  }
  if (!in.done()) return std::nullopt;
  const int64_t clock =
      ((hour * 60 + minute) * 60 + std::min<int64_t>(second, 59)) * 1000 + fraction;
  return assemble(date, clock, zone);
}

int64_t bounded_timestamp_ms(int64_t ms) { return ms < kYear0Ms || ms >= kYear10000Ms ? 0 : ms; }

int64_t corrected_timestamp_ms(const TimestampInput& in) {
  int64_t result = in.now_ms;
  std::optional<int64_t> parsed = in.timestamp_ms;
  if (!parsed && in.timestamp) parsed = parse_timestamp_ms(*in.timestamp);
  if (parsed) {
    const bool skewed = in.sent_at_ms && !in.ignore_sent_at;
    result = *parsed - (skewed ? skew_of(*in.sent_at_ms, in.now_ms, in.rule) : 0);
  }
  if (in.offset_ms) {
    int64_t shifted = 0;
    result = __builtin_sub_overflow(in.now_ms, *in.offset_ms, &shifted) ? 0 : shifted;
  }
  result = bounded_timestamp_ms(result);
  return result > in.now_ms + kFutureMaxMs ? in.now_ms : result;
}

namespace {

/// Behind one another in a text that has room for them.
class DateText {
 public:
  void put(char c) { text_[size_++] = c; }
  void two(int64_t value) {
    put(static_cast<char>('0' + value / 10));
    put(static_cast<char>('0' + value % 10));
  }
  void three(int64_t value) {
    put(static_cast<char>('0' + value / 100));
    two(value % 100);
  }
  std::string_view view() const { return {text_.data(), size_}; }

 private:
  std::array<char, 32> text_{};
  size_t size_ = 0;
};

std::string format_with(int64_t ms, char separator, bool fraction, std::string_view suffix) {
  const int64_t days = floor_div(ms, kDayMs);
  const int64_t in_day = ms - days * kDayMs;
  const Civil c = civil_of(days);
  std::string out;
  out.reserve(32);
  DateText text;
  if (c.year >= 0 && c.year <= 9999) {
    text.two(c.year / 100);
    text.two(c.year % 100);
  } else {
    out += fmt::format("{:04}", c.year);
  }
  text.put('-');
  text.two(c.month);
  text.put('-');
  text.two(c.day);
  text.put(separator);
  text.two(in_day / 3'600'000);
  text.put(':');
  text.two(in_day / 60'000 % 60);
  text.put(':');
  text.two(in_day / 1000 % 60);
  if (fraction) {
    text.put('.');
    text.three(in_day % 1000);
  }
  out += text.view();
  out += suffix;
  return out;
}

}  // namespace

std::string format_rfc3339_ms(int64_t ms) { return format_with(ms, 'T', true, "Z"); }

/// Most times that are written one after the other are of one day, or of a few.
void append_rfc3339_ms(std::string& out, int64_t ms) {
  struct Day {
    int64_t days = std::numeric_limits<int64_t>::min();
    std::string text;
  };
  constexpr size_t kTime = 11;  // behind "2026-08-01T"
  thread_local std::array<Day, 8> known;
  const int64_t days = floor_div(ms, kDayMs);
  Day& day = known[static_cast<size_t>(days) % known.size()];
  if (days != day.days) day = {days, format_rfc3339_ms(days * kDayMs)};
  if (day.text.size() != kTime + std::string_view("00:00:00.000Z").size()) {
    out += format_rfc3339_ms(ms);  // a year of more than four digits
    return;
  }
  const auto in_day = static_cast<uint32_t>(ms - days * kDayMs);
  char* to = day.text.data() + kTime;
  const auto two = [](char* at, uint32_t value) {
    at[0] = static_cast<char>('0' + value / 10);
    at[1] = static_cast<char>('0' + value % 10);
  };
  const uint32_t seconds = in_day / 1000;
  two(to, seconds / 3600);
  two(to + 3, seconds / 60 % 60);
  two(to + 6, seconds % 60);
  to[9] = static_cast<char>('0' + in_day % 1000 / 100);
  two(to + 10, in_day % 100);
  out += day.text;
}

std::string format_clickhouse_ms(int64_t ms) { return format_with(ms, ' ', true, ""); }
std::string format_clickhouse_s(int64_t ms) { return format_with(ms, ' ', false, ""); }

std::string format_http_date(int64_t ms) {
  constexpr std::array<std::string_view, 7> kDays{"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  const int64_t days = floor_div(ms, kDayMs);
  const int64_t second = (ms - days * kDayMs) / 1000;
  const Civil c = civil_of(days);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<size_t>(((days % 7) + 7) % 7)], c.day,
                     kMonths[static_cast<size_t>(c.month - 1)], c.year, second / 3600,
                     second / 60 % 60, second % 60);
}

int64_t day_of(int64_t ms) { return floor_div(ms, kDayMs); }

}  // namespace penstock::event
