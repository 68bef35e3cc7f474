#include "apps/script/vm_crypto.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <memory>
#include <string>
#include <string_view>

#include "event/json_fields.h"

namespace penstock::apps {
namespace {

constexpr int64_t kIterationsMax = 200'000;
constexpr uint64_t kScryptMemoryMax = 32U << 20;
constexpr int64_t kDerivedMax = 4096;
constexpr int kKeyBitsMax = 8192;
constexpr size_t kTagSize = 16;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* it) const {
    Free(it);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Digest = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;

const unsigned char* raw(std::string_view text) {
  // A null pointer would mean something else to most of these functions.
  return reinterpret_cast<const unsigned char*>(text.empty() ? "" : text.data());
}

unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string_view bytes_at(JSContext* context, int argc, JSValueConst* argv, int at) {
  if (at >= argc || !JS_IsObject(argv[at])) return {};
  size_t size = 0;
  const uint8_t* data = JS_GetArrayBuffer(context, &size, argv[at]);
  if (data != nullptr) return {reinterpret_cast<const char*>(data), size};
  JS_FreeValue(context, JS_GetException(context));
  return {};
}

std::string text_at(JSContext* context, int argc, JSValueConst* argv, int at) {
  return at < argc ? text_of(context, argv[at]) : std::string();
}

JSValue new_bytes(JSContext* context, std::string_view bytes) {
  return JS_NewArrayBufferCopy(context, raw(bytes), bytes.size());
}

/// An Error and none of its kinds, as Node throws them.
JSValue throw_error(JSContext* context, std::string_view message) {
  const Js error(context, JS_NewError(context));
  JS_DefinePropertyValueStr(context, error.get(), "message",
                            JS_NewStringLen(context, message.data(), message.size()),
                            JS_PROP_WRITABLE | JS_PROP_CONFIGURABLE);
  return JS_Throw(context, error.dup());
}

const EVP_MD* digest_of(std::string name) {
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.starts_with("sha-")) name.erase(3, 1);
  return EVP_get_digestbyname(name.c_str());
}

JSValue hash(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const EVP_MD* digest = digest_of(text_at(context, argc, argv, 0));
  if (digest == nullptr) return throw_error(context, "Digest method not supported");
  const std::string_view bytes = bytes_at(context, argc, argv, 1);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, digest, nullptr);
  return JS_NewArrayBufferCopy(context, out.data(), size);
}

JSValue hmac(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string name = text_at(context, argc, argv, 0);
  const EVP_MD* digest = digest_of(name);
  if (digest == nullptr) return throw_error(context, "Invalid digest: " + name);
  const std::string_view key = bytes_at(context, argc, argv, 1);
  const std::string_view bytes = bytes_at(context, argc, argv, 2);
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  HMAC(digest, raw(key), static_cast<int>(key.size()), raw(bytes), bytes.size(), out.data(), &size);
  return JS_NewArrayBufferCopy(context, out.data(), size);
}

