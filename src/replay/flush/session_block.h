// SessionBlock: what one session sent in one flush, on its way to become a block.
//
// Keeps views of the messages' events, which must outlive it, and adds up the summary. `finish`
// sorts the lines by time, appends the block to the object and tells what the row says.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "replay/flush/rrweb.h"

namespace penstock::replay {

inline constexpr size_t kUrlsMax = 25;
inline constexpr size_t kWindowIdBytesMax = 100;
inline constexpr size_t kLabelBytesMax = 1000;         // snapshot source and library
inline constexpr size_t kBlockLinesBytes = 16U << 20;  // then the session's next block begins

struct ConsoleLine {
  int64_t timestamp_ms = 0;
  ConsoleLevel level = ConsoleLevel::kInfo;
  std::string text;
};

/// The fields of event::ReplayBlock that the lines decide.
struct BlockSummary {
  int64_t first_timestamp_ms = 0, last_timestamp_ms = 0;
  uint64_t from = 0, size_stored = 0;  // in the object
  uint64_t size = 0, active_milliseconds = 0;
};

class SessionBlock {
 public:
  SessionBlock(ProjectId project, std::string session_id)
      : project_(project), session_id_(std::move(session_id)) {}

  /// A message begins; texts are copied. The first that are not empty count.
  void begin_message(std::string_view window_id, std::string_view distinct_id,
                     std::string_view source, std::string_view library);
  void add(std::string_view event, RrwebEvent read);
  /// Bytes its lines will have, about.
  size_t bytes() const { return bytes_; }
  bool empty() const { return lines_.empty(); }

  BlockSummary finish(std::string& object);

  ProjectId project() const { return project_; }
  const std::string& session_id() const { return session_id_; }
  const std::string& distinct_id() const { return distinct_id_; }
  const std::string& source() const { return source_; }
  const std::string& library() const { return library_; }
  const std::vector<std::string>& urls() const { return urls_; }
  const std::vector<ConsoleLine>& console() const { return console_; }
  uint64_t events() const { return lines_.size(); }
  uint64_t messages() const { return messages_; }
  uint64_t clicks() const { return clicks_; }
  uint64_t keypresses() const { return keypresses_; }
  uint64_t mouse_activity() const { return mouse_; }
  uint64_t console_count(ConsoleLevel level) const {
    return console_counts_[static_cast<size_t>(level)];
  }

 private:
  struct LineRef {
    int64_t timestamp_ms;
    std::string_view event;
    uint32_t window;
    bool active;
  };

  ProjectId project_;
  std::string session_id_, distinct_id_, source_, library_;
  std::vector<std::string> windows_, urls_;
  std::vector<LineRef> lines_;
  std::vector<ConsoleLine> console_;
  size_t bytes_ = 0;
  uint64_t messages_ = 0, clicks_ = 0, keypresses_ = 0, mouse_ = 0;
  uint64_t console_counts_[3] = {};
};

}  // namespace penstock::replay
