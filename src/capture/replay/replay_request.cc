#include "capture/replay/replay_request.h"

#include <algorithm>

#include "capture/decode/distinct_id.h"
#include "capture/decode/token.h"
#include "event/json_fields.h"

namespace penstock::capture {
namespace {

using event::json_type;
using event::JsonScanner;
using event::JsonType;

constexpr size_t kMemberDepth = event::kJsonDepthMax - 3;  // inside an event inside the array

Refusal refuse(int status, std::string_view tag, std::string message) {
  return {status, tag, std::move(message)};
}

bool absent(std::string_view raw) {
  return raw.data() == nullptr || json_type(raw) == JsonType::kNull;
}

/// The elements of an array without its brackets, trimmed; empty when there are none.
std::string_view inside(std::string_view array) {
  array.remove_prefix(1);
  array.remove_suffix(1);
  const size_t from = array.find_first_not_of(" \n\t\r");
  if (from == std::string_view::npos) return {};
  return array.substr(from, array.find_last_not_of(" \n\t\r") - from + 1);
}

}  // namespace

bool session_id_is_valid(std::string_view id) {
  return !id.empty() && id.size() <= kSessionIdBytesMax && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string_view snapshot_library(const ReplayRequest& request, std::string_view user_agent) {
  if (!request.library.empty()) return request.library;
  if (user_agent.find("posthog") == std::string_view::npos) return "web";
  const std::string_view name = user_agent.substr(0, user_agent.find('/'));
  return name.empty() ? "web" : name;
}

std::string_view ReplayParser::own(std::string text) {
  owned_.push_back(std::move(text));
  return owned_.back();
}

std::string_view ReplayParser::text_of(std::string_view raw) {
  if (raw.data() == nullptr || json_type(raw) != JsonType::kString) return {};
  if (raw.find('\\') != std::string_view::npos) return own(event::decode_string(raw));
  return raw.substr(1, raw.size() - 2);
}

std::string_view* ReplayParser::member_of(Event& e, std::string_view key) {
  if (key == "event") return &e.event;
  if (key == "token" || key == "$token" || key == "api_key") return &e.token;
  if (key == "distinct_id" || key == "$distinct_id") return &e.distinct_id;
  if (key == "uuid") return &e.uuid;
  if (key == "timestamp") return &e.timestamp;
  if (key == "sent_at") return &e.sent_at;
  return nullptr;
}

std::string_view* ReplayParser::property_of(Event& e, std::string_view key) {
  if (key == "$snapshot_data") return &e.snapshot_data;
  if (key == "$session_id") return &e.session_id;
  if (key == "$window_id") return &e.window_id;
  if (key == "$snapshot_source") return &e.snapshot_source;
  if (key == "$lib") return &e.library;
  if (key == "token") return &e.properties_token;
  if (key == "distinct_id") return &e.properties_distinct_id;
  if (key == "$cookieless_mode") return &e.cookieless;
  return nullptr;
}

ReplayParser::Read ReplayParser::read_properties(JsonScanner& in, Event& out) {
  if (!in.accept('{')) {
    std::string_view raw;
    if (!in.value(raw, kMemberDepth)) return Read::kNotJson;
    problem_ = "properties is not an object";
    return Read::kWrongType;
  }
  if (!in.accept('}')) {
    do {
      std::string_view key, raw;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':') || !in.value(raw, kMemberDepth - 1)) {
        return Read::kNotJson;
      }
      key = escaped ? own(event::decode_string(key)) : key.substr(1, key.size() - 2);
      if (std::string_view* known = property_of(out, key)) *known = raw;
    } while (in.accept(','));
    if (!in.accept('}')) return Read::kNotJson;
  }
  return Read::kOk;
}

ReplayParser::Read ReplayParser::read_event(JsonScanner& in, Event& out) {
  std::string_view raw;
  if (!in.accept('{')) {
    if (!in.value(raw, kMemberDepth)) return Read::kNotJson;
    problem_ = "an event is not an object";
    return Read::kWrongType;
  }
  Read result = Read::kOk;
  if (!in.accept('}')) {
    do {
      std::string_view key;
      bool escaped = false;
      if (!in.string(key, escaped) || !in.accept(':')) return Read::kNotJson;
      key = escaped ? own(event::decode_string(key)) : key.substr(1, key.size() - 2);
      if (key == "properties") {
        const Read inner = read_properties(in, out);
        if (inner == Read::kNotJson) return inner;
        if (inner != Read::kOk) result = inner;
        continue;
      }
      if (!in.value(raw, kMemberDepth)) return Read::kNotJson;
      if (std::string_view* known = member_of(out, key)) *known = raw;
    } while (in.accept(','));
    if (!in.accept('}')) return Read::kNotJson;
  }
  if (result == Read::kOk && (absent(out.event) || json_type(out.event) != JsonType::kString)) {
    problem_ = "an event has no name: the member event is missing";
    return Read::kWrongType;
  }
  return result;
}

