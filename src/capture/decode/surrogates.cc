#include "capture/decode/surrogates.h"

#include <cstdint>
#include <string_view>

namespace penstock::capture {
namespace {

constexpr size_t kHalfBytes = 3;
constexpr uint32_t kHighFirst = 0xD800, kLowFirst = 0xDC00, kLowLast = 0xDFFF;

/// The surrogate written at `at`, or 0.
uint32_t half_at(std::string_view text, size_t at) {
  if (at + kHalfBytes > text.size()) return 0;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  if (byte(0) != 0xED || (byte(1) & 0xE0U) != 0xA0 || (byte(2) & 0xC0U) != 0x80) return 0;
  return 0xD000U | (byte(1) & 0x3FU) << 6U | (byte(2) & 0x3FU);
}

}  // namespace

void join_surrogates(std::string& text) {
  size_t out = text.find('\xED');
  if (out == std::string::npos) return;
  const auto put = [&](uint32_t byte) { text[out++] = static_cast<char>(byte); };
  for (size_t at = out; at < text.size();) {
    const uint32_t high = half_at(text, at);
    if (high == 0) {
      text[out++] = text[at++];
      continue;
    }
    at += kHalfBytes;
    const uint32_t low = high < kLowFirst ? half_at(text, at) : 0;
    if (low < kLowFirst || low > kLowLast) {
      for (const uint32_t byte : {0xEFU, 0xBFU, 0xBDU}) put(byte);
      continue;
    }
    at += kHalfBytes;
    const uint32_t point = 0x10000U + ((high - kHighFirst) << 10U) + (low - kLowFirst);
    put(0xF0U | point >> 18U);
    for (const uint32_t shift : {12U, 6U, 0U}) put(0x80U | (point >> shift & 0x3FU));
  }
  text.resize(out);
}

}  // namespace penstock::capture
