#include <array>
#include <cstdio>

#include "tests/convergence/naive/model.h"

namespace naive {
namespace {

uint32_t rotate(uint32_t x, int by) { return (x << by) | (x >> (32 - by)); }

/// SHA-1 as the standard describes it.
std::array<uint8_t, 20> sha1(std::string message) {
  const uint64_t bits = message.size() * 8;
  message.push_back(static_cast<char>(0x80));
  while (message.size() % 64 != 56) message.push_back('\0');
  for (int i = 7; i >= 0; i--) message.push_back(static_cast<char>(bits >> (8 * i)));
  std::array<uint32_t, 5> h{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
  for (size_t block = 0; block < message.size(); block += 64) {
    std::array<uint32_t, 80> w{};
    for (size_t i = 0; i < 16; i++) {
      for (size_t j = 0; j < 4; j++) {
        w[i] = (w[i] << 8) | static_cast<uint8_t>(message[block + 4 * i + j]);
      }
    }
    for (size_t i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    auto [a, b, c, d, e] = h;
    for (size_t i = 0; i < 80; i++) {
      uint32_t f = 0, k = 0;
      if (i < 20) {
        f = (b & c) | (~b & d), k = 0x5A827999;
      } else if (i < 40) {
        f = b ^ c ^ d, k = 0x6ED9EBA1;
      } else if (i < 60) {
        f = (b & c) | (b & d) | (c & d), k = 0x8F1BBCDC;
      } else {
        f = b ^ c ^ d, k = 0xCA62C1D6;
      }
      const uint32_t next = rotate(a, 5) + f + e + k + w[i];
      e = d, d = c, c = rotate(b, 30), b = a, a = next;
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
  }
  std::array<uint8_t, 20> out{};
  for (size_t i = 0; i < 20; i++) out[i] = static_cast<uint8_t>(h[i / 4] >> (24 - 8 * (i % 4)));
  return out;
}

}  // namespace

std::string person_uuid(int64_t project, const std::string& distinct_id) {
  static const std::string name_space{
      "\x93\x29\x79\xb4\x65\xc3\x44\x24\x84\x67\x0b\x66\xec\x27\xbc\x22", 16};
  auto hash = sha1(name_space + std::to_string(project) + ":" + distinct_id);
  hash[6] = static_cast<uint8_t>((hash[6] & 0x0F) | 0x50);
  hash[8] = static_cast<uint8_t>((hash[8] & 0x3F) | 0x80);
  std::string text;
  for (size_t i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    std::array<char, 3> hex{};
    std::snprintf(hex.data(), hex.size(), "%02x", hash[i]);
    text += hex.data();
  }
  return text;
}

}  // namespace naive
