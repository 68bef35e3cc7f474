// Blocks of session recordings: how they lie in objects, how they are named, how they are read
// back.
//
// A block holds what one session sent between two flushes: lines `["window id", rrweb event]` in
// the order of their timestamps, as one raw snappy block. Many blocks lie behind each other in one
// object. The replay stage writes them, the admin API reads them; docs/formats/replay_blocks.md.
// Pure functions; nothing a block holds is trusted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::recording {

inline constexpr std::string_view kKeyPrefix = "replay/";
inline constexpr size_t kBlockBytesMax = 64U << 20;  // decompressed

/// Objects are named by the number of replay records that were decided before them: keys sort in
/// the order of writing, and one left over by a crash is found by the number to come next.
std::string object_key(uint64_t records_before, int64_t now_ms, uint64_t random);
/// What every key of that number begins with.
std::string object_key_prefix(uint64_t records_before);
/// When the object of this key was written (to the second); nullopt: not a key of ours.
std::optional<int64_t> written_ms(std::string_view key);

struct BlockPlace {
  std::string key;
  uint64_t from = 0, size = 0;
  bool operator==(const BlockPlace&) const = default;
};
/// `object:<key>?range=bytes=<first>-<last>`
std::string block_url(const BlockPlace& place);
std::optional<BlockPlace> parse_block_url(std::string_view url);

/// Appends `["window id",event]` and a line feed; `event` is valid JSON of any layout.
void append_line(std::string_view window_id, std::string_view event, std::string& out);
/// The timestamp of an rrweb event; nullopt unless it is an object with a number above 0.
std::optional<int64_t> event_timestamp_ms(std::string_view event);

/// Appends the compressed lines; answers how many bytes that were.
uint64_t append_block(std::string_view lines, std::string& out);
/// kCorrupt: these bytes are not a block.
Result<std::string> read_block(std::string_view bytes);

struct Line {
  int64_t timestamp_ms = 0;
  std::string_view text;  // without its line feed
};
/// The lines of a decompressed block, in order. kCorrupt: a line is not what append_line wrote.
Result<std::vector<Line>> split_lines(std::string_view block);

}  // namespace penstock::recording