/// name, encrypt, key, iv, data, more data that is only authenticated, without padding, tag. What
/// is encrypted with authentication has its tag behind it.
JSValue cipher(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const EVP_CIPHER* kind = EVP_get_cipherbyname(text_at(context, argc, argv, 0).c_str());
  if (kind == nullptr) return JS_ThrowTypeError(context, "Invalid cipher");
  const int encrypts = argc > 1 ? JS_ToBool(context, argv[1]) : 1;
  const std::string_view key = bytes_at(context, argc, argv, 2),
                         iv = bytes_at(context, argc, argv, 3),
                         data = bytes_at(context, argc, argv, 4),
                         aad = bytes_at(context, argc, argv, 5),
                         tag = bytes_at(context, argc, argv, 7);
  const auto mode = EVP_CIPHER_get_mode(kind);
  const bool authenticates = (EVP_CIPHER_get_flags(kind) & EVP_CIPH_FLAG_AEAD_CIPHER) != 0;
  if (mode == EVP_CIPH_CCM_MODE || mode == EVP_CIPH_WRAP_MODE || mode == EVP_CIPH_XTS_MODE) {
    return JS_ThrowTypeError(context, "Invalid cipher");
  }
  if (static_cast<int>(key.size()) != EVP_CIPHER_get_key_length(kind)) {
    return JS_ThrowRangeError(context, "Invalid key length");
  }
  const auto iv_size = static_cast<size_t>(EVP_CIPHER_get_iv_length(kind));
  if (authenticates ? iv.empty() || iv.size() > EVP_MAX_IV_LENGTH : iv.size() != iv_size) {
    return JS_ThrowTypeError(context, "Invalid initialization vector");
  }
  const Cipher state(EVP_CIPHER_CTX_new());
  std::string out(data.size() + EVP_MAX_BLOCK_LENGTH + kTagSize, '\0');
  int size = 0, end = 0, none = 0;
  bool ok = EVP_CipherInit_ex(state.get(), kind, nullptr, nullptr, nullptr, encrypts) == 1;
  if (ok && authenticates) {
    ok = EVP_CIPHER_CTX_ctrl(state.get(), EVP_CTRL_AEAD_SET_IVLEN, static_cast<int>(iv.size()),
                             nullptr) == 1;
  }
  ok = ok && EVP_CipherInit_ex(state.get(), nullptr, nullptr, raw(key), raw(iv), encrypts) == 1;
  if (argc > 6 && JS_ToBool(context, argv[6]) == 1) EVP_CIPHER_CTX_set_padding(state.get(), 0);
  if (ok && authenticates && encrypts == 0) {
    std::string expected(tag);
    ok = !expected.empty() &&
         EVP_CIPHER_CTX_ctrl(state.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(expected.size()),
                             expected.data()) == 1;
  }
  if (ok && authenticates && !aad.empty()) {
    ok = EVP_CipherUpdate(state.get(), nullptr, &none, raw(aad), static_cast<int>(aad.size())) == 1;
  }
  ok = ok && EVP_CipherUpdate(state.get(), raw(out), &size, raw(data),
                              static_cast<int>(data.size())) == 1;
  ok = ok && EVP_CipherFinal_ex(state.get(), raw(out) + size, &end) == 1;
  if (!ok) {
    ERR_clear_error();
    if (encrypts == 1) return JS_ThrowTypeError(context, "wrong final block length");
    return throw_error(context, authenticates ? "Unsupported state or unable to authenticate data"
                                              : "error:1C800064:Provider routines::bad decrypt");
  }
  out.resize(static_cast<size_t>(size) + static_cast<size_t>(end));
  if (authenticates && encrypts == 1) {
    std::array<char, kTagSize> made{};
    EVP_CIPHER_CTX_ctrl(state.get(), EVP_CTRL_AEAD_GET_TAG, kTagSize, made.data());
    out.append(made.data(), made.size());
  }
  return new_bytes(context, out);
}

/// A key with a password is none that is read: nobody is there to be asked for it.
int no_password(char*, int, int, void*) { return -1; }

Key read_key(const std::string& pem, bool secret) {
  const auto open = [&] { return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())); };
  using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
  Key key;
  if (secret || pem.find("PRIVATE KEY") != std::string::npos) {
    const Bio bio(open());
    key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr));
  } else if (pem.find("CERTIFICATE") != std::string::npos) {
    const Bio bio(open());
    X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr);
    if (certificate != nullptr) key.reset(X509_get_pubkey(certificate));
    X509_free(certificate);
  } else {
    const Bio bio(open());
    key.reset(PEM_read_bio_PUBKEY(bio.get(), nullptr, no_password, nullptr));
  }
  ERR_clear_error();
  if (key && EVP_PKEY_get_bits(key.get()) > kKeyBitsMax) key.reset();
  return key;
}

