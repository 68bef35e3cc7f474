#include "replay/flush/session_block.h"

#include <algorithm>

#include "recording/block.h"

namespace penstock::replay {
namespace {

/// Two things a person did belong together when no more lies between them.
constexpr int64_t kActivityGapMs = 5000;

void keep_first(std::string& kept, std::string_view text, size_t bytes_max) {
  if (kept.empty()) kept = cut_bytes(text, bytes_max);
}

}  // namespace

void SessionBlock::begin_message(std::string_view window_id, std::string_view distinct_id,
                                 std::string_view source, std::string_view library) {
  messages_++;
  keep_first(distinct_id_, distinct_id, kLabelBytesMax);
  keep_first(source_, source, kLabelBytesMax);
  keep_first(library_, library, kLabelBytesMax);
  // A window sends many messages; it is found from the end.
  const std::string_view window = cut_bytes(window_id, kWindowIdBytesMax);
  if (windows_.empty() || windows_.back() != window) windows_.emplace_back(window);
}

void SessionBlock::add(std::string_view event, RrwebEvent read) {
  lines_.push_back(
      {read.timestamp_ms, event, static_cast<uint32_t>(windows_.size() - 1), read.active});
  bytes_ += event.size() + windows_.back().size() + 6;
  clicks_ += read.click ? 1 : 0;
  keypresses_ += read.keypress ? 1 : 0;
  mouse_ += read.mouse ? 1 : 0;
  if (!read.url.empty() && urls_.size() < kUrlsMax &&
      std::ranges::find(urls_, read.url) == urls_.end()) {
    urls_.push_back(std::move(read.url));
  }
  if (read.console) {
    console_counts_[static_cast<size_t>(*read.console)]++;
    console_.push_back({read.timestamp_ms, *read.console, std::move(read.console_text)});
  }
}

BlockSummary SessionBlock::finish(std::string& object) {
  std::ranges::stable_sort(lines_, {}, &LineRef::timestamp_ms);
  BlockSummary out;
  out.first_timestamp_ms = lines_.front().timestamp_ms;
  out.last_timestamp_ms = lines_.back().timestamp_ms;
  std::string text;
  text.reserve(bytes_);
  const LineRef* active_before = nullptr;
  for (const LineRef& line : lines_) {
    recording::append_line(windows_[line.window], line.event, text);
    if (!line.active) continue;
    if (active_before != nullptr) {
      const int64_t gap = line.timestamp_ms - active_before->timestamp_ms;
      if (gap <= kActivityGapMs) out.active_milliseconds += static_cast<uint64_t>(gap);
    }
    active_before = &line;
  }
  out.size = text.size();
  out.from = object.size();
  out.size_stored = recording::append_block(text, object);
  return out;
}

}  // namespace penstock::replay
