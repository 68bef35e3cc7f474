// ChildProcess: a program run beside this one, which never outlives it.
//
// The child inherits standard input, output and error (unless these go to a file), the environment,
// and exactly the descriptors it is given; it is killed when the thread that started it ends, so
// start children from a thread that lives as long as the process. Owned by one thread. Destroying a
// ChildProcess kills and reaps it. Starting one costs the same however large this process is.
// Failure: kNotFound or kDenied when the program cannot be run.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "runtime/net.h"

namespace penstock::runtime {

/// How a process ended: by `exit(code)` or by a signal (then `signal` is not 0).
struct ExitStatus {
  int code = 0;
  int signal = 0;
  bool success() const { return code == 0 && signal == 0; }
  /// "exited with 3", "was ended by signal 9".
  std::string text() const;
};

struct SpawnOptions {
  std::vector<std::string> argv;  // argv[0] is the path of the program
  std::vector<int> fds;           // become 3, 4, … in the child; stay open here
  std::string output_file = {};   // standard output and error are appended to it; empty: inherited
};

inline constexpr size_t kInheritedFdsMax = 8;

class ChildProcess {
 public:
  static Result<ChildProcess> spawn(const SpawnOptions& options);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  pid_t pid() const { return pid_; }
  /// CPU time that it has used, all its threads together; 0 once it was reaped.
  int64_t cpu_ns() const;
  /// Sends SIGTERM / SIGKILL; nothing happens when the child was reaped.
  void terminate();
  void kill();
  /// How it ended, or nothing while it runs. Does not block.
  std::optional<ExitStatus> ended();
  /// Blocks until it ends.
  ExitStatus wait();
  /// Calls `done` once on the poller's loop when the child has ended. The poller must outlive this
  /// object; call and destroy on that loop's thread, or while the loop does not run.
  Status on_exit(Poller& poller, std::function<void(ExitStatus)> done);

 private:
  class Watch;
  ChildProcess(pid_t pid, Socket pidfd);
  void signal(int number);
  void reap(int status);

  pid_t pid_ = 0;
  Socket pidfd_;
  std::optional<ExitStatus> ended_;
  std::unique_ptr<Watch> watch_;
};

/// Resident memory of this process, in bytes. Any thread.
uint64_t resident_bytes();

}  // namespace penstock::runtime
