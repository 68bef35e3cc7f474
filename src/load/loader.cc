#include "load/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <sstream>

#include "base/diag.h"
#include "base/metrics.h"
#include "event/lane.h"
#include "event/processed_record.h"

namespace penstock::load {
namespace {

Counter rows_total{"penstock_load_rows_total", "Event rows stored."};
Counter batches_total{"penstock_load_batches_total", "Batches stored."};
Counter retries_total{"penstock_load_retries_total", "Batches sent again after a failure."};

constexpr int64_t kFetchWaitMs = 1000;
constexpr size_t kIntentBytesMax = 1U << 20;

struct Range {
  Partition partition;
  Offset from, to;
};

/// What is gathered for the next insert.
struct Gathered {
  std::shared_ptr<store::InsertBatch> batch = std::make_shared<store::InsertBatch>();
  std::shared_ptr<std::vector<std::shared_ptr<const void>>> owners =
      std::make_shared<std::vector<std::shared_ptr<const void>>>();
  std::map<int32_t, Range> ranges;
  std::map<int32_t, std::map<ledger::LedgerKey, uint64_t>> counts;
  size_t bytes = 0, records = 0;
  int64_t first_ns = 0;
};

class Service : public Loader {
 public:
  Service(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, store::EventStore& store,
          ledger::Ledger& ledger, LoaderOptions options)
      : loop_(loop),
        runtime_(runtime),
        log_(log),
        store_(store),
        ledger_(ledger),
        options_(std::move(options)) {}
  ~Service() override { *alive_ = false; }

  Status start() override {
    next_.assign(static_cast<size_t>(options_.partitions), 0);
    for (const log::Position& p : log_.committed(std::string(event::kGroupLoad), topic_)) {
      next_.at(static_cast<size_t>(p.partition.value)) = p.next.value;
    }
    PENSTOCK_CHECK(read_intent());
    fetch();
    return {};
  }

  void stop(int64_t grace_ms, runtime::Task done) override {
    stopping_ = true;
    stopped_ = std::move(done);
    if (!sending_ && gathered_.records == 0) return finished();
    loop_.after(std::chrono::milliseconds(grace_ms), [this, alive = alive_] {
      if (*alive) finished();
    });
    if (!sending_) send();
  }

  LoaderStats stats() const override {
    uint64_t lag = 0;
    const auto bounds = log_.bounds(topic_);
    const std::lock_guard lock(mutex_);
    if (bounds) {
      for (const auto& b : *bounds) {
        const auto p = static_cast<size_t>(b.partition.value);
        if (p < stored_.size() && b.end.value > stored_[p]) {
          lag += static_cast<uint64_t>(b.end.value - stored_[p]);
        }
      }
    }
    LoaderStats out = stats_;
    out.lag_records = lag;
    return out;
  }

 private:
  // --- gathering --------------------------------------------------------------------------------

  void fetch() {
    if (finished_ || sending_) return;
    log::FetchRequest request{topic_, {}, 8U << 20, 0};
    for (size_t p = 0; p < next_.size(); p++) {
      // While repeating a batch of before the restart, exactly its range is read again.
      if (!intent_.empty() && next_[p] >= intent_to(p)) continue;
      request.positions.push_back({Partition{static_cast<int32_t>(p)}, Offset{next_[p]}});
    }
    if (request.positions.empty()) return send();
    request.wait_ms = gathered_.records > 0 ? std::max<int64_t>(1, linger_left_ms()) : kFetchWaitMs;
    log_.fetch(loop_, std::move(request), [this, alive = alive_](Result<log::FetchResult> result) {
      if (*alive) fetched(std::move(result));
    });
  }

  int64_t linger_left_ms() const {
    const int64_t age = (runtime_.clock().mono_ns() - gathered_.first_ns) / 1'000'000;
    return options_.linger_ms - age;
  }

  int64_t intent_to(size_t p) const {
    for (const Range& r : intent_) {
      if (r.partition.value == static_cast<int32_t>(p)) return r.to.value;
    }
    return 0;
  }

