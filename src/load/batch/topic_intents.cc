// Of several processes that share the partitions: a topic that all of them read and write.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <utility>

#include "base/diag.h"
#include "base/probe.h"
#include "event/lane.h"
#include "load/batch/intent_book.h"
#include "load/batch/intents.h"

namespace penstock::load {
namespace {

constexpr int64_t kFetchWaitMs = 1000;
constexpr size_t kFetchBytes = 1U << 20;
constexpr int64_t kMillion = 1'000'000;
constexpr int kAskedInVain = 10;  // then it is said who does not answer

class TopicIntents : public Intents {
 public:
  TopicIntents(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
               TopicIntentsOptions options)
      : loop_(loop), runtime_(runtime), log_(log), options_(std::move(options)) {
    runtime_.random().fill(epoch_.bytes);
  }

  ~TopicIntents() override { *alive_ = false; }

  Status start(std::vector<Offset> at, std::function<void()> changed) override {
    changed_ = std::move(changed);
    floor_ = std::move(at);
    book_ = IntentBook(floor_.size());
    PENSTOCK_TRY(left_, read_left());
    PENSTOCK_TRY(const std::vector<log::PartitionBounds> bounds, log_.bounds(options_.topic));
    if (bounds.size() != 1)
      return fail(Code::kInvalid, options_.topic + " has to be one partition");
    at_ = bounds.front().start;
    target_ = bounds.front().end;
    for (const log::Position& p : log_.committed(group(), options_.topic)) {
      at_ = std::clamp(p.next, at_, target_);
    }
    if (at_ >= target_) become_ready();
    fetch();
    return {};
  }

  void stop() override {
    stopping_ = true;
    waiting_.clear();
    asks_ = {};
  }

  bool ready() const override { return ready_; }
  std::string trouble() const override { return trouble_; }

  std::vector<Offset> ends() const override {
    std::vector<Offset> out = floor_;
    for (size_t p = 0; p < out.size(); p++) {
      if (const auto end = book_.end(p)) out[p] = std::max(out[p], *end);
    }
    return out;
  }

  std::vector<Offset> stored() const override {
    std::vector<Offset> out = ends();
    for (const Intent& i : book_.open()) {
      if (noted_.contains(i.batch_id())) continue;
      for (const Range& r : i.ranges) {
        Offset& at = out[static_cast<size_t>(r.partition.value)];
        at = std::min(at, r.from);
      }
    }
    for (size_t p = 0; p < out.size(); p++) out[p] = std::max(out[p], floor_[p]);
    return out;
  }

  std::string waits() const override { return waits_; }

  std::optional<Intent> open(const std::vector<bool>& mine,
                             const std::vector<bool>& read) override {
    const int64_t now = runtime_.clock().mono_ns();
    std::map<std::string, int64_t> seen;
    std::optional<Intent> out;
    waits_.clear();
    for (const Intent& i : book_.open()) {
      const bool is_mine = std::ranges::any_of(
          i.ranges, [&](const Range& r) { return mine[static_cast<size_t>(r.partition.value)]; });
      if (!is_mine || noted_.contains(i.batch_id())) continue;
      const auto known = seen_.find(i.batch_id());
      const int64_t since = known == seen_.end() ? now : known->second;
      seen[i.batch_id()] = since;
      const auto unread = std::ranges::find_if_not(
          i.ranges, [&](const Range& r) { return read[static_cast<size_t>(r.partition.value)]; });
      if (unread != i.ranges.end()) {
        probe<"load.batch_lies_in_other_slices_too">();
        waits_ = fmt::format(
            "a batch that was begun and not ended lies in partition {} of processed too, which is "
            "not read here: run load without process.slices, or with slices that hold all of it, "
            "until it is stored",
            unread->partition.value);
        continue;
      }
      if (out) continue;
      // One that was written here and not sent to its end is nobody else's.
      if (i.epoch == epoch_ || now - since >= options_.adopt_ms * kMillion) {
        out = i;
      } else if (!looks_again_) {
        looks_again_ = true;
        after(options_.adopt_ms, [this] {
          looks_again_ = false;
          changed_();
        });
      }
    }
    seen_ = std::move(seen);
    if (out) probe<"load.batch_is_adopted">();
    return out;
  }

