// Redrive: events leave quarantine by being received again.
//
// Two kinds of work, one after the other in bounded batches and at a bounded rate: the
// `unknown_token` entries of a token for which a project exists now, and the re-drives that
// operators asked for (ledger::RedriveJob). An entry is appended to its lane again with the same
// uuid and time of receipt, edited if it was, and names its entry; the outcome of that record takes
// the entry out of quarantine. A crash in between appends it twice, and the second copy finds the
// entry gone and is a duplicate: exactly once, whatever the event says. A re-drive goes on after a
// restart. Runs on the ingest loop; `statuses` from any thread. Failure: the log's or the
// ledger's; retried with a growing delay.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "event/slice.h"
#include "ledger/ledger.h"
#include "ledger/quarantine_filter.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct RedriveOptions {
  event::Layout layout{};
  size_t entries_per_batch_max = 500;
  size_t bytes_per_batch_max = 4U << 20;  // unless one entry is larger
  int64_t per_second = 2000;              // where the asker named no rate, and for unknown tokens
  int64_t retry_ms_min = 50, retry_ms_max = 5000;
  int64_t look_ms = 10'000;  // between looks at what other stages put into quarantine
  event::Slice slice{};      // of whose projects' entries they are
};

/// How far a re-drive is.
struct RedriveStatus {
  Uuid job;
  uint64_t appended = 0;  // since this process began
  uint64_t waiting = 0;   // appended and not decided yet
  uint64_t left_out = 0;  // that cannot be read
  bool running = false;   // false: its turn has not come
  std::string last_error;
};

class Redrive : public std::enable_shared_from_this<Redrive> {
 public:
  static std::shared_ptr<Redrive> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                       log::Log& log, catalog::Catalog& catalog,
                                       ledger::Ledger& ledger, RedriveOptions options);

  /// Looks at every project and every open re-drive now and at new ones later. Loop thread.
  void start();
  void stop();
  /// Something was decided since the catalog changed: what was decided before the change and put
  /// into quarantine after it is there only now.
  void look_for_tokens();
  /// A command changed something: there may be a new re-drive, or one may have been stopped.
  void look_for_jobs();
  bool idle() const { return sources_.empty() && !busy_; }
  std::vector<RedriveStatus> statuses() const;

 private:
  struct Work;
  /// Entries to drive: of one token, or what a job selects.
  struct Source {
    ledger::QuarantineFilter filter;
    std::optional<ledger::RedriveJob> job{};
    std::optional<ledger::RedriveBegan> began{};  // of a job
    int64_t per_second = 0;
    std::string after{};                // entries up to this one are done with
    bool read = false;                  // there are no more
    bool again = false;                 // there may be more, before `after` too
    std::deque<std::string> waiting{};  // ids in 20 bytes: appended, to be decided
    RedriveStatus status{};
  };

  Redrive(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, catalog::Catalog& catalog,
          ledger::Ledger& ledger, RedriveOptions options);
  void look(const catalog::Snapshot& snapshot);
  /// Other stages decide too, perhaps by a catalog that has changed meanwhile, and nobody tells of
  /// it: whenever quarantine is another than at the last look, there is one more.
  void look_now_and_then();
  bool is_ours(const ledger::RedriveJob& job) const;
  void step();
  /// Forgets what has been decided.
  Status settle(Source& source) const;
  Status gather(Source& source, Work& work);
  void append(std::shared_ptr<Work> work);
  void appended(const std::shared_ptr<Work>& work, const std::vector<log::Appended>& where);
  void end_job(const Source& source);
  void again_in(int64_t ms);
  void retry_later(const Error& error);
  void show();

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  catalog::Catalog& catalog_;
  ledger::Ledger& ledger_;
  RedriveOptions options_;
  std::deque<Source> sources_;  // the first one is worked on
  bool busy_ = false, stopped_ = true;
  int64_t retry_ms_ = 0;
  ledger::QuarantineUsage looked_at_;
  mutable std::mutex mutex_;
  std::vector<RedriveStatus> shown_;
};

}  // namespace penstock::ingest
