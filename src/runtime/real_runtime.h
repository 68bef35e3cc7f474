// The real Runtime: the machine's clocks, randomness, disk, threads and sockets.
//
// main makes one RealRuntime and one LoopThread per shard or stage; tests make their own. A
// LoopThread owns one epoll loop; `run` uses the calling thread, `start` a thread of its own. Both
// outlive everything that was handed a reference to them.
#pragma once

#include <memory>
#include <string>

#include "runtime/net.h"
#include "runtime/runtime.h"

namespace penstock::runtime {

struct RealOptions {
  size_t pool_threads = 4;
  size_t pool_queue_max = 1024;  // jobs waiting; more: kBusy
};

/// Ignores SIGPIPE and raises the limit of open descriptors for the process.
std::unique_ptr<Runtime> make_real_runtime(RealOptions options = {});

class LoopThread {
 public:
  explicit LoopThread(std::string name);
  ~LoopThread();  // stops and joins
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;

  Loop& loop();
  Poller& poller();

  /// Runs the loop on a new thread.
  void start();
  /// Runs the loop on this thread until `stop`.
  void run();
  /// Makes the loop return after the current turn. Any thread.
  void stop();
  void join();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace penstock::runtime
