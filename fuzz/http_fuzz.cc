// HTTP: whatever bytes a connection carries, in whatever pieces, the server answers in whole
// responses or closes, its handler sees only what its limits allow, and a neighbour is served.
//
// Input: plain bytes, or (first byte odd) choices that a small grammar turns into requests. They go
// to a real server on loopback in pieces whose sizes the input also draws.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>

#include "fuzz/fuzz.h"
#include "runtime/real_runtime.h"
#include "wire/http.h"

namespace {

using penstock::fuzz::Choices;
using penstock::fuzz::hold;
using namespace penstock;

constexpr size_t kBodyBytesMax = 2000;
constexpr size_t kHeadersMax = 20, kHeaderBytesMax = 4096;
constexpr size_t kNeighbourEvery = 64;

class Checks : public wire::Handler {
 public:
  size_t body_bytes_max(const wire::Request&) const override { return kBodyBytesMax; }
  void handle(wire::Request& r, wire::Responder responder) override {
    hold(r.headers.size() <= kHeadersMax, "headers are within their limit");
    hold(r.body->size() <= kBodyBytesMax, "a body is within its limit");
    hold(!r.body_too_large || r.body->size() == 0, "a body that is too large is not kept");
    hold(!r.method.empty() && r.target.size() < kHeaderBytesMax, "a request has a first line");
    hold(r.target.starts_with(r.path), "the path is the target's beginning");
    for (const wire::Header& h : r.headers) {
      hold(h.name.find_first_of("\r\n:") == std::string_view::npos, "a header's name is a name");
      hold(h.value.find_first_of("\r\n") == std::string_view::npos, "a header is one line");
    }
    if (r.path == "/late") return late_.push_back(std::move(responder));
    if (r.path == "/drop") return;
    wire::Response response;
    response.body = std::string(r.body->view().substr(0, 20));
    responder.send(std::move(response));
    // One that waited is answered after this one was ready.
    for (wire::Responder& waiting : std::exchange(late_, {})) waiting.send({});
  }
  void forget() { late_.clear(); }

