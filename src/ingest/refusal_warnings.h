// RefusalWarnings: counts of refused requests become ingestion warnings.
//
// Capture counts what it refuses per project and reason, in a topic of its own. This reads it and
// appends one warning per count to `processed`, under a producer of its own whose sequence is the
// topic's next offset: after a crash it goes on where the last append says, and nothing is told
// twice. Nothing here touches the books: a refused request is no event. Runs on the ingest loop.
// Failure: the log's; retried with a growing delay. A count that cannot be read is left out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct RefusalWarningsOptions {
  size_t fetch_bytes_max = 256U << 10;
  int64_t wait_ms = 1000;
  int64_t retry_ms_min = 50, retry_ms_max = 5000;
  bool shared = false;  // who decided a moment ago may have read what is not known here yet
};

class RefusalWarnings : public std::enable_shared_from_this<RefusalWarnings> {
 public:
  /// Told of every append, so that whoever applies `processed` need not find it out.
  using Appended = std::function<void(Partition, Offset base, const std::vector<std::string>&)>;
  static std::shared_ptr<RefusalWarnings> make(runtime::Loop& loop, log::Log& log,
                                               RefusalWarningsOptions options, Appended appended);

  /// kCorrupt: the processed topic is of another data directory.
  Status start();
  void stop() { stopped_ = true; }

 private:
  RefusalWarnings(runtime::Loop& loop, log::Log& log, RefusalWarningsOptions options,
                  Appended appended)
      : loop_(loop), log_(log), options_(options), appended_(std::move(appended)) {}
  void fetch();
  void take(const log::FetchResult& got);
  void append();
  void retry_later(const Error& error, void (RefusalWarnings::*step)());

  runtime::Loop& loop_;
  log::Log& log_;
  RefusalWarningsOptions options_;
  Appended appended_;
  int64_t next_ = 0;                  // of the counts: below it all are told
  int64_t end_ = 0;                   // of what `records_` tells
  std::vector<std::string> records_;  // being appended
  int64_t retry_ms_ = 0;
  bool stopped_ = true;
};

}  // namespace penstock::ingest
