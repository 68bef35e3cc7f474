#include "definitions/detect/property_type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "event/json_fields.h"

namespace penstock::definitions {
namespace {

// A number under a name that sounds like a time is one when it lies at most half a year back;
// anything larger counts too, so milliseconds do as well.
constexpr int64_t kTimeBackSeconds = 15'768'000;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool is_always_text(std::string_view key) {
  return key.starts_with("utm_") || key.starts_with("$initial_utm_") ||
         key.starts_with("$feature/") || key == "$feature_flag_response" ||
         key.starts_with("$survey_response");
}

bool sounds_like_time(std::string_view key) {
  constexpr std::array<std::string_view, 6> kWords{"time", "date",      "_at",
                                                   "-at",  "createdat", "updatedat"};
  return std::any_of(kWords.begin(), kWords.end(),
                     [&](std::string_view word) { return key.contains(word); });
}

/// A cursor over a text that takes digits and marks.
class Taker {
 public:
  explicit Taker(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool mark(char c) {
    if (peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly `digits` digits, as a number of [least, most].
  bool number(size_t digits, int least, int most) {
    if (rest_.size() < digits) return false;
    int value = 0;
    for (size_t i = 0; i < digits; i++) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
      value = value * 10 + (rest_[i] - '0');
    }
    if (value < least || value > most) return false;
    rest_.remove_prefix(digits);
    return true;
  }
  size_t digits() {
    size_t n = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') n++;
    rest_.remove_prefix(n);
    return n;
  }
  bool word(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }

 private:
  std::string_view rest_;
};

bool clock(Taker& t) {
  if (!t.number(2, 0, 24) || !t.mark(':') || !t.number(2, 0, 59)) return false;
  if (!t.mark(':')) return true;
  if (!t.number(2, 0, 60)) return false;
  return !t.mark('.') || t.digits() > 0;
}

bool zone(Taker& t) {
  if (t.mark('Z')) return true;
  if (!t.mark('+') && !t.mark('-')) return false;
  if (!t.number(2, 0, 14)) return false;
  if (t.at_end()) return true;
  t.mark(':');
  return t.number(2, 0, 59);
}

bool is_iso(std::string_view text) {
  Taker t(text);
  if (!t.number(4, 0, 9999)) return false;
  const char between = t.peek();
  if (between != '-' && between != '/') return false;
  t.mark(between);
  if (!t.number(2, 1, 12) || !t.mark(between) || !t.number(2, 1, 31)) return false;
  if (t.at_end()) return true;
  if (!t.mark('T') && !t.mark(' ')) return false;
  if (!clock(t)) return false;
  if (t.at_end()) return true;
  t.mark(' ');
  return zone(t) && t.at_end();
}

bool is_day_first(std::string_view text) {
  Taker t(text);
  if (!t.number(2, 1, 31)) return false;
  const char between = t.peek();
  if (between != '-' && between != '/') return false;
  t.mark(between);
  return t.number(2, 1, 31) && t.mark(between) && t.number(4, 0, 9999) && t.at_end();
}

bool is_mail_date(std::string_view text) {
  constexpr std::array<std::string_view, 7> kDays{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  Taker t(text);
  const auto one_of = [&t](const auto& words) {
    return std::any_of(words.begin(), words.end(),
                       [&t](std::string_view word) { return t.word(word); });
  };
  if (one_of(kDays) && !(t.mark(',') && t.mark(' '))) return false;
  if (!t.number(2, 1, 31) && !t.number(1, 1, 9)) return false;
  if (!t.mark(' ') || !one_of(kMonths) || !t.mark(' ') || !t.number(4, 0, 9999)) return false;
  if (!t.mark(' ') || !clock(t) || !t.mark(' ')) return false;
  return (t.word("GMT") || t.word("UT") || zone(t)) && t.at_end();
}

bool is_recent_number(std::string_view raw, int64_t now_ms) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  return error == std::errc() && end == raw.data() + raw.size() &&
         value >= now_ms / 1000 - kTimeBackSeconds;
}

}  // namespace

bool is_date_like(std::string_view text) {
  if (text.size() < 10 || text.size() > 40) return false;
  return is_iso(text) || is_day_first(text) || is_mail_date(text);
}

PropertyType detect_type(std::string_view key, std::string_view raw, int64_t now_ms) {
  const std::string name = lower(key);
  if (is_always_text(name)) return PropertyType::kString;
  switch (event::json_type(raw)) {
    case event::JsonType::kBool: return PropertyType::kBoolean;
    case event::JsonType::kNumber:
      return sounds_like_time(name) && is_recent_number(raw, now_ms) ? PropertyType::kDateTime
                                                                     : PropertyType::kNumeric;
    case event::JsonType::kString: {
      const std::string text = event::decode_string(raw);
      if (text == "true" || text == "false" || text == "TRUE" || text == "FALSE") {
        return PropertyType::kBoolean;
      }
      return is_date_like(text) ? PropertyType::kDateTime : PropertyType::kString;
    }
    case event::JsonType::kNull:
    case event::JsonType::kArray:
    case event::JsonType::kObject: return PropertyType::kUnknown;
  }
  return PropertyType::kUnknown;
}

}  // namespace penstock::definitions
