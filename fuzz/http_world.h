// An HTTP server and clients on one thread and on virtual time: for drivers that say when each
// piece of a request arrives.
//
// The sockets are real, on loopback; the poller is the driver's, so that the server has seen a
// piece before the next one is sent, and a run is the same each time. What the handler was given is
// kept and held to its limits.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "fuzz/fuzz.h"
#include "runtime/sim_runtime.h"
#include "wire/http.h"

namespace penstock::fuzz {

/// The server's sockets, asked when the driver says so.
class HandPoller : public runtime::Poller {
 public:
  Status watch(const runtime::Socket& socket, runtime::SocketHandler& handler, bool read,
               bool write) override {
    watched_[socket.fd()] = {&handler, read, write};
    return {};
  }
  void change(const runtime::Socket& socket, runtime::SocketHandler& handler, bool read,
              bool write) override {
    watched_[socket.fd()] = {&handler, read, write};
  }
  void unwatch(const runtime::Socket& socket) override { watched_.erase(socket.fd()); }

  /// Tells every socket that is ready, once. False: none was.
  bool turn() {
    std::vector<pollfd> fds;
    for (const auto& [fd, w] : watched_) {
      fds.push_back({fd, static_cast<short>((w.read ? POLLIN : 0) | (w.write ? POLLOUT : 0)), 0});
    }
    ::poll(fds.data(), fds.size(), 0);
    bool any = false;
    for (const pollfd& p : fds) {
      const auto found = watched_.find(p.fd);
      if (found == watched_.end()) continue;
      // As epoll: a connection that is gone wakes its handler whatever it waits for.
      const bool gone = (p.revents & (POLLERR | POLLHUP)) != 0;
      const bool readable = (p.revents & POLLIN) != 0 || gone;
      const bool writable = (p.revents & POLLOUT) != 0;
      if (!readable && !writable) continue;
      any = any || (p.revents & (POLLIN | POLLOUT)) != 0;
      found->second.handler->on_ready(readable, writable);
    }
    return any;
  }
  size_t size() const { return watched_.size(); }
  /// The newest socket, which is the connection's when there is one; -1 when it is gone.
  int connection(int listener) const {
    for (const auto& [fd, w] : watched_) {
      if (fd != listener) return fd;
    }
    return -1;
  }
  /// Whichever socket was watched first.
  int first() const { return watched_.begin()->first; }

 private:
  struct Watched {
    runtime::SocketHandler* handler = nullptr;
    bool read = false, write = false;
  };
  std::map<int, Watched> watched_;
};

/// What of a request its handler saw.
struct SeenRequest {
  std::string line, headers, body;
  bool too_large = false;
  bool operator==(const SeenRequest&) const = default;
};

class HttpWorld : public wire::Handler {
 public:
  static constexpr size_t kBodyBytesMax = 2000, kHeadersMax = 20, kHeaderBytesMax = 4096;

  HttpWorld() {
    wire::ServerLimits limits;
    limits.headers_max = kHeadersMax;
    limits.header_bytes_max = kHeaderBytesMax;
    limits.pipeline_max = 4;
    limits.body_bytes_in_flight_max = 2 * kBodyBytesMax;  // one that is not given back soon shows
    auto started =
        wire::Server::start(loop_, poller_, runtime_, {"127.0.0.1", 0}, false, limits, *this);
    hold(started.has_value(), "the server starts");
    server_ = std::move(*started);
    listener_ = poller_.first();
  }

  struct Outcome {
    std::string answers;
    std::vector<SeenRequest> requests;
  };

  /// Sends a text in pieces of `step` bytes over a connection of its own, and ends it.
  Outcome talk(std::string_view text, size_t step) {
    requests_.clear();
    Outcome out;
    const int fd = connect();
    turns();
    while (!text.empty() && send(fd, text.substr(0, step))) {
      text.remove_prefix(std::min(step, text.size()));
      turns();
      read(fd, 0, out.answers);
    }
    // Those that wait are answered until nothing waits any more.
    while (!late_.empty()) {
      std::exchange(late_, {});
      turns();
    }
    ::shutdown(fd, SHUT_WR);
    arrived(0, POLLRDHUP);
    turns();
    read(fd, 5000, out.answers);
    ::close(fd);
    turns();
    // A server that has answered and waits for its client to stop waits for two seconds.
    if (server_->stats().connections != 0) runtime_.run_for(std::chrono::seconds(5));
    hold(server_->stats().connections == 0 && poller_.size() == 1,
         "nothing of a connection is left");
    hold(out.answers.find("HTTP/1.1 503") == std::string::npos, "there is room for one body");
    out.requests = std::move(requests_);
    return out;
  }

