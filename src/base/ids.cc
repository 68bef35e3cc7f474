#include "base/ids.h"

#include <openssl/evp.h>

#include <cstring>

#include "base/assert.h"

namespace penstock {
namespace {

constexpr char kHex[] = "0123456789abcdef";

/// The two digits of every byte.
constexpr std::array<char, 512> kHexPairs = [] {
  std::array<char, 512> out{};
  for (size_t i = 0; i < 256; i++) {
    out[2 * i] = kHex[i >> 4];
    out[2 * i + 1] = kHex[i & 15];
  }
  return out;
}();

/// The value of a hexadecimal digit, by character; 0xff for every other one.
constexpr std::array<uint8_t, 256> kHexValue = [] {
  std::array<uint8_t, 256> table{};
  table.fill(0xff);
  for (uint8_t i = 0; i < 10; i++) table[size_t{'0'} + i] = i;
  for (uint8_t i = 0; i < 6; i++) {
    table[size_t{'a'} + i] = table[size_t{'A'} + i] = static_cast<uint8_t>(10 + i);
  }
  return table;
}();

/// Where the two digits of each byte begin in the hyphenated form.
constexpr std::array<uint8_t, 16> kDigitsAt{0,  2,  4,  6,  9,  11, 14, 16,
                                            19, 21, 24, 26, 28, 30, 32, 34};

}  // namespace

void Uuid::append_to(std::string& out) const {
  char text[36];
  char* p = text;
  for (size_t i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
    std::memcpy(p, &kHexPairs[size_t{2} * bytes[i]], 2);
    p += 2;
  }
  out.append(text, sizeof text);
}

std::string Uuid::text() const {
  std::string out;
  append_to(out);
  return out;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  if (text.starts_with("urn:uuid:")) text.remove_prefix(9);
  if (text.size() == 38 && text.front() == '{' && text.back() == '}') text = text.substr(1, 36);
  const bool hyphenated = text.size() == 36;
  if (!hyphenated && text.size() != 32) return std::nullopt;
  if (hyphenated && (text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')) {
    return std::nullopt;
  }
  Uuid out;
  uint8_t wrong = 0;  // gathered, so that the loop has no branches
  for (size_t i = 0; i < out.bytes.size(); i++) {
    const size_t at = hyphenated ? kDigitsAt[i] : 2 * i;
    const uint8_t high = kHexValue[static_cast<uint8_t>(text[at])];
    const uint8_t low = kHexValue[static_cast<uint8_t>(text[at + 1])];
    wrong |= high | low;
    out.bytes[i] = static_cast<uint8_t>((high << 4) | low);
  }
  if ((wrong & 0xf0) != 0) return std::nullopt;
  return out;
}

Uuid Uuid::v7(int64_t unix_ms, const std::array<uint8_t, 10>& random) {
  Uuid out;
  for (size_t i = 0; i < 6; i++) {
    out.bytes[i] = static_cast<uint8_t>(static_cast<uint64_t>(unix_ms) >> (40 - 8 * i));
  }
  for (size_t i = 0; i < 10; i++) out.bytes[6 + i] = random[i];
  out.bytes[6] = static_cast<uint8_t>((out.bytes[6] & 0x0f) | 0x70);
  out.bytes[8] = static_cast<uint8_t>((out.bytes[8] & 0x3f) | 0x80);
  return out;
}

Uuid Uuid::v5(const Uuid& name_space, std::string_view name) {
  std::string input(name_space.bytes.begin(), name_space.bytes.end());
  input += name;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  PENSTOCK_ASSERT(EVP_Digest(input.data(), input.size(), digest, &size, EVP_sha1(), nullptr) == 1);
  Uuid out;
  for (size_t i = 0; i < 16; i++) out.bytes[i] = digest[i];
  out.bytes[6] = static_cast<uint8_t>((out.bytes[6] & 0x0f) | 0x50);
  out.bytes[8] = static_cast<uint8_t>((out.bytes[8] & 0x3f) | 0x80);
  return out;
}

}  // namespace penstock
