// FairShare: who may still put something into the queue for the log, when the queue grows.
//
// While less than half of the room is taken, everybody may. Beyond that a project may hold at most
// its weighted share of what is left, so that one project alone stops at half and the rest stays
// for the others; what it is always allowed, its share of a quarter, keeps projects that send
// little from ever being refused because of one that sends much. Unknown tokens are one project.
//
// The room is `bytes_max` while the log keeps up. When appends take clearly longer than at their
// best, the room shrinks to what the log was lately seen to write in the time that anybody may be
// asked to wait, so that a queue in front of a slow disk costs its owner a 503 and not everybody
// their time; a project that is alone may wait longer, because nobody else does. Bounded by the
// projects that hold something. One per shard, loop thread only; time is what the caller says.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>

#include "base/ids.h"

namespace penstock::capture {

class FairShare {
 public:
  FairShare(size_t bytes_max, size_t requests_max)
      : bytes_max_(bytes_max), requests_max_(requests_max) {}

  /// May this project add a request of about so many bytes? Asking holds nothing.
  bool admits(ProjectId project, uint32_t weight, size_t bytes, int64_t now_ns) const;
  /// One request was handed over, and waits until `release`.
  void hold(ProjectId project, uint32_t weight, size_t bytes);
  void release(ProjectId project, size_t bytes);

  /// An append on its way to the log.
  struct Sent {
    int64_t at_ns = 0;
    size_t bytes = 0;
    size_t ahead = 0;  // bytes under way, itself included
  };
  Sent sent(size_t bytes, int64_t now_ns);
  void landed(const Sent& sent, int64_t now_ns);

  /// `alone`: nobody else has anything waiting, who would wait for it.
  size_t room_bytes(int64_t now_ns, bool alone = false) const;
  size_t held_bytes() const { return bytes_; }

 private:
  struct Holder {
    uint32_t weight = 1;
    size_t bytes = 0, requests = 0;
  };
  void note_best(int64_t took_ns, int64_t now_ns);

  const size_t bytes_max_, requests_max_;
  std::unordered_map<int64_t, Holder> holders_;  // by project; nobody who holds nothing
  uint64_t weights_ = 0;                         // of all holders
  size_t bytes_ = 0, requests_ = 0;

  std::deque<int64_t> under_way_;  // when they were sent, oldest first
  size_t bytes_under_way_ = 0;
  std::array<double, 8>
      rates_{};            // bytes a nanosecond, of the last appends of a log that is behind
  size_t rates_seen_ = 0;  // since it last kept up
  int64_t best_ns_ = 0, next_best_ns_ = 0, best_since_ns_ = 0;
};

}  // namespace penstock::capture
