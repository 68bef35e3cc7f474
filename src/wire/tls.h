// TLS: the server's certificate, its renewal, and one session per connection (OpenSSL 3).
//
// TlsIdentity holds the certificate chain and key in use; it is shared by all shards and can be
// renewed while sessions run: those keep what they began with. TlsFiles reads both from disk at
// start, looks at them every few seconds, and renews the identity when they changed; a pair that
// cannot be used leaves the old one in place, warns and counts. A TlsSession belongs to one
// connection and reads and writes through its Socket, never blocking.
//
// TLS 1.2 and up, HTTP/1.1 by ALPN, tickets but no session cache, no renegotiation. Keys and
// certificates never appear in messages.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/net.h"
#include "runtime/runtime.h"

// NOLINTBEGIN: OpenSSL's own names
struct ssl_st;
struct ssl_ctx_st;
// NOLINTEND

namespace penstock::wire {

class TlsSession {
 public:
  /// `socket` must outlive the session and stay where it is.
  TlsSession(ssl_ctx_st* context, runtime::Socket& socket);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  /// As Socket's; the handshake goes on inside of both.
  Result<size_t> recv(std::span<char> out);
  Result<size_t> send(std::string_view data);
  /// Tells the peer that nothing more will be sent, if the socket takes it.
  void close_notify();

  bool established() const { return established_; }
  /// The peer has sent something, so an end before `established` is a failed handshake.
  bool begun() const { return begun_; }
  /// The last call waits for the socket to become writable.
  bool wants_write() const { return wants_write_; }

 private:
  friend struct TlsSocketBio;
  Result<size_t> outcome(int code, const char* what);

  runtime::Socket& socket_;
  ssl_st* ssl_;
  bool established_ = false, begun_ = false, wants_write_ = false, failed_ = false;
};

class TlsIdentity {
 public:
  /// PEM texts: the chain with the server's own certificate first, and its key. kInvalid says
  /// what cannot be used.
  static Result<std::shared_ptr<TlsIdentity>> make(std::string_view chain_pem,
                                                   std::string_view key_pem);
  /// Replaces both, or leaves everything as it is.
  Status renew(std::string_view chain_pem, std::string_view key_pem);
  /// Any thread; the session is the caller's.
  std::unique_ptr<TlsSession> session(runtime::Socket& socket) const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
};

class TlsFiles {
 public:
  /// Reads both files now (blocking, at start) and watches them on `loop`, which must be the loop
  /// that destroys this.
  static Result<std::unique_ptr<TlsFiles>> start(runtime::Loop& loop, runtime::Runtime& runtime,
                                                 std::string cert_path, std::string key_path,
                                                 int64_t look_every_ms);
  ~TlsFiles();
  TlsFiles(const TlsFiles&) = delete;
  TlsFiles& operator=(const TlsFiles&) = delete;

  std::shared_ptr<TlsIdentity> identity() const { return identity_; }

 private:
  struct Look;
  TlsFiles(runtime::Loop& loop, runtime::Runtime& runtime, std::string cert_path,
           std::string key_path, int64_t look_every_ms);
  Look read() const;
  void schedule();
  void look();
  void compare(Look seen);

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  std::string cert_path_, key_path_;
  int64_t look_every_ms_;
  std::shared_ptr<TlsIdentity> identity_;
  std::unique_ptr<Look> last_;  // what the last look saw
  bool settled_ = true;         // what it saw is in use, or has been complained about
  runtime::TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace penstock::wire