  void lost(Partition partition, Offset start) override {
    Offset& at = floor_[static_cast<size_t>(partition.value)];
    at = std::max(at, start);
  }

  Intent next(const std::vector<Range>& ranges) override {
    Intent out;
    out.epoch = epoch_;
    out.sequence = ++sequence_;
    for (const Range& r : ranges) {
      if (r.from < r.to) out.ranges.push_back(r);
    }
    return out;
  }

  void write(const Intent& intent, Written done) override {
    append({intent_record(intent)},
           [this, intent, done = std::move(done)](Result<Offset> at) mutable {
             if (!at) return done(std::unexpected(std::move(at).error()));
             waiting_.push_back({*at, std::move(intent), std::move(done)});
             tell();
           });
  }

  void note(const Intent& intent, std::move_only_function<void(Status)> done) override {
    append({split_record(intent)}, [done = std::move(done)](Result<Offset> at) mutable {
      if (!at) return done(std::unexpected(std::move(at).error()));
      done({});
    });
  }

  /// Should it get lost, the batch is repeated and stored once.
  void note_stored(const Intent& intent) override {
    if (stopping_) return;
    noted_.insert(intent.batch_id());
    append({stored_record(intent)}, [this, intent](const Result<Offset>& at) {
      if (at) return;
      after(options_.retry_ms, [this, intent] { note_stored(intent); });
    });
  }

  // --- questions --------------------------------------------------------------------------------

  void ask(Ends done) override {
    Intent question;
    question.epoch = epoch_;
    question.sequence = ++sequence_;
    asks_ = {question, std::move(done), 0};
    ask_again(question.sequence);
  }

  std::optional<Intent> asked() override {
    for (const IntentBook::Question& q : book_.questions()) {
      if (q.asked <= answered_) continue;
      answered_ = q.asked;
      return q.id;
    }
    return std::nullopt;
  }

  /// One that gets lost is asked for again.
  void answer(const Intent& question, const std::vector<log::Position>& ends) override {
    if (stopping_) return;
    const std::vector<Offset> below = stored();
    std::vector<Range> partitions;
    for (const log::Position& p : ends) {
      const auto at = static_cast<size_t>(p.partition.value);
      if (at >= below.size()) continue;
      partitions.push_back({p.partition, std::min(below[at], p.next), p.next});
    }
    append({answer_record(question, partitions)}, [](const Result<Offset>&) {});
  }

 private:
  struct Asks {
    Intent question;
    Ends done;  // empty: nothing is asked
    int times = 0;
  };

  void ask_again(uint64_t sequence) {
    if (!asks_.done || asks_.question.sequence != sequence) return;
    if (++asks_.times == kAskedInVain) tell_who_is_silent();
    append({question_record(asks_.question)}, [](const Result<Offset>&) {});
    after(options_.ask_again_ms, [this, sequence] { ask_again(sequence); });
  }

  /// Of partitions that are in no load's range nobody ever will say anything.
  void tell_who_is_silent() const {
    const IntentBook::Question* q = book_.question(asks_.question);
    if (q == nullptr) return;
    std::vector<size_t> silent;
    for (size_t p = 0; p < q->partitions.size(); p++) {
      if (!q->partitions[p]) silent.push_back(p);
    }
    if (silent.empty()) return;
    diag::warn(
        "a squash waits for loads of other slices that do not answer: every slice has to be "
        "in the range of one that runs",
        {{"first_partition", silent.front()}, {"partitions", silent.size()}});
  }

