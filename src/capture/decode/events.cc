#include "capture/decode/events.h"

#include <algorithm>
#include <charconv>

#include "capture/decode/distinct_id.h"
#include "capture/decode/token.h"
#include "event/json_fields.h"

namespace penstock::capture {
namespace {

using event::json_type;
using event::JsonType;

constexpr size_t kEventDepth = event::kJsonDepthMax - 2;  // inside a batch's array
constexpr size_t kPropertyDepth = kEventDepth - 1;

Refusal refuse(int status, std::string_view tag, std::string message) {
  return {status, tag, std::move(message)};
}

/// Known members of an event; aliases share a bit, so that both together are a duplicate.
enum Member : uint32_t {
  kToken = 1,
  kDistinctId = 2,
  kUuid = 4,
  kEvent = 8,
  kProperties = 16,
  kTimestamp = 32,
  kOffset = 64,
  kSet = 128,
  kSetOnce = 256,
};

uint32_t member_named(std::string_view key) {
  switch (key.size()) {
    case 4:
      if (key == "uuid") return kUuid;
      if (key == "$set") return kSet;
      break;
    case 5:
      if (key == "event") return kEvent;
      if (key == "token") return kToken;
      break;
    case 6:
      if (key == "$token") return kToken;
      if (key == "offset") return kOffset;
      break;
    case 7: return key == "api_key" ? uint32_t{kToken} : 0U;
    case 9:
      if (key == "timestamp") return kTimestamp;
      if (key == "$set_once") return kSetOnce;
      break;
    case 10: return key == "properties" ? uint32_t{kProperties} : 0U;
    case 11: return key == "distinct_id" ? uint32_t{kDistinctId} : 0U;
    case 12: return key == "$distinct_id" ? uint32_t{kDistinctId} : 0U;
    default: break;
  }
  return 0;
}

enum class Property : uint8_t {
  kOther,
  kDistinctId,
  kToken,
  kSessionId,
  kCookielessMode,
  kIgnoreSentAt,
  kCaptureInternal,
  kHeatmapData,
};

Property property_named(std::string_view key) {
  switch (key.size()) {
    case 5: return key == "token" ? Property::kToken : Property::kOther;
    case 11:
      if (key == "$session_id") return Property::kSessionId;
      return key == "distinct_id" ? Property::kDistinctId : Property::kOther;
    case 13: return key == "$heatmap_data" ? Property::kHeatmapData : Property::kOther;
    case 15: return key == "$ignore_sent_at" ? Property::kIgnoreSentAt : Property::kOther;
    case 16:
      if (key == "$cookieless_mode") return Property::kCookielessMode;
      return key == "capture_internal" ? Property::kCaptureInternal : Property::kOther;
    default: return Property::kOther;
  }
}

}  // namespace

std::string_view EventParser::own(std::string text) {
  owned_.push_back(std::move(text));
  return owned_.back();
}

void EventParser::clear() {
  batch_.events.clear();
  owned_.clear();
}

template <class In>
EventParser::Typed EventParser::string_member(In& in, std::string_view& out, bool& present) {
  if (in.peek() == '"') {
    std::string_view raw;
    bool escaped = false;
    if (!in.string(raw, escaped)) return Typed::kNotJson;
    out = decoded(raw, escaped);
    present = true;
    return Typed::kOk;
  }
  std::string_view raw;
  if (!in.value(raw, kPropertyDepth)) return Typed::kNotJson;
  present = false;
  return json_type(raw) == JsonType::kNull ? Typed::kOk : Typed::kWrongType;
}

template <class In>
EventParser::Typed EventParser::property(In& in, std::string_view key, ParsedEvent& out) {
  std::string_view raw;
  if (!in.value(raw, kPropertyDepth - 1)) return Typed::kNotJson;
  const Property which = property_named(key);
  if (which == Property::kOther) return Typed::kOk;
  const JsonType type = json_type(raw);
  const auto text = [&] { return decoded(raw, raw.find('\\') != std::string_view::npos); };
  switch (which) {
    case Property::kDistinctId: out.properties_distinct_id_raw = raw; break;
    case Property::kToken:
      if (type == JsonType::kString) out.properties_token = text();
      break;
    case Property::kSessionId:
      if (type == JsonType::kString) out.session_id = text();
      break;
    case Property::kCookielessMode:
      if (type != JsonType::kBool) bad_cookieless_ = true;
      out.cookieless = raw == "true";
      break;
    case Property::kIgnoreSentAt: out.ignore_sent_at = raw == "true"; break;
    case Property::kCaptureInternal: out.internal = true; break;
    case Property::kHeatmapData: out.heatmap = type != JsonType::kNull; break;
    case Property::kOther: break;
  }
  return Typed::kOk;
}

template <class In>
EventParser::Typed EventParser::parse_properties(In& in, ParsedEvent& out) {
  if (!in.accept('{')) {
    std::string_view raw;
    if (!in.value(raw, kPropertyDepth)) return Typed::kNotJson;
    problem_ = "properties is not an object";
    return Typed::kWrongType;
  }
  if (in.accept('}')) return Typed::kOk;
  do {
    std::string_view key;
    bool escaped = false;
    if (!in.string(key, escaped) || !in.accept(':')) return Typed::kNotJson;
    const Typed done = property(in, decoded(key, escaped), out);
    if (done != Typed::kOk) return done;
  } while (in.accept(','));
  return in.accept('}') ? Typed::kOk : Typed::kNotJson;
}

template <class In>
EventParser::Typed EventParser::member(In& in, std::string_view key, ParsedEvent& out,
                                       uint32_t& seen) {
  const uint32_t which = member_named(key);
  std::string_view raw;
  if (which == 0) return in.value(raw, kPropertyDepth) ? Typed::kOk : Typed::kNotJson;
  Typed done = Typed::kOk;
  if ((seen & which) != 0) {
    problem_ = "the member " + std::string(key) + " appears twice";
    done = Typed::kWrongType;
  }
  seen |= which;
  const auto wrong = [&](const char* what) {
    problem_ = std::string(key) + what;
    return Typed::kWrongType;
  };
  if (which == kProperties) {
    const Typed inner = parse_properties(in, out);
    return inner == Typed::kOk ? done : inner;
  }
  if (which == kEvent || which == kToken || which == kUuid || which == kTimestamp) {
    std::string_view text;
    bool present = false;
    const Typed inner = string_member(in, text, present);
    if (inner == Typed::kWrongType) return wrong(" is not a string");
    if (inner != Typed::kOk) return inner;
    if (which == kEvent && !present) return wrong(" is null");
    if (!present) return done;
    if (which == kEvent) {
      out.event = text;
      out.has_event = true;
    } else if (which == kToken) {
      out.token = text;
    } else if (which == kTimestamp) {
      out.timestamp = text;
    } else if (!text.empty()) {
      out.uuid = Uuid::parse(text);
      if (!out.uuid) return wrong(" is not a UUID");
    }
    return done;
  }
  if (!in.value(raw, kPropertyDepth)) return Typed::kNotJson;
  const JsonType type = json_type(raw);
  if (which == kDistinctId) out.distinct_id_raw = raw;
  if ((which == kSet || which == kSetOnce) && type != JsonType::kObject &&
      type != JsonType::kNull) {
    return wrong(" is not an object");
  }
  if (which == kOffset && type != JsonType::kNull) {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (error != std::errc() || end != raw.data() + raw.size()) return wrong(" is not an integer");
    out.offset_ms = value;
  }
  return done;
}

template <class In>
EventParser::Typed EventParser::parse_event(In& in, ParsedEvent& out) {
  if (in.peek() != '{') {
    std::string_view raw;
    if (!in.value(raw, kEventDepth)) return Typed::kNotJson;
    problem_ = "an event is not an object";
    return Typed::kWrongType;
  }
  const char* begin = in.next_begin();
  in.accept('{');
  uint32_t seen = 0;
  Typed result = Typed::kOk;
  if (!in.accept('}')) {
    do {
      std::string_view key;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':')) return Typed::kNotJson;
      const Typed done = member(in, decoded(key, escaped), out, seen);
      if (done == Typed::kNotJson) return done;
      if (done != Typed::kOk) result = done;
    } while (in.accept(','));
    if (!in.accept('}')) return Typed::kNotJson;
  }
  out.raw = {begin, static_cast<size_t>(in.last_end() - begin)};
  return result;
}