/// Prepared for one signature: `how` is "pss" for RSA's newer padding, else empty or "p1363".
bool begin(EVP_MD_CTX* state, EVP_PKEY* key, const EVP_MD* digest, std::string_view how,
           bool verifies) {
  EVP_PKEY_CTX* inner = nullptr;
  const int kind = EVP_PKEY_get_base_id(key);
  if (kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448) digest = nullptr;
  const int done = verifies ? EVP_DigestVerifyInit(state, &inner, digest, nullptr, key)
                            : EVP_DigestSignInit(state, &inner, digest, nullptr, key);
  if (done != 1) return false;
  if (how != "pss") return true;
  return EVP_PKEY_CTX_set_rsa_padding(inner, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(
             inner, verifies ? RSA_PSS_SALTLEN_AUTO : RSA_PSS_SALTLEN_DIGEST) == 1;
}

size_t half_of(EVP_PKEY* key) { return (static_cast<size_t>(EVP_PKEY_get_bits(key)) + 7) / 8; }

using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;

/// r and s side by side, as tokens and browsers write a signature of an elliptic curve.
std::string side_by_side(const std::string& der, EVP_PKEY* key) {
  const unsigned char* at = raw(std::string_view(der));
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!signature) return {};
  const size_t half = half_of(key);
  std::string out(half * 2, '\0');
  const int size = static_cast<int>(half);
  if (BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw(out), size) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw(out) + half, size) < 0) {
    return {};
  }
  return out;
}

std::string der_of(std::string_view both, EVP_PKEY* key) {
  const size_t half = half_of(key);
  if (both.size() != half * 2) return {};
  const Signature signature(ECDSA_SIG_new());
  const int size = static_cast<int>(half);
  ECDSA_SIG_set0(signature.get(), BN_bin2bn(raw(both), size, nullptr),
                 BN_bin2bn(raw(both) + half, size, nullptr));
  unsigned char* der = nullptr;
  const int length = i2d_ECDSA_SIG(signature.get(), &der);
  std::string out;
  if (length > 0) out.assign(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return out;
}

/// digest, key (PEM), how, data
JSValue sign(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const EVP_MD* digest = digest_of(text_at(context, argc, argv, 0));
  const Key key = read_key(text_at(context, argc, argv, 1), true);
  if (!key) return JS_ThrowTypeError(context, "the private key cannot be read");
  const std::string how = text_at(context, argc, argv, 2);
  const std::string_view data = bytes_at(context, argc, argv, 3);
  const Digest state(EVP_MD_CTX_new());
  size_t size = 0;
  std::string out;
  bool ok = begin(state.get(), key.get(), digest, how, false) &&
            EVP_DigestSign(state.get(), nullptr, &size, raw(data), data.size()) == 1;
  if (ok) {
    out.resize(size);
    ok = EVP_DigestSign(state.get(), raw(out), &size, raw(data), data.size()) == 1;
    out.resize(size);
  }
  if (ok && how == "p1363") {
    out = side_by_side(out, key.get());
    ok = !out.empty();
  }
  ERR_clear_error();
  return ok ? new_bytes(context, out) : JS_ThrowTypeError(context, "cannot sign with this key");
}

/// digest, key (PEM), how, data, signature
JSValue verify(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const EVP_MD* digest = digest_of(text_at(context, argc, argv, 0));
  const Key key = read_key(text_at(context, argc, argv, 1), false);
  if (!key) return JS_ThrowTypeError(context, "the public key cannot be read");
  const std::string how = text_at(context, argc, argv, 2);
  const std::string_view data = bytes_at(context, argc, argv, 3);
  std::string signature(bytes_at(context, argc, argv, 4));
  if (how == "p1363") signature = der_of(signature, key.get());
  const Digest state(EVP_MD_CTX_new());
  const bool right = !signature.empty() && begin(state.get(), key.get(), digest, how, true) &&
                     EVP_DigestVerify(state.get(), raw(std::string_view(signature)),
                                      signature.size(), raw(data), data.size()) == 1;
  ERR_clear_error();
  return JS_NewBool(context, right ? 1 : 0);
}

int64_t number_of(const event::JsonFields& options, std::string_view name) {
  const auto text = options.find(name);
  int64_t out = -1;
  if (text) std::from_chars(text->data(), text->data() + text->size(), out);
  return out;
}

/// Expands a key; one of the functions that OpenSSL keeps behind a context.
bool hkdf(const EVP_MD* digest, std::string_view key, std::string_view salt, std::string_view info,
          std::string& out) {
  using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
  const Context state(EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, nullptr));
  size_t size = out.size();
  return EVP_PKEY_derive_init(state.get()) == 1 &&
         EVP_PKEY_CTX_set_hkdf_md(state.get(), digest) == 1 &&
         EVP_PKEY_CTX_set1_hkdf_salt(state.get(), raw(salt), static_cast<int>(salt.size())) == 1 &&
         EVP_PKEY_CTX_set1_hkdf_key(state.get(), raw(key), static_cast<int>(key.size())) == 1 &&
         EVP_PKEY_CTX_add1_hkdf_info(state.get(), raw(info), static_cast<int>(info.size())) == 1 &&
         EVP_PKEY_derive(state.get(), raw(out), &size) == 1;
}