  void fetched(Result<log::FetchResult> result) {
    if (finished_ || sending_) return;
    if (!result) {
      set_error("reading the log: " + result.error().message);
      loop_.after(std::chrono::milliseconds(options_.retry_ms_max / 10), [this, alive = alive_] {
        if (*alive) fetch();
      });
      return;
    }
    for (const log::ReadBatch& batch : result->batches) {
      if (intent_.empty() && full()) break;
      take(batch);
    }
    const bool due = gathered_.records > 0 && (full() || linger_left_ms() <= 0 || stopping_);
    if (intent_.empty() && due) return send();
    fetch();
  }

  bool full() const {
    return gathered_.records >= options_.rows_per_batch_max ||
           gathered_.bytes >= options_.bytes_per_batch_max;
  }

  void take(const log::ReadBatch& read) {
    const auto p = static_cast<size_t>(read.partition.value);
    Offset offset = read.base;
    bool used = false;
    for (const std::string_view record : read.records) {
      const Offset at = offset;
      offset.value++;
      if (at.value < next_[p]) continue;
      if (!intent_.empty() && at.value >= intent_to(p)) break;
      add(read.partition, at, record);
      next_[p] = at.value + 1;
      used = true;
    }
    if (used) gathered_.owners->push_back(read.owner);
  }

