// ReplayService: gathers a flush, has it built and written, appends, applies, advances; replay.h.
//
// One flush at a time is on its way: built once on the pool (a repeat uses the same object and
// records), put, appended under its sequence, and the ledger caught up. What fails is repeated from
// that step with a growing delay. Meanwhile the next flush gathers, and then reading stops.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>

#include "replay/flush/plan.h"
#include "replay/replay.h"

namespace penstock::replay {

class ReplayService final : public Replay {
 public:
  ReplayService(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                catalog::Catalog& catalog, ledger::Ledger& ledger, objects::ObjectStore& objects,
                ReplayOptions options);

  Status start() override;
  void stop(runtime::Task done) override;
  ReplayStats stats() const override;

 private:
  struct Gathered {
    std::vector<Slice> slices;
    size_t bytes = 0, records = 0;
    std::map<int32_t, int64_t> next;  // after it
  };
  struct Flush {
    Gathered input;
    std::string key;
    Plan plan;
    bool built = false, stored = false;
    Status outcome;  // of the last pool job
  };

  Status find_positions();
  void remove_unfinished();
  uint64_t records_before() const;

  void fetch();
  void on_fetched(Result<log::FetchResult> got);
  /// Moves records from what was fetched into the flush that gathers.
  void gather();
  bool full() const;
  void pump();

  void begin_flush();
  void write_object(std::shared_ptr<Flush> flush);
  void append(std::shared_ptr<Flush> flush);
  void catch_up_ledger(std::shared_ptr<Flush> flush);
  void finish(const Flush& flush);
  void retry(const Error& error, runtime::Task again);
  void note(std::string error);

  void schedule_retention(int64_t ms);
  void stop_when_quiet();
  std::weak_ptr<int> alive() const { return alive_; }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  catalog::Catalog& catalog_;
  ledger::Ledger& ledger_;
  objects::ObjectStore& objects_;
  ReplayOptions options_;
  std::map<int32_t, int64_t> decided_, gathered_to_, fetched_to_;  // by partition: next offset
  std::deque<Slice> fetched_;
  Gathered gathering_;
  bool started_ = false, fetching_ = false, flushing_ = false, due_ = false, stopping_ = false;
  bool retention_running_ = false;
  int64_t retry_ms_ = 0;
  runtime::TimerId flush_timer_ = 0, retention_timer_ = 0;
  runtime::Task stopped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  mutable std::mutex stats_mutex_;
  ReplayStats stats_;
  std::map<int32_t, int64_t> decided_seen_;  // for the lag
};

/// Removes objects of recordings written before `before_ms`, oldest first; answers how many.
Result<uint64_t> remove_old_objects(objects::ObjectStore& objects, int64_t before_ms,
                                    runtime::Duration within);

}  // namespace penstock::replay
