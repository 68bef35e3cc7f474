// From the body of a Capture V1 request to its events (contract section 7).
//
// One pass over the text validates it whole and keeps slices, as the v0 parser does. What is wrong
// with the request refuses it whole; what is wrong with one event is that event's `drop`, and the
// others go on. A BatchParser belongs to one shard; what it answers is valid until the next call
// and as long as the text.
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
#include "event/json_index.h"

namespace penstock::capture::v1 {

inline constexpr size_t kEventNameCharsMax = 200;
inline constexpr size_t kDistinctIdBytesMax = 200;

/// An event's `options`; what is not set was absent or null.
struct EventOptions {
  std::optional<bool> cookieless, disable_skew, person_profile;
  std::optional<std::string_view> product_tour;  // decoded; an integer as its digits
};

/// A string of the body: what it says, and a JSON text that says it.
struct Text {
  std::string_view value, raw;  // raw.empty(): the member is absent or null
};

struct BatchEvent {
  Uuid uuid;
  Text event, distinct_id, timestamp, session_id, window_id;  // distinct_id: trimmed
  std::string_view properties;                                // the object; empty: none given
  std::string_view property_session_id;                       // its $session_id, decoded
  bool property_cookieless = false;                           // its $cookieless_mode is true
  EventOptions options;
  int64_t timestamp_ms = 0;
  std::string_view drop;  // static tag of the answer, empty when the event goes on

  // As they were found, before `finish` decides.
  Text uuid_text;
  bool bad_properties = false, bad_options = false;
};

struct Batch {
  std::vector<BatchEvent> events;
  bool historical = false;
};

class BatchParser {
 public:
  /// The refusal carries the error tag that the answer names.
  std::expected<Batch*, Refusal> parse(std::string_view text, size_t events_max);
  /// Drops what the last call kept, and gives large buffers back.
  void clear();

 private:
  // All answer false after having set `problem_`. In: an event::JsonWalker, or an
  // event::JsonScanner where there is no index.
  template <class In>
  bool parse_top(In in);
  template <class In>
  bool parse_events(In& in);
  template <class In>
  bool parse_event(In& in, BatchEvent& out);
  template <class In>
  bool event_member(In& in, std::string_view key, BatchEvent& out, uint32_t& seen);
  template <class In>
  bool parse_properties(In& in, BatchEvent& out);
  template <class In>
  bool parse_options(In& in, BatchEvent& out);
  template <class In>
  bool text_member(In& in, std::string_view key, bool required, Text& out);
  template <class In>
  bool flag_member(In& in, std::string_view key, bool& out);
  template <class In>
  bool skip(In& in, std::string_view& raw, size_t depth);
  bool not_json();
  bool wrong(std::string_view key, std::string_view what);
  void read_option(std::string_view key, std::string_view raw, BatchEvent& out);
  void finish(BatchEvent& event);
  std::optional<Refusal> check();
  std::optional<Refusal> check_uuids();
  std::string_view decoded(std::string_view raw, bool escaped);
  std::string_view own(std::string text);

  event::JsonIndex index_;
  Batch batch_;
  Text created_at_;
  size_t events_max_ = 0;
  std::optional<Refusal> problem_;
  std::deque<std::string> owned_;
  std::vector<Uuid> sorted_;  // scratch
};

}  // namespace penstock::capture::v1
