#include "log/memory_log.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <mutex>

#include "log/record_codec.h"

namespace penstock::log {
namespace {

constexpr size_t kWaitersMax = 1024;

struct StoredPartition {
  std::deque<ReadBatch> batches;
  int64_t end = 0;
  std::map<uint64_t, int64_t> sequences;
};

struct Waiter {
  uint64_t id = 0;
  runtime::Loop* home = nullptr;
  FetchRequest request;
  std::shared_ptr<FetchDone> done;
};

class MemoryLog : public Log {
 public:
  ~MemoryLog() override {
    const std::lock_guard lock(life_->mutex);
    life_->alive = false;
  }

  Status start(std::vector<TopicSpec> topics) override {
    const std::lock_guard lock(mutex_);
    stopped_ = false;
    for (const TopicSpec& t : topics) {
      topics_[t.name].resize(static_cast<size_t>(t.partitions));
    }
    return {};
  }

  Status ensure_topic(TopicSpec topic) override {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Code::kCancelled, "the log has stopped");
    const auto [at, fresh] = topics_.try_emplace(topic.name);
    if (fresh) at->second.resize(static_cast<size_t>(topic.partitions));
    return {};
  }

  void stop() override {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (Waiter& w : waiters_) {
      w.home->post([done = w.done] { (*done)(fail(Code::kCancelled, "the log has stopped")); });
    }
    waiters_.clear();
  }

  void append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
              AppendDone done) override {
    auto result = store(topic, batches);
    home.post([done = std::move(done), result = std::move(result)]() mutable {
      done(std::move(result));
    });
  }

