// Follower: reads a topic from where its owner stands for as long as both live, for stages that
// come behind at their own pace.
//
// One fetch at a time is handed to the owner, without what it has seen already; when the owner says
// that it has taken it, positions move on and the next one is read: at once after much, after a
// pause after little. What the owner could not take is read and handed over again, later and later.
// The owner keeps its positions somewhere durable, with what they stand for, and brings them to
// `start`; the follower keeps none.
//
// Threads: one loop, where all hooks run; `lag_records` from any. The log outlives the follower,
// and no hook runs after `stop`, or after the follower is gone. Failure: none ends it; each is
// told. Records that retention deleted before they were read are told and passed over. Memory: one
// fetch.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/log.h"
#include "log/scan.h"
#include "runtime/runtime.h"

namespace penstock::log {

struct FollowOptions {
  std::string topic;
  size_t fetch_bytes_max = 1U << 20;
  int64_t wait_ms = 1000;  // of a fetch, for the first record
  int64_t pause_ms = 0;    // after a fetch that brought little; 0: none
  int64_t retry_ms_min = 100, retry_ms_max = 10'000;
};

/// What one fetch brought, in order within each partition; never empty slices.
using Followed = std::vector<ScanSlice>;

struct FollowHooks {
  /// Takes what came and says so by calling `taken` on the loop, at once or later; until then the
  /// views are valid and nothing is read. May find nothing in it: then positions alone move.
  using Taken = std::move_only_function<void(Status)>;
  std::function<void(const Followed& came, Taken taken)> take;
  /// Positions have moved on to `positions()`.
  std::function<void()> moved = [] {};
  /// Retention deleted [from, to) of a partition before it was read.
  std::function<void(Partition, Offset from, Offset to)> lost = [](Partition, Offset, Offset) {};
  /// Reading or taking failed and will be tried again.
  std::function<void(const Error&)> failed = [](const Error&) {};
  /// False: what comes now is for nobody, and is passed over unread. Asked before each fetch.
  std::function<bool()> wanted = [] { return true; };
};

class Follower {
 public:
  Follower(runtime::Loop& loop, Log& log, FollowOptions options, FollowHooks hooks);
  ~Follower() { stop(); }
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /// Goes on at `known`; partitions that are not in it begin with their oldest record. The first
  /// fetch is under way when it answers. Failure: the log does not know the topic.
  Status start(const std::vector<Position>& known);
  /// Nothing is read any more, and no hook runs; what was handed over need not be confirmed.
  void stop();

  const Positions& positions() const { return next_; }
  /// Records in the log behind the positions. Any thread.
  uint64_t lag_records() const;

 private:
  void fetch();
  void pass_over();
  void fetched(Result<FetchResult> got);
  void taken(const Status& status, const Positions& next, size_t bytes);
  void skip_lost(const std::vector<PartitionBounds>& bounds);
  void again(const Error& error);
  void after(int64_t ms);
  void set_next(Positions next);

  runtime::Loop& loop_;
  Log& log_;
  const FollowOptions options_;
  FollowHooks hooks_;
  Positions next_;
  int64_t retry_ms_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  mutable std::mutex mutex_;
  Positions seen_;  // next_, for any thread
};

}  // namespace penstock::log
