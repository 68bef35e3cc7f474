// The load: a number of HTTP/1.1 connections on one thread and one epoll, each with one request
// under way. Closed loop: the next request goes out when the answer is there. Open loop: requests
// are due at fixed times and latency counts from the due time, so that a stalled server cannot
// hide its stall by being asked less. Loopback only. Throws std::runtime_error when it cannot run.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "bench/loadgen/histogram.h"
#include "bench/loadgen/machine.h"

namespace penstock::bench {

/// One request of a set, ready to send. Views into the set's bytes.
struct Request {
  std::string_view bytes;
  uint32_t events = 0;
  uint32_t body_bytes = 0;
};

/// Reads what bench/payloads.py wrote: per request four u32 (length, events, body bytes as sent,
/// JSON bytes) and the request. `bytes` owns what the requests point into.
[[nodiscard]] std::vector<Request> read_set(const std::string& path, std::string& bytes);

struct LoadOptions {
  int port = 0;
  int connections = 64;
  double seconds = 10;
  double warm_seconds = 2;
  double rate = 0;  // requests/s; 0: closed loop
  std::vector<int> pids;
};

struct LoadResult {
  double seconds = 0;
  uint64_t ok = 0;
  uint64_t bad = 0;
  uint64_t events = 0;
  uint64_t body_bytes = 0;
  uint64_t reconnects = 0;
  std::map<int, uint64_t> statuses;
  Histogram latency;
  CpuTimes cpu;  // of the measured time
  Memory memory;
  std::string first_bad;
};

class Load {
 public:
  Load(LoadOptions options, const std::vector<Request>& requests);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  [[nodiscard]] LoadResult run();

 private:
  struct Connection {
    int fd = -1;
    const Request* request = nullptr;
    size_t sent = 0;
    uint64_t due_ns = 0;
    bool busy = false;
    bool wants_out = false;
    std::string in;
  };

  void open(size_t i);
  void issue(size_t i, uint64_t due_ns);
  [[nodiscard]] bool push(size_t i);
  void readable(size_t i);
  void answered(size_t i, int status, bool closes);
  void lost(size_t i);
  void issue_due(uint64_t now);
  void begin_measuring(uint64_t now);

  LoadOptions options_;
  const std::vector<Request>& requests_;
  std::vector<Connection> connections_;
  std::deque<size_t> idle_;
  int epoll_ = -1;
  size_t next_ = 0;
  double due_ns_ = 0;
  bool measuring_ = false;
  uint64_t measured_from_ = 0;
  CpuTimes cpu_before_;
  LoadResult result_;
};

}  // namespace penstock::bench
