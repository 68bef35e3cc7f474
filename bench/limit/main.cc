// bench_limit: the least a durable capture server can do on one thread, as the floor that Penstock
// is quoted against. It reads HTTP/1.1, inflates, walks every event, frames it, and answers after
// the group commit. It has no limits, routes, tokens, CORS, metrics or errors to speak of, and
// trusts its client. Prints its port when it is ready.
//
//   bench_limit --file PATH
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "bench/limit/events.h"
#include "bench/limit/log.h"

namespace penstock::bench {
namespace {

constexpr std::string_view kOk =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    "{\"status\":\"Ok\"}";
constexpr std::string_view kBad = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
constexpr size_t kFirstBuffer = 16384;
constexpr int kWakeups = 512;

struct Connection {
  std::string in = std::string(kFirstBuffer, '\0');
  std::string answer;  // waits for the commit; empty: kOk
  size_t have = 0;
};

/// Capture V1 answers for each event.
std::string results_answer(const std::string& results) {
  return fmt::format(
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
      "{{\"results\":{{{}}}}}",
      results.size() + 14, results);
}

size_t content_length(std::string_view head) {
  for (size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    const char* line = head.data() + at + 1;
    if ((line[0] | 32) == 'c' && strncasecmp(line, "content-length:", 15) == 0) {
      return std::strtoul(line + 15, nullptr, 10);
    }
  }
  return 0;
}

void answer(int fd, std::string_view text) {
  // A client that is gone needs no answer.
  (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

class Server {
 public:
  explicit Server(const std::string& file)
      : wake_(eventfd(0, EFD_NONBLOCK)), log_(file, wake_), epoll_(epoll_create1(0)) {
    listen_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listen_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listen_, 1024) != 0 ||
        ::getsockname(listen_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      throw std::runtime_error(strerror(errno));
    }
    watch(listen_);
    watch(wake_);
    fmt::print("{}\n", ntohs(address.sin_port));
    std::fflush(stdout);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, kWakeups> events;
    for (;;) {
      const int n = ::epoll_wait(epoll_, events.data(), kWakeups, -1);
      for (int k = 0; k < n; k++) {
        const int fd = events[static_cast<size_t>(k)].data.fd;
        if (fd == listen_) {
          accept_all();
        } else if (fd == wake_) {
          answer_committed();
        } else {
          readable(fd);
        }
      }
      log_.kick();
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listen_, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd < 0) return;
      const int on = 1;
      ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (connections_.size() <= static_cast<size_t>(fd)) {
        connections_.resize(static_cast<size_t>(fd) + 64);
      }
      connections_[static_cast<size_t>(fd)] = std::make_unique<Connection>();
      watch(fd);
    }
  }

  void answer_committed() {
    uint64_t n = 0;
    if (::read(wake_, &n, sizeof n) < 0) return;
    for (int fd : log_.committed()) {
      const Connection* c = connections_[static_cast<size_t>(fd)].get();
      answer(fd, c == nullptr || c->answer.empty() ? kOk : std::string_view(c->answer));
    }
  }

  void readable(int fd) {
    Connection& c = *connections_[static_cast<size_t>(fd)];
    const ssize_t got = ::recv(fd, c.in.data() + c.have, c.in.size() - c.have, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      ::close(fd);
      connections_[static_cast<size_t>(fd)].reset();
      return;
    }
    c.have += static_cast<size_t>(got);
    size_t done = 0;
    while (c.have > done) {
      const std::string_view left(c.in.data() + done, c.have - done);
      const size_t head_end = left.find("\r\n\r\n");
      if (head_end == std::string_view::npos) break;
      const size_t total = head_end + 4 + content_length(left.substr(0, head_end));
      if (left.size() < total) {
        if (c.in.size() - done < total) c.in.resize(done + total + 4096);
        break;
      }
      const bool v1 = left.starts_with("POST /i/v1/");
      const std::string_view body = left.substr(head_end + 4, total - head_end - 4);
      if (framer_.frame(body, log_.open_block(), v1)) {
        c.answer = v1 ? results_answer(framer_.results()) : std::string();
        log_.wait_for_commit(fd);
      } else {
        answer(fd, kBad);
      }
      done += total;
    }
    if (done > 0) {
      std::memmove(c.in.data(), c.in.data() + done, c.have - done);
      c.have -= done;
    }
  }

  int wake_;
  FloorLog log_;
  EventFramer framer_;
  int epoll_;
  int listen_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
};

int serve(int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != "--file") {
    fmt::print(stderr, "usage: bench_limit --file PATH\n");
    return 2;
  }
  try {
    Server(argv[2]).run();
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench_limit: {}\n", e.what());
    return 1;
  }
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::serve(argc, argv); }
