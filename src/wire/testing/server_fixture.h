// A server on its own loop thread that echoes, and blocking clients to talk to it: for tests only.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/real_runtime.h"
#include "wire/http.h"

namespace penstock::wire::testing {

class Echo : public Handler {
 public:
  size_t body_bytes_max(const Request&) const override { return 10'000; }
  void handle(Request& r, Responder responder) override {
    Response response;
    response.content_type = "text/plain";
    if (r.path == "/hold") {
      held.push_back(std::move(responder));
      return;
    }
    if (r.path == "/drop") return;
    if (r.path == "/big") {
      response.body.assign(4U << 20, 'b');
      return responder.send(std::move(response));
    }
    if (r.path == "/who") {
      response.body = "peer=" + std::string(r.peer_ip) + ".";
      return responder.send(std::move(response));
    }
    if (r.path == "/stream") {
      auto stream = responder.stream(std::move(response));
      for (int i = 0; i < 3; i++) stream->write("piece" + std::to_string(i) + ";");
      return stream->finish();
    }
    if (r.body_too_large) {
      response.status = 413;
      response.body = "too large";
    } else {
      response.body = std::string(r.method) + " " + std::string(r.target) + " " +
                      std::string(r.find("x-test")) + " " + std::string(r.body->view());
    }
    responder.send(std::move(response));
  }
  std::vector<Responder> held;
};

class ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    limits.header_ms_max = 200;
    limits.body_ms_max = 300;
    limits.send_ms_max = 300;
  }
  void TearDown() override {
    if (!server) return;
    run([this] {
      echo.held.clear();
      server.reset();
    });
    thread.stop();
    thread.join();
  }
  void start() {
    thread.start();
    run([this] {
      auto started = Server::start(thread.loop(), thread.poller(), *runtime, {"127.0.0.1", 0},
                                   false, limits, echo, edge);
      ASSERT_TRUE(started);
      server = std::move(*started);
    });
  }
  void run(std::function<void()> what) {
    std::promise<void> done;
    thread.loop().post([&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }
  int connect() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server->address().port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    timeval patience{5, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
  }
  static void write(int fd, std::string_view text) {
    while (!text.empty()) {
      const ssize_t n = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      text.remove_prefix(static_cast<size_t>(n));
    }
  }
  /// Reads until the text holds `until`, or the peer closes.
  static std::string read(int fd, std::string_view until) {
    std::string out;
    char buffer[65536];
    while (until.empty() || out.find(until) == std::string::npos) {
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) break;
      out.append(buffer, static_cast<size_t>(n));
    }
    return out;
  }
  std::string once(std::string_view request) {
    const int fd = connect();
    write(fd, request);
    const std::string out = read(fd, "");
    ::close(fd);
    return out;
  }

  std::unique_ptr<runtime::Runtime> runtime = runtime::make_real_runtime({1, 16});
  runtime::LoopThread thread{"test"};
  ServerLimits limits;
  ServerEdge edge;
  Echo echo;
  std::unique_ptr<Server> server;
};

inline constexpr std::string_view kPost =
    "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-Test: t\r\nContent-Length: 5\r\n\r\nhello";
}  // namespace penstock::wire::testing
