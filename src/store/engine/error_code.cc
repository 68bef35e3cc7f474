#include "store/engine/error_code.h"

#include <initializer_list>

namespace penstock::store {
namespace {

bool names_any(std::string_view message, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const size_t at = message.rfind(name);
    if (at == std::string_view::npos || at == 0) continue;
    const size_t end = at + name.size();
    if (message[at - 1] == '(' && end < message.size() && message[end] == ')') return true;
  }
  return false;
}

bool is_exhausted(std::string_view m) {
  return names_any(m, {"MEMORY_LIMIT_EXCEEDED", "TOO_MANY_ROWS_OR_BYTES", "TOO_MANY_ROWS",
                       "TOO_MANY_BYTES", "NOT_ENOUGH_SPACE", "TOO_MANY_SIMULTANEOUS_QUERIES",
                       "CANNOT_ALLOCATE_MEMORY"}) ||
         m.find("No space left") != std::string_view::npos;
}

}  // namespace

Code query_error_code(std::string_view m) {
  if (names_any(m, {"TIMEOUT_EXCEEDED", "SOCKET_TIMEOUT"})) return Code::kTimeout;
  if (names_any(m, {"QUERY_WAS_CANCELLED", "QUERY_WAS_CANCELLED_BY_CLIENT"}))
    return Code::kCancelled;
  if (is_exhausted(m)) return Code::kExhausted;
  if (names_any(m, {"READONLY", "ACCESS_DENIED"})) return Code::kDenied;
  if (names_any(m, {"CANNOT_OPEN_FILE", "CANNOT_READ_FROM_FILE_DESCRIPTOR", "CHECKSUM_DOESNT_MATCH",
                    "CORRUPTED_DATA", "CANNOT_SCHEDULE_TASK"})) {
    return Code::kUnavailable;
  }
  return Code::kInvalid;
}

Code insert_error_code(std::string_view m) {
  if (names_any(m, {"CANNOT_READ_ALL_DATA", "INCORRECT_DATA", "CANNOT_PARSE_DATETIME",
                    "UNKNOWN_ELEMENT_OF_ENUM", "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
                    "DECIMAL_OVERFLOW", "TOO_LARGE_STRING_SIZE", "TOO_LARGE_ARRAY_SIZE",
                    "ARGUMENT_OUT_OF_BOUND", "CANNOT_CONVERT_TYPE", "TYPE_MISMATCH",
                    "ILLEGAL_TYPE_OF_ARGUMENT", "CANNOT_COMPILE_REGEXP", "LIMIT_EXCEEDED"})) {
    return Code::kInvalid;
  }
  return is_exhausted(m) ? Code::kExhausted : Code::kUnavailable;
}

std::string readable_error(std::string message) {
  if (const size_t stack = message.find("\nStack trace"); stack != std::string::npos) {
    message.erase(stack);
  }
  for (const std::string_view mark : {"DB::Exception: ", "DB::ErrnoException: ", "Code: "}) {
    for (size_t at = message.find(mark); at != std::string::npos; at = message.find(mark)) {
      size_t end = at + mark.size();
      if (mark == "Code: ") {
        end = message.find(". ", at);
        end = end == std::string::npos ? message.size() : end + 2;
      }
      message.erase(at, end - at);
    }
  }
  for (size_t at = message.find(" (version "); at != std::string::npos;
       at = message.find(" (version ")) {
    const size_t end = message.find(')', at);
    if (end == std::string::npos) break;
    message.erase(at, end - at + 1);
  }
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  return message;
}

}  // namespace penstock::store
