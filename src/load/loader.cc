#include "load/loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <utility>

#include "base/assert.h"
#include "base/diag.h"
#include "base/metrics.h"
#include "base/probe.h"
#include "event/lane.h"
#include "load/batch/gather.h"
#include "load/batch/intents.h"
#include "load/batch/sender.h"

namespace penstock::load {
namespace {

Counter rows_total{"penstock_load_rows_total", "Event rows stored."};
Counter batches_total{"penstock_load_batches_total", "Batches stored."};
Counter lost_total{"penstock_load_lost_records_total",
                   "Processed records that retention deleted before they were stored."};

constexpr int64_t kFetchWaitMs = 1000;
constexpr size_t kFetchBytes = 4U << 20;
// At low load a pause between fetches makes one of many: the log wakes readers at every append.
constexpr size_t kFetchSmallBytes = 64U << 10;
constexpr int64_t kFetchPauseMs = 20;
constexpr size_t kBulkRecords = 500;  // in a batch that is sent sooner for them

std::unique_ptr<Intents> make_intents(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                      const LoaderOptions& o) {
  if (o.intents_topic.empty()) return make_file_intents(loop, runtime, o.state_path);
  TopicIntentsOptions options;
  options.topic = o.intents_topic;
  options.file = o.state_path;
  options.adopt_ms = o.adopt_ms;
  options.retry_ms = o.retry_ms_min;
  return make_topic_intents(loop, runtime, log, std::move(options));
}

class LogLoader : public Loader {
 public:
  LogLoader(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, store::EventStore& store,
            ledger::Ledger& ledger, LoaderOptions options)
      : loop_(loop),
        log_(log),
        ledger_(ledger),
        options_(std::move(options)),
        intents_(make_intents(loop, runtime, log, options_)),
        sender_(loop, runtime, store, *intents_, {options_.retry_ms_min, options_.retry_ms_max},
                [this](const std::string& error) { report(error); }),
        mine_(static_cast<size_t>(options_.partitions)),
        gather_(std::vector<Offset>(mine_.size())) {}

  ~LogLoader() override {
    *alive_ = false;
    forget_waiting();
  }

  Status start() override {
    PENSTOCK_CHECK(find_position());
    pump();
    return {};
  }

  void share(const std::vector<Partition>& mine) override {
    std::vector<bool> now(mine_.size());
    for (const Partition& p : mine) {
      if (p.value >= 0 && index(p) < now.size()) now[index(p)] = read_[index(p)];
    }
    if (now == mine_ || !is_shared()) return;
    probe<"load.partitions_change_hands">();
    mine_ = std::move(now);
    if (!resuming_) begin_anew();
    pump();
  }

  void stop(int64_t grace_ms, runtime::Task done) override {
    stopping_ = true;
    stopped_ = std::move(done);
    loop_.after(std::chrono::milliseconds(grace_ms), [this, alive = alive_] {
      if (*alive) finish_stop();
    });
    pump();
  }

  void when_all_stored(Stored done) override {
    if (finished_) return done(fail(Code::kCancelled, "the loader has stopped"));
    waiting_.push_back({++waits_, std::nullopt, std::move(done)});
    auto known = [this, alive = alive_, id = waits_](Result<std::vector<log::Position>> ends) {
      if (*alive) all_ends_known(id, std::move(ends));
    };
    // What others load into the same store, and is not read here, they say.
    if (is_shared() && options_.some) return intents_->ask(std::move(known));
    log_.ends(loop_, topic_, std::move(known));
  }

  LoaderStats stats() const override {
    const auto bounds = log_.bounds(topic_);
    const std::lock_guard lock(mutex_);
    LoaderStats out = stats_;
    if (out.last_error.empty()) out.last_error = waits_for_;
    if (!bounds) return out;
    for (const log::PartitionBounds& b : *bounds) {
      const auto p = static_cast<size_t>(b.partition.value);
      if (p < stored_.size() && b.end > stored_[p]) {
        out.lag_records += static_cast<uint64_t>(b.end.value - stored_[p].value);
      }
    }
    return out;
  }

 private:
  // --- where to begin ---------------------------------------------------------------------------

