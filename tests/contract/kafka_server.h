// KafkaServer: real Apache Kafka brokers (KRaft, no ZooKeeper) for one test process, on loopback,
// with a directory of their own; ended by their process ids.
//
// Where it is not installed tests are skipped, and fail when PENSTOCK_REQUIRE_SERVERS or CI is set.
// tools/setup --test fetches it into a folder that PENSTOCK_KAFKA names; without the variable it is
// looked for in the cache.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/contract/frozen_child.h"

namespace penstock::testing {

class KafkaServer {
 public:
  static std::string jars() {
    if (const char* told = std::getenv("PENSTOCK_KAFKA")) return told;
    const char* cache = std::getenv("PENSTOCK_CACHE");
    const char* home = std::getenv("HOME");
    const std::string in =
        cache != nullptr ? cache : std::string(home == nullptr ? "" : home) + "/.cache/penstock";
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(in, error)) {
      if (entry.path().filename().string().starts_with("kafka-")) return entry.path();
    }
    return "";
  }
  static bool installed() {
    return !jars().empty() && std::filesystem::exists(jars()) &&
           std::filesystem::exists("/usr/bin/java");
  }
  static bool required() {
    return std::getenv("CI") != nullptr || std::getenv("PENSTOCK_REQUIRE_SERVERS") != nullptr;
  }

  /// Secure: TLS with a certificate of `ca_file`'s authority, and the user "u" with the password
  /// "p".
  explicit KafkaServer(size_t brokers = 1, bool secure = false) : secure_(secure) {
    std::string pattern = std::filesystem::temp_directory_path() / "penstock-kafka-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    for (size_t i = 0; i < brokers; i++) brokers_.push_back({free_port(), free_port(), 0});
    if (secure_) make_certificate();
    for (size_t i = 0; i < brokers; i++) {
      write_settings(i);
      std::vector<std::string> format{"kafka.tools.StorageTool", "format", "-t",
                                      "4L6g3nShT-eMCtK--X86sw",  "-c",     file(i)};
      // A SCRAM user lies in the cluster's metadata; the settings only let the broker itself in.
      if (secure_) {
        format.insert(format.end(), {"--add-scram", "SCRAM-SHA-512=[name=u,password=p]"});
      }
      run_and_wait(i, format);
    }
    for (size_t i = 0; i < brokers; i++) start(i);
  }
  KafkaServer(const KafkaServer&) = delete;
  KafkaServer& operator=(const KafkaServer&) = delete;
  ~KafkaServer() {
    for (size_t i = 0; i < brokers_.size(); i++) kill_now(i);
    std::filesystem::remove_all(directory_);
  }

  std::string addresses() const {
    std::string out;
    for (const Broker& b : brokers_) {
      out += (out.empty() ? "127.0.0.1:" : ",127.0.0.1:") + std::to_string(b.port);
    }
    return out;
  }
  void start(size_t i) {
    Broker& b = brokers_[i];
    b.pid = spawn(i, {"kafka.Kafka", file(i)});
  }
  void kill_now(size_t i) {
    Broker& b = brokers_[i];
    if (b.pid <= 0) return;
    ::kill(b.pid, SIGKILL);
    ::waitpid(b.pid, nullptr, 0);
    b.pid = 0;
  }
  /// Stands still, and answers nothing.
  void freeze(size_t i) { freeze_child(brokers_[i].pid); }
  void thaw(size_t i) { ::kill(brokers_[i].pid, SIGCONT); }
  std::string ca_file() const { return directory_ + "/ca.pem"; }
  std::string new_prefix() { return "t" + std::to_string(++prefixes_) + "-"; }

 private:
  struct Broker {
    int port = 0, controller = 0;
    pid_t pid = 0;
  };

  std::string file(size_t i) const { return directory_ + "/" + std::to_string(i) + ".properties"; }

