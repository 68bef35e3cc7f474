#include "recording/block.h"

#include <fmt/format.h>
#include <snappy.h>

#include <algorithm>
#include <charconv>

#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::recording {
namespace {

constexpr uint64_t kNumbersPerFolder = 100'000;
constexpr std::string_view kRange = "?range=bytes=";
constexpr std::string_view kScheme = "object:";

bool read_number(std::string_view& text, uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

}  // namespace

std::string object_key_prefix(uint64_t records_before) {
  return fmt::format("{}{:012}/{:017}-", kKeyPrefix, records_before / kNumbersPerFolder,
                     records_before);
}

std::string object_key(uint64_t records_before, int64_t now_ms, uint64_t random) {
  std::string time = event::format_rfc3339_ms(now_ms).substr(0, 19);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return fmt::format("{}{}-{:016x}.blocks", object_key_prefix(records_before), time, random);
}

std::optional<int64_t> written_ms(std::string_view key) {
  const size_t dash = key.find('-');
  if (!key.starts_with(kKeyPrefix) || dash == std::string_view::npos) return std::nullopt;
  const std::string_view t = key.substr(dash + 1, 15);  // 20261125T101500
  if (t.size() != 15 || t[8] != 'T') return std::nullopt;
  return event::parse_timestamp_ms(fmt::format("{}-{}-{}T{}:{}:{}Z", t.substr(0, 4), t.substr(4, 2),
                                               t.substr(6, 2), t.substr(9, 2), t.substr(11, 2),
                                               t.substr(13, 2)));
}

std::string block_url(const BlockPlace& place) {
  return fmt::format("{}{}{}{}-{}", kScheme, place.key, kRange, place.from,
                     place.from + place.size - 1);
}

std::optional<BlockPlace> parse_block_url(std::string_view url) {
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  const size_t at = url.find(kRange);
  if (at == std::string_view::npos) return std::nullopt;
  BlockPlace place{std::string(url.substr(0, at)), 0, 0};
  url.remove_prefix(at + kRange.size());
  uint64_t last = 0;
  if (!read_number(url, place.from) || !url.starts_with('-')) return std::nullopt;
  url.remove_prefix(1);
  if (!read_number(url, last) || !url.empty() || last < place.from) return std::nullopt;
  if (last - place.from >= kBlockBytesMax * 2) return std::nullopt;
  place.size = last - place.from + 1;
  return place;
}

void append_line(std::string_view window_id, std::string_view event, std::string& out) {
  out += '[';
  event::append_json_string(out, window_id);
  out += ',';
  const size_t from = out.size();
  out += event;
  // Line feeds can only stand between tokens; a line must not hold any.
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(from), out.end(),
      [](char c) { return c == '\n' || c == '\r'; }, ' ');
  out += "]\n";
}

std::optional<int64_t> event_timestamp_ms(std::string_view event) {
  event::JsonScanner in(event);
  std::optional<int64_t> found;
  if (!in.accept('{') || in.accept('}')) return std::nullopt;
  do {
    std::string_view key, raw;
    bool escaped = false;
    if (!in.string(key, escaped) || !in.accept(':') || !in.value(raw)) return std::nullopt;
    if (key != "\"timestamp\"") continue;
    double value = 0;
    const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    const bool number = error == std::errc() && end == raw.data() + raw.size();
    // Above it, milliseconds are no exact numbers any more.
    found = number && value > 0 && value < 9e15 ? std::optional(static_cast<int64_t>(value))
                                                : std::nullopt;
  } while (in.accept(','));
  return in.accept('}') ? found : std::nullopt;
}

uint64_t append_block(std::string_view lines, std::string& out) {
  const size_t before = out.size();
  std::string block;
  snappy::Compress(lines.data(), lines.size(), &block);
  out += block;
  return out.size() - before;
}

Result<std::string> read_block(std::string_view bytes) {
  size_t size = 0;
  if (!snappy::GetUncompressedLength(bytes.data(), bytes.size(), &size) || size > kBlockBytesMax) {
    return fail(Code::kCorrupt, "a recording's block cannot be read");
  }
  std::string out(size, '\0');
  if (!snappy::RawUncompress(bytes.data(), bytes.size(), out.data())) {
    return fail(Code::kCorrupt, "a recording's block cannot be read");
  }
  return out;
}

Result<std::vector<Line>> split_lines(std::string_view block) {
  std::vector<Line> out;
  while (!block.empty()) {
    const std::string_view text = block.substr(0, block.find('\n'));
    block.remove_prefix(std::min(block.size(), text.size() + 1));
    event::JsonScanner in(text);
    std::string_view window, event;
    bool escaped = false;
    const bool shape = in.accept('[') && in.string(window, escaped) && in.accept(',') &&
                       in.value(event) && in.accept(']') && in.at_end();
    const auto time = shape ? event_timestamp_ms(event) : std::nullopt;
    if (!time) return fail(Code::kCorrupt, "a line of a recording cannot be read");
    out.push_back({*time, text});
  }
  return out;
}

}  // namespace penstock::recording
