#include "wire/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <climits>

#include "wire/metrics.h"

namespace penstock::wire {
namespace {

constexpr std::string_view kAlpn("\x08http/1.1", 9);
constexpr size_t kChainMax = 16;

std::unexpected<Error> openssl_fail(std::string what) {
  std::array<char, 256> text{};
  if (const unsigned long code = ERR_peek_last_error(); code != 0) {
    ERR_error_string_n(code, text.data(), text.size());
    what += std::string(": ") + text.data();
  }
  ERR_clear_error();
  return fail(Code::kInvalid, std::move(what));
}

int no_passphrase(char*, int, int, void*) { return -1; }

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* in, unsigned in_size, void*) {
  unsigned char* chosen = nullptr;
  const int code =
      SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(kAlpn.data()),
                            static_cast<unsigned>(kAlpn.size()), in, in_size);
  *out = chosen;
  return code == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;
using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

Bio memory_bio(std::string_view text) {
  const auto n = static_cast<int>(std::min<size_t>(text.size(), INT_MAX));
  return {BIO_new_mem_buf(text.data(), n), BIO_free_all};
}

Certificate next_certificate(BIO* bio) {
  return {PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr), X509_free};
}

Status use_chain(SSL_CTX* context, std::string_view pem) {
  const Bio bio = memory_bio(pem);
  const Certificate own = next_certificate(bio.get());
  if (!own) return openssl_fail("there is no PEM certificate");
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    return openssl_fail("the certificate cannot be used");
  }
  for (size_t i = 0; i < kChainMax; i++) {
    const Certificate issuer = next_certificate(bio.get());
    if (!issuer) break;
    if (SSL_CTX_add1_chain_cert(context, issuer.get()) != 1) {
      return openssl_fail("the certificate's chain cannot be used");
    }
  }
  const unsigned long code = ERR_peek_last_error();
  if (code != 0 && ERR_GET_REASON(code) != PEM_R_NO_START_LINE) {
    return openssl_fail("the certificate's chain is damaged");
  }
  ERR_clear_error();
  return {};
}

int64_t expires_at(const X509* certificate) {
  int days = 0, seconds = 0;
  const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> epoch(ASN1_TIME_set(nullptr, 0),
                                                                    ASN1_TIME_free);
  ASN1_TIME_diff(&days, &seconds, epoch.get(), X509_get0_notAfter(certificate));
  return int64_t{days} * 86'400 + seconds;
}

void configure(SSL_CTX* c) {
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                             SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                          SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);  // tickets resume without memory of ours
  SSL_CTX_set_num_tickets(c, 1);
  constexpr std::string_view kId = "penstock";
  SSL_CTX_set_session_id_context(c, reinterpret_cast<const unsigned char*>(kId.data()),
                                 static_cast<unsigned>(kId.size()));
  SSL_CTX_set_alpn_select_cb(c, choose_protocol, nullptr);
}

Result<std::shared_ptr<SSL_CTX>> make_context(std::string_view chain_pem,
                                              std::string_view key_pem) {
  ERR_clear_error();
  std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return openssl_fail("TLS is not available");
  configure(context.get());
  PENSTOCK_CHECK(use_chain(context.get(), chain_pem));
  const Bio bio = memory_bio(key_pem);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr), EVP_PKEY_free);
  if (!key) return openssl_fail("there is no PEM key that opens without a passphrase");
  if (SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    return openssl_fail("the key does not belong to the certificate");
  }
  metrics().tls_expires.set(expires_at(SSL_CTX_get0_certificate(context.get())));
  return context;
}

}  // namespace

/// OpenSSL's way to a Socket: everything it reads and writes goes through the room's seam.
struct TlsSocketBio {
  static TlsSession& of(BIO* bio) { return *static_cast<TlsSession*>(BIO_get_data(bio)); }

