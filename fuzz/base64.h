// base64 for drivers that pack what they send.
#pragma once

#include <string>
#include <string_view>

namespace penstock::fuzz {

inline constexpr std::string_view kBase64Letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline std::string base64_of(std::string_view text) {
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min<size_t>(3, text.size()))) {
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; i++) {
      bits = bits << 8 | (i < text.size() ? static_cast<uint8_t>(text[i]) : 0U);
    }
    for (size_t i = 0; i < 4; i++) {
      out += i <= text.size() ? kBase64Letters[bits >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out;
}

}  // namespace penstock::fuzz
