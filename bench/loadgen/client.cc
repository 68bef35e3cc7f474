#include "bench/loadgen/client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace penstock::bench {
namespace {

constexpr int kWakeups = 1024;

struct Answer {
  size_t bytes = 0;  // 0: not whole yet
  int status = 0;
  bool closes = false;
};

bool starts_with_nocase(std::string_view text, std::string_view prefix) {
  if (text.size() < prefix.size()) return false;
  // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): it reads as much as the size says
  return strncasecmp(text.data(), prefix.data(), prefix.size()) == 0;
}

Answer parse_answer(std::string_view in) {
  const size_t head_end = in.find("\r\n\r\n");
  if (head_end == std::string_view::npos || in.size() < 13) return {};
  Answer out;
  std::from_chars(in.data() + 9, in.data() + 12, out.status);
  size_t body = 0;
  for (size_t at = in.find("\r\n"); at < head_end; at = in.find("\r\n", at + 2)) {
    const std::string_view line = in.substr(at + 2);
    if (starts_with_nocase(line, "content-length: ")) {
      std::from_chars(line.data() + 16, line.data() + line.size(), body);
    }
    if (starts_with_nocase(line, "connection: close")) out.closes = true;
  }
  if (out.status == 204 || out.status == 304) body = 0;
  if (in.size() >= head_end + 4 + body) out.bytes = head_end + 4 + body;
  return out;
}

}  // namespace

std::vector<Request> read_set(const std::string& path, std::string& bytes) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  bytes = all.str();
  std::vector<Request> out;
  std::array<uint32_t, 4> head{};
  for (size_t at = 0; at + sizeof head <= bytes.size();) {
    std::memcpy(head.data(), bytes.data() + at, sizeof head);
    at += sizeof head;
    out.push_back({std::string_view(bytes).substr(at, head[0]), head[1], head[2]});
    at += head[0];
  }
  if (out.empty()) throw std::runtime_error(path + " holds no requests: run bench/payloads.py");
  return out;
}

Load::Load(LoadOptions options, const std::vector<Request>& requests)
    : options_(std::move(options)),
      requests_(requests),
      connections_(static_cast<size_t>(options_.connections)),
      epoll_(epoll_create1(0)) {
  for (size_t i = 0; i < connections_.size(); i++) open(i);
}

Load::~Load() {
  for (Connection& c : connections_) ::close(c.fd);
  ::close(epoll_);
}

