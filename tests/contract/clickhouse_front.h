// ClickHouseFront: today's engine behind ClickHouse's HTTP interface (tests/clickhouse_front.py), a
// process of its own on loopback, ended by its process id.
//
// Servers of one's own are tested as well: PENSTOCK_TEST_CLICKHOUSE_URL names one, or several
// replicas with commas, and PENSTOCK_TEST_CLICKHOUSE_USER, …_PASSWORD and …_CLUSTER the rest.
#pragma once

#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/contract/frozen_child.h"

#ifndef PENSTOCK_CLICKHOUSE_FRONT
#define PENSTOCK_CLICKHOUSE_FRONT "tests/clickhouse_front.py"
#endif

namespace penstock::store::testing {

class ClickHouseFront {
 public:
  ClickHouseFront(std::string engine, std::string library, std::string directory,
                  std::string password = "", const std::string& cluster = "")
      : words_{"/usr/bin/python3",
               PENSTOCK_CLICKHOUSE_FRONT,
               "--engine",
               std::move(engine),
               "--lib",
               std::move(library),
               "--dir",
               std::move(directory),
               "--password",
               std::move(password)} {
    if (!cluster.empty()) words_.insert(words_.end(), {"--cluster", cluster});
    for (int& port : ports_) {
      port = free_port();
      const char* flag = &port == &ports_[2] ? "--tls-port" : "--port";
      words_.insert(words_.end(), {flag, std::to_string(port)});
    }
    start();
  }
  ~ClickHouseFront() { kill(); }
  ClickHouseFront(const ClickHouseFront&) = delete;
  ClickHouseFront& operator=(const ClickHouseFront&) = delete;

  /// Two ways to the same server.
  std::string url(int which = 0) const {
    return "http://127.0.0.1:" + std::to_string(ports_[which]);
  }
  void start() {
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      std::vector<char*> argv;
      for (std::string& word : words_) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::execv(argv[0], argv.data());
      ::_exit(1);
    }
    for (int i = 0; i < 3000 && !listens(ports_[1]); i++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void freeze() const { penstock::testing::freeze_child(pid_); }
  void thaw() const { ::kill(pid_, SIGCONT); }
  /// The next `count` requests whose SQL has `match` go wrong; kinds: tests/clickhouse_front.py.
  void fault(const std::string& kind, int count = 1, const std::string& match = "") const {
    const std::string body = R"({"kind":")" + kind + R"(","count":)" + std::to_string(count) +
                             R"(,"match":")" + match + "\"}";
    post("/_test/fault", body);
  }
  /// As somebody else who is allowed everything.
  std::string run(const std::string& sql) const {
    return post("/?user=default&password=" + words_[9], sql);
  }
  std::string tls_url() const { return "https://127.0.0.1:" + std::to_string(ports_[2]); }
  std::string ca_file() const { return words_[7] + "/ca.pem"; }

 private:
  std::string post(const std::string& path, const std::string& body) const {
    const int fd = connected(ports_[0]);
    const std::string request = "POST " + path +
                                " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                "Content-Length: " +
                                std::to_string(body.size()) + "\r\n\r\n" + body;
    if (fd < 0 || ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) <= 0) std::abort();
    std::string out;
    char piece[4096];
    for (ssize_t n = 0; (n = ::recv(fd, piece, sizeof piece, 0)) > 0;) {
      out.append(piece, static_cast<size_t>(n));
    }
    ::close(fd);
    if (out.empty()) std::abort();
    return out.substr(out.find("\r\n\r\n") + 4);
  }

  static sockaddr_in address(int port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(static_cast<uint16_t>(port));
    out.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return out;
  }
  static int connected(int port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = address(port);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
    ::close(fd);
    return -1;
  }
  static bool listens(int port) {
    const int fd = connected(port);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  }
  /// Below those that outgoing connections get.
  static int free_port() {
    static int next = 20000 + static_cast<int>(::getpid()) % 500 * 20;
    for (;; next++) {
      const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
      sockaddr_in at = address(next);
      const bool free = ::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0;
      ::close(fd);
      if (free) return next++;
    }
  }

  std::vector<std::string> words_;
  int ports_[3] = {0, 0, 0};
  pid_t pid_ = 0;
};

}  // namespace penstock::store::testing
