#include "base/ids.h"

#include <openssl/evp.h>

#include "base/assert.h"

namespace penstock {
namespace {

constexpr char kHex[] = "0123456789abcdef";

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_hyphen_position(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

void Uuid::append_to(std::string& out) const {
  char text[36];
  size_t at = 0;
  for (size_t i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = kHex[bytes[i] >> 4];
    text[at++] = kHex[bytes[i] & 15];
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
  Uuid out;
  size_t digit = 0;
  for (size_t i = 0; i < text.size(); i++) {
    if (hyphenated && is_hyphen_position(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    const int v = hex_value(text[i]);
    if (v < 0) return std::nullopt;
    uint8_t& byte = out.bytes[digit / 2];
    byte = static_cast<uint8_t>((byte << 4) | v);
    digit++;
  }
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
