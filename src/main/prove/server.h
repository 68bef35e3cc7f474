// Server: one `penstock up` as a child, the way a prover treats it.
//
// The same data directory and ports over all lives: a client that has not heard of a death must not
// reach a stranger. Ports are chosen free, below those that the system gives to outgoing
// connections. Owner and thread: the crash loop; a Server kills what still runs when it is
// destroyed. Failure: kTimeout when it does not become ready, kUnavailable with its last words when
// it ended by itself.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "main/instance.h"
#include "runtime/process.h"

namespace penstock::cli::prove {

class Server {
 public:
  /// `key` is the default project's.
  Server(std::string data, std::string key, std::vector<std::string> flags);

  /// Chooses the ports. Once, before the first life.
  Status prepare();
  Status spawn();
  /// Waits until it is ready for clients.
  Status wait_ready(std::chrono::milliseconds limit);
  void kill();
  /// Asks it to stop. kTimeout: it did not, and was killed; kUnavailable: it ended badly.
  Status stop(std::chrono::milliseconds limit);
  /// SIGSTOP and SIGCONT.
  void freeze(bool frozen);
  /// Kills the engine child; false when there is none.
  bool kill_engine();
  /// How it ended although nobody killed it.
  std::optional<std::string> ended_by_itself();

  const Instance& instance() const { return instance_; }
  std::string last_words() const;

 private:
  std::string data_, key_, output_;
  std::vector<std::string> flags_;
  std::string capture_address_, admin_address_;
  std::optional<runtime::ChildProcess> child_;
  Instance instance_;
};

}  // namespace penstock::cli::prove
