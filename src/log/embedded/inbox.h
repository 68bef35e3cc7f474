// Inbox: appends of other loops on their way to a topic's own.
//
// While a block is being written its successor can only be gathered, and while the topic waits for
// those whom it has just answered nothing happens before enough of them have come. Then an append
// is put down here without waking the loop: for every commit one wake-up instead of one for every
// turn of every shard.
//
// Threads: `put` from any; the rest from the topic's loop. Bounded: beyond `unseen_bytes_max` the
// loop is woken in any case, so that it can refuse what is too much.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace penstock::log {

/// `Append` has `records` and `bytes`.
template <class Append>
class Inbox {
 public:
  explicit Inbox(uint64_t unseen_bytes_max) : unseen_bytes_max_(unseen_bytes_max) {}

  /// True: the caller has to make the loop look.
  bool put(Append append) {
    const std::lock_guard lock(mutex_);
    records_ += append.records;
    bytes_ += append.bytes;
    appends_.push_back(std::move(append));
    return is_enough() && !std::exchange(called_, true);
  }

  std::vector<Append> take() {
    const std::lock_guard lock(mutex_);
    records_ = bytes_ = 0;
    called_ = false;
    return std::exchange(appends_, {});
  }

  /// The loop need not look before so many records are here. True: they are.
  bool wait_for(uint64_t records) {
    const std::lock_guard lock(mutex_);
    enough_ = records;
    return !appends_.empty() && is_enough();
  }

 private:
  bool is_enough() const { return records_ >= enough_ || bytes_ >= unseen_bytes_max_; }

  const uint64_t unseen_bytes_max_;
  std::mutex mutex_;
  std::vector<Append> appends_;
  uint64_t records_ = 0, bytes_ = 0;
  uint64_t enough_ = 0;
  bool called_ = false;  // the loop is on its way
};

}  // namespace penstock::log
