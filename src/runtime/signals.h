// SignalWatch: SIGINT and SIGTERM as ordinary events of a loop.
//
// The handler runs on the thread of the loop that the poller belongs to, once per signal (signals
// that come faster than the loop turns may be told once). One watch per process; make and destroy
// it on that loop's thread, or while the loop does not run. Destroying it restores the default.
#pragma once

#include <functional>
#include <memory>

#include "base/result.h"
#include "runtime/net.h"

namespace penstock::runtime {

class SignalWatch {
 public:
  static Result<std::unique_ptr<SignalWatch>> install(Poller& poller,
                                                      std::function<void(int signal)> handler);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

 private:
  class Reader;
  explicit SignalWatch(std::unique_ptr<Reader> reader);
  std::unique_ptr<Reader> reader_;
};

/// Writes to a peer that has gone answer an error instead of ending the process.
void ignore_broken_pipes();

}  // namespace penstock::runtime