  Status find_position() {
    std::vector<Offset> at(static_cast<size_t>(options_.partitions));
    PENSTOCK_TRY(const std::vector<log::PartitionBounds> bounds, log_.bounds(topic_));
    if (options_.some ? bounds.size() > at.size() : bounds.size() != at.size()) {
      return fail(Code::kInvalid, fmt::format("the processed topic has {} partitions, not {}",
                                              bounds.size(), at.size()));
    }
    read_.assign(at.size(), false);
    for (const log::PartitionBounds& b : bounds) {
      at[index(b.partition)] = b.start;
      read_[index(b.partition)] = true;
    }
    if (!is_shared()) mine_ = read_;
    for (const log::Position& p : log_.committed(std::string(event::kGroupLoad), topic_)) {
      if (index(p.partition) < at.size())
        at[index(p.partition)] = std::max(at[index(p.partition)], p.next);
    }
    stored_ = at;
    PENSTOCK_CHECK(intents_->start(std::move(at), [this] { others_moved(); }));
    set_stored(intents_->stored());
    begin_anew();
    return {};
  }

  bool is_shared() const { return !options_.intents_topic.empty(); }

  /// Where the next batch begins; what was gathered is read again.
  void begin_anew() {
    gathers_++;
    fetching_ = resuming_ = false;
    if (linger_ != 0) loop_.cancel(std::exchange(linger_, 0));
    linger_over_ = bulk_lingers_ = false;
    gather_ = gather_from(intents_->ends());
  }

  Gather gather_from(const std::vector<Offset>& positions) const {
    Gather out(positions);
    out.leave_out_all_but(mine_);
    return out;
  }

  /// What was begun by whoever had these partitions before, with the same rows under the same id.
  void resume(Intent intent) {
    begin_anew();
    resuming_ = true;
    std::vector<Offset> from = intents_->ends();
    for (const Range& r : intent.ranges) from[index(r.partition)] = r.from;
    gather_ = Gather(from);
    gather_.limit_to(intent.ranges);
    resumed_ = std::move(intent);
  }

  void others_moved() {
    if (finished_) return;
    if (const std::string trouble = intents_->trouble(); !trouble.empty()) {
      corrupt_ = true;
      report(trouble);
    }
    if (intents_->ready()) commit(intents_->stored());
    set_stored(intents_->stored());
    tell_waiting();
    if (!resuming_ && gather_.empty() && is_behind(intents_->ends())) begin_anew();
    while (const std::optional<Intent> question = intents_->asked()) say_ends(*question);
    pump();
  }

  void say_ends(const Intent& question) {
    log_.ends(loop_, topic_,
              [this, alive = alive_, question](const Result<std::vector<log::Position>>& ends) {
                // It is asked again.
                if (*alive && ends) intents_->answer(question, *ends);
              });
  }

  bool is_behind(const std::vector<Offset>& ends) const {
    for (size_t p = 0; p < ends.size(); p++) {
      if (mine_[p] && gather_.ranges()[p].to < ends[p]) return true;
    }
    return false;
  }

  // --- gathering --------------------------------------------------------------------------------

  bool full() const {
    return gather_.records() >= options_.rows_per_batch_max ||
           gather_.bytes() >= options_.bytes_per_batch_max;
  }

  void fetch() {
    if (fetching_ || stopping_ || corrupt_ || !intents_->ready()) return;
    log::FetchRequest request{topic_, gather_.wanted(), kFetchBytes, kFetchWaitMs};
    if (request.positions.empty() || (full() && !resuming_)) return;
    fetching_ = true;
    log_.fetch(loop_, std::move(request),
               [this, alive = alive_, of = gathers_](Result<log::FetchResult> got) {
                 if (*alive && of == gathers_) fetched(std::move(got));
               });
  }

  void fetched(Result<log::FetchResult> got) {
    if (stopping_ && !got) return fetching_done();
    if (!got) return fetch_failed(got.error());
    if (fetch_failing_) {
      fetch_failing_ = false;
      report("");
    }
    const size_t before = gather_.bytes();
    for (const log::ReadBatch& batch : got->batches) {
      if (const Status taken = gather_.take(batch); !taken) {
        // Not bad luck but another version's record: going on would lose it.
        corrupt_ = true;
        diag::error("loader stops at a record", {{"error", taken.error().message}});
        report(taken.error().message);
        break;
      }
    }
    const bool trickle = gather_.bytes() - before < kFetchSmallBytes && !gather_.empty();
    pump();
    if (!trickle || resuming_ || stopping_) return fetching_done();
    pause(kFetchPauseMs);
  }

