// HTTP/1.1 server on a Loop: requests in, answers out, with limits and deadlines.
//
// One Server per shard. It owns its connections; a Handler gets a Request whose views and body are
// valid only until `handle` returns, and a Responder that may answer later, from the same loop's
// thread, once. If the client has gone the answer is dropped. Limits are enforced while reading;
// slow clients are cut by total time, not idle time. Pipelined requests are answered in order.
// Malformed requests get 400 and the connection is closed; nothing a client sends takes anything
// else down.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/padded.h"
#include "base/result.h"
#include "runtime/net.h"
#include "runtime/runtime.h"

namespace penstock::wire {

class AccessLog;
class TlsIdentity;

struct Header {
  std::string_view name;  // as sent; compare with `find`, which ignores case
  std::string_view value;
};

struct Request {
  std::string_view method;
  std::string_view target;  // path and query as sent
  std::string_view path;    // without query, not decoded
  std::string_view query;   // without '?', not decoded
  std::vector<Header> headers;
  PaddedBuffer* body = nullptr;  // whole body, chunking removed; the handler may change it
  std::string_view peer_ip;
  int64_t received_us = 0;      // wall clock when the request was complete
  bool secure = false;          // it came over TLS
  bool body_too_large = false;  // the body passed the route's limit and was not kept

  /// First header of that name (lower case), or empty.
  std::string_view find(std::string_view lower_name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  bool close = false;
};

/// A response whose body is sent in pieces (chunked, or server-sent events). Same thread only.
class BodyStream {
 public:
  virtual ~BodyStream() = default;
  /// Queues bytes. False: the client has gone; stop.
  virtual bool write(std::string_view bytes) = 0;
  /// Bytes queued and not yet taken by the kernel; producers wait while it is high.
  virtual size_t pending() const = 0;
  /// Runs when `pending` has fallen to zero, or when the client has gone (then write is false).
  virtual void on_drained(std::function<void()> callback) = 0;
  virtual void finish() = 0;
};

/// Answers one request, exactly once. Movable; destroying it unanswered sends 500.
class Responder {
 public:
  class Target {
   public:
    virtual ~Target() = default;
    virtual void send(Response response) = 0;
    virtual void send_raw(std::string_view whole_response, bool close) = 0;
    virtual std::shared_ptr<BodyStream> stream(Response head) = 0;
    virtual void abandon() = 0;
  };
  Responder() = default;
  explicit Responder(std::shared_ptr<Target> target) : target_(std::move(target)) {}
  Responder(Responder&&) noexcept = default;
  Responder& operator=(Responder&&) noexcept = default;
  ~Responder() {
    if (target_) target_->abandon();
  }
  explicit operator bool() const { return target_ != nullptr; }

  void send(Response response) { std::exchange(target_, nullptr)->send(std::move(response)); }
  /// The fast path: a complete, preformatted response; `whole_response` may be a static string.
  void send_raw(std::string_view whole_response, bool close = false) {
    std::exchange(target_, nullptr)->send_raw(whole_response, close);
  }
  /// Starts a streamed answer; `head.body` is ignored.
  std::shared_ptr<BodyStream> stream(Response head) {
    return std::exchange(target_, nullptr)->stream(std::move(head));
  }

 private:
  std::shared_ptr<Target> target_;
};

class Handler {
 public:
  virtual ~Handler() = default;
  /// The largest body this request may carry, asked when its headers are complete.
  virtual size_t body_bytes_max(const Request& head) const = 0;
  virtual void handle(Request& request, Responder responder) = 0;
};

struct ServerLimits {
  size_t header_bytes_max = 32U << 10;  // request line and headers together; more: 431
  size_t headers_max = 100;
  size_t connections_max = 16384;    // more: accepted and closed at once
  size_t pipeline_max = 64;          // requests waiting for an answer on one connection
  int64_t header_ms_max = 10'000;    // from the first byte to the end of the headers: 408
  int64_t body_ms_max = 60'000;      // from the end of the headers to the end of the body: 408
  int64_t idle_ms_max = 75'000;      // keep-alive without a request: closed
  int64_t send_ms_max = 30'000;      // an answer of which the client takes too little: closed
  size_t send_bytes_max = 8U << 20;  // queued answer bytes on one connection (streams excepted)
  size_t body_bytes_in_flight_max = 256U << 20;  // all bodies of this server together: 503 above
  size_t send_bytes_in_flight_max = 256U << 20;  // all answers not taken: the largest are cut
};

/// What stands between the listener and HTTP; all of it off by default.
struct ServerEdge {
  bool proxy_protocol = false;  // a PROXY header comes first, or the connection is closed
  std::shared_ptr<const TlsIdentity> tls;  // null: plain HTTP
  std::shared_ptr<AccessLog> access_log;   // null: none
};

struct ServerStats {
  uint64_t connections = 0, accepted = 0, requests = 0, refused = 0, timeouts = 0;
};

class Server {
 public:
  /// Binds and starts accepting. `poller` and `loop` are the same thread's.
  static Result<std::unique_ptr<Server>> start(runtime::Loop& loop, runtime::Poller& poller,
                                               runtime::Runtime& runtime,
                                               const runtime::Address& address, bool reuse_port,
                                               ServerLimits limits, Handler& handler,
                                               ServerEdge edge = {});
  virtual ~Server() = default;
  virtual runtime::Address address() const = 0;
  /// Stops accepting, lets requests in progress finish for at most `grace_ms`, then closes; `done`
  /// runs on the loop.
  virtual void drain(int64_t grace_ms, runtime::Task done) = 0;
  virtual ServerStats stats() const = 0;
};

/// Value of a query parameter, percent- and plus-decoded; false when absent.
bool query_param(std::string_view query, std::string_view name, std::string& value);
/// Percent-decodes (and '+' to space when `plus`); malformed escapes are kept as they are.
std::string url_decode(std::string_view text, bool plus);
std::string_view reason_phrase(int status);
/// Compares a name as it was sent with a lower-case one.
bool same_ignoring_case(std::string_view sent, std::string_view lower);

}  // namespace penstock::wire
