#include "capture/v1/batch.h"

#include <simdjson.h>

#include <algorithm>

#include "event/json_fields.h"
#include "event/timestamp.h"

namespace penstock::capture::v1 {
namespace {

using event::json_type;
using event::JsonType;

constexpr size_t kEventDepth = event::kJsonDepthMax - 2;  // inside the batch's array
constexpr size_t kValueDepth = kEventDepth - 1;
constexpr size_t kKeptEvents = 1024;

enum Member : uint32_t {
  kUnknown = 0,
  kEvent = 1,
  kUuid = 2,
  kDistinctId = 4,
  kTimestamp = 8,
  kSessionId = 16,
  kWindowId = 32,
  kOptions = 64,
  kProperties = 128,
};
constexpr uint32_t kRequired = kEvent | kUuid | kDistinctId | kTimestamp;

Member member_named(std::string_view key) {
  switch (key.size()) {
    case 4: return key == "uuid" ? kUuid : kUnknown;
    case 5: return key == "event" ? kEvent : kUnknown;
    case 7: return key == "options" ? kOptions : kUnknown;
    case 9:
      if (key == "timestamp") return kTimestamp;
      return key == "window_id" ? kWindowId : kUnknown;
    case 10:
      if (key == "properties") return kProperties;
      return key == "session_id" ? kSessionId : kUnknown;
    case 11: return key == "distinct_id" ? kDistinctId : kUnknown;
    default: return kUnknown;
  }
}

Refusal refuse(int status, std::string_view tag, std::string message) {
  return {status, tag, std::move(message)};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\n\r\v\f";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

bool more_characters_than(std::string_view text, size_t max) {
  if (text.size() <= max) return false;
  size_t chars = 0;
  for (const char c : text) chars += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1U : 0U;
  return chars > max;
}

bool has_escape(std::string_view raw) { return raw.find('\\') != std::string_view::npos; }

/// true, "true", "1", a number that is not zero, and their opposites.
std::optional<bool> loose_bool(std::string_view raw) {
  switch (json_type(raw)) {
    case JsonType::kBool: return raw == "true";
    case JsonType::kNumber: {
      const std::string_view digits = raw.substr(0, raw.find_first_of("eE"));
      return digits.find_first_of("123456789") != std::string_view::npos;
    }
    case JsonType::kString:
      if (raw == R"("true")" || raw == R"("1")") return true;
      if (raw == R"("false")" || raw == R"("0")") return false;
      return std::nullopt;
    default: return std::nullopt;
  }
}

}  // namespace

std::string_view BatchParser::own(std::string text) {
  owned_.push_back(std::move(text));
  return owned_.back();
}

std::string_view BatchParser::decoded(std::string_view raw, bool escaped) {
  return escaped ? own(event::decode_string(raw)) : raw.substr(1, raw.size() - 2);
}

void BatchParser::clear() {
  batch_.events.clear();
  owned_.clear();
  if (batch_.events.capacity() > kKeptEvents) batch_.events = {};
  if (sorted_.capacity() > kKeptEvents) sorted_ = {};
}

bool BatchParser::not_json() {
  problem_ = refuse(400, "request_parsing_error", "the body is not valid JSON");
  return false;
}

bool BatchParser::wrong(std::string_view key, std::string_view what) {
  problem_ = refuse(400, "request_parsing_error", std::string(key) + std::string(what));
  return false;
}

template <class In>
bool BatchParser::skip(In& in, std::string_view& raw, size_t depth) {
  return in.value(raw, depth) || not_json();
}

template <class In>
bool BatchParser::text_member(In& in, std::string_view key, bool required, Text& out) {
  if (in.peek() == '"') {
    bool escaped = false;
    if (!in.string(out.raw, escaped)) return not_json();
    out.value = decoded(out.raw, escaped);
    return true;
  }
  std::string_view raw;
  if (!skip(in, raw, kValueDepth)) return false;
  if (!required && json_type(raw) == JsonType::kNull) return true;
  return wrong(key, " is not a string");
}

template <class In>
bool BatchParser::flag_member(In& in, std::string_view key, bool& out) {
  std::string_view raw;
  if (!skip(in, raw, kValueDepth)) return false;
  const JsonType type = json_type(raw);
  if (type != JsonType::kBool && type != JsonType::kNull) return wrong(key, " is not a boolean");
  out = raw == "true";
  return true;
}

void BatchParser::read_option(std::string_view key, std::string_view raw, BatchEvent& out) {
  const JsonType type = json_type(raw);
  if (type == JsonType::kNull) return;
  EventOptions& o = out.options;
  if (key == "product_tour_id") {
    if (type == JsonType::kString) {
      o.product_tour = decoded(raw, has_escape(raw));
    } else if (type == JsonType::kNumber && raw.find_first_of(".eE") == std::string_view::npos) {
      o.product_tour = raw;
    } else {
      out.bad_options = true;
    }
    return;
  }
  std::optional<bool>* flag = key == "cookieless_mode"           ? &o.cookieless
                              : key == "disable_skew_correction" ? &o.disable_skew
                              : key == "process_person_profile"  ? &o.person_profile
                                                                 : nullptr;
  if (flag == nullptr) return;
  *flag = loose_bool(raw);
  if (!*flag) out.bad_options = true;
}

template <class In>
bool BatchParser::parse_options(In& in, BatchEvent& out) {
  std::string_view raw;
  if (!in.accept('{')) {
    if (!skip(in, raw, kValueDepth)) return false;
    if (json_type(raw) != JsonType::kNull) out.bad_options = true;
    return true;
  }
  if (in.accept('}')) return true;
  do {
    std::string_view key;
    bool escaped = false;
    if (!in.string(key, escaped) || !in.accept(':')) return not_json();
    const std::string_view name = decoded(key, escaped);
    if (!skip(in, raw, kValueDepth - 1)) return false;
    read_option(name, raw, out);
  } while (in.accept(','));
  return in.accept('}') || not_json();
}

template <class In>
bool BatchParser::parse_properties(In& in, BatchEvent& out) {
  std::string_view raw;
  if (in.peek() != '{') {
    if (!skip(in, raw, kValueDepth)) return false;
    if (json_type(raw) != JsonType::kNull) out.bad_properties = true;
    return true;
  }
  const char* begin = in.next_begin();
  in.accept('{');
  if (!in.accept('}')) {
    do {
      std::string_view key;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':')) return not_json();
      const std::string_view name = decoded(key, escaped);
      if (!skip(in, raw, kValueDepth - 1)) return false;
      if (!name.starts_with('$')) continue;
      if (name == "$session_id") {
        out.property_session_id = json_type(raw) == JsonType::kString
                                      ? decoded(raw, has_escape(raw))
                                      : std::string_view{};
      } else if (name == "$cookieless_mode") {
        out.property_cookieless = raw == "true";
      }
    } while (in.accept(','));
    if (!in.accept('}')) return not_json();
  }
  out.properties = {begin, static_cast<size_t>(in.last_end() - begin)};
  return true;
}

