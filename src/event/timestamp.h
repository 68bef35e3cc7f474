// Timestamps: reading what clients send and correcting it (capture contract, section 4).
//
// One implementation for every stage. Times are Unix milliseconds, UTC. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::event {

/// How the difference between the client's clock and ours is corrected. PostHog has shipped three
/// rules (ERRATA C5); exact is ours by default.
enum class SkewRule : uint8_t { kExact, kDeadband150s, kRound5Min };
/// exact, deadband_150s or round_5min.
std::optional<SkewRule> skew_rule_named(std::string_view name);

/// RFC 3339, `±HH` zones, date only, space or slash separated, RFC 2822, Unix seconds or
/// milliseconds as a string; civil times are UTC. Nullopt: not a time.
std::optional<int64_t> parse_timestamp_ms(std::string_view text);

/// RFC 3339 and nothing else, zone included.
std::optional<int64_t> parse_rfc3339_ms(std::string_view text);

struct TimestampInput {
  std::optional<std::string_view> timestamp;  // the event's own, as text
  std::optional<int64_t> timestamp_ms;        // the same, read already: then the text is not asked
  std::optional<int64_t> offset_ms;
  std::optional<int64_t> sent_at_ms;
  bool ignore_sent_at = false;
  int64_t now_ms = 0;
  SkewRule rule = SkewRule::kExact;
};
/// The corrected time of an event; never more than 23 h after `now_ms`.
int64_t corrected_timestamp_ms(const TimestampInput& input);

/// The same; the Unix epoch when it lies outside the years 0 to 9999.
int64_t bounded_timestamp_ms(int64_t ms);

std::string format_rfc3339_ms(int64_t ms);  // 2026-08-01T12:00:00.123Z
void append_rfc3339_ms(std::string& out, int64_t ms);
std::string format_clickhouse_ms(int64_t ms);  // 2026-08-01 12:00:00.123
std::string format_clickhouse_s(int64_t ms);   // 2026-08-01 12:00:00
std::string format_http_date(int64_t ms);      // Sat, 01 Aug 2026 12:00:00 GMT
/// Days since the Unix epoch, UTC (floor).
int64_t day_of(int64_t ms);

}  // namespace penstock::event