template <class In>
EventParser::Typed EventParser::parse_array(In& in) {
  in.accept('[');
  if (in.accept(']')) return Typed::kOk;
  Typed result = Typed::kOk;
  do {
    if (batch_.events.size() >= rules_.events_max) return Typed::kTooMany;
    ParsedEvent& event = batch_.events.emplace_back();
    const Typed done = parse_event(in, event);
    if (done == Typed::kNotJson) return done;
    if (done != Typed::kOk) result = done;
    if (done == Typed::kOk && !event.has_event) {
      problem_ = "an event has no name: the member event is missing";
      result = Typed::kWrongType;
    }
  } while (in.accept(','));
  return in.accept(']') ? result : Typed::kNotJson;
}

/// Reads a top-level object as a batch while it looks like one.
template <class In>
EventParser::Typed EventParser::parse_top_object(In in, bool& is_batch) {
  in.accept('{');
  bool has_batch = false;
  std::string_view misfit;
  Typed typed = Typed::kOk;
  if (!in.accept('}')) {
    do {
      std::string_view key, raw;
      bool escaped = false, present = false;
      if (!in.string(key, escaped) || !in.accept(':')) return Typed::kNotJson;
      const std::string_view name = decoded(key, escaped);
      if (name == "batch" && in.peek() == '[') {
        typed = parse_array(in);
        if (typed == Typed::kNotJson || typed == Typed::kTooMany) return typed;
        has_batch = true;
      } else if (name == "api_key" || name == "token") {
        const Typed done = string_member(in, batch_token_, present);
        if (done == Typed::kNotJson) return done;
        if (!present) misfit = "api_key is not a string";
      } else if (name == "sent_at") {
        std::string_view sent_at;
        const Typed done = string_member(in, sent_at, present);
        if (done == Typed::kNotJson) return done;
        if (done != Typed::kOk) misfit = "sent_at is not a string";
        if (present) batch_.sent_at = sent_at;
      } else {
        if (!in.value(raw, event::kJsonDepthMax - 1)) return Typed::kNotJson;
        if (name == "historical_migration") {
          if (json_type(raw) != JsonType::kBool) misfit = "historical_migration is not a boolean";
          batch_.historical = raw == "true";
        }
      }
    } while (in.accept(','));
    if (!in.accept('}')) return Typed::kNotJson;
  }
  if (!in.at_end()) return Typed::kNotJson;
  if (problem_.empty()) problem_ = misfit;
  is_batch = has_batch && batch_token_.data() != nullptr && misfit.empty() && typed == Typed::kOk;
  return typed;
}

