// Goal: apps reach public addresses and what is allowed by name or range, at every redirect anew.
// Method: a real loop, and a server on loopback that is allowed in one way and not in another.
#include "apps/fetcher.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <future>
#include <thread>

#include "runtime/real_runtime.h"

namespace penstock::apps {
namespace {

using ::testing::HasSubstr;

/// Answers every connection once, by the path that is asked for.
class Server {
 public:
  Server() {
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = std::to_string(ntohs(address.sin_port));
    thread_ = std::jthread([this] { serve(); });
  }
  ~Server() {
    ::shutdown(fd_, SHUT_RDWR);
    thread_.join();
    ::close(fd_);
  }
  const std::string& port() const { return port_; }

 private:
  void serve() {
    for (;;) {
      const int client = ::accept(fd_, nullptr, nullptr);
      if (client < 0) return;
      std::string request;
      std::array<char, 4096> piece;
      while (request.find("\r\n\r\n") == std::string::npos) {
        const ssize_t n = ::recv(client, piece.data(), piece.size(), 0);
        if (n <= 0) break;
        request.append(piece.data(), static_cast<size_t>(n));
      }
      const std::string answer = answer_to(request);
      ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
      ::close(client);
    }
  }
  std::string answer_to(const std::string& request) const {
    const auto to = [](const std::string& url) {
      return "HTTP/1.1 302 Found\r\nLocation: " + url + "\r\nContent-Length: 0\r\n\r\n";
    };
    if (request.starts_with("GET /by-ip")) return to("http://127.0.0.1:" + port_ + "/echo");
    if (request.starts_with("GET /metadata")) return to("http://169.254.169.254/latest");
    if (request.starts_with("GET /file")) return to("file:///etc/passwd");
    if (request.starts_with("GET /relative")) return to("/echo");
    if (request.starts_with("GET /forever")) return to("/forever");
    if (request.starts_with("GET /large")) {
      return "HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + std::string(9000, 'x');
    }
    return "HTTP/1.1 200 OK\r\nX-Test: yes\r\nContent-Length: " + std::to_string(request.size()) +
           "\r\n\r\n" + request;
  }

  int fd_;
  std::string port_;
  std::jthread thread_;
};

class FetcherTest : public ::testing::Test {
 protected:
  Result<FetchAnswer> fetch(const std::string& allow, FetchRequest request) {
    runtime::LoopThread thread("fetch");
    auto fetcher = Fetcher::make(thread.loop(), thread.poller(), *AllowedHosts::parse(allow),
                                 {.ms_max = 3000, .bytes_max = 8000});
    Result<FetchAnswer> out = fail(Code::kBug, "nothing came");
    thread.loop().post([&] {
      fetcher->fetch(std::move(request), [&](Result<FetchAnswer> answer) {
        out = std::move(answer);
        thread.stop();
      });
    });
    thread.run();
    return out;
  }
  std::string url(const std::string& path, const std::string& host = "localhost") {
    return "http://" + host + ":" + server.port() + path;
  }
  Server server;
};

TEST_F(FetcherTest, PrivateAddressesAreRefusedHoweverTheyAreWritten) {
  for (const char* host : {"127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1",
                           "127.1", "[::1]", "[::ffff:7f00:1]", "0"}) {
    const auto answer = fetch("", {.url = url("/echo", host)});
    ASSERT_FALSE(answer) << host;
    EXPECT_EQ(answer.error().code, Code::kDenied) << host << " " << answer.error().message;
  }
}

TEST_F(FetcherTest, WhatIsAllowedIsReached) {
  const auto by_name = fetch("localhost", {.url = url("/echo")});
  ASSERT_TRUE(by_name) << by_name.error().message;
  EXPECT_EQ(by_name->status, 200);
  EXPECT_EQ(by_name->status_text, "OK");
  EXPECT_THAT(by_name->headers,
              ::testing::Contains(std::pair<std::string, std::string>("x-test", "yes")));
  EXPECT_TRUE(fetch("127.0.0.0/8, ::1", {.url = url("/echo")}));
  const auto sent = fetch("localhost", {.url = url("/echo"),
                                        .method = "POST",
                                        .body = "x=1",
                                        .headers = {{"X-A", "b"}, {"Bad\r\nX", "c"}}});
  ASSERT_TRUE(sent);
  EXPECT_THAT(sent->body, HasSubstr("POST /echo HTTP/1.1\r\n"));
  EXPECT_THAT(sent->body, HasSubstr("X-A: b\r\n"));
  EXPECT_THAT(sent->body, ::testing::Not(HasSubstr("Bad")));
}

TEST_F(FetcherTest, RedirectsAreLookedAtAnew) {
  const auto fine = fetch("localhost", {.url = url("/relative")});
  ASSERT_TRUE(fine);
  EXPECT_TRUE(fine->redirected);
  EXPECT_EQ(fine->url, url("/echo"));
  EXPECT_EQ(fetch("localhost", {.url = url("/by-ip")}).error().code, Code::kDenied);
  EXPECT_EQ(fetch("localhost", {.url = url("/metadata")}).error().code, Code::kDenied);
  EXPECT_EQ(fetch("localhost", {.url = url("/file")}).error().code, Code::kInvalid);
  EXPECT_FALSE(fetch("localhost", {.url = url("/forever")}));
  EXPECT_EQ(fetch("localhost", {.url = url("/by-ip"), .follow = false})->status, 302);
  const auto moved = fetch("localhost, 127.0.0.1",
                           {.url = url("/by-ip"), .headers = {{"Authorization", "Bearer x"}}});
  ASSERT_TRUE(moved);
  EXPECT_THAT(moved->body, ::testing::Not(HasSubstr("Bearer"))) << "not told to another host";
}

TEST_F(FetcherTest, AnswersAreBounded) {
  EXPECT_EQ(fetch("localhost", {.url = url("/large")}).error().code, Code::kExhausted);
  EXPECT_EQ(fetch("localhost", {.url = "nonsense"}).error().code, Code::kInvalid);
  EXPECT_FALSE(AllowedHosts::parse("10.0.0.0/99"));
}

}  // namespace
}  // namespace penstock::apps
