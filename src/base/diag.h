// Diagnostic log lines: a fixed lower-case sentence plus fields, so that they can be searched.
//
//   diag::warn("append failed", {{"topic", topic}, {"error", error.message}});
//
// Never a payload, a token or a secret. Until main installs a sink, lines go to stderr as text.
// Any thread; the sink must be thread safe and must not block for long.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

namespace penstock::diag {

enum class Level : unsigned char { kDebug, kInfo, kWarn, kError };

struct Field {
  Field(std::string_view k, std::string_view v) : key(k), value(v) {}
  Field(std::string_view k, const char* v) : key(k), value(v) {}
  Field(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <typename T>
    requires std::is_arithmetic_v<T>
  Field(std::string_view k, T v) : key(k), value(fmt::to_string(v)) {}

  std::string key, value;
};
using Fields = std::initializer_list<Field>;
using Sink = std::function<void(Level, std::string_view sentence, Fields)>;

/// Replaces the sink; call before threads start.
void set_sink(Sink sink);
void write(Level level, std::string_view sentence, Fields fields);

inline void debug(std::string_view s, Fields f = {}) { write(Level::kDebug, s, f); }
inline void info(std::string_view s, Fields f = {}) { write(Level::kInfo, s, f); }
inline void warn(std::string_view s, Fields f = {}) { write(Level::kWarn, s, f); }
inline void error(std::string_view s, Fields f = {}) { write(Level::kError, s, f); }

}  // namespace penstock::diag
