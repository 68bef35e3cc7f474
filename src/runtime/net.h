// TCP on a Loop: listeners and streams that never block, and a way to be told when they are ready.
//
// Real sockets only (the simulator drives rooms below HTTP). A Socket owns its descriptor. A
// Poller is the part of a real Loop that watches sockets; all calls and callbacks happen on that
// loop's thread. `recv` and `send` answer 0 for "would block"; a peer that closed is kUnavailable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::runtime {

/// "127.0.0.1:8000", "[::1]:8000"; port 0 picks a free one.
struct Address {
  std::string host;
  uint16_t port = 0;

  static Result<Address> parse(std::string_view text);
  std::string text() const;
  bool is_loopback() const;
};

class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept;
  ~Socket();

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close();
  /// Gives the descriptor away without closing it.
  int release() { return std::exchange(fd_, -1); }
  /// Bytes received; 0: nothing there yet; kUnavailable: the peer closed or reset.
  Result<size_t> recv(std::span<char> out);
  /// Copies what has been received, up to `out.size()` bytes, and leaves it there; as `recv`.
  Result<size_t> peek(std::span<char> out);
  /// Bytes taken by the kernel; 0: its buffer is full.
  Result<size_t> send(std::string_view data);
  /// Says that nothing more will be sent; what the peer still sends can be read.
  void shutdown_send();
  /// From now on `close` drops what the peer has not taken yet and resets the connection, instead
  /// of leaving it to the kernel for as long as the peer likes.
  void reset_on_close();
  std::string peer_ip() const;

 private:
  Result<size_t> recv(std::span<char> out, int flags);

  int fd_ = -1;
};

/// Two ends of a local stream: `first` never blocks and stays here, `second` is for a child.
Result<std::pair<Socket, Socket>> socket_pair();

/// Called on the loop's thread when a watched socket is ready.
class SocketHandler {
 public:
  virtual ~SocketHandler() = default;
  virtual void on_ready(bool readable, bool writable) = 0;
};

class Poller {
 public:
  virtual ~Poller() = default;
  /// Starts watching for readability (and writability if asked). The handler must stay alive
  /// until `unwatch`; unwatching inside a callback is allowed.
  virtual Status watch(const Socket& socket, SocketHandler& handler, bool read, bool write) = 0;
  virtual void change(const Socket& socket, SocketHandler& handler, bool read, bool write) = 0;
  virtual void unwatch(const Socket& socket) = 0;
};

/// A listening socket; several may share one port (SO_REUSEPORT) so that shards accept side by
/// side.
class Listener {
 public:
  static Result<Listener> bind(const Address& address, int backlog, bool reuse_port);
  /// The next waiting connection (non-blocking, TCP_NODELAY), or a closed Socket when none waits.
  Result<Socket> accept();
  const Socket& socket() const { return socket_; }
  Address local_address() const;

 private:
  Socket socket_;
};

}  // namespace penstock::runtime
