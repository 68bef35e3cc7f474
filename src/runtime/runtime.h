// The seam between Penstock and the machine: time, randomness, tasks, blocking work and files.
//
// Only `runtime` and the adapters that wrap a third-party engine touch the operating system for
// these; everything else is handed a Runtime and a Loop. Two implementations stand behind this
// page: `real/` (epoll, threads, the disk) and `sim/` (one thread, virtual time, a disk that tears
// and forgets). Code that keeps to these interfaces can be killed at any I/O in a simulated run.
//
// Threads: a Loop is one thread; what a Loop runs needs no locks against itself. `Loop::post` is
// the only call that may come from another thread. Failure: files answer Results; a Loop never
// fails.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace penstock::runtime {

using Task = std::move_only_function<void()>;
using Duration = std::chrono::microseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  /// Microseconds since the Unix epoch; may jump.
  virtual int64_t wall_us() const = 0;
  /// Nanoseconds of a clock that only goes forward.
  virtual int64_t mono_ns() const = 0;
  int64_t wall_ms() const { return wall_us() / 1000; }
};

/// A source of random bytes. The real one is cryptographic; the simulated one is seeded.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(std::span<uint8_t> out) = 0;
  uint64_t next() {
    uint64_t v = 0;
    fill({reinterpret_cast<uint8_t*>(&v), sizeof v});
    return v;
  }
};

using TimerId = uint64_t;

/// One thread's event loop. Owned by the Runtime; outlives everything that runs on it.
class Loop {
 public:
  virtual ~Loop() = default;
  /// Runs the task on this loop, after what was posted before. Any thread.
  virtual void post(Task task) = 0;
  /// Runs the task once after the delay. This loop's thread only, as is `cancel`.
  virtual TimerId after(Duration delay, Task task) = 0;
  /// Forgets a timer; unknown and already fired ids are ignored.
  virtual void cancel(TimerId id) = 0;
  /// Runs the task once, when the I/O and tasks of the current turn are done: the place to hand
  /// over what a turn has gathered as one batch. This loop's thread only.
  virtual void at_turn_end(Task task) = 0;
  virtual bool on_this_thread() const = 0;
};

/// Threads for calls that block. Jobs run in no particular order.
class BlockingPool {
 public:
  virtual ~BlockingPool() = default;
  /// Runs `job` on a pool thread, then `done` on `home`. Answers kBusy when the queue is full.
  virtual Status submit(Task job, Loop& home, Task done) = 0;
};

struct OpenOptions {
  bool create = false;
  bool truncate = false;
  bool read_only = false;
  bool direct = false;  // bypass the page cache where the file system can; 4096-byte aligned I/O
};

/// An open file. Calls block; use them from a BlockingPool job or at start-up. One caller at a
/// time, except that `pread` may run beside anything.
class File {
 public:
  virtual ~File() = default;
  /// Reads up to `out.size()` bytes; fewer only at the end of the file.
  virtual Result<size_t> pread(std::span<char> out, uint64_t at) const = 0;
  /// Writes all of it, or answers why not (kExhausted: the disk is full).
  virtual Status pwrite(std::string_view data, uint64_t at) = 0;
  /// Returns when everything written is on stable storage.
  virtual Status sync() = 0;
  virtual Result<uint64_t> size() const = 0;
  /// Sets the size and reserves the blocks.
  virtual Status allocate(uint64_t size) = 0;
  virtual Status truncate(uint64_t size) = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenOptions options) = 0;
  /// Durable on return; what exists already is left as it is.
  virtual Status create_directories(const std::string& path) = 0;
  /// Names (not paths) in a directory, sorted; `.` and `..` left out.
  virtual Result<std::vector<std::string>> list(const std::string& path) const = 0;
  /// Replaces the target; durable after `sync_directory` of its folder.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
  virtual bool exists(const std::string& path) const = 0;
  /// Bytes an unprivileged process may still write on the file system that holds `path`.
  virtual Result<uint64_t> free_bytes(const std::string& path) const = 0;
};

/// What a process is given at start. Lives as long as the process.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual Clock& clock() = 0;
  virtual Random& random() = 0;
  virtual FileSystem& files() = 0;
  virtual BlockingPool& pool() = 0;
};

/// Reads a whole file of at most `bytes_max` bytes (kInvalid when it is larger).
Result<std::string> read_file(FileSystem& files, const std::string& path, size_t bytes_max);
/// Writes a file so that a crash leaves either the old or the new content: temporary file, sync,
/// rename, sync of the directory.
Status write_file_atomic(FileSystem& files, const std::string& path, std::string_view content);

}  // namespace penstock::runtime
