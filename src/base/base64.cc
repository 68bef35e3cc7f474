#include "base/base64.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

namespace penstock {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The value of each character, -1 for what is no digit.
constexpr std::array<int8_t, 256> kValues = [] {
  std::array<int8_t, 256> out{};
  out.fill(-1);
  for (size_t i = 0; i < kDigits.size(); i++) {
    out[static_cast<unsigned char>(kDigits[i])] = static_cast<int8_t>(i);
  }
  out['-'] = out['+'];
  out['_'] = out['/'];
  return out;
}();

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL ends it with a zero
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  out.resize(static_cast<size_t>(size));
  return out;
}

std::string unbase64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t word = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '=') break;
    const int8_t value = kValues[static_cast<unsigned char>(c)];
    if (value < 0) continue;
    word = word << 6 | static_cast<uint32_t>(value);
    if ((bits += 6) >= 8) out += static_cast<char>(word >> (bits -= 8) & 0xff);
  }
  return out;
}

std::optional<std::string> exact_unbase64(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t word = 0;
  size_t digits = 0, padding = 0;
  int bits = 0;
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      padding++;
      continue;
    }
    const int8_t value = kValues[static_cast<unsigned char>(c)];
    if (value < 0 || padding > 0) return std::nullopt;
    digits++;
    word = word << 6 | static_cast<uint32_t>(value);
    if ((bits += 6) >= 8) out += static_cast<char>(word >> (bits -= 8) & 0xff);
  }
  // A last digit alone has less than a byte; what padding there is fills up a group of four.
  const bool whole = digits % 4 != 1 && (padding == 0 || (digits + padding) % 4 == 0);
  const bool clean = (word & ((uint32_t{1} << bits) - 1)) == 0;
  if (!whole || !clean || padding > 2) return std::nullopt;
  return out;
}

}  // namespace penstock
