#include "bench/limit/events.h"

#include <nmmintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace penstock::bench {
namespace {

using simdjson::ondemand::value;

constexpr size_t kPlainBytesMax = size_t{64} << 20;
constexpr size_t kSlack = simdjson::SIMDJSON_PADDING;

uint32_t crc32c(const char* p, size_t n) {
  uint64_t crc = ~0U;
  for (; n >= 8; p += 8, n -= 8) {
    uint64_t word = 0;
    std::memcpy(&word, p, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  for (; n > 0; p++, n--) crc = _mm_crc32_u8(static_cast<uint32_t>(crc), static_cast<uint8_t>(*p));
  return ~static_cast<uint32_t>(crc);
}

/// Keys of the bench hold no escapes, so the raw text up to the quote is the key.
std::string_view key_text(simdjson::ondemand::raw_json_string key) {
  const char* p = key.raw();
  const void* end = std::memchr(p, '"', 256);
  return end == nullptr
             ? std::string_view{}
             : std::string_view(p, static_cast<size_t>(static_cast<const char*>(end) - p));
}

bool text(value v, std::string_view& out) { return v.get_string().get(out) == simdjson::SUCCESS; }

void put_short(Block& out, std::string_view s) {
  const auto n = static_cast<uint16_t>(s.size());
  out.append({reinterpret_cast<const char*>(&n), sizeof n});
  out.append(s);
}

struct Fields {
  std::string_view event, distinct_id, uuid, timestamp, token;
};

bool read_properties(value v, Fields& out) {
  simdjson::ondemand::object properties;
  if (v.get_object().get(properties) != simdjson::SUCCESS) return false;
  for (auto field : properties) {
    simdjson::ondemand::raw_json_string key;
    if (field.key().get(key) != simdjson::SUCCESS) return false;
    const std::string_view name = key_text(key);
    if (name == "distinct_id" && !text(field.value(), out.distinct_id)) return false;
    if (name == "token" && !text(field.value(), out.token)) return false;
  }
  return true;
}

bool read_field(std::string_view name, value v, Fields& out) {
  if (name == "event") return text(v, out.event);
  if (name == "uuid") return text(v, out.uuid);
  if (name == "timestamp") return text(v, out.timestamp);
  if (name == "api_key") return text(v, out.token);
  if (name == "distinct_id") return text(v, out.distinct_id);
  if (name == "properties" && out.distinct_id.empty()) return read_properties(v, out);
  return true;
}

}  // namespace

EventFramer::EventFramer() : inflater_(libdeflate_alloc_decompressor()), plain_(4 << 20) {}
EventFramer::~EventFramer() { libdeflate_free_decompressor(inflater_); }

bool EventFramer::frame(std::string_view body, Block& out, bool tell) {
  size_t size = body.size();
  const bool gzip = size > 18 && body[0] == '\x1f' && body[1] == '\x8b';
  uint32_t inflated = 0;
  if (gzip) std::memcpy(&inflated, body.data() + size - 4, 4);
  const size_t needed = gzip ? inflated : size;
  if (needed > kPlainBytesMax) return false;
  if (plain_.size() < needed + kSlack) plain_.resize(needed + kSlack);
  if (gzip) {
    if (libdeflate_gzip_decompress(inflater_, body.data(), body.size(), plain_.data(), needed,
                                   &size) != LIBDEFLATE_SUCCESS) {
      return false;
    }
  } else {
    std::memcpy(plain_.data(), body.data(), size);
  }
  simdjson::ondemand::document document;
  simdjson::ondemand::json_type type{};
  if (parser_.iterate(plain_.data(), size, plain_.size()).get(document) != simdjson::SUCCESS ||
      document.type().get(type) != simdjson::SUCCESS) {
    return false;
  }
  token_ = {};
  results_.clear();
  tell_ = tell;
  if (type == simdjson::ondemand::json_type::array) {
    simdjson::ondemand::array events;
    return document.get_array().get(events) == simdjson::SUCCESS && frame_array(events, out);
  }
  const std::string_view head(plain_.data(), std::min<size_t>(size, 512));
  if (head.find("\"batch\"") == std::string_view::npos) {
    value event;
    return document.get_value().get(event) == simdjson::SUCCESS && frame_event(event, out);
  }
  simdjson::ondemand::object batch;
  return document.get_object().get(batch) == simdjson::SUCCESS && frame_batch(batch, out);
}

bool EventFramer::frame_batch(simdjson::ondemand::object batch, Block& out) {
  for (auto field : batch) {
    simdjson::ondemand::raw_json_string key;
    if (field.key().get(key) != simdjson::SUCCESS) return false;
    const std::string_view name = key_text(key);
    if (name == "api_key" && !text(field.value(), token_)) return false;
    if (name != "batch") continue;
    simdjson::ondemand::array events;
    if (field.value().get_array().get(events) != simdjson::SUCCESS || !frame_array(events, out)) {
      return false;
    }
  }
  return true;
}

bool EventFramer::frame_array(simdjson::ondemand::array events, Block& out) {
  for (auto element : events) {
    value event;
    if (element.get(event) != simdjson::SUCCESS || !frame_event(event, out)) return false;
  }
  return true;
}

bool EventFramer::frame_event(value event, Block& out) {
  simdjson::ondemand::object object;
  if (event.get_object().get(object) != simdjson::SUCCESS) return false;
  Fields fields;
  fields.token = token_;
  for (auto field : object) {
    simdjson::ondemand::raw_json_string key;
    value v;
    if (field.key().get(key) != simdjson::SUCCESS || field.value().get(v) != simdjson::SUCCESS ||
        !read_field(key_text(key), v, fields)) {
      return false;
    }
  }
  if (fields.event.empty() || fields.distinct_id.empty()) return false;
  if (tell_) {
    if (!results_.empty()) results_ += ',';
    results_ += '"';
    results_ += fields.uuid;
    results_ += "\":{\"result\":\"ok\"}";
  }
  std::string_view raw;
  if (object.reset().error() != simdjson::SUCCESS ||
      object.raw_json().get(raw) != simdjson::SUCCESS) {
    return false;
  }
  std::array<uint32_t, 2> head{};
  const size_t at = out.size();
  out.append({reinterpret_cast<const char*>(head.data()), sizeof head});
  for (auto s : {fields.token, fields.distinct_id, fields.uuid, fields.timestamp, fields.event}) {
    put_short(out, s);
  }
  out.append(raw);
  const size_t bytes = out.size() - at - sizeof head;
  head = {static_cast<uint32_t>(bytes), crc32c(out.data() + at + sizeof head, bytes)};
  std::memcpy(out.data() + at, head.data(), sizeof head);
  return true;
}

}  // namespace penstock::bench
