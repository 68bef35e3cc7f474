#include "catalog/secrets.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <vector>

#include "base/assert.h"

namespace penstock::catalog {
namespace {

constexpr uint64_t kScryptN = 16384, kScryptR = 8, kScryptP = 1;
constexpr uint64_t kScryptMemoryMax = 64U << 20;
constexpr size_t kSaltBytes = 16, kKeyBytes = 32;
constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

std::string hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

std::string unhex(std::string_view text) {
  const auto value = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string out;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    out += static_cast<char>(value(text[i]) * 16 + value(text[i + 1]));
  }
  return out;
}

std::string scrypt(std::string_view password, std::string_view salt) {
  std::array<unsigned char, kKeyBytes> key{};
  const int ok = EVP_PBE_scrypt(
      password.data(), password.size(), reinterpret_cast<const unsigned char*>(salt.data()),
      salt.size(), kScryptN, kScryptR, kScryptP, kScryptMemoryMax, key.data(), key.size());
  if (ok != 1) return {};
  return {key.begin(), key.end()};
}

}  // namespace

std::string make_secret(runtime::Random& random, std::string_view prefix) {
  std::string out(prefix);
  while (out.size() < prefix.size() + 43) {
    std::array<uint8_t, 64> bytes{};
    random.fill(bytes);
    for (const uint8_t b : bytes) {
      // Rejecting the top of the range keeps every letter equally likely.
      if (b >= 248 || out.size() >= prefix.size() + 43) continue;
      out += kAlphabet[b % kAlphabet.size()];
    }
  }
  return out;
}

std::string hash_secret(std::string_view secret) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  PENSTOCK_ASSERT(
      EVP_Digest(secret.data(), secret.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  return hex({reinterpret_cast<const char*>(digest.data()), size});
}

Result<std::string> hash_password(runtime::Random& random, std::string_view password) {
  if (password.size() < 8) return fail(Code::kInvalid, "a password needs at least 8 characters");
  if (password.size() > 1024) return fail(Code::kInvalid, "a password has at most 1024 characters");
  std::array<uint8_t, kSaltBytes> salt{};
  random.fill(salt);
  const std::string_view salt_view(reinterpret_cast<const char*>(salt.data()), salt.size());
  const std::string key = scrypt(password, salt_view);
  if (key.empty()) return fail(Code::kExhausted, "not enough memory to hash a password");
  return "scrypt$" + hex(salt_view) + "$" + hex(key);
}

bool password_matches(std::string_view stored, std::string_view password) {
  if (!stored.starts_with("scrypt$") || password.size() > 1024) return false;
  stored.remove_prefix(7);
  const size_t dollar = stored.find('$');
  if (dollar == std::string_view::npos) return false;
  const std::string wanted = unhex(stored.substr(dollar + 1));
  const std::string got = scrypt(password, unhex(stored.substr(0, dollar)));
  return got.size() == wanted.size() && CRYPTO_memcmp(got.data(), wanted.data(), got.size()) == 0;
}

}  // namespace penstock::catalog
