// replay: brings a store that follows a topic to the topic's end.
//
// A store keeps, for each partition, the next offset it has to apply. Where the log no longer
// reaches back to it the store goes on at the log's start. Where the log ends before it (the log
// was restored from an older copy than the store) the position is taken back to the log's end, and
// that is made durable before anything is read: what the log gets from then on is new, whatever its
// offset. Both are told in the log of the process. Runs on `home`; log and store must outlive it.
// Failure: the first error of the log or of the store, handed to `done`, which always runs, once.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "log/scan.h"

namespace penstock::log {

struct Replayed {
  std::string name;    // in what is told
  std::mutex& mutex;   // guards `applied`
  Positions& applied;  // partitions that are missing begin at the log's start
  /// Makes `applied` durable, with the mutex held.
  std::function<Status()> keep;
  /// Consecutive records of one partition, and the position behind them; without the mutex.
  std::function<Status(const std::vector<std::string_view>&, const std::vector<Position>&)> apply;
  /// Of these partitions; empty: of all.
  std::function<bool(Partition)> only{};
};

void replay(Log& log, runtime::Loop& home, std::string topic, Replayed store, ScanDone done);

}  // namespace penstock::log
