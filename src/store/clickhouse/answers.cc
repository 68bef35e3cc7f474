#include "store/clickhouse/answers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "store/engine/error_code.h"

namespace penstock::store::clickhouse {
namespace {

constexpr size_t kWordsMax = 300;  // of a page that is no ClickHouse's

template <size_t N>
bool among(const std::array<int, N>& codes, int code) {
  return std::ranges::find(codes, code) != codes.end();
}

// Numbers of the server's ErrorCodes, which never change their meaning.
constexpr std::array kDenied{192,      // UNKNOWN_USER
                             193,      // WRONG_PASSWORD
                             194,      // REQUIRED_PASSWORD
                             195,      // IP_ADDRESS_NOT_ALLOWED
                             497,      // ACCESS_DENIED
                             516};     // AUTHENTICATION_FAILED
constexpr std::array kBusy{202,        // TOO_MANY_SIMULTANEOUS_QUERIES
                           236,        // ABORTED, while a server stops
                           252,        // TOO_MANY_PARTS
                           286,        // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE
                           439};       // CANNOT_SCHEDULE_TASK
constexpr std::array kExhausted{158,   // TOO_MANY_ROWS
                                173,   // CANNOT_ALLOCATE_MEMORY
                                241,   // MEMORY_LIMIT_EXCEEDED
                                243,   // NOT_ENOUGH_SPACE
                                307,   // TOO_MANY_BYTES
                                396};  // TOO_MANY_ROWS_OR_BYTES
constexpr std::array kTimeout{159,     // TIMEOUT_EXCEEDED
                              160,     // TOO_SLOW
                              209};    // SOCKET_TIMEOUT
// Of a server among others: whether the rows are there, it does not know.
constexpr std::array kUnknown{319,   // UNKNOWN_STATUS_OF_INSERT
                              999};  // KEEPER_EXCEPTION
// These rows will never do. All else about an insert can pass.
constexpr std::array kWrongRows{6,     // CANNOT_PARSE_TEXT
                                33,    // CANNOT_READ_ALL_DATA
                                38,    // CANNOT_PARSE_DATE
                                41,    // CANNOT_PARSE_DATETIME
                                53,    // TYPE_MISMATCH
                                69,    // ARGUMENT_OUT_OF_BOUND
                                70,    // CANNOT_CONVERT_TYPE
                                117,   // INCORRECT_DATA
                                128,   // TOO_LARGE_ARRAY_SIZE
                                131,   // TOO_LARGE_STRING_SIZE
                                290,   // LIMIT_EXCEEDED
                                321,   // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
                                407,   // DECIMAL_OVERFLOW
                                691};  // UNKNOWN_ELEMENT_OF_ENUM
// Of a query, what is the server's trouble and not the asker's mistake.
constexpr std::array kTrouble{40,    // CHECKSUM_DOESNT_MATCH
                              74,    // CANNOT_READ_FROM_FILE_DESCRIPTOR
                              76,    // CANNOT_OPEN_FILE
                              81,    // UNKNOWN_DATABASE: not migrated yet, or another server
                              210,   // NETWORK_ERROR
                              242,   // TABLE_IS_READ_ONLY
                              246,   // CORRUPTED_DATA
                              279,   // ALL_CONNECTION_TRIES_FAILED
                              285,   // TOO_FEW_LIVE_REPLICAS
                              999};  // KEEPER_EXCEPTION

Code code_of(int code, Purpose purpose) {
  if (among(kDenied, code)) return Code::kDenied;
  if (among(kBusy, code)) return Code::kBusy;
  if (among(kExhausted, code)) return Code::kExhausted;
  if (purpose == Purpose::kInsert) {
    if (among(kUnknown, code) || among(kTimeout, code)) return Code::kMaybe;
    return among(kWrongRows, code) ? Code::kInvalid : Code::kUnavailable;
  }
  if (among(kTimeout, code)) return Code::kTimeout;
  if (code == 394) return Code::kCancelled;  // QUERY_WAS_CANCELLED
  if (code == 735) return Code::kCancelled;  // QUERY_WAS_CANCELLED_BY_CLIENT
  if (among(kTrouble, code)) return Code::kUnavailable;
  if (purpose == Purpose::kOwn) return code == 57 ? Code::kConflict : Code::kUnavailable;
  return code == 164 ? Code::kDenied : Code::kInvalid;  // READONLY
}

/// The number after `key` in a text of JSON, which may be quoted.
uint64_t number_after(std::string_view text, std::string_view key) {
  const size_t at = text.find(key);
  if (at == std::string_view::npos) return 0;
  text.remove_prefix(at + key.size());
  while (!text.empty() && (text.front() == '"' || text.front() == ':' || text.front() == ' ')) {
    text.remove_prefix(1);
  }
  uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

/// The server's text for people; old servers wrap it in the names of their own functions.
std::string text_of(const HttpAnswer& answer) {
  constexpr std::string_view kBegin = "e.displayText() = ", kEnd = ", e.what() = ";
  const size_t begin = answer.body.find(kBegin);
  if (begin == std::string::npos) return readable_error(answer.body);
  const size_t from = begin + kBegin.size();
  return readable_error(answer.body.substr(from, answer.body.find(kEnd, from) - from));
}

bool is_clickhouse(const HttpAnswer& answer) {
  return std::ranges::any_of(answer.headers,
                             [](const auto& h) { return h.first.starts_with("x-clickhouse-"); });
}

}  // namespace

int exception_code(const HttpAnswer& answer) {
  std::string_view text = answer.header("x-clickhouse-exception-code");
  if (text.empty() && answer.status != 200) {
    text = answer.body;
    constexpr std::string_view kMark = "Code: ";
    const size_t at = text.find(kMark);
    if (at == std::string_view::npos) return 0;
    text.remove_prefix(at + kMark.size());
  }
  int out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Status status_of(const HttpAnswer& answer, Purpose purpose) {
  const int code = exception_code(answer);
  if (code != 0) return fail(code_of(code, purpose), text_of(answer));
  if (answer.status == 200 && is_clickhouse(answer)) return {};
  // A proxy, a balancer, or something else that listens there.
  const std::string said = fmt::format("HTTP {} by something that is no ClickHouse: {}",
                                       answer.status, answer.body.substr(0, kWordsMax));
  if (answer.status == 401 || answer.status == 403) return fail(Code::kDenied, said);
  if (answer.status == 429 || answer.status == 503) return fail(Code::kBusy, said);
  return fail(purpose == Purpose::kInsert ? Code::kMaybe : Code::kUnavailable, said);
}

Summary summary_of(const HttpAnswer& answer) {
  const std::string_view text = answer.header("x-clickhouse-summary");
  Summary out;
  out.rows_read = number_after(text, "\"read_rows\"");
  out.bytes_read = number_after(text, "\"read_bytes\"");
  out.elapsed_us = static_cast<int64_t>(number_after(text, "\"elapsed_ns\"") / 1000);
  return out;
}

int version_number(std::string_view version) {
  int major = 0, minor = 0;
  const char* end = version.data() + version.size();
  const auto [dot, error] = std::from_chars(version.data(), end, major);
  if (error != std::errc() || dot == end || *dot != '.') return 0;
  std::from_chars(dot + 1, end, minor);
  return major * 100 + minor;
}

std::set<std::string, std::less<>> names_in(std::string_view field) {
  constexpr std::string_view kLineEnd = "\\n";
  std::set<std::string, std::less<>> out;
  while (!field.empty()) {
    const size_t end = std::min(field.find(kLineEnd), field.size());
    if (end > 0) out.emplace(field.substr(0, end));
    field.remove_prefix(std::min(end + kLineEnd.size(), field.size()));
  }
  return out;
}

}  // namespace penstock::store::clickhouse
