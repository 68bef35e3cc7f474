// Result<T> and Error: how every fallible call across a room boundary answers.
//
// Bad input is ordinary for a public endpoint, so failures are values, not exceptions; a library's
// exceptions stop in the adapter that calls it. The codes are a closed list: each is there because
// a caller acts differently on it (see docs/ERRORS.md). Error owns its text; copy and move freely,
// from any thread.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace penstock {

enum class Code : unsigned char {
  kInvalid,      // the input is wrong and will stay wrong: tell the sender, do not retry
  kDenied,       // no or wrong credentials
  kNotFound,     // the thing asked for does not exist
  kConflict,     // somebody else changed it first: read again, then decide
  kBusy,         // a bounded queue is full: retry soon
  kTimeout,      // the deadline passed and nothing happened
  kMaybe,        // it may or may not have happened: repeat with the same identity
  kUnavailable,  // the other side is down: retry with backoff
  kCorrupt,      // bytes are not what was written: stop and tell a person
  kExhausted,    // disk, memory or quota is used up: retry when there is room
  kCancelled,    // the caller asked for it to stop
  kBug,          // an invariant of ours does not hold
};

/// The code's name as logs, metrics and docs/ERRORS.md spell it ("invalid", "denied", …).
std::string_view code_name(Code code);

struct Error {
  Code code = Code::kBug;
  std::string message;  // one sentence for people; never a secret, never a payload

  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

/// `return fail(Code::kInvalid, "…")` from any function that returns a Result.
inline std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

/// Passes an error on with the context in front: "open segment: no space left".
std::unexpected<Error> fail(const Error& cause, std::string_view context);

}  // namespace penstock

#define PENSTOCK_CONCAT_INNER(a, b) a##b
#define PENSTOCK_CONCAT(a, b) PENSTOCK_CONCAT_INNER(a, b)
#define PENSTOCK_TRY_AS(name, declaration, expression)                           \
  auto name = (expression);                                                      \
  if (!name) return std::unexpected<::penstock::Error>(std::move(name).error()); \
  declaration = std::move(*name)
#define PENSTOCK_CHECK_AS(name, expression)                               \
  do {                                                                    \
    if (auto name = (expression); !name)                                  \
      return std::unexpected<::penstock::Error>(std::move(name).error()); \
  } while (false)

/// PENSTOCK_TRY(auto x, call()): x is the value, or the error is returned to the caller.
#define PENSTOCK_TRY(declaration, expression) \
  PENSTOCK_TRY_AS(PENSTOCK_CONCAT(penstock_try_, __COUNTER__), declaration, expression)

/// PENSTOCK_CHECK(status_call()): returns the error to the caller, or goes on.
#define PENSTOCK_CHECK(expression) \
  PENSTOCK_CHECK_AS(PENSTOCK_CONCAT(penstock_status_, __COUNTER__), expression)