template <class In>
bool BatchParser::event_member(In& in, std::string_view key, BatchEvent& out, uint32_t& seen) {
  const Member which = member_named(key);
  std::string_view raw;
  if (which == kUnknown) return skip(in, raw, kValueDepth);
  if ((seen & which) != 0) return wrong(key, " appears twice in an event");
  seen |= which;
  switch (which) {
    case kEvent: return text_member(in, key, true, out.event);
    case kUuid: return text_member(in, key, true, out.uuid_text);
    case kDistinctId: return text_member(in, key, true, out.distinct_id);
    case kTimestamp: return text_member(in, key, true, out.timestamp);
    case kSessionId: return text_member(in, key, false, out.session_id);
    case kWindowId: return text_member(in, key, false, out.window_id);
    case kOptions: return parse_options(in, out);
    case kProperties: return parse_properties(in, out);
    case kUnknown: break;
  }
  return true;
}

template <class In>
bool BatchParser::parse_event(In& in, BatchEvent& out) {
  std::string_view raw;
  if (!in.accept('{')) return skip(in, raw, kEventDepth) && wrong("an event", " is not an object");
  uint32_t seen = 0;
  if (!in.accept('}')) {
    do {
      std::string_view key;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':')) return not_json();
      if (!event_member(in, decoded(key, escaped), out, seen)) return false;
    } while (in.accept(','));
    if (!in.accept('}')) return not_json();
  }
  const uint32_t missing = kRequired & ~seen;
  if (missing == 0) return true;
  return wrong((missing & kEvent) != 0        ? "event"
               : (missing & kUuid) != 0       ? "uuid"
               : (missing & kDistinctId) != 0 ? "distinct_id"
                                              : "timestamp",
               " is missing in an event");
}

template <class In>
bool BatchParser::parse_events(In& in) {
  std::string_view raw;
  if (!in.accept('[')) return skip(in, raw, kEventDepth) && wrong("batch", " is not an array");
  if (in.accept(']')) return true;
  do {
    if (batch_.events.size() >= events_max_) {
      problem_ = refuse(413, "payload_too_large", "the batch holds too many events");
      return false;
    }
    if (!parse_event(in, batch_.events.emplace_back())) return false;
  } while (in.accept(','));
  return in.accept(']') || not_json();
}

