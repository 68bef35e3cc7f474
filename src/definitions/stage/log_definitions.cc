#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "definitions/definitions.h"
#include "event/lane.h"

namespace penstock::definitions {
namespace {

Counter cpu_metric{"penstock_definitions_ns_total",
                   "Time spent looking for definitions, in nanoseconds."};
Counter lost_metric{"penstock_definitions_lost_records_total",
                    "Processed records that retention deleted before they were looked at."};

constexpr int64_t kFetchWaitMs = 1000;
// A fetch that brought less than this waits for more.
constexpr size_t kFetchSmallBytes = 256U << 10;

class LogDefinitions final : public Definitions {
 public:
  LogDefinitions(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                 DefinitionStore& store, StageOptions options)
      : loop_(loop), runtime_(runtime), log_(log), store_(store), options_(options) {}

  Status start() override {
    PENSTOCK_TRY(const auto bounds, log_.bounds(topic_));
    for (const log::PartitionBounds& b : bounds) next_[b.partition.value] = b.start.value;
    for (const log::Position& p : store_.applied()) {
      const auto known = next_.find(p.partition.value);
      if (known != next_.end()) known->second = std::max(known->second, p.next.value);
    }
    for (const log::PartitionBounds& b : bounds) {
      if (next_[b.partition.value] > b.end.value) {
        return fail(Code::kCorrupt,
                    "the definitions are ahead of the processed topic: remove state/definitions");
      }
    }
    set_seen();
    fetch();
    schedule_checkpoint();
    return {};
  }

  void stop(runtime::Task done) override {
    stopping_ = true;
    stopped_ = std::move(done);
    loop_.cancel(checkpoint_timer_);
    if (Status s = store_.save(); !s) note(s.error());
    // A checkpoint under way ends first: it uses the store.
    if (!checkpointing_) std::exchange(stopped_, nullptr)();
  }

  StageStats stats() const override {
    const auto bounds = log_.bounds(topic_);
    const std::lock_guard lock(mutex_);
    StageStats out = stats_;
    if (!bounds) return out;
    for (const log::PartitionBounds& b : *bounds) {
      const auto seen = seen_.find(b.partition.value);
      if (seen == seen_.end() || b.end.value <= seen->second) continue;
      out.lag_records += static_cast<uint64_t>(b.end.value - seen->second);
    }
    return out;
  }

 private:
  std::weak_ptr<int> alive() const { return alive_; }

  void fetch() {
    if (stopping_ || broken_) return;
    log::FetchRequest request{topic_, {}, options_.fetch_bytes_max, kFetchWaitMs};
    for (const auto& [partition, next] : next_) request.positions.push_back({{partition}, {next}});
    log_.fetch(loop_, std::move(request), [this, guard = alive()](Result<log::FetchResult> got) {
      if (!guard.expired()) fetched(std::move(got));
    });
  }

  void fetched(Result<log::FetchResult> got) {
    if (stopping_) return;
    if (!got) {
      if (got.error().code == Code::kNotFound) skip_lost();
      return retry(got.error());
    }
    const int64_t began = runtime_.clock().mono_ns();
    size_t bytes = 0;
    uint64_t records = 0;
    Status status;
    for (const log::ReadBatch& batch : got->batches) {
      for (const std::string_view record : batch.records) bytes += record.size();
      if (status = store_.apply(batch.partition, batch.base, batch.records); !status) break;
      int64_t& next = next_[batch.partition.value];
      const int64_t end = batch.base.value + static_cast<int64_t>(batch.records.size());
      records += static_cast<uint64_t>(std::max<int64_t>(end - next, 0));
      next = std::max(next, end);
    }
    const int64_t spent = runtime_.clock().mono_ns() - began;
    cpu_metric.add(static_cast<uint64_t>(spent));
    set_seen(records, spent);
    if (!status) return failed(status.error());
    retry_ms_ = 0;
    if (bytes >= kFetchSmallBytes) return fetch();
    after(options_.pause_ms);
  }

  void failed(const Error& error) {
    if (error.code != Code::kCorrupt) return retry(error);
    // Not bad luck but another version's record: going on would leave a gap for good.
    broken_ = true;
    diag::error("definitions stop at a record", {{"error", error.message}});
    note(error);
  }

  void retry(const Error& error) {
    note(error);
    retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
    after(retry_ms_);
  }

  void after(int64_t ms) {
    loop_.after(std::chrono::milliseconds(ms), [this, guard = alive()] {
      if (!guard.expired()) fetch();
    });
  }

  /// Retention has deleted what was not looked at, which it does only when it is made to.
  void skip_lost() {
    const auto bounds = log_.bounds(topic_);
    if (!bounds) return;
    for (const log::PartitionBounds& b : *bounds) {
      int64_t& next = next_[b.partition.value];
      if (next >= b.start.value) continue;
      lost_metric.add(static_cast<uint64_t>(b.start.value - next));
      next = b.start.value;
      store_.skip_to(b.partition, b.start);
    }
  }

  void schedule_checkpoint() {
    checkpoint_timer_ =
        loop_.after(std::chrono::milliseconds(options_.checkpoint_ms), [this, guard = alive()] {
          if (!guard.expired()) checkpoint();
        });
  }

  void checkpoint() {
    if (Status s = store_.save(); !s) note(s.error());
    checkpointing_ = true;
    auto job = [&store = store_, &log = log_] {
      if (Status s = store.flush(log); !s) {
        diag::warn("definitions not made durable", {{"error", s.error().message}});
      }
    };
    const auto done = [this, guard = alive()] {
      if (guard.expired()) return;
      checkpointing_ = false;
      if (stopping_) return std::exchange(stopped_, nullptr)();
      schedule_checkpoint();
    };
    // A full queue only postpones it: the log keeps what is not checkpointed.
    if (!runtime_.pool().submit(std::move(job), loop_, done)) loop_.post(done);
  }

  void set_seen(uint64_t records = 0, int64_t spent_ns = 0) {
    const std::lock_guard lock(mutex_);
    seen_ = next_;
    stats_.records += records;
    stats_.cpu_ns += spent_ns;
    if (records > 0) stats_.last_error.clear();
  }

  void note(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (stats_.last_error != error.message) {
      diag::warn("definitions wait", {{"error", error.message}});
    }
    stats_.last_error = error.message;
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  DefinitionStore& store_;
  const StageOptions options_;
  const std::string topic_{event::kTopicProcessed};
  std::map<int32_t, int64_t> next_;
  int64_t retry_ms_ = 0;
  bool stopping_ = false, broken_ = false, checkpointing_ = false;
  runtime::TimerId checkpoint_timer_ = 0;
  runtime::Task stopped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  mutable std::mutex mutex_;
  StageStats stats_;
  std::map<int32_t, int64_t> seen_;
};

}  // namespace

std::unique_ptr<Definitions> Definitions::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                               log::Log& log, DefinitionStore& store,
                                               StageOptions options) {
  return std::make_unique<LogDefinitions>(loop, runtime, log, store, options);
}

}  // namespace penstock::definitions