void Load::open(size_t i) {
  Connection& c = connections_[i];
  if (c.fd >= 0) ::close(c.fd);
  c = Connection{};
  c.fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(options_.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(c.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error(
        fmt::format("port {} does not answer: {}", options_.port, strerror(errno)));
  }
  const int on = 1;
  ::setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::fcntl(c.fd, F_SETFL, O_NONBLOCK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = i;
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event);
}

void Load::issue(size_t i, uint64_t due_ns) {
  Connection& c = connections_[i];
  c.request = &requests_[next_++ % requests_.size()];
  c.sent = 0;
  c.due_ns = due_ns;
  c.busy = true;
  c.in.clear();
  if (!push(i)) lost(i);
}

bool Load::push(size_t i) {
  Connection& c = connections_[i];
  const std::string_view bytes = c.request->bytes;
  while (c.sent < bytes.size()) {
    const ssize_t n = ::send(c.fd, bytes.data() + c.sent, bytes.size() - c.sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return false;
    c.sent += static_cast<size_t>(n);
  }
  const bool unsent = c.sent < bytes.size();
  if (unsent != c.wants_out) {
    epoll_event event{};
    event.events = EPOLLIN | (unsent ? EPOLLOUT : 0U);
    event.data.u64 = i;
    ::epoll_ctl(epoll_, EPOLL_CTL_MOD, c.fd, &event);
    c.wants_out = unsent;
  }
  return true;
}

void Load::lost(size_t i) {
  const bool was_busy = connections_[i].busy;
  open(i);
  result_.reconnects++;
  if (!was_busy) return;
  result_.bad++;
  idle_.push_back(i);
}

void Load::answered(size_t i, int status, bool closes) {
  Connection& c = connections_[i];
  const uint64_t now = now_ns();
  result_.latency.add(now - c.due_ns);
  result_.statuses[status]++;
  if (status >= 200 && status < 300) {
    result_.ok++;
    result_.events += c.request->events;
    result_.body_bytes += c.request->body_bytes;
  } else {
    result_.bad++;
    if (result_.first_bad.empty()) result_.first_bad = c.in.substr(0, 300);
  }
  c.busy = false;
  if (closes) {
    open(i);
    result_.reconnects++;
  }
  if (options_.rate > 0) {
    idle_.push_back(i);
  } else {
    issue(i, now);
  }
}

void Load::readable(size_t i) {
  Connection& c = connections_[i];
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t n = ::recv(c.fd, buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) return lost(i);
    c.in.append(buffer.data(), static_cast<size_t>(n));
    if (static_cast<size_t>(n) < buffer.size()) break;
  }
  if (!c.busy) return;
  const Answer answer = parse_answer(c.in);
  if (answer.bytes > 0) answered(i, answer.status, answer.closes);
}

void Load::issue_due(uint64_t now) {
  const double gap_ns = options_.rate > 0 ? 1e9 / options_.rate : 0;
  if (options_.rate <= 0) {  // connections that were lost
    for (; !idle_.empty(); idle_.pop_front()) issue(idle_.front(), now);
    return;
  }
  while (!idle_.empty() && due_ns_ <= static_cast<double>(now)) {
    const size_t i = idle_.front();
    idle_.pop_front();
    issue(i, static_cast<uint64_t>(due_ns_));
    due_ns_ += gap_ns;
  }
}

void Load::begin_measuring(uint64_t now) {
  measuring_ = true;
  measured_from_ = now;
  result_ = LoadResult{};
  cpu_before_ = cpu_times(options_.pids);
}

LoadResult Load::run() {
  const uint64_t start = now_ns();
  const uint64_t measure_at = start + static_cast<uint64_t>(options_.warm_seconds * 1e9);
  const uint64_t end = measure_at + static_cast<uint64_t>(options_.seconds * 1e9);
  due_ns_ = static_cast<double>(start);
  for (size_t i = 0; i < connections_.size(); i++) {
    if (options_.rate > 0) {
      idle_.push_back(i);
    } else {
      issue(i, now_ns());
    }
  }
  std::array<epoll_event, kWakeups> events;
  for (uint64_t now = start; now < end; now = now_ns()) {
    if (!measuring_ && now >= measure_at) begin_measuring(now);
    issue_due(now);
    int wait_ms = 100;
    if (options_.rate > 0 && !idle_.empty()) {
      const double left_ns = due_ns_ - static_cast<double>(now_ns());
      wait_ms = left_ns > 0 ? static_cast<int>(left_ns / 1e6) : 0;
    }
    const int n = ::epoll_wait(epoll_, events.data(), kWakeups, wait_ms);
    for (int k = 0; k < n; k++) {
      const auto i = static_cast<size_t>(events[static_cast<size_t>(k)].data.u64);
      const uint32_t what = events[static_cast<size_t>(k)].events;
      if ((what & EPOLLOUT) != 0 && !push(i)) {
        lost(i);
        continue;
      }
      if ((what & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) readable(i);
    }
  }
  const CpuTimes after = cpu_times(options_.pids);
  result_.seconds = static_cast<double>(now_ns() - measured_from_) / 1e9;
  result_.cpu = {after.server_s - cpu_before_.server_s, after.client_s - cpu_before_.client_s,
                 after.busy_s - cpu_before_.busy_s, after.stolen_s - cpu_before_.stolen_s};
  result_.memory = memory_of(options_.pids);
  return std::move(result_);
}

}  // namespace penstock::bench
