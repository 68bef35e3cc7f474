#include "runtime/net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace penstock::runtime {
namespace {

union AnyAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

Result<std::pair<AnyAddress, socklen_t>> to_sockaddr(const Address& address) {
  AnyAddress out{};
  if (inet_pton(AF_INET, address.host.c_str(), &out.v4.sin_addr) == 1) {
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(address.port);
    return std::pair{out, socklen_t{sizeof out.v4}};
  }
  if (inet_pton(AF_INET6, address.host.c_str(), &out.v6.sin6_addr) == 1) {
    out.v6.sin6_family = AF_INET6;
    out.v6.sin6_port = htons(address.port);
    return std::pair{out, socklen_t{sizeof out.v6}};
  }
  return fail(Code::kInvalid, "'" + address.host + "' is not an IP address");
}

Address from_sockaddr(const AnyAddress& in) {
  char text[INET6_ADDRSTRLEN] = {};
  if (in.any.sa_family == AF_INET6) {
    inet_ntop(AF_INET6, &in.v6.sin6_addr, text, sizeof text);
    return {text, ntohs(in.v6.sin6_port)};
  }
  inet_ntop(AF_INET, &in.v4.sin_addr, text, sizeof text);
  return {text, ntohs(in.v4.sin_port)};
}

std::unexpected<Error> net_fail(const char* what) {
  const Code code = errno == EADDRINUSE ? Code::kConflict : Code::kUnavailable;
  return fail(code, std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

Result<Address> Address::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(Code::kInvalid, "'" + std::string(text) + "' is not host:port");
  }
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  Address out{std::string(host), 0};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.port);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) {
    return fail(Code::kInvalid, "'" + std::string(text) + "' has no valid port");
  }
  PENSTOCK_CHECK(to_sockaddr(out));
  return out;
}

std::string Address::text() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::is_loopback() const { return host.starts_with("127.") || host == "::1"; }

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

Socket::~Socket() { close(); }

void Socket::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<size_t> Socket::recv(std::span<char> out) { return recv(out, 0); }
Result<size_t> Socket::peek(std::span<char> out) { return recv(out, MSG_PEEK); }

Result<size_t> Socket::recv(std::span<char> out, int flags) {
  for (;;) {
    const ssize_t n = ::recv(fd_, out.data(), out.size(), flags);
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0) return fail(Code::kUnavailable, "the peer closed");
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return size_t{0};
    return net_fail("receive");
  }
}

Result<size_t> Socket::send(std::string_view data) {
  for (;;) {
    const ssize_t n = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return size_t{0};
    return net_fail("send");
  }
}

void Socket::shutdown_send() { ::shutdown(fd_, SHUT_WR); }

void Socket::reset_on_close() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

std::string Socket::peer_ip() const {
  AnyAddress peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(fd_, &peer.any, &size) != 0) return {};
  std::string ip = from_sockaddr(peer).host;
  if (ip.starts_with("::ffff:")) ip = ip.substr(7);
  return ip;
}

Result<std::pair<Socket, Socket>> socket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return fail(Code::kExhausted, std::string("socket pair: ") + std::strerror(errno));
  }
  std::pair<Socket, Socket> out{Socket(ends[0]), Socket(ends[1])};
  if (::fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) {
    return fail(Code::kUnavailable, std::string("socket pair: ") + std::strerror(errno));
  }
  return out;
}

Result<Listener> Listener::bind(const Address& address, int backlog, bool reuse_port) {
  PENSTOCK_TRY(const auto target, to_sockaddr(address));
  Listener out;
  out.socket_ =
      Socket(::socket(target.first.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out.socket_.is_open()) return net_fail("socket");
  const int one = 1;
  ::setsockopt(out.socket_.fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (reuse_port) ::setsockopt(out.socket_.fd(), SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  if (::bind(out.socket_.fd(), &target.first.any, target.second) != 0 ||
      ::listen(out.socket_.fd(), backlog) != 0) {
    return fail(net_fail("listen").error(), address.text());
  }
  return out;
}

Result<Socket> Listener::accept() {
  const int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    const bool none =
        errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED;
    if (none) return Socket();
    return net_fail("accept");
  }
  const int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return Socket(fd);
}

Address Listener::local_address() const {
  AnyAddress local{};
  socklen_t size = sizeof local;
  ::getsockname(socket_.fd(), &local.any, &size);
  return from_sockaddr(local);
}

}  // namespace penstock::runtime
