#include "catalog/config_seal.h"

#include <openssl/evp.h>

#include <charconv>

#include "base/base64.h"
#include "runtime/private_file.h"

namespace penstock::catalog {
namespace {

constexpr size_t kNonceBytes = 12, kTagBytes = 16;

struct ContextEnd {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, ContextEnd>;

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string bound_to(int64_t row) { return "app_configs.config " + std::to_string(row); }

Status make_key_file(const std::string& path, runtime::Runtime& runtime) {
  ConfigSeal::Key key{};
  runtime.random().fill(key);
  std::string text;
  for (const uint8_t byte : key) {
    constexpr std::string_view kHex = "0123456789abcdef";
    text += {kHex[byte >> 4], kHex[byte & 15]};
  }
  return runtime::make_private_file(path, text + '\n');
}

Result<ConfigSeal::Key> read_key(const std::string& path, std::string_view digits) {
  while (digits.ends_with('\n')) digits.remove_suffix(1);
  ConfigSeal::Key key{};
  bool good = digits.size() == 2 * key.size();
  for (size_t i = 0; good && i < key.size(); i++) {
    const char* from = digits.data() + 2 * i;
    good = std::from_chars(from, from + 2, key[i], 16).ptr == from + 2;
  }
  if (good) return key;
  return fail(Code::kInvalid, path + " is no key: it holds 64 hex digits and nothing else");
}

}  // namespace

Result<std::shared_ptr<const ConfigSeal>> ConfigSeal::open(const std::string& path,
                                                           runtime::Runtime& runtime) {
  constexpr size_t kBytesMax = 2 * kKeyBytes + 8;
  auto text = runtime::read_private_file(path, kBytesMax);
  if (!text && text.error().code == Code::kNotFound) {
    PENSTOCK_CHECK(make_key_file(path, runtime));
    text = runtime::read_private_file(path, kBytesMax);
  }
  if (!text) return std::unexpected(text.error());
  PENSTOCK_TRY(const Key key, read_key(path, *text));
  return std::make_shared<const ConfigSeal>(key, runtime);
}

Result<std::string> ConfigSeal::seal(int64_t row, std::string_view text) const {
  std::array<uint8_t, kNonceBytes> nonce{};
  runtime_.random().fill(nonce);
  const Context context(EVP_CIPHER_CTX_new());
  const std::string bound = bound_to(row);
  std::string out(reinterpret_cast<const char*>(nonce.data()), nonce.size());
  out.resize(kNonceBytes + text.size() + kTagBytes);
  int size = 0, end = 0;
  const bool good =
      context != nullptr &&
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce.data()) ==
          1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &size, bytes(bound),
                        static_cast<int>(bound.size())) == 1 &&
      EVP_EncryptUpdate(context.get(), bytes(out) + kNonceBytes, &size, bytes(text),
                        static_cast<int>(text.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), bytes(out) + kNonceBytes + size, &end) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                          bytes(out) + kNonceBytes + text.size()) == 1;
  if (!good) return fail(Code::kBug, "a configuration cannot be sealed");
  return std::string(kMark) + base64(out);
}

Result<std::string> ConfigSeal::unseal(int64_t row, std::string_view text) const {
  if (!is_sealed(text)) return std::string(text);
  std::string sealed = unbase64(text.substr(kMark.size()));
  const auto wrong = [&] {
    return fail(Code::kCorrupt, "the configuration of app configuration " + std::to_string(row) +
                                    " is sealed with another key (catalog.key_file)");
  };
  if (sealed.size() < kNonceBytes + kTagBytes) return wrong();
  const std::string bound = bound_to(row);
  std::string out(sealed.size() - kNonceBytes - kTagBytes, '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int size = 0, end = 0;
  const bool good = context != nullptr &&
                    EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key_.data(),
                                       bytes(sealed)) == 1 &&
                    EVP_DecryptUpdate(context.get(), nullptr, &size, bytes(bound),
                                      static_cast<int>(bound.size())) == 1 &&
                    EVP_DecryptUpdate(context.get(), bytes(out), &size, bytes(sealed) + kNonceBytes,
                                      static_cast<int>(out.size())) == 1 &&
                    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes,
                                        bytes(sealed) + kNonceBytes + out.size()) == 1 &&
                    EVP_DecryptFinal_ex(context.get(), bytes(out) + size, &end) == 1;
  if (!good) return wrong();
  return out;
}

}  // namespace penstock::catalog