/// kind, password, salt, options (JSON: size, iterations, n, r, p), digest, info
JSValue derive(JSContext* context, JSValueConst, int argc, JSValueConst* argv) {
  const std::string kind = text_at(context, argc, argv, 0);
  const std::string_view password = bytes_at(context, argc, argv, 1);
  const std::string_view salt = bytes_at(context, argc, argv, 2);
  const std::string text = text_at(context, argc, argv, 3);
  const auto options = event::JsonFields::parse(text);
  if (!options) return JS_ThrowTypeError(context, "the options are no object");
  const int64_t size = number_of(*options, "size");
  if (size < 0 || size > kDerivedMax) return JS_ThrowRangeError(context, "Invalid key length");
  std::string out(static_cast<size_t>(size), '\0');
  const EVP_MD* digest = digest_of(text_at(context, argc, argv, 4));
  bool ok = false;
  if (kind == "scrypt") {
    const auto n = static_cast<uint64_t>(number_of(*options, "n")),
               r = static_cast<uint64_t>(number_of(*options, "r")),
               p = static_cast<uint64_t>(number_of(*options, "p"));
    ok = n < kScryptMemoryMax && r < kScryptMemoryMax && p < kScryptMemoryMax &&
         128 * n * r * p <= kScryptMemoryMax &&
         EVP_PBE_scrypt(reinterpret_cast<const char*>(raw(password)), password.size(), raw(salt),
                        salt.size(), n, r, p, 2 * kScryptMemoryMax, raw(out), out.size()) == 1;
    if (!ok) return JS_ThrowRangeError(context, "Invalid scrypt params");
    return new_bytes(context, out);
  }
  if (digest == nullptr) return JS_ThrowTypeError(context, "Invalid digest");
  if (kind == "hkdf") {
    ok = hkdf(digest, password, salt, bytes_at(context, argc, argv, 5), out);
  } else {
    const int64_t iterations = number_of(*options, "iterations");
    if (iterations < 1 || iterations > kIterationsMax) {
      return JS_ThrowRangeError(context, "the number of iterations must be between 1 and %d",
                                static_cast<int>(kIterationsMax));
    }
    ok = PKCS5_PBKDF2_HMAC(reinterpret_cast<const char*>(raw(password)),
                           static_cast<int>(password.size()), raw(salt),
                           static_cast<int>(salt.size()), static_cast<int>(iterations), digest,
                           static_cast<int>(out.size()), raw(out)) == 1;
  }
  return ok ? new_bytes(context, out) : JS_ThrowRangeError(context, "the key cannot be derived");
}

}  // namespace

void add_crypto(JSContext* context, JSValue object) {
  struct Native {
    const char* name;
    JSCFunction* function;
    int arguments;
  };
  constexpr std::array<Native, 6> kNatives{{{"hash", hash, 2},
                                            {"hmac", hmac, 3},
                                            {"cipher", cipher, 8},
                                            {"sign", sign, 4},
                                            {"verify", verify, 5},
                                            {"derive", derive, 6}}};
  for (const Native& native : kNatives) {
    JS_SetPropertyStr(context, object, native.name,
                      JS_NewCFunction(context, native.function, native.name, native.arguments));
  }
}

}  // namespace penstock::apps
