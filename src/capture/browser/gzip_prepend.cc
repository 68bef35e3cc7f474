#include "capture/browser/gzip_prepend.h"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/assert.h"

namespace penstock::capture {
namespace {

constexpr size_t kHeaderBytes = 10, kTrailerBytes = 8;
constexpr size_t kStoredBytesMax = 65535;

uint32_t read_u32(std::string_view bytes) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

void append_u32(std::string& out, uint32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_stored(std::string& out, std::string_view text) {
  const auto size = static_cast<uint16_t>(text.size());
  const auto inverse = static_cast<uint16_t>(~size);
  out += '\0';  // not the last block; stored; the next byte begins at its boundary
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(reinterpret_cast<const char*>(&inverse), sizeof inverse);
  out += text;
}

}  // namespace

std::string gzip_prepend(std::string_view text, std::string_view gzip) {
  PENSTOCK_ASSERT(gzip.size() > kHeaderBytes + kTrailerBytes && gzip[3] == '\0');
  const std::string_view trailer = gzip.substr(gzip.size() - kTrailerBytes);
  const uint32_t size = read_u32(trailer.substr(4));
  std::string out(gzip.substr(0, kHeaderBytes));
  out.reserve(gzip.size() + text.size() + 64);
  for (std::string_view left = text; !left.empty();) {
    const std::string_view piece = left.substr(0, kStoredBytesMax);
    append_stored(out, piece);
    left.remove_prefix(piece.size());
  }
  out += gzip.substr(kHeaderBytes, gzip.size() - kHeaderBytes - kTrailerBytes);
  const uLong of_text =
      crc32(0, reinterpret_cast<const Bytef*>(text.data()), static_cast<uInt>(text.size()));
  append_u32(out, static_cast<uint32_t>(crc32_combine(of_text, read_u32(trailer), size)));
  append_u32(out, size + static_cast<uint32_t>(text.size()));
  return out;
}

}  // namespace penstock::capture
