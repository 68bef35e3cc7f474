#include "replay/flush/rrweb.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "event/json_fields.h"
#include "recording/block.h"

namespace penstock::replay {
namespace {

using event::JsonFields;
using event::JsonType;

enum Type : int { kIncrement = 3, kPlugin = 6, kFullSnapshot = 2 };
enum Source : int { kMouseMove = 1, kMouseInteraction = 2, kInput = 5, kTouchMove = 6, kDrag = 12 };
// Mouse and touch, scrolling, resizing, typing, media.
constexpr std::array<int, 8> kActiveSources{1, 2, 3, 4, 5, 6, 7, 12};
constexpr std::array<int, 3> kClicks{2, 4, 9};  // click, double click, end of a touch

int small_number(const JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  int value = -1;
  if (!raw) return -1;
  const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), value);
  return error == std::errc() && end == raw->data() + raw->size() ? value : -1;
}

std::string text_member(const JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  if (!raw || event::json_type(*raw) != JsonType::kString) return {};
  return event::decode_string(*raw);
}

std::optional<JsonFields> object_member(const JsonFields& fields, std::string_view key) {
  const auto raw = fields.find(key);
  if (!raw || event::json_type(*raw) != JsonType::kObject) return std::nullopt;
  auto out = JsonFields::parse(*raw);
  if (!out) return std::nullopt;
  return std::move(*out);
}

std::string trimmed_url(std::string text) {
  constexpr std::string_view kSpace = " \t\n\r\f\v";
  const size_t from = text.find_first_not_of(kSpace);
  if (from == std::string::npos) return {};
  text = text.substr(from, text.find_last_not_of(kSpace) - from + 1);
  return std::string(cut_bytes(text, kUrlBytesMax));
}

/// The logged values are strings that hold JSON; their texts with spaces between.
std::string console_text(std::string_view payload) {
  std::string out;
  const auto values = event::split_array(payload);
  if (!values) return out;
  for (const std::string_view raw : *values) {
    if (out.size() > kConsoleBytesMax) break;
    std::string text =
        event::json_type(raw) == JsonType::kString ? event::decode_string(raw) : std::string(raw);
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
      text = text.substr(1, text.size() - 2);
    }
    if (!out.empty()) out += ' ';
    out += text;
  }
  return std::string(cut_bytes(out, kConsoleBytesMax));
}

void read_increment(const JsonFields& data, RrwebEvent& out) {
  const int source = small_number(data, "source");
  out.active = std::ranges::find(kActiveSources, source) != kActiveSources.end();
  out.keypress = source == kInput;
  out.click = source == kMouseInteraction &&
              std::ranges::find(kClicks, small_number(data, "type")) != kClicks.end();
  out.mouse = source == kMouseMove || source == kMouseInteraction || source == kTouchMove ||
              source == kDrag;
}

void read_console(const JsonFields& data, RrwebEvent& out) {
  if (text_member(data, "plugin") != "rrweb/console@1") return;
  const auto payload = object_member(data, "payload");
  if (!payload) return;
  const std::string level = text_member(*payload, "level");
  out.console = ConsoleLevel::kInfo;
  if (level == "warn" || level == "countReset") out.console = ConsoleLevel::kWarn;
  if (level == "error" || level == "assert") out.console = ConsoleLevel::kError;
  out.console_text = console_text(payload->find("payload").value_or("[]"));
}

}  // namespace

std::string_view console_level_name(ConsoleLevel level) {
  switch (level) {
    case ConsoleLevel::kInfo: return "info";
    case ConsoleLevel::kWarn: return "warn";
    case ConsoleLevel::kError: return "error";
  }
  return "info";
}

std::string_view cut_bytes(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xc0) == 0x80) bytes_max--;
  return text.substr(0, bytes_max);
}

std::optional<RrwebEvent> read_rrweb(std::string_view event) {
  const auto time = recording::event_timestamp_ms(event);
  if (!time) return std::nullopt;
  RrwebEvent out;
  out.timestamp_ms = *time;
  const auto fields = JsonFields::parse(event);
  if (!fields) return std::nullopt;
  const int type = small_number(*fields, "type");
  if (type == kFullSnapshot) return out;
  const auto data = object_member(*fields, "data");
  if (!data) return out;
  if (type == kIncrement) {
    read_increment(*data, out);
    return out;
  }
  if (type == kPlugin) read_console(*data, out);
  out.url = trimmed_url(text_member(*data, "href"));
  if (out.url.empty()) {
    if (const auto payload = object_member(*data, "payload")) {
      out.url = trimmed_url(text_member(*payload, "href"));
    }
  }
  return out;
}

}  // namespace penstock::replay
