// The simulated Runtime: one thread, virtual time, and a disk that tears and forgets.
//
// A SimRuntime is one life of a process, a SimDisk is what survives it. Everything that could go
// one way or another (which loop runs next, how long a job takes, which unsynced sectors survive)
// is drawn from the seed, so a run is repeated by repeating its seed. A test runs until the disk is
// killed at an I/O, calls `crash`, and starts a fresh SimRuntime on the same disk.
//
// Owner: the test. Thread: the one that calls `run…`; only code under simulation needs to know
// loops. Failure: after a kill every I/O answers kCancelled and no further task starts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::runtime {

struct SimOp {
  enum class Kind : unsigned char { kRead, kWrite, kSync, kSyncDirectory };
  Kind kind = Kind::kRead;
  const std::string& path;
  uint64_t at = 0, bytes = 0;  // of a read or write
};

/// What the disk will do wrong. I/Os are counted from 1 over the disk's whole life; only those
/// that change something count (reads do not). 0 means never.
struct SimFaults {
  uint64_t kill_at_io = 0;      // dies in this I/O: it may have happened, wholly or in part
  uint64_t sync_error_at = 0;   // this sync fails, and what it covered is not retried by the next
  uint64_t write_error_at = 0;  // this write fails with nothing written
  uint64_t capacity_bytes = 0;  // beyond it: kExhausted
  /// Asked for every read, write and sync, of directories too: true lets it fail, as the one-time
  /// errors above.
  std::function<bool(const SimOp&)> fails{};
};

/// What a power failure does to that which was not synced.
enum class SimCrash : unsigned char {
  kAny,        // one of the others, by the dice
  kLost,       // all of it is gone
  kReordered,  // whole pages survive or not, whatever was written first
  kTorn,       // single sectors do
};

/// An in-memory file system with a volatile and a durable side. Writes are volatile in sectors of
/// 512 bytes until the file is synced; created, renamed and removed names are volatile until their
/// directory is synced; new directories are durable at once. Direct I/O must be aligned as on a
/// real disk. Not thread safe.
class SimDisk : public FileSystem {
 public:
  explicit SimDisk(uint64_t seed);
  ~SimDisk() override;

  void set_faults(const SimFaults& faults);
  const SimFaults& faults() const;
  /// Dies now, as by `kill_at_io`.
  void kill();
  bool killed() const;

  /// The power fails and returns: keeps a seeded subset of what was not synced. Open files of the
  /// former life answer kCancelled. Kill and error faults are cleared, the capacity stays.
  void crash(SimCrash how = SimCrash::kAny);
  /// The process dies and the machine lives on: every write survives. Otherwise as `crash`.
  void restart();

  /// Flips one bit of the byte at `offset`, durably.
  Status corrupt(const std::string& path, uint64_t offset);
  /// Puts bytes where nobody wrote them, durably, within the file's size; no I/O of the process.
  Status overwrite(const std::string& path, uint64_t offset, std::string_view bytes);

  uint64_t io_count() const;
  uint64_t sync_count() const;
  uint64_t used_bytes() const;
  /// A hash over every I/O so far: equal for runs that did the same.
  uint64_t trace() const;
  /// For state that is not in files but lives and dies with this disk (MemoryKv): counts as one
  /// I/O and answers kCancelled when the disk is or gets killed.
  Status foreign_io();

  Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) override;
  Status create_directories(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) const override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  bool exists(const std::string& path) const override;
  Result<uint64_t> free_bytes(const std::string& path) const override;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

struct SimOptions {
  int64_t wall_start_us = 1'760'000'000'000'000;
  size_t pool_queue_max = 1024;    // jobs waiting; more: kBusy
  Duration job_delay_max{2'000};   // before a pool job runs
  Duration sync_delay_max{5'000};  // added to a job per sync it did
};

/// The most that ever waited at once.
struct SimHighWater {
  size_t pool_jobs = 0, posted_tasks = 0, timers = 0;  // tasks and timers: of one loop
};

enum class SimEnd : unsigned char {
  kDone,       // the predicate held
  kIdle,       // nothing is left to do, now or later
  kKilled,     // the disk was killed
  kTimeLimit,  // the virtual time is over
};

class SimRuntime : public Runtime {
 public:
  /// Without a disk it makes its own from the seed.
  explicit SimRuntime(uint64_t seed, std::shared_ptr<SimDisk> disk = nullptr,
                      SimOptions options = {});
  ~SimRuntime() override;

  Clock& clock() override;
  Random& random() override;
  FileSystem& files() override;
  BlockingPool& pool() override;
  SimDisk& disk();
  const std::shared_ptr<SimDisk>& shared_disk() const;

  /// Makes one more loop; it lives as long as this runtime.
  Loop& make_loop();

  /// Runs until `done` holds (asked after every turn).
  SimEnd run_until(const std::function<bool()>& done, Duration limit = std::chrono::hours(1));
  /// Lets this much virtual time pass.
  SimEnd run_for(Duration duration);
  /// Runs until nothing is left to do.
  SimEnd run(Duration limit = std::chrono::hours(1));

  /// Moves the wall clock, not the monotonic one.
  void jump_wall(Duration by);
  /// The whole process stands still for so long: time passes and nothing runs. From a task too.
  void stall(Duration by);
  /// The thread of one loop gets no processor for so long, while all others go on. Longer stalls
  /// of the same loop replace shorter ones.
  void stall(Loop& loop, Duration by);
  /// Replaces `pool_queue_max` and the delays of SimOptions; its clock is not looked at.
  void set_pace(const SimOptions& options);
  SimHighWater high_water() const;
  /// Turns and jobs run so far.
  uint64_t steps() const;
  /// A hash over every choice of the scheduler and every I/O of the disk so far.
  uint64_t trace() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace penstock::runtime