  void write_settings(size_t i) const {
    std::string voters;
    for (size_t n = 0; n < brokers_.size(); n++) {
      voters += (n == 0 ? "" : ",") + std::to_string(n + 1) +
                "@127.0.0.1:" + std::to_string(brokers_[n].controller);
    }
    const std::string copies = std::to_string(brokers_.size() > 2 ? 3 : 1);
    const std::string enough = brokers_.size() > 2 ? "2" : "1";
    std::ofstream out(file(i));
    out << "process.roles=broker,controller\nnode.id=" << i + 1
        << "\ncontroller.quorum.voters=" << voters
        << "\nlisteners=PLAINTEXT://127.0.0.1:" << brokers_[i].port
        << ",CONTROLLER://127.0.0.1:" << brokers_[i].controller
        << "\nadvertised.listeners=PLAINTEXT://127.0.0.1:" << brokers_[i].port
        << "\ncontroller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT"
        << "\nlog.dirs=" << directory_ << "/" << i << "\ndefault.replication.factor=" << copies
        << "\nmin.insync.replicas=" << enough << "\noffsets.topic.replication.factor=" << copies
        << "\noffsets.topic.num.partitions=2\ntransaction.state.log.replication.factor=" << copies
        << "\ntransaction.state.log.min.isr=" << enough
        << "\ngroup.initial.rebalance.delay.ms=0\nbroker.session.timeout.ms=6000"
        << "\nnum.network.threads=2\nnum.io.threads=4\nauto.create.topics.enable=false"
        << "\nlog.initial.task.delay.ms=500\nlog.retention.check.interval.ms=500\n";
    if (!secure_) return;
    // Of a name that is told twice Java takes the last.
    const std::string address = "SASL_SSL://127.0.0.1:" + std::to_string(brokers_[i].port);
    const std::string scram = "org.apache.kafka.common.security.scram.ScramLoginModule required";
    out << "listeners=" << address << ",CONTROLLER://127.0.0.1:" << brokers_[i].controller
        << "\nadvertised.listeners=" << address << "\ninter.broker.listener.name=SASL_SSL"
        << "\nlistener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT"
        << "\nsasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN"
        << "\nsasl.mechanism.inter.broker.protocol=SCRAM-SHA-512"
        << "\nlistener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=" << scram
        << " username=\"u\" password=\"p\";"
        << "\nlistener.name.sasl_ssl.plain.sasl.jaas.config="
        << "org.apache.kafka.common.security.plain.PlainLoginModule required user_u=\"p\";"
        << "\nssl.keystore.type=PEM\nssl.keystore.location=" << directory_ << "/keys.pem"
        << "\nssl.truststore.type=PEM\nssl.truststore.location=" << ca_file() << "\n";
  }

  void make_certificate() const {
    const std::string in = "cd " + directory_ + " && exec 2>/dev/null; ";
    const std::string all =
        in +
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2 "
        "&& "
        "openssl req -newkey rsa:2048 -nodes -keyout s.key -out s.csr -subj /CN=localhost && "
        "printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > ext && "
        "openssl x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.crt -days 2 "
        "-extfile ext && cat s.key s.crt ca.pem > keys.pem";
    if (std::system(all.c_str()) != 0) std::abort();
  }

  pid_t spawn(size_t i, const std::vector<std::string>& words) const {
    const pid_t pid = ::fork();
    if (pid != 0) return pid;
    const int log = ::open((directory_ + "/" + std::to_string(i) + ".log").c_str(),
                           O_CREAT | O_APPEND | O_WRONLY, 0600);
    ::dup2(log, 1);
    ::dup2(log, 2);
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, 0);
    std::vector<std::string> all{"/usr/bin/java",
                                 "-Xms64m",
                                 "-Xmx320m",
                                 "-XX:TieredStopAtLevel=1",
                                 "-XX:+UseSerialGC",
                                 "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                                 "-cp",
                                 jars() + "/*"};
    all.insert(all.end(), words.begin(), words.end());
    std::vector<char*> argv;
    for (std::string& word : all) argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  void run_and_wait(size_t i, const std::vector<std::string>& words) const {
    int status = 0;
    ::waitpid(spawn(i, words), &status, 0);
    if (status == 0) return;
    ::fprintf(stderr, "%s failed: see %s\n", words[0].c_str(), directory_.c_str());
    std::abort();
  }
  static int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(fd, reinterpret_cast<sockaddr*>(&at), size) != 0) std::abort();
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
    ::close(fd);
    return ntohs(at.sin_port);
  }

  std::string directory_;
  bool secure_;
  std::vector<Broker> brokers_;
  int prefixes_ = 0;
};

}  // namespace penstock::testing