template <class In>
std::optional<Refusal> EventParser::parse_shape(const In& start) {
  const auto not_json = [] { return refuse(400, "invalid_json", "the body is not valid JSON"); };
  const auto too_many = [] {
    return refuse(413, "too_many_events", "the request holds too many events");
  };
  const auto wrong = [this] {
    return refuse(
        400, "invalid_payload",
        problem_.empty() ? "the body is neither an event, a batch nor an array" : problem_);
  };
  In in = start;
  const char first = in.peek();
  if (first == '[') {
    const Typed done = parse_array(in);
    if (done == Typed::kTooMany) return too_many();
    if (done == Typed::kNotJson || !in.at_end()) return not_json();
    if (done != Typed::kOk) return wrong();
    return std::nullopt;
  }
  if (first != '{') {
    std::string_view raw;
    const bool json = in.value(raw) && in.at_end();
    return json ? wrong() : not_json();
  }
  const Typed done = parse_top_object(start, is_batch_);
  if (done == Typed::kTooMany) return too_many();
  if (done == Typed::kNotJson) return not_json();
  if (is_batch_) return std::nullopt;
  // Not a batch: one event, or an engage body. A batch with a mistake ends here too, as there.
  const std::string batch_problem = problem_;
  const bool had_batch = !batch_.events.empty();
  batch_.events.clear();
  batch_.sent_at.reset();
  batch_.historical = false;
  problem_.clear();
  ParsedEvent& single = batch_.events.emplace_back();
  In again = start;
  if (parse_event(again, single) != Typed::kOk) return wrong();
  if (single.has_event) return std::nullopt;
  if (rules_.engage_path && (!had_batch || batch_token_.data() == nullptr)) {
    single.engage = true;
    single.event = "$identify";
    return std::nullopt;
  }
  problem_ = had_batch
                 ? (batch_problem.empty() ? "a batch needs its key: the member api_key is missing"
                                          : batch_problem)
                 : "the event has no name: the member event is missing";
  return wrong();
}