  void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) override {
    const std::lock_guard lock(mutex_);
    auto shared = std::make_shared<FetchDone>(std::move(done));
    auto result = read(request);
    const bool waits = result && result->batches.empty() && request.wait_ms > 0 && !stopped_ &&
                       waiters_.size() < kWaitersMax;
    if (!waits) return answer(home, shared, std::move(result));
    const uint64_t id = next_waiter_++;
    const auto patience = std::chrono::milliseconds(request.wait_ms);
    waiters_.push_back({id, &home, std::move(request), shared});
    // Timers belong to their loop's thread.
    home.post([this, life = life_, id, &home, patience] {
      home.after(patience, [this, life, id] {
        const std::lock_guard alive(life->mutex);
        if (life->alive) expire(id);
      });
    });
  }

  Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const override {
    const std::lock_guard lock(mutex_);
    const auto it = topics_.find(topic);
    if (it == topics_.end()) return fail(Code::kNotFound, "there is no topic " + topic);
    std::vector<PartitionBounds> out;
    for (size_t p = 0; p < it->second.size(); p++) {
      out.push_back({Partition{static_cast<int32_t>(p)}, Offset{0}, Offset{it->second[p].end}});
    }
    return out;
  }

  int64_t last_sequence(const std::string& topic, Partition partition,
                        uint64_t producer) const override {
    const std::lock_guard lock(mutex_);
    const auto it = topics_.find(topic);
    if (it == topics_.end()) return -1;
    if (!has(it->second, partition)) return -1;
    const auto& sequences = it->second[static_cast<size_t>(partition.value)].sequences;
    const auto found = sequences.find(producer);
    return found == sequences.end() ? -1 : found->second;
  }

  Status commit(const std::string& group, const std::string& topic,
                std::vector<Position> positions) override {
    const std::lock_guard lock(mutex_);
    for (const Position& p : positions) committed_[{group, topic}][p.partition] = p.next;
    return {};
  }

  std::vector<Position> committed(const std::string& group,
                                  const std::string& topic) const override {
    const std::lock_guard lock(mutex_);
    std::vector<Position> out;
    const auto it = committed_.find({group, topic});
    if (it == committed_.end()) return out;
    for (const auto& [partition, next] : it->second) out.push_back({partition, next});
    return out;
  }

  LogStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

 private:
  using Topic = std::vector<StoredPartition>;

  static bool has(const Topic& topic, Partition p) {
    return p.value >= 0 && static_cast<size_t>(p.value) < topic.size();
  }

  Result<std::vector<Appended>> store(const std::string& name, std::vector<Batch>& batches) {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Code::kCancelled, "the log has stopped");
    const auto it = topics_.find(name);
    if (it == topics_.end()) return fail(Code::kNotFound, "there is no topic " + name);
    Topic& topic = it->second;
    std::vector<ReadBatch> parsed;
    for (Batch& b : batches) {
      if (!has(topic, b.partition)) return fail(Code::kInvalid, "there is no such partition");
      if (b.text().size() > kBatchBytesMax) return fail(Code::kInvalid, "a batch is too large");
      const auto bytes =
          b.shared ? std::move(b.shared) : std::make_shared<const std::string>(std::move(b.data));
      ReadBatch stored{b.partition, Offset{}, b.producer, b.sequence, {}, bytes};
      const bool sound =
          b.count > 0 && b.count <= bytes->size() && split_records(*bytes, b.count, stored.records);
      if (!sound) return fail(Code::kInvalid, "a batch does not hold the records it claims");
      parsed.push_back(std::move(stored));
    }
    std::vector<Appended> out;
    for (ReadBatch& batch : parsed) out.push_back(keep(topic, std::move(batch)));
    stats_.commits++;
    wake();
    return out;
  }

  Appended keep(Topic& topic, ReadBatch batch) {
    const Partition partition = batch.partition;
    StoredPartition& p = topic[static_cast<size_t>(partition.value)];
    if (batch.producer != 0) {
      const auto [last, fresh] = p.sequences.try_emplace(batch.producer, -1);
      if (batch.sequence <= last->second) return {partition, Offset{}, true};
      last->second = batch.sequence;
    }
    batch.base = Offset{p.end};
    p.end += static_cast<int64_t>(batch.records.size());
    stats_.appended_records += batch.records.size();
    for (const auto r : batch.records) stats_.appended_bytes += r.size();
    p.batches.push_back(std::move(batch));
    return {partition, p.batches.back().base, false};
  }

  Status check(const FetchRequest& request) const {
    if (stopped_) return fail(Code::kCancelled, "the log has stopped");
    const auto it = topics_.find(request.topic);
    if (it == topics_.end()) return fail(Code::kNotFound, "there is no topic " + request.topic);
    for (const Position& p : request.positions) {
      if (!has(it->second, p.partition)) return fail(Code::kInvalid, "there is no such partition");
      if (p.next.value < 0) return fail(Code::kNotFound, "the offset is gone");
      if (p.next.value > it->second[static_cast<size_t>(p.partition.value)].end) {
        return fail(Code::kInvalid, "the offset lies beyond the end");
      }
    }
    return {};
  }

  Result<FetchResult> read(const FetchRequest& request) const {
    PENSTOCK_CHECK(check(request));
    const auto it = topics_.find(request.topic);
    FetchResult out;
    size_t bytes = 0;
    for (const Position& position : request.positions) {
      const StoredPartition& p = it->second[static_cast<size_t>(position.partition.value)];
      Position next = position;
      auto batch = std::upper_bound(
          p.batches.begin(), p.batches.end(), position.next, [](Offset wanted, const ReadBatch& b) {
            return wanted.value < b.base.value + static_cast<int64_t>(b.records.size());
          });
      for (; batch != p.batches.end() && (bytes < request.bytes_max); ++batch) {
        for (const auto r : batch->records) bytes += r.size();
        next.next = Offset{batch->base.value + static_cast<int64_t>(batch->records.size())};
        out.batches.push_back(*batch);
      }
      out.next.push_back(next);
    }
    return out;
  }

  static void answer(runtime::Loop& home, std::shared_ptr<FetchDone> done,
                     Result<FetchResult> result) {
    home.post([done = std::move(done), result = std::move(result)]() mutable {
      (*done)(std::move(result));
    });
  }

  void wake() {
    std::vector<Waiter> still;
    for (Waiter& w : waiters_) {
      auto result = read(w.request);
      if (result && result->batches.empty()) {
        still.push_back(std::move(w));
      } else {
        answer(*w.home, w.done, std::move(result));
      }
    }
    waiters_ = std::move(still);
  }

  void expire(uint64_t id) {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < waiters_.size(); i++) {
      if (waiters_[i].id != id) continue;
      answer(*waiters_[i].home, waiters_[i].done, read(waiters_[i].request));
      waiters_.erase(waiters_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }

  /// Timers may fire after the log is gone. Its lock comes before `mutex_`.
  struct Life {
    std::mutex mutex;
    bool alive = true;
  };
  const std::shared_ptr<Life> life_ = std::make_shared<Life>();

  mutable std::mutex mutex_;
  std::map<std::string, Topic> topics_;
  std::map<std::pair<std::string, std::string>, std::map<Partition, Offset>> committed_;
  std::vector<Waiter> waiters_;
  uint64_t next_waiter_ = 1;
  LogStats stats_;
  bool stopped_ = false;
};

}  // namespace

std::unique_ptr<Log> make_memory_log(runtime::Runtime& /*runtime*/) {
  return std::make_unique<MemoryLog>();
}

}  // namespace penstock::log