template <class In>
bool BatchParser::parse_top(In in) {
  std::string_view raw;
  if (in.peek() != '{')
    return skip(in, raw, event::kJsonDepthMax) && wrong("the body", " is not an object");
  in.accept('{');
  bool has_created = false, has_batch = false, has_historical = false, internal = false;
  if (!in.accept('}')) {
    do {
      std::string_view key;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':')) return not_json();
      const std::string_view name = decoded(key, escaped);
      const auto again = [&](bool& seen) { return std::exchange(seen, true); };
      bool good = true;
      if (name == "batch") {
        if (again(has_batch)) return wrong(name, " appears twice");
        good = parse_events(in);
      } else if (name == "created_at") {
        if (again(has_created)) return wrong(name, " appears twice");
        good = text_member(in, name, true, created_at_);
      } else if (name == "historical_migration") {
        if (again(has_historical)) return wrong(name, " appears twice");
        good = flag_member(in, name, batch_.historical);
      } else if (name == "capture_internal") {
        // Only a signed request could be believed; there is none here, so it changes nothing.
        good = flag_member(in, name, internal);
      } else {
        good = skip(in, raw, event::kJsonDepthMax - 1);
      }
      if (!good) return false;
    } while (in.accept(','));
    if (!in.accept('}')) return not_json();
  }
  if (!in.at_end()) return not_json();
  if (!has_created) return wrong("created_at", " is missing");
  return has_batch || wrong("batch", " is missing");
}

std::optional<Refusal> BatchParser::check_uuids() {
  for (BatchEvent& e : batch_.events) {
    const std::string_view text = trimmed(e.uuid_text.value);
    if (text.empty()) return refuse(400, "missing_event_uuid", "an event's uuid is empty");
    const auto uuid = Uuid::parse(text);
    if (!uuid) return refuse(400, "invalid_event_uuid", "an event's uuid is not a UUID");
    e.uuid = *uuid;
  }
  // Time-ordered uuids mostly come in order already, and then no two are equal.
  const auto& events = batch_.events;
  if (std::ranges::adjacent_find(events, std::ranges::greater_equal{}, &BatchEvent::uuid) ==
      events.end()) {
    return std::nullopt;
  }
  sorted_.clear();
  for (const BatchEvent& e : events) sorted_.push_back(e.uuid);
  std::ranges::sort(sorted_);
  const auto twice = std::ranges::adjacent_find(sorted_);
  if (twice == sorted_.end()) return std::nullopt;
  return refuse(400, "duplicate_event_uuid", "the batch holds " + twice->text() + " twice");
}

void BatchParser::finish(BatchEvent& e) {
  const std::string_view id = trimmed(e.distinct_id.value);
  if (id.size() != e.distinct_id.value.size() || id.find('\0') != std::string_view::npos) {
    std::string clean;
    for (const char c : id) {
      if (c == '\0') {
        clean += "\xef\xbf\xbd";  // as v0 does: no store behind us can keep a NUL
      } else {
        clean += c;
      }
    }
    std::string raw;
    event::append_json_string(raw, clean);
    e.distinct_id = {own(std::move(clean)), own(std::move(raw))};
  }
  const auto time = event::parse_rfc3339_ms(e.timestamp.value);
  if (time) e.timestamp_ms = *time;
  if (e.event.value == "$performance_event") {
    e.drop = "dropped_performance_event";
  } else if (e.event.value.empty()) {
    e.drop = "missing_event_name";
  } else if (more_characters_than(e.event.value, kEventNameCharsMax)) {
    e.drop = "event_name_too_long";
  } else if (e.distinct_id.value.empty()) {
    e.drop = "missing_distinct_id";
  } else if (e.distinct_id.value.size() > kDistinctIdBytesMax) {
    e.drop = "distinct_id_too_large";
  } else if (!time) {
    e.drop = "invalid_event_timestamp";
  } else if (e.bad_properties) {
    e.drop = "malformed_event_properties";
  } else if (e.bad_options) {
    e.drop = "invalid_options";
  }
}

std::optional<Refusal> BatchParser::check() {
  if (batch_.events.empty()) return refuse(400, "empty_batch", "the batch holds no events");
  if (!event::parse_rfc3339_ms(created_at_.value)) {
    return refuse(400, "invalid_batch", "created_at is not a time as RFC 3339 writes it");
  }
  return check_uuids();
}

std::expected<Batch*, Refusal> BatchParser::parse(std::string_view text, size_t events_max) {
  batch_.events.clear();
  batch_.historical = false;
  owned_.clear();
  created_at_ = {};
  problem_.reset();
  events_max_ = events_max;
  // An index is only made of UTF-8.
  const bool indexed = index_.read(text);
  if (!indexed && !simdjson::validate_utf8(text.data(), text.size())) {
    return std::unexpected(refuse(400, "request_parsing_error", "the body is not UTF-8"));
  }
  if (!(indexed ? parse_top(event::JsonWalker(index_)) : parse_top(event::JsonScanner(text)))) {
    return std::unexpected(std::move(*problem_));
  }
  if (auto refusal = check()) return std::unexpected(std::move(*refusal));
  for (BatchEvent& e : batch_.events) finish(e);
  return &batch_;
}

}  // namespace penstock::capture::v1