  void add(Partition partition, Offset at, std::string_view record) {
    if (gathered_.records++ == 0) gathered_.first_ns = runtime_.clock().mono_ns();
    gathered_.bytes += record.size();
    Range& range =
        gathered_.ranges.try_emplace(partition.value, Range{partition, at, at}).first->second;
    range.to = Offset{at.value + 1};
    const auto decoded = event::decode_processed(record);
    if (!decoded) {
      // Ingest wrote it a moment ago and the log's checksum holds: a bug, not bad luck.
      diag::error("processed record unreadable",
                  {{"partition", partition.value}, {"offset", at.value}});
      return;
    }
    store::InsertBatch& batch = *gathered_.batch;
    if (const auto* o = std::get_if<event::Outcome>(&*decoded)) {
      if (o->kind != event::OutcomeKind::kAccepted) return;
      batch.events.push_back({o->project, o->uuid, o->row});
      gathered_
          .counts[partition.value][{o->received_for, o->received_ms / 60'000, o->source.lane}]++;
    } else if (const auto* person = std::get_if<event::PersonChange>(&*decoded)) {
      batch.persons.push_back(*person);
    } else if (const auto* id = std::get_if<event::DistinctIdChange>(&*decoded)) {
      batch.distinct_ids.push_back(*id);
    } else if (const auto* warning = std::get_if<event::IngestionWarning>(&*decoded)) {
      batch.warnings.push_back(*warning);
    }
  }

  // --- sending ----------------------------------------------------------------------------------

  void send() {
    if (gathered_.records == 0) {
      intent_.clear();
      return stopping_ ? finished() : fetch();
    }
    sending_ = true;
    std::string id, intent;
    for (const auto& [partition, r] : gathered_.ranges) {
      id += fmt::format("{}p{}-{}-{}", id.empty() ? "" : "_", partition, r.from.value, r.to.value);
    }
    // Positions of all partitions: those without rows in this batch are done up to here too.
    for (size_t p = 0; p < next_.size(); p++) {
      const auto it = gathered_.ranges.find(static_cast<int32_t>(p));
      const int64_t from = it == gathered_.ranges.end() ? next_[p] : it->second.from.value;
      intent += fmt::format("{} {} {}\n", p, from, next_[p]);
    }
    gathered_.batch->id = std::move(id);
    gathered_.batch->owner = gathered_.owners;
    auto status = std::make_shared<Status>();
    const Status submitted = runtime_.pool().submit(
        [this, alive = alive_, status, path = options_.state_path, intent] {
          *status = runtime::write_file_atomic(runtime_.files(), path, intent);
        },
        loop_,
        [this, alive = alive_, status] {
          if (*alive) *status ? insert() : again(status->error(), true);
        });
    if (!submitted) again(submitted.error(), true);
  }

  void insert() {
    const int64_t begin = runtime_.clock().mono_ns();
    store_.insert(gathered_.batch, [this, alive = alive_, begin](Status done) {
      if (!*alive) return;
      if (!done) return again(done.error(), false);
      stored((runtime_.clock().mono_ns() - begin) / 1000);
    });
  }

  void again(const Error& error, bool from_intent) {
    if (finished_) return;
    set_error("storing: " + error.message);
    retries_total.add();
    {
      const std::lock_guard lock(mutex_);
      stats_.retries++;
    }
    retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
    loop_.after(std::chrono::milliseconds(retry_ms_), [this, alive = alive_, from_intent] {
      if (*alive && !finished_) from_intent ? send() : insert();
    });
  }

  void stored(int64_t us) {
    retry_ms_ = 0;
    std::vector<log::Position> positions;
    for (const auto& [partition, r] : gathered_.ranges) {
      positions.push_back({r.partition, r.to});
      std::vector<ledger::Ledger::Received> counts;
      for (const auto& [key, n] : gathered_.counts[partition]) counts.push_back({key, n});
      if (const Status s = ledger_.apply_stored(r.partition, r.from, r.to, counts); !s) {
        diag::error("ledger did not take stored rows", {{"error", s.error().message}});
      }
    }
    if (const Status s = log_.commit(std::string(event::kGroupLoad), topic_, positions); !s) {
      diag::warn("progress not committed", {{"error", s.error().message}});
    }
    rows_total.add(gathered_.batch->events.size());
    batches_total.add();
    {
      const std::lock_guard lock(mutex_);
      stats_.rows += gathered_.batch->events.size();
      stats_.batches++;
      stats_.last_insert_us = us;
      stats_.last_error.clear();
      stored_.assign(next_.begin(), next_.end());
    }
    gathered_ = Gathered();
    intent_.clear();
    sending_ = false;
    if (stopping_) return finished();
    fetch();
  }

  void finished() {
    if (std::exchange(finished_, true)) return;
    if (stopped_) std::exchange(stopped_, nullptr)();
  }

  // --- the batch of before a restart ------------------------------------------------------------

  Status read_intent() {
    {
      const std::lock_guard lock(mutex_);
      stored_ = next_;
    }
    if (!runtime_.files().exists(options_.state_path)) return {};
    PENSTOCK_TRY(const std::string text,
                 runtime::read_file(runtime_.files(), options_.state_path, kIntentBytesMax));
    std::istringstream in(text);
    Range r;
    while (in >> r.partition.value >> r.from.value >> r.to.value) {
      if (r.partition.value < 0 || r.partition.value >= options_.partitions) {
        return fail(Code::kInvalid, options_.state_path + " names a partition that is not there");
      }
      // All before the intent is stored, whatever the committed offsets say; the intent itself is
      // repeated under the same id and kept once.
      next_[static_cast<size_t>(r.partition.value)] = r.from.value;
      if (r.to > r.from) intent_.push_back(r);
    }
    if (!in.eof()) return fail(Code::kCorrupt, options_.state_path + " is not a list of ranges");
    const std::lock_guard lock(mutex_);
    stored_ = next_;
    return {};
  }

  void set_error(std::string text) {
    const std::lock_guard lock(mutex_);
    if (stats_.last_error != text) diag::warn("loader waits", {{"error", text}});
    stats_.last_error = std::move(text);
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  store::EventStore& store_;
  ledger::Ledger& ledger_;
  LoaderOptions options_;
  const std::string topic_{event::kTopicProcessed};
  std::vector<int64_t> next_;  // to be gathered, per partition
  std::vector<Range> intent_;  // to be repeated exactly; empty: none
  Gathered gathered_;
  bool sending_ = false, stopping_ = false, finished_ = false;
  int64_t retry_ms_ = 0;
  runtime::Task stopped_;
  mutable std::mutex mutex_;
  LoaderStats stats_;
  std::vector<int64_t> stored_;  // for the lag
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Loader> Loader::make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                     store::EventStore& store, ledger::Ledger& ledger,
                                     LoaderOptions options) {
  return std::make_unique<Service>(loop, runtime, log, store, ledger, std::move(options));
}

}  // namespace penstock::load