  static int answer(BIO* bio, const Result<size_t>& moved, int retry) {
    BIO_clear_retry_flags(bio);
    if (!moved) return 0;
    if (*moved == 0) {
      BIO_set_flags(bio, retry | BIO_FLAGS_SHOULD_RETRY);
      return -1;
    }
    return static_cast<int>(*moved);
  }
  static int read(BIO* bio, char* out, int size) {
    TlsSession& session = of(bio);
    const auto got = session.socket_.recv({out, static_cast<size_t>(size)});
    if (got && *got > 0) session.begun_ = true;
    return answer(bio, got, BIO_FLAGS_READ);
  }
  static int write(BIO* bio, const char* data, int size) {
    return answer(bio, of(bio).socket_.send({data, static_cast<size_t>(size)}), BIO_FLAGS_WRITE);
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }
  static BIO_METHOD* method() {
    static BIO_METHOD* const instance = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "penstock socket");
      BIO_meth_set_read(m, read);
      BIO_meth_set_write(m, write);
      BIO_meth_set_ctrl(m, control);
      BIO_meth_set_create(m, create);
      return m;
    }();
    return instance;
  }
};

TlsSession::TlsSession(SSL_CTX* context, runtime::Socket& socket)
    : socket_(socket), ssl_(SSL_new(context)) {
  BIO* bio = ssl_ == nullptr ? nullptr : BIO_new(TlsSocketBio::method());
  if (bio == nullptr) {
    failed_ = true;
    return;
  }
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_, bio, bio);
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() {
  if (!established_ && begun_) metrics().tls_handshake_failures.add();
  SSL_free(ssl_);
}

/// What a call that took nothing means: 0 to wait, or an error.
Result<size_t> TlsSession::outcome(int code, const char* what) {
  const int reason = SSL_get_error(ssl_, code);
  wants_write_ = reason == SSL_ERROR_WANT_WRITE;
  if (wants_write_ || reason == SSL_ERROR_WANT_READ) return size_t{0};
  if (reason != SSL_ERROR_ZERO_RETURN) failed_ = true;
  ERR_clear_error();
  return fail(Code::kUnavailable, what);
}

Result<size_t> TlsSession::recv(std::span<char> out) {
  if (failed_) return fail(Code::kUnavailable, "the TLS session has failed");
  ERR_clear_error();
  wants_write_ = false;
  size_t got = 0;
  const int code = SSL_read_ex(ssl_, out.data(), out.size(), &got);
  if (!established_ && SSL_is_init_finished(ssl_) != 0) {
    established_ = true;
    metrics().tls_handshakes.add();
  }
  if (code == 1) return got;
  return outcome(code, "the TLS peer closed or failed");
}

Result<size_t> TlsSession::send(std::string_view data) {
  if (failed_) return fail(Code::kUnavailable, "the TLS session has failed");
  ERR_clear_error();
  size_t total = 0;
  while (total < data.size()) {
    size_t sent = 0;
    const int code = SSL_write_ex(ssl_, data.data() + total, data.size() - total, &sent);
    if (code != 1) {
      PENSTOCK_CHECK(outcome(code, "the TLS peer does not take more"));
      break;
    }
    total += sent;
  }
  return total;
}

void TlsSession::close_notify() {
  if (failed_ || !established_) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

Result<std::shared_ptr<TlsIdentity>> TlsIdentity::make(std::string_view chain_pem,
                                                       std::string_view key_pem) {
  auto out = std::make_shared<TlsIdentity>();
  PENSTOCK_CHECK(out->renew(chain_pem, key_pem));
  return out;
}

Status TlsIdentity::renew(std::string_view chain_pem, std::string_view key_pem) {
  PENSTOCK_TRY(auto fresh, make_context(chain_pem, key_pem));
  const std::lock_guard lock(mutex_);
  context_ = std::move(fresh);
  return {};
}

std::unique_ptr<TlsSession> TlsIdentity::session(runtime::Socket& socket) const {
  std::shared_ptr<ssl_ctx_st> context;
  {
    const std::lock_guard lock(mutex_);
    context = context_;
  }
  return std::make_unique<TlsSession>(context.get(), socket);
}

}  // namespace penstock::wire
