#include "capture/ai/ai_body.h"

#include <simdjson.h>

#include <algorithm>

#include "base/json_writer.h"

namespace penstock::capture::ai {
namespace {

using event::JsonFields;
using event::JsonType;

constexpr std::string_view kEventPart = "event";
constexpr std::string_view kPropertiesPart = "event.properties";
constexpr std::string_view kBlobPrefix = "event.properties.";
constexpr size_t kPathDepthMax = 8;
constexpr size_t kKeptBytes = 256U << 10;

std::unexpected<Refusal> refuse(std::string message) {
  return std::unexpected(Refusal{400, "invalid_ai_event", std::move(message)});
}

/// "image/png; charset=x" to "image/png", in lower case; empty when it is no media type.
std::string media_type(std::string_view content_type) {
  std::string out;
  for (const char c : content_type.substr(0, content_type.find(';'))) {
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  while (out.ends_with(' ')) out.pop_back();
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           (c != '\0' && std::string_view("!#$&-^_.+/").contains(c));
  };
  const bool good = std::ranges::count(out, '/') == 1 && !out.starts_with('/') &&
                    !out.ends_with('/') && std::ranges::all_of(out, fits);
  return good ? out : std::string();
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; k++) {
      group = group << 8 | (k < n ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    }
    for (size_t k = 0; k < 4; k++) {
      out += k <= n ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
}

bool is_utf8(std::string_view text) { return simdjson::validate_utf8(text.data(), text.size()); }

}  // namespace

std::expected<std::string_view, Refusal> AiBody::unpack(std::string_view encoding,
                                                        std::string_view data, PaddedBuffer& out) {
  if (encoding.empty()) return data;
  const auto named = wire::encoding_named(encoding);
  if (!named) {
    return std::unexpected(
        Refusal{415, "unsupported_encoding", "Content-Encoding must be gzip, deflate, br or zstd"});
  }
  const Status done = inflater_.inflate(*named, data, out, bytes_max_ - bytes_);
  if (done) return out.view();
  if (done.error().code == Code::kExhausted) {
    return std::unexpected(
        Refusal{413, "payload_too_large", "the decompressed parts are too large"});
  }
  return refuse("a body or part is not what its Content-Encoding says");
}

std::expected<std::string, Refusal> AiBody::blob_value(const Part& part, std::string_view data) {
  const std::string type =
      part.content_type.empty() ? std::string("text/plain") : media_type(part.content_type);
  if (type.empty()) return refuse("a part's Content-Type is malformed");
  std::string value;
  if (type == "application/json" || type.ends_with("+json")) {
    if (!event::validate_json(data)) return refuse("a part is not the JSON it says it is");
    value = data;
  } else if (type.starts_with("text/")) {
    if (!is_utf8(data)) return refuse("a text part is not UTF-8");
    event::append_json_string(value, data);
  } else {
    value = "\"data:" + type + ";base64,";
    append_base64(value, data);
    value += '"';
  }
  return value;
}

std::expected<void, Refusal> AiBody::put(JsonFields& object, std::vector<Blob> blobs,
                                         size_t depth) {
  // All parts below one member go in together, so that an object is written once however many
  // parts it has.
  while (!blobs.empty()) {
    const std::string_view key = blobs.front().path.substr(0, blobs.front().path.find('.'));
    if (key.empty()) return refuse("a part's path is malformed");
    std::vector<Blob> others, inside;
    std::optional<std::string_view> value;
    for (const Blob& blob : blobs) {
      const size_t dot = blob.path.find('.');
      if (blob.path.substr(0, dot) != key) {
        others.push_back(blob);
      } else if (dot != std::string_view::npos) {
        inside.push_back({blob.path.substr(dot + 1), blob.value});
      } else if (value || !inside.empty() || object.contains(key)) {
        return refuse("a part's property is there already");
      } else {
        value = blob.value;
      }
    }
    if (inside.empty()) {
      object.set_borrowed(key, *value);
    } else {
      if (depth == kPathDepthMax) return refuse("a part's path is malformed");
      auto next = JsonFields::parse(value ? *value : object.find(key).value_or("{}"));
      if (!next) return refuse("a part's path leads through a property that is no object");
      if (auto done = put(*next, std::move(inside), depth + 1); !done) return done;
      object.set(key, next->text());
    }
    blobs = std::move(others);
  }
  return {};
}

std::expected<void, Refusal> AiBody::take(const Part& part, std::string_view data) {
  if (part.name == kEventPart || part.name == kPropertiesPart) {
    const bool is_event = part.name == kEventPart;
    std::string& mine = is_event ? event_ : properties_;
    if (!mine.empty()) return refuse("the part " + part.name + " comes twice");
    if (data.empty()) return refuse("the part " + part.name + " is empty");
    mine = data;
    return {};
  }
  if (!part.name.starts_with(kBlobPrefix)) {
    return refuse("a part is neither event nor event.properties nor a property's");
  }
  std::string path = part.name.substr(kBlobPrefix.size());
  if (std::ranges::any_of(blobs_, [&](const auto& b) { return b.first == path; })) {
    return refuse("two parts are for the same property");
  }
  if (!is_utf8(path)) return refuse("a part's name is not UTF-8");
  auto value = blob_value(part, data);
  if (!value) return std::unexpected(std::move(value.error()));
  blobs_.emplace_back(std::move(path), std::move(*value));
  return {};
}

std::expected<std::string_view, Refusal> AiBody::decode(const wire::Request& request,
                                                        size_t bytes_max) {
  bytes_max_ = bytes_max;
  bytes_ = 0;
  event_.clear();
  properties_.clear();
  blobs_.clear();
  const auto boundary = boundary_of(request.find("content-type"));
  if (!boundary) return std::unexpected(boundary.error());
  if (request.body->size() == 0) {
    return std::unexpected(Refusal{400, "empty_body", "the request has no body"});
  }
  const auto body = unpack(request.find("content-encoding"), request.body->view(), plain_);
  if (!body) return std::unexpected(body.error());
  const auto parts = split_parts(*body, *boundary);
  if (!parts) return std::unexpected(parts.error());
  if (parts->front().name != kEventPart) return refuse("the first part must be event");
  JsonWriter accepted;
  accepted.begin_array();
  for (const Part& part : *parts) {
    const auto data = unpack(part.content_encoding, part.data, part_plain_);
    if (!data) return std::unexpected(data.error());
    bytes_ += data->size();
    if (bytes_ > bytes_max_) {
      return std::unexpected(Refusal{413, "payload_too_large", "the parts are too large"});
    }
    if (auto taken = take(part, *data); !taken) return std::unexpected(std::move(taken.error()));
    accepted.begin_object().field("name", part.name).field("length", uint64_t{part.data.size()});
    for (const auto& [name, value] : {std::pair{"content-type", part.content_type},
                                      {"content-encoding", part.content_encoding}}) {
      value.empty() ? accepted.key(name).null() : accepted.field(name, value);
    }
    accepted.end_object();
  }
  accepted_ = accepted.end_array().take();

  auto fields = JsonFields::parse(event_);
  if (!fields) return refuse("the part event is not a JSON object");
  const auto name = fields->find("event");
  if (!name || event::json_type(*name) != JsonType::kString ||
      !event::decode_string(*name).starts_with("$ai_")) {
    return refuse("the event's name must begin with $ai_");
  }
  const auto embedded = fields->find("properties");
  if (embedded && !properties_.empty()) {
    return refuse("properties are in the part event and in one of their own");
  }
  auto properties = JsonFields::parse(embedded              ? *embedded
                                      : properties_.empty() ? std::string_view("{}")
                                                            : std::string_view(properties_));
  if (!properties) return refuse("the event's properties are not a JSON object");
  std::vector<Blob> blobs;
  blobs.reserve(blobs_.size());
  for (const auto& [path, value] : blobs_) blobs.push_back({path, value});
  if (auto done = put(*properties, std::move(blobs), 0); !done) {
    return std::unexpected(std::move(done.error()));
  }
  const std::string text = properties->text();
  fields->set_borrowed("properties", text);
  out_.clear();
  fields->append_to(out_);
  return std::string_view(out_);
}

void AiBody::trim() {
  plain_.trim(kKeptBytes);
  part_plain_.trim(kKeptBytes);
  blobs_.clear();
  for (std::string* s : {&event_, &properties_, &accepted_, &out_}) {
    if (s->capacity() > kKeptBytes) *s = std::string();
  }
}

void PartsReply::send(wire::Responder& responder, uint8_t failed_lanes) {
  if (failed_lanes != 0) {
    return answer_unavailable(responder, context_,
                              "the event could not be stored now; try again soon");
  }
  answer_json(responder, context_, 200, "{\"status\":\"Ok\",\"accepted_parts\":" + parts_ + "}");
}

}  // namespace penstock::capture::ai