 private:
  std::vector<wire::Responder> late_;
};

class World {
 public:
  World() {
    wire::ServerLimits limits;
    limits.headers_max = kHeadersMax;
    limits.header_bytes_max = kHeaderBytesMax;
    limits.pipeline_max = 4;
    thread_.start();
    on_loop([&] {
      auto started = wire::Server::start(thread_.loop(), thread_.poller(), *runtime_,
                                         {"127.0.0.1", 0}, false, limits, checks_);
      hold(started.has_value(), "the server starts");
      server_ = std::move(*started);
    });
  }
  template <typename Work>
  void on_loop(Work work) {
    std::promise<void> done;
    thread_.loop().post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  int connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server_->address().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    hold(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0, "the server accepts");
    const timeval patience{20, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    // Ends with a reset, so that thousands of inputs leave no ports behind.
    const linger at_once{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return fd;
  }
  static bool send(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  Checks& checks() { return checks_; }

 private:
  // Torn down by nobody: the process ends with it.
  std::unique_ptr<runtime::Runtime> runtime_ = runtime::make_real_runtime({1, 16});
  runtime::LoopThread& thread_ = *std::make_unique<runtime::LoopThread>("fuzz").release();
  Checks checks_;
  std::unique_ptr<wire::Server> server_;
};

World& world() {
  static World& instance = *std::make_unique<World>().release();
  return instance;
}

/// One request that may be right or wrong in any part.
void add_request(Choices& c, std::string& out) {
  constexpr std::array<std::string_view, 8> kMethods{"GET",  "POST", "HEAD",    "OPTIONS",
                                                     "POST", "PUT",  "CONNECT", "G@T"};
  constexpr std::array<std::string_view, 9> kTargets{
      "/", "/late", "/drop", "/e/?x=1", "*", "http://h/x", "/%00\x80", "", "/?a=\x01"};
  constexpr std::array<std::string_view, 7> kVersions{
      " HTTP/1.1", " HTTP/1.0", " HTTP/1.1", " HTTP/2.0", "", " HTTP/1.1 x", " http/1.1"};
  constexpr std::array<std::string_view, 14> kHeaders{"Host: h",
                                                      "Connection: close",
                                                      "Connection: keep-alive",
                                                      "Expect: 100-continue",
                                                      "Upgrade: websocket\r\nConnection: upgrade",
                                                      "X: ",
                                                      "X",
                                                      "X : y",
                                                      " folded",
                                                      ": empty",
                                                      "Transfer-Encoding: gzip, chunked",
                                                      "Content-Length: 3",
                                                      "Content-Length: +3",
                                                      "Transfer-Encoding: identity"};
  constexpr std::array<std::string_view, 5> kEnds{"\r\n", "\r\n", "\r\n", "\n", "\r"};
  const auto line = [&](std::string_view text) { out.append(text).append(c.pick(kEnds)); };
  line(std::string(c.pick(kMethods)) + " " + std::string(c.pick(kTargets)) +
       std::string(c.pick(kVersions)));
  for (size_t n = c.below(5); n > 0; n--) line(c.pick(kHeaders));
  if (c.chance(8)) {
    for (int i = 0; i < 25; i++) line("H" + std::to_string(i) + ": v");
  }
  if (c.chance(8)) line("Long: " + std::string(5000, 'a'));
  std::string body(c.take(c.below(40)));
  if (c.chance(20)) body.assign(c.below(6000), 'b');
  switch (c.below(4)) {
    case 0: break;
    case 1:
      line("Content-Length: " + std::to_string(body.size() + (c.chance(30) ? c.byte() : 0)));
      break;
    default: {
      line("Transfer-Encoding: chunked");
      std::string chunked;
      for (std::string_view rest = body; !rest.empty();) {
        const std::string_view piece = rest.substr(0, 1 + c.below(20));
        std::array<char, 40> size{};
        std::snprintf(size.data(), size.size(), "%zx%s\r\n", piece.size() + (c.chance(8) ? 1 : 0),
                      c.chance(20) ? ";extension=\"x\"" : "");
        chunked.append(size.data()).append(piece).append(c.chance(8) ? "" : "\r\n");
        rest.remove_prefix(piece.size());
      }
      body = chunked + (c.chance(10) ? "ffffffffffffffff\r\n" : "0\r\n") +
             (c.chance(30) ? "Trailer: x\r\n" : "") + (c.chance(20) ? "" : "\r\n");
    }
  }
  line("");
  out += body;
}

/// Reads what comes until the server closes or has answered all; holds that it is HTTP.
void read_answers(int fd) {
  std::string all;
  std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    all.append(buffer.data(), static_cast<size_t>(n));
    hold(all.size() < 8U << 20, "the answers are bounded");
  }
  hold(all.empty() || std::string_view("HTTP/1.1 ").starts_with(all.substr(0, 9)),
       "what comes back is HTTP");
}

void serve_neighbour() {
  const int fd = world().connect();
  hold(World::send(fd, "POST /fine HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
       "a neighbour can send");
  std::string all;
  std::array<char, 1024> buffer{};
  for (ssize_t n = 1; n > 0;) {
    n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n > 0) all.append(buffer.data(), static_cast<size_t>(n));
  }
  hold(all.starts_with("HTTP/1.1 200") && all.ends_with("ok"), "a neighbour is answered");
  ::close(fd);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Choices choices(fuzz::text_of(data + 1, size - 1));
  std::string text;
  const size_t pieces = 1 + data[0] / 2 % 4;
  if (data[0] % 2 == 1) {
    for (size_t n = 1 + choices.below(6); n > 0; n--) add_request(choices, text);
  } else {
    text = choices.rest();
  }
  const int fd = world().connect();
  const size_t step = std::max<size_t>(1, text.size() / pieces);
  std::string_view rest = text;
  while (!rest.empty() && World::send(fd, rest.substr(0, step))) {
    rest.remove_prefix(std::min(step, rest.size()));
    if (!rest.empty()) world().on_loop([] {});  // the server has seen the piece on its own
  }
  ::shutdown(fd, SHUT_WR);
  read_answers(fd);
  ::close(fd);
  world().on_loop([] { world().checks().forget(); });
  static size_t inputs = 0;
  if (++inputs % kNeighbourEvery == 0) serve_neighbour();
  return 0;
}
