// Usage: what every project has used of its quotas this month.
//
// Capture counts here what it lets in, and asks here before it does; the admin API shows it. One
// per process. The counts are kept in one small file that is replaced every few seconds, so that a
// restart goes on where it was; a crash forgets what was counted since, in the project's favour.
// Layout: docs/formats/usage.md. Threads: any; one mutex, held briefly and never while counting.
// Failure: a file that cannot be read or written costs the counts, never an event.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/runtime.h"
#include "usage/meter.h"

namespace penstock::usage {

class Usage {
 public:
  explicit Usage(size_t shards) : shards_(shards), strangers_(ProjectId{}, shards) {}

  /// The cell of one more capture shard; at most as many as the constructor was told.
  size_t join();
  /// The project's meter, made when it is asked for first; lives as long as the Usage.
  Meter& meter(ProjectId project);
  /// Of all tokens that no project has; never written down.
  Meter& strangers() { return strangers_; }
  /// Whether another project than this has sent anything since then; asks every meter.
  bool is_shared(ProjectId project, int64_t since_ms) const;

  std::string encode(const Month& month) const;
  /// Counts of another month than the one of `now_ms` are of no interest any more.
  Status decode(std::string_view text, int64_t now_ms);

 private:
  const size_t shards_;
  Meter strangers_;
  std::atomic<size_t> joined_{0};
  mutable std::mutex mutex_;
  std::map<ProjectId, std::unique_ptr<Meter>> meters_;
};

/// Keeps a Usage in a file: reads it at start, writes it when it has changed.
class UsageKeeper : public std::enable_shared_from_this<UsageKeeper> {
 public:
  static std::shared_ptr<UsageKeeper> make(std::shared_ptr<Usage> usage, runtime::Loop& loop,
                                           runtime::Runtime& runtime, std::string path);

  /// Reads the file; blocks. Call before anything is counted.
  void load();
  /// Writes it every `period_ms` from now on, for as long as somebody holds the keeper.
  void start(int64_t period_ms);
  /// Writes it now; blocks.
  Status save();

 private:
  UsageKeeper(std::shared_ptr<Usage> usage, runtime::Loop& loop, runtime::Runtime& runtime,
              std::string path)
      : usage_(std::move(usage)), loop_(loop), runtime_(runtime), path_(std::move(path)) {}
  void schedule();

  const std::shared_ptr<Usage> usage_;
  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  const std::string path_;
  int64_t period_ms_ = 0;
  std::mutex mutex_;  // one write at a time
  std::string written_;
};

}  // namespace penstock::usage
