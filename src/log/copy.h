// LogCopy: takes the records of one log to another under their offsets, beside whoever appends to
// the first one.
//
// The target's topics begin where the source's do (log/begin.h), so nothing that names an offset
// has to change. It goes on where the target ends; every piece is read back from the target
// and compared with the source before it counts. The target has no other writer; what it holds
// already, of an earlier copy, is compared first. One thread, not `home`'s; calls block.
//
// Failure: kConflict: the target holds what the source does not, or another writes there. kCorrupt:
// offsets are missing in one of them. kNotFound: the source has deleted what was not copied yet.
// kCancelled: `on_piece` said so. After a failure the object is of no more use; a new one goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "log/begin.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::log {

struct CopyProgress {
  uint64_t records = 0, bytes = 0;  // copied and compared, or found there and compared
  uint64_t records_total = 0;       // with what is not copied yet, as of the last look
};

struct CopyOptions {
  std::vector<std::string> topics;  // in this order
  size_t piece_bytes = 4U << 20;
  int64_t answer_ms_max = 60'000;
  /// After every piece; false ends it.
  std::function<bool(const CopyProgress&)> on_piece;
};

/// Where topics that go on from `source` have to begin. Of `producers` those are among the
/// sequences whose batches retention has deleted. Blocks.
Result<Begins> begins_of(Log& source, runtime::Loop& home, const std::vector<std::string>& topics,
                         const std::vector<uint64_t>& producers);

class LogCopy {
 public:
  /// Both logs run and outlive it; answers arrive on `home`.
  LogCopy(Log& source, Log& target, runtime::Loop& home, CopyOptions options);

  /// Compares what is on both sides.
  Status begin();
  /// The same target, opened anew.
  void go_on_with(Log& target) { target_ = &target; }
  /// Copies and compares up to where the source ends now; answers how many records that were.
  Result<uint64_t> catch_up();
  /// The positions of groups, to what the target keeps.
  Status copy_positions(const std::vector<std::string>& groups);
  const CopyProgress& progress() const { return progress_; }
  /// A hash over everything compared, in the order of topics and partitions.
  uint64_t checksum() const;

 private:
  /// How far a topic was read on one side, and what was read there.
  struct Cursor {
    std::vector<int64_t> at;       // by partition
    std::vector<uint64_t> hashes;  // of every record before it, from the target's start on
  };
  struct Topic {
    Cursor source, target;
  };
  using Visit = std::function<void(const ReadBatch& batch, size_t from, size_t to)>;

  Result<std::vector<int64_t>> ends_of(Log& log, const std::string& topic) const;
  Status place(const std::string& topic);
  /// One fetch of what lies before `to`; false: all of it has been read.
  Result<bool> read_on(Log& log, const std::string& topic, Cursor& cursor,
                       const std::vector<int64_t>& to, const Visit& visit);
  Status append(const std::string& topic, std::vector<Batch> batches,
                const std::vector<int64_t>& bases);
  Status read_back(const std::string& topic);
  Status catch_up_with(const std::string& topic);
  Status tell(uint64_t records);

  Log& source_;
  Log* target_;
  runtime::Loop& home_;
  const CopyOptions options_;
  std::map<std::string, Topic> topics_;
  CopyProgress progress_;
};

}  // namespace penstock::log
