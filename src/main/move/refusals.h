// Refusals: how long a Penstock that begins anew takes no requests, seen from outside.
//
// Asks its capture side whether it is ready, as often as `look` is called, each time over a new
// connection. A gap lasts from the last answer before it to the first after it, so what is told is
// never less than what clients met. main's thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "main/instance.h"

namespace penstock::cli::move {

class Refusals {
 public:
  /// Of a process without capture nothing is refused. `begun`: already refusing, for all one knows.
  Refusals(const Instance& instance, bool begun);

  /// Asks once; whether it takes requests. At most half a second.
  bool look();
  /// The longest gap, of those that are over.
  int64_t longest_ms() const { return longest_ms_; }

 private:
  using Clock = std::chrono::steady_clock;
  const HttpCall call_;
  const bool captures_;
  Clock::time_point good_ = Clock::now();  // the last answer
  bool bad_;
  int64_t longest_ms_ = 0;
};

}  // namespace penstock::cli::move
