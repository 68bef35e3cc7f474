// PostgresServer: a real PostgreSQL 15 for one test process, on loopback, with a directory of its
// own; ended by its process id.
//
// Every schema is a database of its own as far as the store is concerned. Where no server is
// installed tests are skipped, and fail when PENSTOCK_REQUIRE_SERVERS or CI is set.
#pragma once

#include <arpa/inet.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <postgresql/libpq-fe.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace penstock::testing {

class PostgresServer {
 public:
  static bool installed() { return std::filesystem::exists(std::string(kBin) + "/postgres"); }
  static bool required() {
    return std::getenv("CI") != nullptr || std::getenv("PENSTOCK_REQUIRE_SERVERS") != nullptr;
  }

  PostgresServer() {
    std::string pattern = std::filesystem::temp_directory_path() / "penstock-postgres-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    if (const passwd* user = owner()) {
      if (::chown(directory_.c_str(), user->pw_uid, user->pw_gid) != 0) std::abort();
    }
    run_and_wait({"initdb", "-D", data(), "-U", "postgres", "-A", "trust", "--no-sync", "-E",
                  "UTF8", "--locale=C.UTF-8"});
    port_ = free_port();
    start();
  }
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;
  ~PostgresServer() {
    kill_now();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    pid_ = spawn({"postgres", "-D", data(), "-p", std::to_string(port_), "-k", directory_, "-c",
                  "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "max_connections=60"});
    for (int i = 0; i < 600; i++) {
      const Session session = connect("public", false);
      if (PQstatus(session.get()) == CONNECTION_OK) return;
      ::usleep(50'000);
    }
    std::abort();
  }
  /// As a power failure would: nothing is finished.
  void kill_now() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGQUIT);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  /// Every process of the server stands still, and answers nothing.
  void freeze() { signal_all(SIGSTOP); }
  void thaw() { signal_all(SIGCONT); }

  std::string url(const std::string& schema) const {
    return "postgresql://postgres@127.0.0.1:" + std::to_string(port_) +
           "/postgres?options=-csearch_path%3D" + schema + "&application_name=" + schema;
  }
  std::string new_schema() {
    const std::string name = "t" + std::to_string(++schemas_);
    execute("public", "CREATE SCHEMA " + name);
    return name;
  }
  /// The first column of the first row; aborts on an error.
  std::string execute(const std::string& schema, const std::string& sql) const {
    const Session session = connect(schema, true);
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(session.get(), sql.c_str()),
                                                               &PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
      ::fprintf(stderr, "%s: %s\n", sql.c_str(), PQresultErrorMessage(result.get()));
      std::abort();
    }
    return PQntuples(result.get()) == 0 ? "" : PQgetvalue(result.get(), 0, 0);
  }
  using Session = std::unique_ptr<PGconn, decltype(&PQfinish)>;
  Session connect(const std::string& schema, bool needed) const {
    Session session(PQconnectdb((url(schema) + "&application_name=test").c_str()), &PQfinish);
    if (needed && PQstatus(session.get()) != CONNECTION_OK) {
      ::fprintf(stderr, "%s\n", PQerrorMessage(session.get()));
      std::abort();
    }
    return session;
  }
  /// Ends the sessions of a store with this schema, from inside the server.
  void cut(const std::string& schema) const {
    execute("public",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '" +
                schema + "'");
  }

 private:
  static constexpr const char* kBin = "/usr/lib/postgresql/15/bin";

  std::string data() const { return directory_ + "/data"; }
  /// PostgreSQL refuses to run as root.
  static const passwd* owner() { return ::geteuid() == 0 ? ::getpwnam("postgres") : nullptr; }

  pid_t spawn(const std::vector<std::string>& command) const {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    if (const passwd* user = owner()) {
      if (::setgroups(0, nullptr) != 0 || ::setgid(user->pw_gid) != 0 ||
          ::setuid(user->pw_uid) != 0) {
        ::_exit(1);
      }
    }
    if (::chdir(directory_.c_str()) != 0) ::_exit(1);
    if (::freopen("log", "a", stdout) == nullptr || ::freopen("log", "a", stderr) == nullptr) {
      ::_exit(1);
    }
    std::vector<std::string> words = command;
    words[0] = std::string(kBin) + "/" + words[0];
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(1);
  }
  void run_and_wait(const std::vector<std::string>& command) const {
    int status = 0;
    ::waitpid(spawn(command), &status, 0);
    if (status != 0) std::abort();
  }
  static int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof address;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), n) != 0 ||
        ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &n) != 0) {
      std::abort();
    }
    ::close(fd);
    return ntohs(address.sin_port);
  }
  void signal_all(int signal) const {
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const pid_t pid = std::atoi(name.c_str());
      if (pid == pid_ || parent_of(pid) == pid_) ::kill(pid, signal);
    }
  }
  static pid_t parent_of(pid_t pid) {
    FILE* file = ::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r");
    if (file == nullptr) return 0;
    int parent = 0;
    if (::fscanf(file, "%*d (%*[^)]) %*c %d", &parent) != 1) parent = 0;
    ::fclose(file);
    return parent;
  }

  std::string directory_;
  int port_ = 0, schemas_ = 0;
  pid_t pid_ = 0;
};

/// One for all tests of this process; null where none is installed.
inline PostgresServer* postgres_server() {
  static const std::unique_ptr<PostgresServer> server =
      PostgresServer::installed() ? std::make_unique<PostgresServer>() : nullptr;
  return server.get();
}

}  // namespace penstock::testing