  size_t body_bytes_max(const wire::Request&) const override { return kBodyBytesMax; }
  void handle(wire::Request& r, wire::Responder responder) override {
    hold(r.headers.size() <= kHeadersMax, "headers are within their limit");
    hold(r.body->size() <= kBodyBytesMax, "a body is within its limit");
    hold(!r.body_too_large || r.body->size() == 0, "a body that is too large is not kept");
    hold(!r.method.empty() && r.target.size() < kHeaderBytesMax, "a request has a first line");
    hold(r.target.starts_with(r.path), "the path is the target's beginning");
    hold(r.path.find('?') == std::string_view::npos, "the path has no query");
    SeenRequest seen;
    seen.line.append(r.method).append(" ").append(r.target);
    seen.body = r.body->view();
    seen.too_large = r.body_too_large;
    for (const wire::Header& h : r.headers) {
      hold(!h.name.empty() && h.name.find_first_of("\r\n: ") == std::string_view::npos,
           "a header's name is a name");
      hold(h.value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos,
           "a header is one line");
      seen.headers.append(h.name).append(":").append(h.value).append("\n");
    }
    requests_.push_back(std::move(seen));
    if (r.path == "/late") return late_.push_back(std::move(responder));
    if (r.path == "/drop") return;
    wire::Response response;
    response.body = std::string(r.body->view().substr(0, 20));
    responder.send(std::move(response));
  }

 private:
  int connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_->address().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    hold(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0, "the server accepts");
    // Ends with a reset, so that thousands of inputs leave no ports behind.
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    return fd;
  }
  void turns() {
    for (int i = 0; poller_.turn(); i++) hold(i < 1000, "a server comes to rest");
    runtime_.run_for(std::chrono::microseconds(1));
  }
  /// Waits until the server's socket holds so many bytes, or shows one of the events.
  void arrived(int bytes, short events) {
    const int fd = poller_.connection(listener_);
    for (int tries = 0; fd >= 0 && tries < 5000; tries++) {
      pollfd p{fd, events, 0};
      int n = 0;
      ::poll(&p, 1, tries == 0 ? 0 : 1);
      if ((p.revents & (events | POLLERR | POLLHUP)) != 0) return;
      if (events == 0 && ::ioctl(fd, FIONREAD, &n) == 0 && n >= bytes) return;
    }
  }
  /// False: the server takes nothing any more.
  bool send(int fd, std::string_view piece) {
    int waiting = 0;
    const int to = poller_.connection(listener_);
    if (to >= 0) ::ioctl(to, FIONREAD, &waiting);
    if (::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT) !=
        static_cast<ssize_t>(piece.size())) {
      return false;
    }
    arrived(waiting + static_cast<int>(piece.size()), 0);
    return true;
  }
  /// What has come; with patience: all until the server says that it is the end.
  static void read(int fd, int patience_ms, std::string& out) {
    std::array<char, 16384> buffer{};
    for (;;) {
      pollfd p{fd, POLLIN, 0};
      if (patience_ms > 0)
        hold(::poll(&p, 1, patience_ms) == 1, "a connection that ended is closed");
      const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (n <= 0) return;
      out.append(buffer.data(), static_cast<size_t>(n));
      hold(out.size() < 8U << 20, "the answers are bounded");
    }
  }

  runtime::SimRuntime runtime_{1};
  runtime::Loop& loop_ = runtime_.make_loop();
  HandPoller poller_;
  std::vector<SeenRequest> requests_;
  std::vector<wire::Responder> late_;
  std::unique_ptr<wire::Server> server_;
  int listener_ = -1;
};

}  // namespace penstock::fuzz