  /// What others have stored long ago may be known to them alone.
  void tell_ends() {
    const IntentBook::Question* q = asks_.done ? book_.question(asks_.question) : nullptr;
    if (q == nullptr) return;
    std::vector<log::Position> out;
    for (const std::optional<Range>& r : q->partitions) {
      if (!r) return;
      out.push_back({r->partition, r->to});
    }
    for (const std::optional<Range>& r : q->partitions) lost(r->partition, r->from);
    std::exchange(asks_, {}).done(std::move(out));
  }

  struct Waiting {
    Offset at;  // of its record
    Intent intent;
    Written done;
  };

  static std::string group() { return std::string(event::kGroupLoad); }

  Result<std::optional<Intent>> read_left() {
    PENSTOCK_TRY(std::optional<Intent> found,
                 read_intent_file(runtime_.files(), options_.file, floor_.size()));
    if (!found) return std::nullopt;
    Intent left = *found;
    left.ranges.clear();
    for (const Range& r : found->ranges) {
      Offset& at = floor_[static_cast<size_t>(r.partition.value)];
      if (at < r.to && r.from < r.to) left.ranges.push_back(r);
    }
    const bool again = !left.ranges.empty();
    for (const Range& r : found->ranges) {
      const Offset at = floor_[static_cast<size_t>(r.partition.value)];
      const Offset below = again ? r.from : r.to;
      if (at < below) known_.push_back({r.partition, at, below});
    }
    if (again) {
      left.ranges.clear();
      for (const Range& r : found->ranges) {
        if (r.from < r.to) left.ranges.push_back(r);
      }
    }
    for (const Range& r : found->ranges) {
      Offset& at = floor_[static_cast<size_t>(r.partition.value)];
      at = again ? r.from : std::max(at, r.to);
    }
    return left;
  }

  template <typename F>
  void after(int64_t ms, F f) {
    loop_.after(std::chrono::milliseconds(ms), [this, alive = alive_, f = std::move(f)]() mutable {
      if (*alive && !stopping_) f();
    });
  }

  /// All of them or none; answers where the first one lies.
  void append(const std::vector<std::string>& records,
              std::move_only_function<void(Result<Offset>)> done) {
    log::Batch batch;
    for (const std::string& record : records) {
      batch.count++;
      log::encode_record(batch.data, record);
    }
    std::vector<log::Batch> batches;
    batches.push_back(std::move(batch));
    log_.append(loop_, options_.topic, std::move(batches),
                [this, alive = alive_, done = std::move(done)](auto result) mutable {
                  if (!*alive || stopping_) return;
                  if (!result) return done(std::unexpected(std::move(result).error()));
                  done(result->front().base);
                });
  }

  void fetch() {
    log::FetchRequest request{options_.topic, {{{0}, at_}}, kFetchBytes, kFetchWaitMs};
    log_.fetch(loop_, std::move(request), [this, alive = alive_](Result<log::FetchResult> got) {
      if (*alive && !stopping_) fetched(std::move(got));
    });
  }

  void fetched(Result<log::FetchResult> got) {
    if (!got) {
      if (got.error().code == Code::kNotFound) begin_later();
      after(options_.retry_ms, [this] { fetch(); });
      return;
    }
    const Offset before = at_;
    for (const log::ReadBatch& batch : got->batches) {
      for (size_t i = 0; i < batch.records.size(); i++) {
        const Offset at{batch.base.value + static_cast<int64_t>(i)};
        if (at < at_) continue;
        if (const Status taken = book_.apply(at, batch.records[i]); !taken) {
          trouble_ = options_.topic + ": " + taken.error().message;
          diag::error("loader stops at a record", {{"error", trouble_}});
          return changed_();
        }
        at_ = Offset{at.value + 1};
      }
    }
    if (at_ != before) moved();
    if (!ready_ && at_ >= target_) become_ready();
    tell();
    tell_ends();
    if (at_ != before && ready_) changed_();
    fetch();
  }