  void fetching_done() {
    fetching_ = false;
    fetch();
  }

  void pause(int64_t ms) {
    loop_.after(std::chrono::milliseconds(ms), [this, alive = alive_, of = gathers_] {
      if (*alive && of == gathers_) fetching_done();
    });
  }

  void fetch_failed(const Error& error) {
    fetch_failing_ = true;
    probe<"load.fetch_failed">();
    report("reading the log: " + error.message);
    if (error.code == Code::kNotFound) skip_lost();
    pause(options_.retry_ms_max / 10);
  }

  /// Retention has deleted what was not stored, which it does only when it is made to.
  void skip_lost() {
    const auto bounds = log_.bounds(topic_);
    if (!bounds || !gather_.empty()) return;
    for (const log::PartitionBounds& b : *bounds) {
      const Offset own = gather_.ranges()[index(b.partition)].to;
      if (own >= b.start || !mine_[index(b.partition)]) continue;
      const auto lost = static_cast<uint64_t>(b.start.value - own.value);
      diag::error("records were deleted before they were stored",
                  {{"partition", b.partition.value}, {"records", lost}});
      lost_total.add(lost);
      gather_.skip_to(b.partition, b.start);
      if (!sender_.busy()) intents_->lost(b.partition, b.start);
    }
    if (sender_.busy()) return;
    set_stored(intents_->stored());
    tell_waiting();
  }

  // --- sending ----------------------------------------------------------------------------------

  /// Sends what is due, fetches what has room, ends when all is done.
  void pump() {
    if (stopped_ && !sender_.busy() && (gather_.empty() || resuming_)) return finish_stop();
    if (sender_.busy() || finished_ || !intents_->ready()) return;
    if (!resuming_ && !stopping_) {
      if (std::optional<Intent> left = intents_->open(mine_, read_)) resume(std::move(*left));
      tell_what_waits(intents_->waits());
    }
    if (resuming_ ? gather_.complete() : due()) send();
    const bool bulk = gather_.bulk_records() >= kBulkRecords;
    if (!gather_.empty() && linger_ == 0) {
      linger(bulk ? options_.bulk_linger_ms : options_.linger_ms);
    } else if (bulk && !bulk_lingers_ && !linger_over_) {
      loop_.cancel(linger_);
      linger(options_.bulk_linger_ms);
    }
    bulk_lingers_ = bulk && linger_ != 0;
    fetch();
  }

  void linger(int64_t ms) {
    linger_ = loop_.after(std::chrono::milliseconds(ms), [this, alive = alive_] {
      if (!*alive) return;
      linger_over_ = true;
      linger_ = 0;
      pump();
    });
  }

  bool due() const { return !gather_.empty() && (full() || linger_over_ || stopping_ || corrupt_); }

  void send() {
    const bool again = std::exchange(resuming_, false);
    const Intent intent = again ? std::move(resumed_) : intents_->next(gather_.ranges());
    const std::vector<Offset> next = gather_.next();
    auto sent = std::make_shared<Gather>(std::move(gather_));
    if (again) {
      begin_anew();
    } else {
      gather_ = gather_from(next);
      if (linger_ != 0) loop_.cancel(std::exchange(linger_, 0));
      linger_over_ = bulk_lingers_ = false;
    }
    auto rows = sent->seal(intent.batch_id());
    const size_t events = rows->events.size();
    sender_.send(intent, again, std::move(rows), [this, intent, sent, events](bool is_stored) {
      if (is_stored) return stored(intent, *sent, events);
      begin_anew();
      pump();
    });
  }

  void stored(const Intent& intent, const Gather& sent, size_t events) {
    intents_->note_stored(intent);
    commit(intents_->stored());
    if (!is_shared()) tell_ledger(sent);
    rows_total.add(events);
    batches_total.add();
    {
      const std::lock_guard lock(mutex_);
      stats_.rows += events;
      stats_.batches++;
      stats_.last_insert_us = sender_.last_insert_us();
    }
    set_stored(intents_->stored());
    tell_waiting();
    pump();
  }

  void tell_ledger(const Gather& sent) {
    for (const Range& r : sent.ranges()) {
      // An empty range says where a partition stands: what lies below was stored in an earlier
      // life, of which the ledger may know nothing. Once is enough.
      if (r.from == r.to && below_is_told_) continue;
      const Status s = ledger_.apply_stored(r.partition, r.from, r.to, sent.counts(r.partition));
      if (!s) diag::error("ledger did not take stored rows", {{"error", s.error().message}});
    }
    below_is_told_ = true;
  }

