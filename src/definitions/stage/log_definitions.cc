#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/diag.h"
#include "base/metrics.h"
#include "definitions/definitions.h"
#include "event/lane.h"
#include "log/follow.h"

namespace penstock::definitions {
namespace {

Counter cpu_metric{"penstock_definitions_ns_total",
                   "Time spent looking for definitions, in nanoseconds."};
Counter lost_metric{"penstock_definitions_lost_records_total",
                    "Processed records that retention deleted before they were looked at."};

class LogDefinitions final : public Definitions {
 public:
  LogDefinitions(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                 DefinitionStore& store, StageOptions options)
      : loop_(loop),
        runtime_(runtime),
        log_(log),
        store_(store),
        options_(options),
        follower_(loop, log, follow_options(options), hooks()) {}

  Status start() override {
    PENSTOCK_TRY(const auto bounds, log_.bounds(std::string(event::kTopicProcessed)));
    const std::vector<log::Position> applied = store_.applied();
    for (const log::Position& p : applied) {
      const auto of = std::ranges::find(bounds, p.partition, &log::PartitionBounds::partition);
      if (of != bounds.end() && p.next > of->end) {
        return fail(Code::kCorrupt,
                    "the definitions are ahead of the processed topic: remove state/definitions");
      }
    }
    PENSTOCK_CHECK(follower_.start(applied));
    schedule_checkpoint();
    return {};
  }

  void stop(runtime::Task done) override {
    stopping_ = true;
    stopped_ = std::move(done);
    follower_.stop();
    loop_.cancel(checkpoint_timer_);
    if (Status s = store_.save(); !s) note(s.error());
    // A checkpoint under way ends first: it uses the store.
    if (!checkpointing_) std::exchange(stopped_, nullptr)();
  }

  StageStats stats() const override {
    const uint64_t lag = follower_.lag_records();
    const std::lock_guard lock(mutex_);
    StageStats out = stats_;
    out.lag_records = lag;
    return out;
  }

 private:
  std::weak_ptr<int> alive() const { return alive_; }

  static log::FollowOptions follow_options(const StageOptions& options) {
    return {.topic = std::string(event::kTopicProcessed),
            .fetch_bytes_max = options.fetch_bytes_max,
            .pause_ms = options.pause_ms,
            .retry_ms_min = options.retry_ms_min,
            .retry_ms_max = options.retry_ms_max};
  }

  log::FollowHooks hooks() {
    log::FollowHooks out;
    out.take = [this](const log::Followed& came, log::FollowHooks::Taken taken) {
      Status status = take(came);
      if (!status && status.error().code == Code::kCorrupt) return stop_at(status.error());
      taken(std::move(status));
    };
    out.lost = [this](Partition partition, Offset from, Offset to) {
      lost_metric.add(static_cast<uint64_t>(to.value - from.value));
      store_.skip_to(partition, to);
    };
    out.failed = [this](const Error& error) { note(error); };
    return out;
  }

  Status take(const log::Followed& came) {
    const int64_t began = runtime_.clock().mono_ns();
    uint64_t records = 0;
    Status status;
    for (const log::ScanSlice& slice : came) {
      if (status = store_.apply(slice.partition, slice.base, slice.records); !status) break;
      records += slice.records.size();
    }
    const int64_t spent = runtime_.clock().mono_ns() - began;
    cpu_metric.add(static_cast<uint64_t>(spent));
    const std::lock_guard lock(mutex_);
    stats_.records += status ? records : 0;
    stats_.cpu_ns += spent;
    if (records > 0) stats_.last_error.clear();
    return status;
  }

  /// Not bad luck but another version's record: going on would leave a gap for good.
  void stop_at(const Error& error) {
    follower_.stop();
    diag::error("definitions stop at a record", {{"error", error.message}});
    note(error);
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
  bool stopping_ = false, checkpointing_ = false;
  runtime::TimerId checkpoint_timer_ = 0;
  runtime::Task stopped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  mutable std::mutex mutex_;
  StageStats stats_;
  log::Follower follower_;  // calls into all of the above
};

}  // namespace

std::unique_ptr<Definitions> Definitions::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                               log::Log& log, DefinitionStore& store,
                                               StageOptions options) {
  return std::make_unique<LogDefinitions>(loop, runtime, log, store, options);
}

}  // namespace penstock::definitions
