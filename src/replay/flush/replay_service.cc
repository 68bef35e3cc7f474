#include "replay/flush/replay_service.h"

#include <algorithm>
#include <chrono>

#include "base/assert.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "event/lane.h"
#include "log/scan.h"
#include "recording/block.h"

namespace penstock::replay {
namespace {

Counter messages_metric{"penstock_replay_messages_total", "Replay messages decided."};
Counter accepted_metric{"penstock_replay_accepted_total", "Replay messages stored in blocks."};
Counter dropped_metric{"penstock_replay_dropped_total", "Replay messages dropped by a rule."};
Counter blocks_metric{"penstock_replay_blocks_total", "Blocks of recordings written."};
Counter bytes_metric{"penstock_replay_object_bytes_total", "Bytes of recordings written."};
Counter retries_metric{"penstock_replay_retries_total", "Steps of a flush repeated."};
Counter removed_metric{"penstock_replay_removed_objects_total",
                       "Objects of recordings removed because of their age."};
LatencyHistogram flush_metric{"penstock_replay_put_seconds",
                              "Time to build and store the object of a flush."};

constexpr size_t kFetchBytes = 4U << 20;
constexpr int64_t kFetchWaitMs = 1000;
// A small answer waits for company: the log wakes readers at every append.
constexpr size_t kFetchSmallBytes = 256U << 10;
constexpr int64_t kFetchPauseMs = 100;
constexpr std::chrono::seconds kListPatience{30};

std::string processed_topic() { return std::string(event::kTopicProcessed); }
std::string replay_topic() { return std::string(event::kTopicReplay); }

}  // namespace

ReplayService::ReplayService(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                             catalog::Catalog& catalog, ledger::Ledger& ledger,
                             objects::ObjectStore& objects, ReplayOptions options)
    : loop_(loop),
      runtime_(runtime),
      log_(log),
      catalog_(catalog),
      ledger_(ledger),
      objects_(objects),
      options_(options) {}

// --------------------------------------------------------------------------------- where to begin

Status ReplayService::find_positions() {
  PENSTOCK_TRY(const auto bounds, log_.bounds(replay_topic()));
  for (const log::PartitionBounds& b : bounds) {
    const int64_t last = log_.last_sequence(processed_topic(), b.partition,
                                            event::ingest_producer(event::Lane::kReplay));
    if (last > b.end.value && !options_.shared) {
      return fail(Code::kCorrupt, "the processed topic is ahead of " + replay_topic() +
                                      ": they are not of the same data directory");
    }
    decided_[b.partition.value] = std::max(last, b.start.value);
  }
  gathered_to_ = fetched_to_ = decided_;
  return {};
}

uint64_t ReplayService::records_before() const {
  uint64_t sum = 0;
  for (const auto& [partition, next] : decided_) sum += static_cast<uint64_t>(next);
  return sum;
}

/// An object of the flush that comes next is one that was written and never named.
void ReplayService::remove_unfinished() {
  const std::string prefix = recording::object_key_prefix(records_before());
  const auto found = objects_.list(prefix, "", objects::kListMax, kListPatience);
  if (!found) {
    diag::warn("objects of an unfinished flush were not looked for",
               {{"error", found.error().message}});
    return;
  }
  for (const objects::ObjectInfo& object : *found) {
    probe<"replay.unfinished_object_is_removed">();
    const Status s = objects_.remove(object.key, kListPatience);
    if (!s) diag::warn("an unfinished object stays", {{"error", s.error().message}});
  }
}

Status ReplayService::start() {
  PENSTOCK_ASSERT(!started_);
  PENSTOCK_CHECK(find_positions());
  remove_unfinished();
  started_ = true;
  {
    const std::lock_guard lock(stats_mutex_);
    decided_seen_ = decided_;
  }
  fetch();
  if (options_.retention_days > 0) schedule_retention(0);
  return {};
}

// -------------------------------------------------------------------------------------- gathering

void ReplayService::fetch() {
  if (fetching_ || stopping_ || !fetched_.empty() || full()) return;
  log::FetchRequest request{replay_topic(), {}, kFetchBytes, kFetchWaitMs};
  for (const auto& [partition, next] : fetched_to_) {
    request.positions.push_back({{partition}, {next}});
  }
  fetching_ = true;
  log_.fetch(loop_, std::move(request), [this, guard = alive()](Result<log::FetchResult> got) {
    if (!guard.expired()) on_fetched(std::move(got));
  });
}

void ReplayService::on_fetched(Result<log::FetchResult> got) {
  if (stopping_) {
    fetching_ = false;
    return;
  }
  size_t bytes = 0;
  if (got) {
    for (const log::ReadBatch& batch : got->batches) {
      int64_t& next = fetched_to_[batch.partition.value];
      Slice slice{batch.partition, {}, {}, batch.owner};
      for (size_t i = 0; i < batch.records.size(); i++) {
        const int64_t at = batch.base.value + static_cast<int64_t>(i);
        if (at < next) continue;
        if (slice.records.empty()) slice.base = {at};
        slice.records.push_back(batch.records[i]);
        bytes += batch.records[i].size();
        next = at + 1;
      }
      if (!slice.records.empty()) fetched_.push_back(std::move(slice));
    }
  } else {
    note("reading the log: " + got.error().message);
  }
  pump();
  if (got && bytes >= kFetchSmallBytes) {
    fetching_ = false;
    return fetch();
  }
  const int64_t pause = got ? kFetchPauseMs : options_.retry_ms_max / 10;
  loop_.after(std::chrono::milliseconds(pause), [this, guard = alive()] {
    if (guard.expired()) return;
    fetching_ = false;
    fetch();
  });
}

bool ReplayService::full() const {
  return gathering_.bytes >= options_.bytes_per_flush_max ||
         gathering_.records >= options_.records_per_flush_max;
}

void ReplayService::gather() {
  while (!fetched_.empty() && !full()) {
    Slice& from = fetched_.front();
    Slice taken{from.partition, from.base, {}, from.owner};
    size_t n = 0;
    for (; n < from.records.size() && !full(); n++) {
      const size_t size = from.records[n].size();
      // A flush holds one record that is larger than its limit, and then nothing else.
      if (gathering_.records > 0 && gathering_.bytes + size > options_.bytes_per_flush_max) break;
      taken.records.push_back(from.records[n]);
      gathering_.bytes += size;
      gathering_.records++;
    }
    if (n == 0) {
      probe<"replay.flush_is_full">();
      due_ = true;
      return;
    }
    gathering_.next[from.partition.value] = from.base.value + static_cast<int64_t>(n);
    gathering_.slices.push_back(std::move(taken));
    from.base.value += static_cast<int64_t>(n);
    from.records.erase(from.records.begin(), from.records.begin() + static_cast<std::ptrdiff_t>(n));
    if (from.records.empty()) fetched_.pop_front();
  }
}

void ReplayService::pump() {
  gather();
  if (gathering_.records == 0) {
    if (stopping_) stop_when_quiet();
    return;
  }
  if (!flushing_ && (due_ || full() || stopping_)) return begin_flush();
  if (flush_timer_ != 0 || due_) return;
  flush_timer_ = loop_.after(std::chrono::milliseconds(options_.flush_ms), [this, guard = alive()] {
    if (guard.expired()) return;
    flush_timer_ = 0;
    due_ = true;
    pump();
  });
}

// --------------------------------------------------------------------------------------- a flush

void ReplayService::begin_flush() {
  if (flush_timer_ != 0) loop_.cancel(std::exchange(flush_timer_, 0));
  due_ = false;
  flushing_ = true;
  auto flush = std::make_shared<Flush>();
  flush->input = std::exchange(gathering_, {});
  flush->key =
      recording::object_key(records_before(), runtime_.clock().wall_ms(), runtime_.random().next());
  write_object(std::move(flush));
  pump();
  fetch();
}

void ReplayService::write_object(std::shared_ptr<Flush> flush) {
  // The job may outlive this service when the process stops; it uses only what outlives both.
  auto job = [flush, snapshot = catalog_.snapshot(), &ledger = ledger_, &objects = objects_,
              &clock = runtime_.clock(), days = options_.retention_days,
              patience = std::chrono::milliseconds(options_.put_ms_max)] {
    const int64_t begin = clock.mono_ns();
    if (!flush->built) {
      PlanOptions options;
      options.object_key = flush->key;
      options.now_ms = clock.wall_ms();
      options.retention_days = static_cast<uint32_t>(days);
      auto plan = make_plan(flush->input.slices, *snapshot, ledger, std::move(options));
      if (!plan) {
        flush->outcome = std::unexpected(std::move(plan).error());
        return;
      }
      flush->plan = std::move(*plan);
      flush->built = true;
    }
    flush->outcome = Status{};
    if (flush->plan.object.empty()) return;
    flush->outcome = objects.put(flush->key, flush->plan.object, patience);
    if (flush->outcome) flush_metric.record_us((clock.mono_ns() - begin) / 1000);
  };
  const Status submitted =
      runtime_.pool().submit(std::move(job), loop_, [this, guard = alive(), flush] {
        if (guard.expired()) return;
        if (flush->outcome) return append(flush);
        probe<"replay.object_is_put_again">();
        retry(flush->outcome.error(), [this, flush] { write_object(flush); });
      });
  if (!submitted) retry(submitted.error(), [this, flush] { write_object(flush); });
}

void ReplayService::append(std::shared_ptr<Flush> flush) {
  std::vector<log::Batch> batches = flush->plan.batches;
  log_.append(loop_, processed_topic(), std::move(batches),
              [this, guard = alive(), flush](Result<std::vector<log::Appended>> appended) {
                if (guard.expired()) return;
                if (appended) return catch_up_ledger(flush);
                probe<"replay.append_is_repeated">();
                // The same records again: if they are there already, the sequence tells the log.
                retry(appended.error(), [this, flush] { append(flush); });
              });
}

/// Ingest appends to the same partitions, so what lies between is not known from memory: the topic
/// is read from where the ledger stands. Whatever ingest has applied meanwhile is skipped there.
void ReplayService::catch_up_ledger(std::shared_ptr<Flush> flush) {
  const auto bounds = log_.bounds(processed_topic());
  if (!bounds) {
    return retry(bounds.error(), [this, flush] { catch_up_ledger(flush); });
  }
  std::vector<log::ScanRange> ranges;
  for (const log::PartitionBounds& b : *bounds) {
    if (!flush->input.next.contains(b.partition.value)) continue;
    ranges.push_back({b.partition, ledger_.applied(b.partition), b.end});
  }
  log::scan(
      log_, loop_, processed_topic(), std::move(ranges),
      [this, guard = alive()](const log::ScanSlice& slice) -> Status {
        if (guard.expired()) return fail(Code::kCancelled, "replay is gone");
        return ledger_.apply_processed(slice.partition, slice.base, slice.records);
      },
      [this, guard = alive(), flush](const Status& status) {
        if (guard.expired()) return;
        if (status) return finish(*flush);
        probe<"replay.ledger_follows_later">();
        retry(status.error(), [this, flush] { catch_up_ledger(flush); });
      });
}

void ReplayService::finish(const Flush& flush) {
  std::vector<log::Position> positions;
  for (const auto& [partition, next] : flush.input.next) {
    decided_[partition] = next;
    positions.push_back({{partition}, {next}});
  }
  const Status s = log_.commit(std::string(event::kGroupReplay), replay_topic(), positions);
  if (!s) diag::warn("progress not committed", {{"error", s.error().message}});
  const Plan& p = flush.plan;
  messages_metric.add(p.messages);
  accepted_metric.add(p.accepted);
  dropped_metric.add(p.dropped);
  blocks_metric.add(p.blocks);
  bytes_metric.add(p.object.size());
  {
    const std::lock_guard lock(stats_mutex_);
    stats_.messages += p.messages;
    stats_.accepted += p.accepted;
    stats_.dropped += p.dropped;
    stats_.duplicates += p.duplicates;
    stats_.quarantined += p.quarantined;
    stats_.blocks += p.blocks;
    stats_.objects += p.object.empty() ? 0 : 1;
    stats_.object_bytes += p.object.size();
    stats_.last_error.clear();
    decided_seen_ = decided_;
  }
  retry_ms_ = 0;
  flushing_ = false;
  pump();
  fetch();
}

void ReplayService::note(std::string error) {
  const std::lock_guard lock(stats_mutex_);
  if (stats_.last_error.empty()) diag::warn("replay has to wait", {{"error", error}});
  stats_.last_error = std::move(error);
}

void ReplayService::retry(const Error& error, runtime::Task again) {
  retries_metric.add();
  note(error.message);
  retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
  if (stopping_) {
    // What was not decided is decided in the next life.
    gathering_ = {};
    fetched_.clear();
    flushing_ = false;
    return stop_when_quiet();
  }
  loop_.after(std::chrono::milliseconds(retry_ms_),
              [guard = alive(), again = std::move(again)]() mutable {
                if (!guard.expired()) again();
              });
}

// ------------------------------------------------------------------------------ retention and end

Result<uint64_t> remove_old_objects(objects::ObjectStore& objects, int64_t before_ms,
                                    runtime::Duration within) {
  constexpr size_t kAtOnce = 100;
  uint64_t removed = 0;
  std::string after;
  for (;;) {
    PENSTOCK_TRY(const auto found, objects.list(recording::kKeyPrefix, after, kAtOnce, within));
    for (const objects::ObjectInfo& object : found) {
      after = object.key;
      const auto written = recording::written_ms(object.key);
      if (!written) continue;
      if (*written >= before_ms) return removed;  // keys are in the order of writing
      PENSTOCK_CHECK(objects.remove(object.key, within));
      removed++;
    }
    if (found.size() < kAtOnce) return removed;
  }
}

void ReplayService::schedule_retention(int64_t ms) {
  retention_timer_ = loop_.after(std::chrono::milliseconds(ms), [this, guard = alive()] {
    if (guard.expired() || stopping_) return;
    const int64_t before =
        runtime_.clock().wall_ms() - int64_t{options_.retention_days} * 86'400'000;
    auto job = [&objects = objects_, before] {
      const auto removed = remove_old_objects(objects, before, kListPatience);
      if (!removed) {
        diag::warn("old recordings were not removed", {{"error", removed.error().message}});
      } else {
        removed_metric.add(*removed);
      }
    };
    retention_running_ = true;
    auto after = [this, guard] {
      if (guard.expired()) return;
      retention_running_ = false;
      if (stopping_) return stop_when_quiet();
      schedule_retention(options_.retention_check_ms);
    };
    if (!runtime_.pool().submit(std::move(job), loop_, after)) loop_.post(after);
  });
}

void ReplayService::stop(runtime::Task done) {
  stopped_ = std::move(done);
  stopping_ = true;
  loop_.cancel(retention_timer_);
  if (flush_timer_ != 0) loop_.cancel(std::exchange(flush_timer_, 0));
  pump();
}

void ReplayService::stop_when_quiet() {
  if (flushing_ || retention_running_ || gathering_.records > 0 || !stopped_) return;
  loop_.post(std::exchange(stopped_, nullptr));
}

ReplayStats ReplayService::stats() const {
  const auto bounds = log_.bounds(replay_topic());
  const std::lock_guard lock(stats_mutex_);
  ReplayStats out = stats_;
  if (!bounds) return out;
  for (const log::PartitionBounds& b : *bounds) {
    const auto it = decided_seen_.find(b.partition.value);
    const int64_t next = it == decided_seen_.end() ? b.start.value : it->second;
    out.lag_records += static_cast<uint64_t>(std::max<int64_t>(b.end.value - next, 0));
  }
  return out;
}

std::unique_ptr<Replay> Replay::make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                     catalog::Catalog& catalog, ledger::Ledger& ledger,
                                     objects::ObjectStore& objects, ReplayOptions options) {
  return std::make_unique<ReplayService>(loop, runtime, log, catalog, ledger, objects, options);
}

}  // namespace penstock::replay
