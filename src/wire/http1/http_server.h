// HttpServer: the listener, its connections, limits and the sweep that enforces deadlines.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "wire/http.h"
#include "wire/http1/connection.h"

namespace penstock::wire {

class HttpServer : public Server, public runtime::SocketHandler {
 public:
  HttpServer(runtime::Loop& loop, runtime::Poller& poller, runtime::Runtime& runtime,
             runtime::Listener listener, ServerLimits limits, Handler& handler, ServerEdge edge);
  ~HttpServer() override;

  runtime::Address address() const override { return listener_.local_address(); }
  void drain(int64_t grace_ms, runtime::Task done) override;
  ServerStats stats() const override;
  void on_ready(bool readable, bool writable) override;
  Status listen();

  // for connections
  runtime::Poller& poller() { return poller_; }
  const ServerLimits& limits() const { return limits_; }
  const ServerEdge& edge() const { return edge_; }
  Handler& handler() { return handler_; }
  /// Looked up once per ready connection and per sweep, and precise enough for every deadline.
  int64_t now_ns() const { return now_ns_; }
  const std::shared_ptr<AccessLines>& access_lines() const { return access_lines_; }  // or null
  void look_at_clock() { now_ns_ = runtime_.clock().mono_ns(); }
  int64_t wall_us() const { return runtime_.clock().wall_us(); }
  std::span<char> receive_buffer() { return receive_buffer_; }
  bool draining() const { return draining_; }
  void forget(int fd);
  /// False: all bodies together would pass the limit.
  bool add_body_bytes(size_t n);
  void remove_body_bytes(size_t n) { body_bytes_ -= n; }
  std::vector<Header>& header_scratch() { return header_scratch_; }
  /// Buffers go from request to request: an idle connection keeps none.
  void lend(Lent& buffers);
  void take_back(Lent& buffers);

  // Counted by the connections, read from any thread.
  struct Counts {
    std::atomic<uint64_t> connections{0}, accepted{0}, requests{0}, refused{0}, timeouts{0};
  } counts;

 private:
  void sweep();
  void shed_answers(std::vector<std::shared_ptr<Connection>>& all);

  runtime::Loop& loop_;
  runtime::Poller& poller_;
  runtime::Runtime& runtime_;
  runtime::Listener listener_;
  ServerLimits limits_;
  Handler& handler_;
  ServerEdge edge_;
  std::vector<char> receive_buffer_;
  std::vector<Header> header_scratch_;
  std::vector<Lent> spare_;
  std::shared_ptr<AccessLines> access_lines_;
  std::unordered_map<int, std::shared_ptr<Connection>> connections_;
  size_t body_bytes_ = 0;
  int64_t now_ns_ = 0;
  bool draining_ = false;
  bool paused_ = false;  // nothing can be accepted until the next sweep
  int64_t drain_until_ns_ = 0;
  runtime::Task drained_;
  runtime::TimerId sweep_timer_ = 0;
};

}  // namespace penstock::wire
