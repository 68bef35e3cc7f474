// From JSON text to one replay message: contract section 6.
//
// A request of `/s/` is one snapshot event or an array of them, all of one session; it becomes one
// message that carries the items of all. One pass over the text validates it whole and keeps
// slices; the message is put together by copying them. A ReplayParser belongs to one shard; what it
// answers is valid until the next call and as long as the text.
#pragma once

#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "capture/decode/refusal.h"
#include "event/json_scan.h"
#include "event/raw_record.h"

namespace penstock::capture {

inline constexpr size_t kSessionIdBytesMax = 70;

struct ReplayRequest {
  // Of the first event; `library` is empty when it does not say.
  std::string_view token, distinct_id, session_id, window_id, library;
  std::string_view source;  // "web" or "mobile"
  std::optional<std::string_view> timestamp, sent_at;
  std::optional<Uuid> uuid;
  bool cookieless = false;
  std::vector<std::string_view> items;  // JSON values with commas between them, as they came
  size_t items_bytes = 0;
};

struct ReplayRules {
  size_t distinct_id_chars_max = 200;
  size_t token_bytes_max = 64;
  size_t events_max = 100'000;
};

class ReplayParser {
 public:
  /// `text` is UTF-8.
  std::expected<const ReplayRequest*, Refusal> parse(std::string_view text,
                                                     const ReplayRules& rules);
  /// Drops what the last call kept.
  void clear();

 private:
  /// Members of one event, raw; absent ones have no data.
  struct Event {
    std::string_view event, token, distinct_id, uuid, timestamp, sent_at;
    std::string_view session_id, window_id, snapshot_data, snapshot_source, library;
    std::string_view properties_token, properties_distinct_id, cookieless;
  };
  enum class Read : uint8_t { kOk, kNotJson, kWrongType, kTooMany };

  Read read_events(std::string_view text);
  Read read_event(event::JsonScanner& in, Event& out);
  Read read_properties(event::JsonScanner& in, Event& out);
  static std::string_view* member_of(Event& event, std::string_view key);
  static std::string_view* property_of(Event& event, std::string_view key);
  std::optional<Refusal> take_items(const Event& event);
  std::optional<Refusal> take_first(const Event& event);
  /// A string's text; no data when `raw` is not a string.
  std::string_view text_of(std::string_view raw);
  std::string_view own(std::string text);

  ReplayRules rules_;
  ReplayRequest request_;
  Event first_;
  size_t events_ = 0;
  std::optional<Refusal> item_refusal_;
  std::string problem_;
  std::deque<std::string> owned_;
};

/// 1 to 70 of `A-Z a-z 0-9 -`.
bool session_id_is_valid(std::string_view id);
/// `$lib`, else the first part of a PostHog SDK's User-Agent, else "web".
std::string_view snapshot_library(const ReplayRequest& request, std::string_view user_agent);
/// The message's event object, as contract section 6 spells it.
void append_replay_data(const ReplayRequest& request, std::string_view library, std::string& out);
inline constexpr std::string_view kReplayEvent = "$snapshot_items";
/// What the message says of itself; the caller adds uuid, times, project, address and data.
event::RawRecord replay_record(const ReplayRequest& request);

}  // namespace penstock::capture
