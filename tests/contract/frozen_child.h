// A server under test that is made to stand still.
#pragma once

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>

namespace penstock::testing {

/// Stops a child process and returns when it stands: on a busy machine its threads run on for a
/// moment after the signal, long enough to answer one more request.
inline void freeze_child(pid_t pid) {
  if (::kill(pid, SIGSTOP) == 0) ::waitpid(pid, nullptr, WUNTRACED);
}

}  // namespace penstock::testing