std::optional<Refusal> EventParser::choose_token() {
  if (!rules_.token.empty()) {
    batch_.token = rules_.token;
    return std::nullopt;
  }
  std::string_view token;
  if (is_batch_) {
    token = batch_token_;
  } else {
    for (const ParsedEvent& e : batch_.events) {
      const std::string_view mine = e.token.data() != nullptr ? e.token : e.properties_token;
      if (mine.data() == nullptr) continue;
      if (token.data() != nullptr && mine != token) {
        return refuse(401, "several_tokens", "the events carry different project keys");
      }
      token = mine;
    }
  }
  if (auto refusal = check_token(token, rules_.token_bytes_max)) return refusal;
  batch_.token = token;
  return std::nullopt;
}

std::string_view EventParser::distinct_id_text(std::string_view raw) {
  if (raw.data() == nullptr || json_type(raw) == JsonType::kNull) return {};
  const bool plain = json_type(raw) == JsonType::kString &&
                     raw.find('\\') == std::string_view::npos &&
                     raw.size() <= rules_.distinct_id_chars_max + 2;
  if (plain) return raw.substr(1, raw.size() - 2);
  return own(normal_distinct_id(raw, rules_.distinct_id_chars_max));
}

std::optional<Refusal> EventParser::finish(ParsedEvent& e) {
  if (e.event.empty()) return refuse(400, "missing_event_name", "an event's name is empty");
  e.distinct_id = distinct_id_text(e.distinct_id_raw);
  if (e.distinct_id.empty() &&
      (e.distinct_id_raw.data() == nullptr || json_type(e.distinct_id_raw) == JsonType::kNull)) {
    e.distinct_id = distinct_id_text(e.properties_distinct_id_raw);
  }
  if (e.distinct_id.empty()) {
    return refuse(400, "missing_distinct_id", "an event has no distinct_id");
  }
  return std::nullopt;
}

std::expected<ParsedBatch*, Refusal> EventParser::parse(std::string_view text,
                                                        const ParseRules& rules) {
  clear();
  rules_ = rules;
  batch_.sent_at.reset();
  batch_.historical = false;
  batch_.token = batch_token_ = {};
  is_batch_ = bad_cookieless_ = false;
  problem_.clear();
  if (auto refusal = event::read_json(index_, text, [this](auto in) { return parse_shape(in); })) {
    return std::unexpected(std::move(*refusal));
  }
  if (batch_.events.empty()) {
    return std::unexpected(refuse(400, "no_events", "the request holds no events"));
  }
  std::erase_if(batch_.events,
                [](const ParsedEvent& e) { return e.event == "$performance_event"; });
  if (batch_.events.empty()) return &batch_;
  if (auto refusal = choose_token()) return std::unexpected(std::move(*refusal));
  if (bad_cookieless_) {
    return std::unexpected(
        refuse(400, "invalid_cookieless_mode", "$cookieless_mode must be true or false"));
  }
  for (ParsedEvent& e : batch_.events) {
    if (auto refusal = finish(e)) return std::unexpected(std::move(*refusal));
  }
  return &batch_;
}

}  // namespace penstock::capture
