// What the summary of a recording needs to know of one rrweb event. Pure functions.
//
// The numbers are rrweb's: event type 3 is an increment whose `data.source` says of what, 4 names
// the page, 5 is a custom event, 6 a plugin's. Fields of other shapes count as absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace penstock::replay {

inline constexpr size_t kUrlBytesMax = 4096;
inline constexpr size_t kConsoleBytesMax = 3000;

enum class ConsoleLevel : uint8_t { kInfo, kWarn, kError };
std::string_view console_level_name(ConsoleLevel level);

struct RrwebEvent {
  int64_t timestamp_ms = 0;
  bool click = false, keypress = false, mouse = false;
  bool active = false;  // something a person did
  std::string url;      // of the page, if it says
  std::optional<ConsoleLevel> console;
  std::string console_text;
};

/// nullopt: not an object with a timestamp above 0.
std::optional<RrwebEvent> read_rrweb(std::string_view event);

/// At most so many bytes, whole characters only.
std::string_view cut_bytes(std::string_view text, size_t bytes_max);

}  // namespace penstock::replay