  void commit(const std::vector<Offset>& at) {
    std::vector<log::Position> positions;
    for (size_t p = 0; p < at.size(); p++) {
      if (read_[p]) positions.push_back({{static_cast<int32_t>(p)}, at[p]});
    }
    if (const Status s = log_.commit(std::string(event::kGroupLoad), topic_, positions); !s) {
      diag::warn("progress not committed", {{"error", s.error().message}});
    }
  }

  bool has_stored(const std::vector<log::Position>& positions) const {
    return std::ranges::all_of(positions, [this](const log::Position& p) {
      return index(p.partition) >= stored_.size() || p.next <= stored_[index(p.partition)];
    });
  }

  void all_ends_known(uint64_t id, Result<std::vector<log::Position>> ends) {
    const auto it = std::ranges::find(waiting_, id, &Waiting::id);
    if (it == waiting_.end()) return;
    if (ends) {
      it->positions = std::move(*ends);
      set_stored(intents_->stored());
      return tell_waiting();
    }
    Stored done = std::move(it->done);
    waiting_.erase(it);
    done(std::unexpected(std::move(ends).error()));
  }

  void tell_waiting() {
    std::vector<Waiting> due;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (!it->positions || !has_stored(*it->positions)) {
        ++it;
        continue;
      }
      due.push_back(std::move(*it));
      it = waiting_.erase(it);
    }
    for (Waiting& w : due) w.done(Status{});
  }

  void forget_waiting() {
    for (Waiting& w : std::exchange(waiting_, {})) {
      w.done(fail(Code::kCancelled, "the loader has stopped"));
    }
  }

  void finish_stop() {
    if (std::exchange(finished_, true)) return;
    sender_.stop();
    intents_->stop();
    forget_waiting();
    if (stopped_) std::exchange(stopped_, nullptr)();
  }

  // --- telling ----------------------------------------------------------------------------------

  static size_t index(Partition p) { return static_cast<size_t>(p.value); }

  void set_stored(std::vector<Offset> at) {
    const std::lock_guard lock(mutex_);
    stored_ = std::move(at);
  }

  /// Beside it all else goes on.
  void tell_what_waits(std::string text) {
    if (text == waits_for_) return;
    if (!text.empty()) diag::warn("a batch waits", {{"why", text}});
    const std::lock_guard lock(mutex_);
    waits_for_ = std::move(text);
  }

  void report(const std::string& error) {
    const std::lock_guard lock(mutex_);
    if (!error.empty()) {
      stats_.retries++;
      if (stats_.last_error != error) diag::warn("loader waits", {{"error", error}});
    }
    stats_.last_error = error;
  }

  runtime::Loop& loop_;
  log::Log& log_;
  ledger::Ledger& ledger_;
  LoaderOptions options_;
  const std::string topic_{event::kTopicProcessed};
  std::unique_ptr<Intents> intents_;
  Sender sender_;
  std::vector<bool> mine_, read_;  // by partition: loaded here, and there at all
  Gather gather_;
  uint64_t gathers_ = 0;        // what a fetch brings for an earlier one is not wanted
  Intent resumed_;              // being repeated
  bool resuming_ = false;       // gathering exactly its ranges
  bool below_is_told_ = false;  // to the ledger: what lies below the first batch
  bool fetching_ = false, fetch_failing_ = false, corrupt_ = false;
  runtime::TimerId linger_ = 0;
  bool bulk_lingers_ = false;  // for the shorter time
  bool linger_over_ = false, stopping_ = false, finished_ = false;
  runtime::Task stopped_;
  struct Waiting {
    uint64_t id = 0;
    std::optional<std::vector<log::Position>> positions;  // until then they are being asked for
    Stored done;
  };
  uint64_t waits_ = 0;
  std::vector<Waiting> waiting_;  // as many as there are jobs, which are bounded themselves
  mutable std::mutex mutex_;
  LoaderStats stats_;
  std::string waits_for_;  // Intents::waits
  std::vector<Offset> stored_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Loader> Loader::make(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
                                     store::EventStore& store, ledger::Ledger& ledger,
                                     LoaderOptions options) {
  return std::make_unique<LogLoader>(loop, runtime, log, store, ledger, std::move(options));
}

}  // namespace penstock::load
