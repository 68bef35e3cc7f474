#include "hog/values/text.h"

#include <unicode/ustring.h>

#include <algorithm>
#include <cstring>

namespace penstock::hog {
namespace {

bool ascii(std::string_view text) {
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) return false;
  }
  for (; i < text.size(); i++) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return false;
  }
  return true;
}

unsigned byte_at(std::string_view text, size_t at) {
  return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
}

/// One code point (or surrogate) and its bytes; a byte that begins none is U+FFFD.
uint32_t decode(std::string_view text, size_t at, size_t& bytes) {
  const unsigned lead = byte_at(text, at);
  const auto more = [&](size_t n) {
    for (size_t i = 1; i <= n; i++) {
      if ((byte_at(text, at + i) & 0xc0) != 0x80) return false;
    }
    return true;
  };
  const auto low = [&](size_t i) { return byte_at(text, at + i) & 0x3fU; };
  bytes = 1;
  if (lead < 0x80) return lead;
  if (lead >= 0xc2 && lead < 0xe0 && more(1)) {
    bytes = 2;
    return (lead & 0x1f) << 6 | low(1);
  }
  if (lead >= 0xe0 && lead < 0xf0 && more(2)) {
    const uint32_t code = (lead & 0xf) << 12 | low(1) << 6 | low(2);
    if (code >= 0x800) {
      bytes = 3;
      return code;
    }
  }
  if (lead >= 0xf0 && lead < 0xf5 && more(3)) {
    const uint32_t code = (lead & 7) << 18 | low(1) << 12 | low(2) << 6 | low(3);
    if (code >= 0x10000 && code <= 0x10ffff) {
      bytes = 4;
      return code;
    }
  }
  return 0xfffd;
}

bool is_high(char16_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low(char16_t unit) { return unit >= 0xdc00 && unit < 0xe000; }

using CaseMap = int32_t (*)(UChar*, int32_t, const UChar*, int32_t, const char*, UErrorCode*);

std::string map_case(std::string_view text, CaseMap map) {
  const std::u16string from = to_utf16(text);
  std::u16string to(from.size() * 3 + 8, u'\0');  // one unit becomes three at most
  UErrorCode error = U_ZERO_ERROR;
  const int32_t size = map(to.data(), static_cast<int32_t>(to.size()), from.data(),
                           static_cast<int32_t>(from.size()), "", &error);
  if (U_FAILURE(error)) return std::string(text);
  to.resize(static_cast<size_t>(size));
  return from_utf16(to);
}

}  // namespace

size_t utf16_units(std::string_view text) {
  if (ascii(text)) return text.size();
  size_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    units += (byte & 0xc0) == 0x80 ? 0U : byte >= 0xf0 ? 2U : 1U;
  }
  return units;
}

std::u16string to_utf16(std::string_view text) {
  std::u16string out;
  out.reserve(text.size());
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) {
    const uint32_t code = decode(text, at, bytes);
    if (code >= 0x10000) {
      out.push_back(static_cast<char16_t>(0xd800 + ((code - 0x10000) >> 10)));
      out.push_back(static_cast<char16_t>(0xdc00 + ((code - 0x10000) & 0x3ff)));
    } else {
      out.push_back(static_cast<char16_t>(code));
    }
  }
  return out;
}

void append_utf8(std::string& out, uint32_t code) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

std::string from_utf16(std::u16string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    if (is_high(text[i]) && i + 1 < text.size() && is_low(text[i + 1])) {
      append_utf8(out, 0x10000U + ((text[i] - 0xd800U) << 10) + (text[i + 1] - 0xdc00U));
      i++;
    } else {
      append_utf8(out, text[i]);
    }
  }
  return out;
}

size_t byte_of_unit(std::string_view text, size_t unit) {
  size_t at = 0;
  for (size_t units = 0; at < text.size();) {
    const auto lead = static_cast<unsigned char>(text[at]);
    const size_t here = lead >= 0xf0 ? 2 : 1;
    if (units + here > unit) return at;
    units += here;
    at += lead < 0x80 ? 1U : lead < 0xe0 ? 2U : lead < 0xf0 ? 3U : 4U;
  }
  return std::min(at, text.size());
}

int compare_utf16(std::string_view left, std::string_view right) {
  const size_t common = std::min(left.size(), right.size());
  size_t i = 0;
  while (i < common && left[i] == right[i]) i++;
  if (i == common) {
    return left.size() == right.size() ? 0 : left.size() < right.size() ? -1 : 1;
  }
  auto a = static_cast<unsigned char>(left[i]), b = static_cast<unsigned char>(right[i]);
  // Code points above U+FFFF are surrogates in UTF-16, which come before U+E000 to U+FFFF.
  if (a >= 0xf0 && (b == 0xee || b == 0xef)) return -1;
  if (b >= 0xf0 && (a == 0xee || a == 0xef)) return 1;
  return a < b ? -1 : 1;
}

std::string to_lower(std::string_view text) {
  if (!ascii(text)) return map_case(text, u_strToLower);
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return out;
}

std::string to_upper(std::string_view text) {
  if (!ascii(text)) return map_case(text, u_strToUpper);
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - ('a' - 'A'));
  }
  return out;
}

namespace {

bool is_space(uint32_t code) {
  return (code >= 9 && code <= 13) || code == 32 || code == 0xa0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
         code == 0x205f || code == 0x3000 || code == 0xfeff;
}

}  // namespace

std::string_view trim_js(std::string_view text) {
  size_t bytes = 0;
  while (!text.empty() && is_space(decode(text, 0, bytes))) text.remove_prefix(bytes);
  while (!text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) at--;
    if (!is_space(decode(text, at, bytes))) break;
    text.remove_suffix(text.size() - at);
  }
  return text;
}

std::string repaired_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) {
    const uint32_t code = decode(text, at, bytes);
    append_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
  }
  return out;
}

std::string decoded_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const unsigned lead = byte_at(bytes, at);
    const size_t size = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
    const unsigned low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    size_t good = size == 0 ? 0 : 1;
    while (good > 0 && good < size) {
      const unsigned byte = byte_at(bytes, at + good);
      if (byte < (good == 1 ? low : 0x80) || byte > (good == 1 ? high : 0xbf)) break;
      good++;
    }
    if (size != 0 && good == size) {
      out += bytes.substr(at, size);
      at += size;
    } else {
      out += "\xef\xbf\xbd";
      at += std::max<size_t>(1, good);
    }
  }
  return out;
}

}  // namespace penstock::hog
