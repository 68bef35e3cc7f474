#include "usage/month.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>

namespace penstock::usage {
namespace {

namespace chrono = std::chrono;
constexpr int64_t kDayMs = 86'400'000;

Month month_of(chrono::year_month at) {
  const auto ms = [](chrono::year_month m) {
    return chrono::sys_days(m / 1).time_since_epoch().count() * kDayMs;
  };
  const int32_t number =
      int{at.year()} * 12 + static_cast<int32_t>(static_cast<unsigned>(at.month())) - 1;
  return {number, ms(at), ms(at + chrono::months(1))};
}

}  // namespace

Month month_at(int64_t unix_ms) {
  const int64_t day = (unix_ms >= 0 ? unix_ms : unix_ms - kDayMs + 1) / kDayMs;
  const chrono::year_month_day date{chrono::sys_days{chrono::days{day}}};
  return month_of(date.year() / date.month());
}

std::string Month::text() const { return fmt::format("{:04}-{:02}", number / 12, number % 12 + 1); }

std::optional<Month> parse_month(std::string_view text) {
  int year = 0;
  unsigned month = 0;
  if (text.size() != 7 || text[4] != '-') return std::nullopt;
  const auto [y_end, y_error] = std::from_chars(text.data(), text.data() + 4, year);
  const auto [m_end, m_error] = std::from_chars(text.data() + 5, text.data() + 7, month);
  const bool read = y_error == std::errc() && y_end == text.data() + 4 && m_error == std::errc() &&
                    m_end == text.data() + 7;
  if (!read || month < 1 || month > 12) return std::nullopt;
  return month_of(chrono::year(year) / chrono::month(month));
}

}  // namespace penstock::usage
