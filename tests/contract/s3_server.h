// S3Server: a real SeaweedFS for one test process, on loopback, with a directory of its own; ended
// by its process id.
//
// It checks signatures and keeps encrypted objects; it does not compare a body with its SHA-256 nor
// answer checksums. PENSTOCK_WEED names its binary (tools/env sets it). Where there is none tests
// are skipped, and fail when PENSTOCK_REQUIRE_SERVERS or CI is set.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/contract/frozen_child.h"

namespace penstock::testing {

class S3Server {
 public:
  static constexpr const char* kAccessKey = "AKIDTEST12345678";
  static constexpr const char* kSecretKey = "a-secret-of-the-tests";

  static std::string binary() {
    const char* named = std::getenv("PENSTOCK_WEED");
    return named != nullptr && std::filesystem::exists(named) ? named : "";
  }
  static bool required() {
    return std::getenv("CI") != nullptr || std::getenv("PENSTOCK_REQUIRE_SERVERS") != nullptr;
  }

  S3Server() {
    std::string pattern = std::filesystem::temp_directory_path() / "penstock-s3-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    std::ofstream(directory_ + "/s3.json")
        << R"({"identities":[{"name":"t","credentials":[{"accessKey":")" << kAccessKey
        << R"(","secretKey":")" << kSecretKey
        << R"("}],"actions":["Admin","Read","Write","List","Tagging"]}]})";
    for (int& port : ports_) port = free_port();
    start();
  }
  S3Server(const S3Server&) = delete;
  S3Server& operator=(const S3Server&) = delete;
  ~S3Server() {
    stop();
    std::filesystem::remove_all(directory_);
  }

  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(ports_[0]); }
  void freeze() const { freeze_child(pid_); }
  void thaw() const { ::kill(pid_, SIGCONT); }
  void stop() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  void start() {
    const auto port = [this](const char* flag, size_t i) {
      return std::string(flag) + "=" + std::to_string(ports_[i]);
    };
    pid_ = spawn({binary(),
                  "server",
                  "-ip=127.0.0.1",
                  "-ip.bind=127.0.0.1",
                  "-dir=.",
                  port("-master.port", 1),
                  port("-master.port.grpc", 2),
                  port("-volume.port", 3),
                  port("-volume.port.grpc", 4),
                  "-filer",
                  port("-filer.port", 5),
                  port("-filer.port.grpc", 6),
                  "-s3",
                  port("-s3.port", 0),
                  port("-s3.port.grpc", 7),
                  "-s3.port.iceberg=0",
                  "-s3.port.lance=0",
                  "-s3.config=s3.json",
                  "-master.telemetry=false",
                  "-volume.max=500",
                  "-master.volumeSizeLimitMB=64"});
    // It listens before it can store anything.
    for (int i = 0; i < 600; i++) {
      if (listens(ports_[0]) && put("ready/probe")) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    std::abort();
  }
  std::string new_bucket() {
    const std::string name = "bucket-" + std::to_string(++buckets_);
    if (!put(name)) std::abort();
    return name;
  }

 private:
  /// A bucket, or an empty object in one, made by a client that is not ours.
  bool put(const std::string& path) const {
    const std::string command =
        "curl -sf -o /dev/null -X PUT --aws-sigv4 aws:amz:us-east-1:s3 --user " +
        std::string(kAccessKey) + ":" + kSecretKey + " " + endpoint() + "/" + path;
    return std::system(command.c_str()) == 0;
  }
  static int listening_socket(int port, bool connects) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* at = reinterpret_cast<sockaddr*>(&address);
    const int failed =
        connects ? ::connect(fd, at, sizeof address) : ::bind(fd, at, sizeof address);
    if (failed == 0) return fd;
    ::close(fd);
    return -1;
  }
  static bool listens(int port) {
    const int fd = listening_socket(port, true);
    if (fd >= 0) ::close(fd);
    return fd >= 0;
  }
  /// Below those that outgoing connections get.
  static int free_port() {
    static int next = 19000 + static_cast<int>(::getpid()) % 600 * 20;
    for (;; next++) {
      const int fd = listening_socket(next, false);
      if (fd < 0) continue;
      ::close(fd);
      return next++;
    }
  }
  pid_t spawn(std::vector<std::string> words) const {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that aborts takes it along
    ::setenv("WEED_S3_SSE_KEY", "of-the-tests", 1);
    ::setenv("WEED_JWT_FILER_SIGNING_KEY", "of-the-tests", 1);
    if (::chdir(directory_.c_str()) != 0) ::_exit(1);
    const int log = ::open("log", O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(log, 1);
    ::dup2(log, 2);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(1);
  }

  std::string directory_;
  std::array<int, 8> ports_{};
  int buckets_ = 0;
  pid_t pid_ = 0;
};

/// One for all tests of this process; null where none is installed.
inline S3Server* s3_server() {
  static const std::unique_ptr<S3Server> server =
      S3Server::binary().empty() ? nullptr : std::make_unique<S3Server>();
  return server.get();
}

}  // namespace penstock::testing
