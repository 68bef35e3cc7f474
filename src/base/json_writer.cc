#include "base/json_writer.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"

namespace penstock {
namespace {

/// Length of the valid UTF-8 sequence at `i`, or 0.
size_t sequence_length(std::string_view s, size_t i) {
  const auto at = [&](size_t k) { return static_cast<unsigned char>(s[k]); };
  const unsigned char lead = at(i);
  size_t n = 0;
  uint32_t point = 0;
  if (lead < 0x80) return 1;
  if ((lead & 0xe0) == 0xc0) {
    n = 2;
    point = lead & 0x1fU;
  } else if ((lead & 0xf0) == 0xe0) {
    n = 3;
    point = lead & 0x0fU;
  } else if ((lead & 0xf8) == 0xf0) {
    n = 4;
    point = lead & 0x07U;
  } else {
    return 0;
  }
  if (i + n > s.size()) return 0;
  for (size_t k = 1; k < n; k++) {
    if ((at(i + k) & 0xc0) != 0x80) return 0;
    point = (point << 6) | (at(i + k) & 0x3fU);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = point >= 0xd800 && point <= 0xdfff;
  return point >= kSmallest[n] && point <= 0x10ffff && !surrogate ? n : 0;
}

}  // namespace

void append_json_escaped(std::string& out, std::string_view text) {
  out += '"';
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const size_t n = sequence_length(text, i);
      if (n == 0) {
        out += "\xef\xbf\xbd";
        i++;
      } else {
        out.append(text, i, n);
        i += n;
      }
      continue;
    }
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (c < 0x20) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        } else {
          out += static_cast<char>(c);
        }
    }
    i++;
  }
  out += '"';
}

void JsonWriter::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  comma_ = false;
  depth_++;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  out_ += bracket;
  comma_ = true;
  depth_--;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_json_escaped(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  separate();
  append_json_escaped(out_, text);
  return *this;
}

JsonWriter& JsonWriter::number(int64_t value) { return raw(fmt::to_string(value)); }
JsonWriter& JsonWriter::number(uint64_t value) { return raw(fmt::to_string(value)); }
JsonWriter& JsonWriter::real(double value, int decimals) {
  return raw(fmt::format("{:.{}f}", value, decimals));
}
JsonWriter& JsonWriter::boolean(bool value) { return raw(value ? "true" : "false"); }
JsonWriter& JsonWriter::null() { return raw("null"); }

JsonWriter& JsonWriter::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

std::string JsonWriter::take() {
  PENSTOCK_ASSERT(depth_ == 0);
  comma_ = false;
  return std::exchange(out_, {});
}

}  // namespace penstock