/// Events are taken one by one; only the first is kept.
ReplayParser::Read ReplayParser::read_events(std::string_view text) {
  JsonScanner in(text);
  Read result = Read::kOk;
  const auto one = [&] {
    if (events_ >= rules_.events_max) return Read::kTooMany;
    Event event;
    const Read done = read_event(in, event);
    if (done == Read::kNotJson) return done;
    if (done != Read::kOk) result = done;
    if (events_++ == 0) first_ = event;
    if (!item_refusal_ && result == Read::kOk) item_refusal_ = take_items(event);
    return Read::kOk;
  };
  if (in.accept('[')) {
    if (!in.accept(']')) {
      do {
        if (const Read done = one(); done != Read::kOk) return done;
      } while (in.accept(','));
      if (!in.accept(']')) return Read::kNotJson;
    }
  } else if (const Read done = one(); done != Read::kOk) {
    return done;
  }
  return in.at_end() ? result : Read::kNotJson;
}

std::optional<Refusal> ReplayParser::take_items(const Event& event) {
  const JsonType type =
      absent(event.snapshot_data) ? JsonType::kNull : json_type(event.snapshot_data);
  if (type != JsonType::kArray && type != JsonType::kObject) {
    return refuse(400, "missing_snapshot_data",
                  "an event has no $snapshot_data that is an array or an object");
  }
  const std::string_view items =
      type == JsonType::kArray ? inside(event.snapshot_data) : event.snapshot_data;
  if (items.empty()) return std::nullopt;
  request_.items.push_back(items);
  request_.items_bytes += items.size() + 1;
  return std::nullopt;
}

std::optional<Refusal> ReplayParser::take_first(const Event& e) {
  request_.token = text_of(absent(e.token) ? e.properties_token : e.token);
  if (auto refusal = check_token(request_.token, rules_.token_bytes_max)) return refusal;
  if (absent(e.session_id) || json_type(e.session_id) != JsonType::kString) {
    return refuse(400, "missing_session_id", "an event has no $session_id");
  }
  request_.session_id = text_of(e.session_id);
  if (!session_id_is_valid(request_.session_id)) {
    return refuse(400, "invalid_session_id",
                  "$session_id must be 1 to 70 letters, digits and hyphens");
  }
  if (!absent(e.cookieless) && json_type(e.cookieless) != JsonType::kBool) {
    return refuse(400, "invalid_cookieless_mode", "$cookieless_mode must be true or false");
  }
  request_.cookieless = e.cookieless == "true";
  const std::string_view id = absent(e.distinct_id) ? e.properties_distinct_id : e.distinct_id;
  if (!absent(id)) request_.distinct_id = own(normal_distinct_id(id, rules_.distinct_id_chars_max));
  if (request_.distinct_id.empty()) {
    return refuse(400, "missing_distinct_id", "an event has no distinct_id");
  }
  request_.window_id = text_of(e.window_id);
  if (request_.window_id.empty()) request_.window_id = request_.session_id;
  request_.source = text_of(e.snapshot_source) == "mobile" ? "mobile" : "web";
  request_.library = text_of(e.library);
  if (const std::string_view text = text_of(e.timestamp); !text.empty()) request_.timestamp = text;
  if (const std::string_view text = text_of(e.sent_at); !text.empty()) request_.sent_at = text;
  if (const std::string_view text = text_of(e.uuid); !text.empty()) {
    request_.uuid = Uuid::parse(text);
    if (!request_.uuid) return refuse(400, "invalid_payload", "uuid is not a UUID");
  }
  return std::nullopt;
}

std::expected<const ReplayRequest*, Refusal> ReplayParser::parse(std::string_view text,
                                                                 const ReplayRules& rules) {
  clear();
  rules_ = rules;
  switch (read_events(text)) {
    case Read::kOk: break;
    case Read::kNotJson:
      return std::unexpected(refuse(400, "invalid_json", "the body is not valid JSON"));
    case Read::kTooMany:
      return std::unexpected(refuse(413, "too_many_events", "the request holds too many events"));
    case Read::kWrongType: return std::unexpected(refuse(400, "invalid_payload", problem_));
  }
  if (events_ == 0) {
    return std::unexpected(refuse(400, "no_events", "the request holds no events"));
  }
  if (auto refusal = take_first(first_)) return std::unexpected(std::move(*refusal));
  if (item_refusal_) return std::unexpected(std::move(*item_refusal_));
  return &request_;
}

void ReplayParser::clear() {
  request_ = {};
  first_ = {};
  events_ = 0;
  item_refusal_.reset();
  problem_.clear();
  owned_.clear();
}

event::RawRecord replay_record(const ReplayRequest& request) {
  event::RawRecord record;
  record.token = request.token;
  record.distinct_id = request.distinct_id;
  record.event = kReplayEvent;
  record.session_id = request.session_id;
  record.cookieless = request.cookieless;
  return record;
}

void append_replay_data(const ReplayRequest& r, std::string_view library, std::string& out) {
  out.reserve(out.size() + r.items_bytes + r.distinct_id.size() + r.window_id.size() + 400);
  const auto field = [&out](std::string_view name, std::string_view text) {
    out += name;
    event::append_json_string(out, text);
  };
  field(R"({"event":"$snapshot_items","properties":{"distinct_id":)", r.distinct_id);
  field(R"(,"$session_id":)", r.session_id);
  field(R"(,"$window_id":)", r.window_id);
  field(R"(,"$snapshot_source":)", r.source);
  out += R"(,"$snapshot_items":[)";
  for (size_t i = 0; i < r.items.size(); i++) {
    if (i > 0) out += ',';
    out += r.items[i];
  }
  field(R"(],"$lib":)", library);
  out += "}}";
}

}  // namespace penstock::capture
