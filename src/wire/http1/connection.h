// Connection and Exchange: one client's socket, and the answers it still waits for, in order.
//
// Owned by the server through a shared_ptr; an Exchange keeps only a weak one, so an answer that
// comes after the client has gone goes nowhere. Loop thread only.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "wire/access_log.h"
#include "wire/http.h"
#include "wire/http1/head_parser.h"
#include "wire/tls.h"

namespace penstock::wire {

class Connection;
class HttpServer;

/// Buffers of a request that a connection has only while it is read and handled.
struct Lent {
  PaddedBuffer body;
  std::string head;  // its text, while the body arrives
};

class Exchange : public Responder::Target, public std::enable_shared_from_this<Exchange> {
 public:
  Exchange(std::weak_ptr<Connection> connection, bool keep_alive, bool head_only)
      : connection_(std::move(connection)), keep_alive_(keep_alive), head_only_(head_only) {}
  ~Exchange() override;
  void send(Response response) override;
  void send_raw(std::string_view whole_response, bool close) override;
  std::shared_ptr<BodyStream> stream(Response head) override;
  void abandon() override;

  bool done() const { return done_; }  // everything of it is in `bytes_`
  bool streaming() const { return streaming_; }
  bool closes() const { return close_ || !keep_alive_; }
  std::string& bytes() { return bytes_; }
  void finish_stream();
  void streamed(size_t bytes) { bytes_streamed_ += bytes; }
  /// The access log is told how this ends.
  void note(std::unique_ptr<AccessNote> note) { note_ = std::move(note); }

 private:
  friend class Connection;
  std::string head_text(const Response& response, bool chunked) const;

  std::weak_ptr<Connection> connection_;
  bool keep_alive_, head_only_;
  bool done_ = false, streaming_ = false, close_ = false;
  std::string bytes_;
  std::unique_ptr<AccessNote> note_;
  int status_ = 0;
  uint64_t bytes_streamed_ = 0;
};

class Connection : public runtime::SocketHandler, public std::enable_shared_from_this<Connection> {
 public:
  Connection(HttpServer& server, runtime::Socket socket);
  ~Connection() override;

  void on_ready(bool readable, bool writable) override;
  /// Moves finished answers to the socket.
  void flush();
  /// The fast path: answers the only waiting exchange without a copy. False: take the slow one.
  bool send_now(const Exchange& exchange, std::string_view bytes);
  void close();
  /// Closes without leaving unread answers to the kernel, which would keep them for long.
  void cut();
  /// Cuts the connection when its phase has lasted too long.
  void check_deadline(int64_t now_ns);
  /// What is asked already is answered; then it ends.
  void drain();

  const runtime::Socket& socket() const { return socket_; }
  bool closed() const { return closed_; }
  /// Of answers that the client has not taken, or that wait behind another.
  size_t waiting_bytes() const { return unsent() + queued_bytes_; }
  void add_queued(size_t bytes) { queued_bytes_ += bytes; }
  size_t unsent() const { return out_.size() - out_sent_; }
  void on_drained(std::function<void()> callback) { drained_ = std::move(callback); }

 private:
  enum class Phase : uint8_t { kPreface, kIdle, kHead, kBody, kSkip };
  void on_readable();
  /// The socket's, or the TLS session's on top of it.
  Result<size_t> recv(std::span<char> out) { return tls_ ? tls_->recv(out) : socket_.recv(out); }
  Result<size_t> send(std::string_view data) {
    return tls_ ? tls_->send(data) : socket_.send(data);
  }
  bool take_proxy_header();
  void peer_is_done();
  bool has_room() const;
  void note(Exchange& exchange, std::string_view method, std::string_view target,
            uint64_t bytes_in);
  void process(std::string_view data);
  bool take_head(std::string_view& data);
  bool take_body(std::string_view& data);
  bool begin_body(std::string_view head_text);
  void send_continue();
  void deliver(bool too_large);
  void refuse(int status, std::string_view text);
  void set_phase(Phase phase);
  void begin_sending();
  void update_interest();
  std::string_view peer();

  HttpServer& server_;
  runtime::Socket socket_;
  std::unique_ptr<TlsSession> tls_;
  HeadParser parser_;
  Head head_;
  std::string partial_;  // bytes of an unfinished head
  Lent lent_;
  size_t body_max_ = 0, body_counted_ = 0;
  std::deque<std::shared_ptr<Exchange>> exchanges_;
  std::string out_;
  size_t out_sent_ = 0;
  size_t queued_bytes_ = 0;  // of whole answers, in their exchanges
  size_t taken_bytes_ = 0;   // by the client, since send_since_ns_
  std::function<void()> drained_;
  std::string peer_ip_;
  int64_t phase_since_ns_ = 0, send_since_ns_ = 0, linger_since_ns_ = 0;
  Phase phase_ = Phase::kIdle;
  bool closed_ = false, closing_ = false, want_write_ = false, want_read_ = true;
  bool awaits_proxy_header_ = false;
  bool unread_input_ = false;  // the client may still be sending what nobody will read
  bool peer_done_ = false;     // it will not send any more
};

}  // namespace penstock::wire
