// From JSON text to events: contract section 2, steps 8 to 11, and the token rules.
//
// One pass over the text validates it whole and keeps slices: each event's own bytes, and the few
// members that capture needs. An EventParser belongs to one shard; what it answers is valid until
// the next call and as long as the text.
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
#include "event/json_fields.h"
#include "event/json_index.h"

namespace penstock::capture {

struct ParsedEvent {
  std::string_view raw;  // the event object as the client wrote it
  std::string_view event, token, session_id;
  std::string_view distinct_id;  // final: text, at most so many characters
  std::optional<Uuid> uuid;
  std::optional<std::string_view> timestamp;
  std::optional<int64_t> offset_ms;
  bool cookieless = false, ignore_sent_at = false, internal = false, engage = false;
  bool heatmap = false;  // has $heatmap_data, to be split off

  // As they were found, before `finish` decides.
  bool has_event = false;
  std::string_view distinct_id_raw, properties_distinct_id_raw, properties_token;
};

struct ParsedBatch {
  std::vector<ParsedEvent> events;  // without $performance_event
  std::string_view token;           // trimmed, well formed
  std::optional<std::string_view> sent_at;
  bool historical = false;
};

struct ParseRules {
  size_t distinct_id_chars_max = 200;
  size_t token_bytes_max = 64;
  size_t events_max = 100'000;
  bool engage_path = false;
  std::string_view token{};  // checked already, from a header: then the body's are not asked
};

class EventParser {
 public:
  /// `text` is UTF-8. An empty `events` means: accepted, nothing to keep.
  std::expected<ParsedBatch*, Refusal> parse(std::string_view text, const ParseRules& rules);
  /// Drops what the last call kept.
  void clear();

 private:
  enum class Typed : uint8_t { kOk, kWrongType, kNotJson, kTooMany };
  // In: an event::JsonWalker, or an event::JsonScanner where there is no index.
  template <class In>
  Typed parse_array(In& in);
  template <class In>
  Typed parse_event(In& in, ParsedEvent& out);
  template <class In>
  Typed member(In& in, std::string_view key, ParsedEvent& out, uint32_t& seen);
  template <class In>
  Typed parse_properties(In& in, ParsedEvent& out);
  template <class In>
  Typed property(In& in, std::string_view key, ParsedEvent& out);
  template <class In>
  Typed parse_top_object(In in, bool& is_batch);
  template <class In>
  Typed string_member(In& in, std::string_view& out, bool& present);
  template <class In>
  std::optional<Refusal> parse_shape(const In& start);
  std::optional<Refusal> choose_token();
  std::optional<Refusal> finish(ParsedEvent& event);
  std::string_view own(std::string text);
  std::string_view decoded(std::string_view raw, bool escaped) {
    return escaped ? own(event::decode_string(raw)) : raw.substr(1, raw.size() - 2);
  }
  std::string_view distinct_id_text(std::string_view raw);

  event::JsonIndex index_;
  ParseRules rules_;
  ParsedBatch batch_;
  std::string_view batch_token_;
  bool is_batch_ = false, bad_cookieless_ = false;
  std::string problem_;  // which member has the wrong type
  std::deque<std::string> owned_;
};

}  // namespace penstock::capture
