#include "admin/api/reply.h"

#include <charconv>

#include "event/timestamp.h"

namespace penstock::admin {

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid: return 400;
    case Code::kDenied: return 401;
    case Code::kNotFound: return 404;
    case Code::kConflict: return 409;
    case Code::kCancelled: return 409;
    case Code::kTimeout: return 408;
    case Code::kExhausted: return 413;
    case Code::kBusy:
    case Code::kMaybe:
    case Code::kUnavailable: return 503;
    case Code::kCorrupt:
    case Code::kBug: return 500;
  }
  return 500;
}

void reply_json(wire::Responder& responder, std::string body, int status) {
  wire::Response response;
  response.status = status;
  response.body = std::move(body);
  response.headers.emplace_back("Cache-Control", "no-store");
  responder.send(std::move(response));
}

void reply_error(wire::Responder& responder, const Error& error) {
  JsonWriter w;
  w.begin_object().key("error").begin_object();
  w.field("code", code_name(error.code)).field("message", error.message);
  w.end_object().end_object();
  reply_json(responder, w.take(), status_of(error.code));
}

Result<std::optional<std::string>> body_string(const event::JsonFields& body,
                                               std::string_view key) {
  const auto raw = body.find(key);
  if (!raw || event::json_type(*raw) == event::JsonType::kNull) return std::nullopt;
  if (event::json_type(*raw) != event::JsonType::kString) {
    return fail(Code::kInvalid, "'" + std::string(key) + "' must be a string");
  }
  return event::decode_string(*raw);
}

Result<std::optional<int64_t>> body_integer(const event::JsonFields& body, std::string_view key) {
  const auto raw = body.find(key);
  if (!raw || event::json_type(*raw) == event::JsonType::kNull) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), value);
  if (error != std::errc() || end != raw->data() + raw->size()) {
    return fail(Code::kInvalid, "'" + std::string(key) + "' must be a whole number");
  }
  return value;
}

std::string iso_time(int64_t ms) { return event::format_rfc3339_ms(ms); }

}  // namespace penstock::admin
