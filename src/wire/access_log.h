// AccessLog: one line per answered request, in a file that is rotated by size.
//
//   2026-11-25T10:05:24.123456Z POST /i/v0/e/ 200 431 88 1204 203.0.113.5
//   time, method, path, status, body bytes in, bytes out, duration in µs, peer
//
// Never a payload, a query or a key: the path ends before '?', and segments that hold a key are
// written as '*'. Status 0: the client left before its answer. One AccessLog is shared by all
// servers of the process; each gathers lines of its own in AccessLines (its loop's thread, no lock)
// and hands them over a few times a second into a bounded buffer, which a pool thread writes. Lines
// that find the buffer full, and lines the disk refuses, are dropped and counted.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::wire {

struct AccessLogOptions {
  std::string path;
  uint64_t file_bytes_max = 64U << 20;  // then path becomes path.1, and so on
  size_t files_max = 5;                 // beside the current one
  size_t buffer_bytes_max = 4U << 20;   // lines waiting to be written; more are dropped
  int64_t write_every_ms = 200;
};

struct AccessEntry {
  int64_t time_us = 0;  // wall clock when the request was complete
  std::string_view method, path;
  int status = 0;
  uint64_t bytes_in = 0, bytes_out = 0;
  int64_t duration_us = 0;
  std::string_view peer_ip;
};

/// Appends the line of an entry, with its line feed.
void append_access_line(std::string& out, const AccessEntry& entry);

class AccessLog {
 public:
  /// Opens the file now (blocking, at start); writes go from `loop` to the pool. `loop` must be the
  /// one that calls `close`.
  static Result<std::shared_ptr<AccessLog>> open(runtime::Loop& loop, runtime::Runtime& runtime,
                                                 AccessLogOptions options);
  /// Takes whole lines, or drops and counts them. Any thread.
  void add(std::string_view lines);
  /// Writes what waits (blocking) and ends; what is added later is dropped.
  void close();
  runtime::Clock& clock() { return runtime_.clock(); }

 private:
  class File;
  AccessLog(runtime::Loop& loop, runtime::Runtime& runtime, AccessLogOptions options);
  void schedule();
  void write_out();
  std::string take();

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  AccessLogOptions options_;
  std::shared_ptr<File> file_;
  std::mutex mutex_;
  std::string waiting_;  // under the mutex
  bool closed_ = false;  // under the mutex
  runtime::TimerId timer_ = 0;
  std::weak_ptr<AccessLog> self_;
};

/// One server's lines on their way to the log. Its loop's thread only.
class AccessLines {
 public:
  explicit AccessLines(std::shared_ptr<AccessLog> log) : log_(std::move(log)) {}
  ~AccessLines() { hand_over(); }
  AccessLines(const AccessLines&) = delete;
  AccessLines& operator=(const AccessLines&) = delete;
  void add(const AccessEntry& entry);
  void hand_over();
  runtime::Clock& clock() { return log_->clock(); }

 private:
  std::shared_ptr<AccessLog> log_;
  std::string lines_;
};

/// What the log wants to know of a request until it is answered.
class AccessNote {
 public:
  AccessNote(std::shared_ptr<AccessLines> lines, std::string_view method, std::string_view path,
             std::string_view peer_ip, uint64_t bytes_in);
  ~AccessNote();  // a request that was never answered
  AccessNote(const AccessNote&) = delete;
  AccessNote& operator=(const AccessNote&) = delete;
  void finish(int status, uint64_t bytes_out);

 private:
  std::shared_ptr<AccessLines> lines_;  // null once it is written
  std::string text_;                    // method, path and peer, one behind the other
  uint32_t method_bytes_, path_bytes_;
  uint64_t bytes_in_;
  int64_t time_us_, began_ns_;
};

}  // namespace penstock::wire