  /// Retention has passed what was to be read: those batches are long stored.
  void begin_later() {
    const auto bounds = log_.bounds(options_.topic);
    if (!bounds || bounds->empty() || bounds->front().start <= at_) return;
    probe<"load.intents_were_deleted">();
    at_ = bounds->front().start;
  }

  void become_ready() {
    if (!left_) return now_ready();
    if (book_.find(*left_) != nullptr) return drop_file();
    // What the file alone knows is stored: the positions that the log has may be older.
    std::vector<std::string> records;
    for (const Range& r : known_) {
      const Intent done = next({r});
      records.push_back(intent_record(done));
      records.push_back(stored_record(done));
    }
    if (!left_->ranges.empty()) records.push_back(intent_record(*left_));
    if (records.empty()) return drop_file();
    append(records, [this, n = records.size()](const Result<Offset>& at) {
      if (!at) return after(options_.retry_ms, [this] { become_ready(); });
      probe<"load.intent_file_is_taken_along">();
      target_ = Offset{at->value + static_cast<int64_t>(n)};
      drop_file();
    });
    target_ = Offset{INT64_MAX};  // until its record was read
  }

  void drop_file() {
    left_.reset();
    if (const Status gone = runtime_.files().remove(options_.file); !gone) {
      diag::warn("the batch of before stays in its file", {{"error", gone.error().message}});
    }
    if (at_ >= target_) now_ready();
  }

  void now_ready() {
    ready_ = true;
    changed_();
  }

  void tell() {
    std::vector<Waiting> known;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (it->at >= at_) {
        ++it;
        continue;
      }
      known.push_back(std::move(*it));
      it = waiting_.erase(it);
    }
    for (Waiting& w : known) {
      const bool counts = book_.find(w.intent) != nullptr;
      if (!counts) probe<"load.batch_came_second">();
      w.done(counts);
    }
  }

  /// So that a start need not read everything: one of the loaders sums up, and says where.
  void moved() {
    std::erase_if(noted_, [this](const std::string& id) {
      return std::ranges::none_of(book_.open(),
                                  [&](const Intent& i) { return i.batch_id() == id; });
    });
    floor_ = stored();
    if (book_.begin() > begin_) {
      begin_ = book_.begin();
      summing_up_ = false;
      const Status noted = log_.commit(group(), options_.topic, {{{0}, begin_}});
      if (!noted) diag::warn("progress not committed", {{"error", noted.error().message}});
    }
    if (summing_up_ || at_.value - std::max(begin_.value, tried_) < options_.snapshot_records) {
      return;
    }
    summing_up_ = true;
    append({book_.snapshot()}, [this](const Result<Offset>&) { summing_up_ = false; });
    // Something came between, or another one did it: not at once again.
    tried_ = at_.value - options_.snapshot_records / 2;
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  TopicIntentsOptions options_;
  std::function<void()> changed_;
  Uuid epoch_;  // of this life
  uint64_t sequence_ = 0;
  std::vector<Offset> floor_;  // where no batch was: below it all is stored
  std::optional<Intent> left_;
  std::vector<Range> known_;  // stored, as the file says and the log does not
  IntentBook book_;
  Offset at_, target_, begin_;
  int64_t tried_ = 0;
  bool ready_ = false, stopping_ = false, summing_up_ = false, looks_again_ = false;
  std::string trouble_, waits_;
  Asks asks_;
  uint64_t answered_ = 0;                // IntentBook::Question::asked
  std::set<std::string> noted_;          // that these are stored; the record is on its way
  std::vector<Waiting> waiting_;         // one: the loader sends one batch at a time
  std::map<std::string, int64_t> seen_;  // since when open batches are ours to repeat
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace

std::unique_ptr<Intents> make_topic_intents(runtime::Loop& loop, runtime::Runtime& runtime,
                                            log::Log& log, TopicIntentsOptions options) {
  return std::make_unique<TopicIntents>(loop, runtime, log, std::move(options));
}

}  // namespace penstock::load
