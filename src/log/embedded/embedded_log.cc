// The Log over its topics: hops to the home loop, consumer offsets, housekeeping.
#include "log/embedded_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <map>
#include <sstream>

#include "base/diag.h"
#include "log/embedded/metrics.h"
#include "log/embedded/topic.h"

namespace penstock::log {
namespace {

constexpr size_t kOffsetsBytesMax = 16U << 20;
constexpr int64_t kStopPollMs = 2;

class EmbeddedLog : public Log {
 public:
  EmbeddedLog(runtime::Runtime& runtime, runtime::Loop& home, EmbeddedLogOptions options)
      : runtime_(runtime), loop_(home), options_(std::move(options)) {}
  ~EmbeddedLog() override { *alive_ = false; }

  Status start(std::vector<TopicSpec> specs) override {
    PENSTOCK_CHECK(runtime_.files().create_directories(options_.directory));
    PENSTOCK_CHECK(read_offsets());
    for (TopicSpec& spec : specs) {
      if (spec.partitions < 1 || static_cast<size_t>(spec.partitions) > kPartitionsMax) {
        return fail(Code::kInvalid, "a topic has 1 to 256 partitions");
      }
      auto topic = std::make_shared<Topic>(runtime_, loop_, options_, std::move(spec));
      PENSTOCK_CHECK(topic->recover());
      topics_.emplace(topic->spec().name, std::move(topic));
    }
    on_home([this] { schedule_housekeeping(); });
    return {};
  }

  void stop() override {
    if (loop_.on_this_thread()) {
      for (auto& [name, topic] : topics_) topic->stop();
      return finish_offsets();
    }
    std::promise<void> done;
    loop_.post([this, &done] { stop_on_home(done); });
    done.get_future().wait();
    finish_offsets();
  }

  void append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
              AppendDone done) override {
    const auto it = topics_.find(topic);
    if (it == topics_.end()) {
      home.post([done = std::move(done), topic]() mutable {
        done(fail(Code::kNotFound, "there is no topic " + topic));
      });
      return;
    }
    PendingAppend pending{&home, std::move(batches), std::move(done), 0};
    if (loop_.on_this_thread()) return it->second->append(std::move(pending));
    loop_.post([t = it->second, pending = std::move(pending)]() mutable {
      t->append(std::move(pending));
    });
  }

  void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) override {
    const auto it = topics_.find(request.topic);
    if (it == topics_.end()) {
      home.post([done = std::move(done), topic = request.topic]() mutable {
        done(fail(Code::kNotFound, "there is no topic " + topic));
      });
      return;
    }
    PendingFetch pending{&home, std::move(request), std::move(done), 0, 0};
    if (loop_.on_this_thread()) return it->second->fetch(std::move(pending));
    loop_.post([t = it->second, pending = std::move(pending)]() mutable {
      t->fetch(std::move(pending));
    });
  }

  Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const override {
    const auto it = topics_.find(topic);
    if (it == topics_.end()) return fail(Code::kNotFound, "there is no topic " + topic);
    return it->second->bounds();
  }

  int64_t last_sequence(const std::string& topic, Partition partition,
                        uint64_t producer) const override {
    const auto it = topics_.find(topic);
    return it == topics_.end() ? -1 : it->second->last_sequence(partition, producer);
  }

  Status commit(const std::string& group, const std::string& topic,
                std::vector<Position> positions) override {
    const std::lock_guard lock(mutex_);
    for (const Position& p : positions) committed_[{group, topic}][p.partition] = p.next;
    dirty_ = true;
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
    LogStats out;
    for (const auto& [name, topic] : topics_) topic->add_stats(out);
    out.commit_us_p50 = metrics().commit.quantile_us(0.5);
    out.commit_us_p99 = metrics().commit.quantile_us(0.99);
    return out;
  }

 private:
  using Offsets = std::map<std::pair<std::string, std::string>, std::map<Partition, Offset>>;

  void on_home(runtime::Task task) {
    loop_.on_this_thread() ? task() : loop_.post(std::move(task));
  }
  std::string offsets_path() const { return options_.directory + "/offsets"; }

  void stop_on_home(std::promise<void>& done) {
    bool busy = false;
    for (auto& [name, topic] : topics_) {
      topic->stop();
      busy = busy || topic->busy();
    }
    if (!busy) return done.set_value();
    loop_.after(std::chrono::milliseconds(kStopPollMs), [this, &done] { stop_on_home(done); });
  }

  Status read_offsets() {
    if (!runtime_.files().exists(offsets_path())) return {};
    PENSTOCK_TRY(const std::string text,
                 runtime::read_file(runtime_.files(), offsets_path(), kOffsetsBytesMax));
    std::istringstream in(text);
    std::string group, topic;
    Partition partition;
    Offset next;
    while (in >> group >> topic >> partition.value >> next.value) {
      committed_[{group, topic}][partition] = next;
    }
    if (!in.eof()) return fail(Code::kCorrupt, offsets_path() + " is not a list of offsets");
    return {};
  }

  std::string offsets_text() {
    const std::lock_guard lock(mutex_);
    dirty_ = false;
    std::string out;
    for (const auto& [key, positions] : committed_) {
      for (const auto& [partition, next] : positions) {
        out += fmt::format("{} {} {} {}\n", key.first, key.second, partition.value, next.value);
      }
    }
    return out;
  }

  void finish_offsets() {
    const Status written =
        runtime::write_file_atomic(runtime_.files(), offsets_path(), offsets_text());
    if (!written) diag::warn("offsets not written", {{"error", written.error().message}});
  }

  void schedule_housekeeping() {
    loop_.after(std::chrono::milliseconds(options_.housekeeping_ms), [this, alive = alive_] {
      if (*alive) housekeeping();
    });
  }

  void housekeeping() {
    for (auto& [name, topic] : topics_) topic->retain(required(*topic));
    bool dirty = false;
    {
      const std::lock_guard lock(mutex_);
      dirty = dirty_ && !writing_offsets_;
      writing_offsets_ = writing_offsets_ || dirty;
    }
    if (dirty) write_offsets();
    schedule_housekeeping();
  }

  void write_offsets() {
    auto status = std::make_shared<Status>();
    const Status submitted = runtime_.pool().submit(
        [this, alive = alive_, status, text = offsets_text()] {
          *status = runtime::write_file_atomic(runtime_.files(), offsets_path(), text);
        },
        loop_, [this, alive = alive_, status] {
          if (*alive) offsets_written(*status);
        });
    if (!submitted) offsets_written(submitted);
  }

  void offsets_written(const Status& status) {
    const std::lock_guard lock(mutex_);
    writing_offsets_ = false;
    if (status) return;
    dirty_ = true;
    diag::warn("offsets not written", {{"error", status.error().message}});
  }

  /// Below this no required group needs a record any more.
  std::vector<int64_t> required(const Topic& topic) const {
    const std::lock_guard lock(mutex_);
    std::vector<int64_t> out(static_cast<size_t>(topic.spec().partitions), INT64_MAX);
    for (const std::string& group : topic.spec().required_groups) {
      const auto it = committed_.find({group, topic.spec().name});
      for (size_t p = 0; p < out.size(); p++) {
        int64_t next = 0;
        if (it != committed_.end()) {
          const auto found = it->second.find(Partition{static_cast<int32_t>(p)});
          if (found != it->second.end()) next = found->second.value;
        }
        out[p] = std::min(out[p], next);
      }
    }
    return out;
  }

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  EmbeddedLogOptions options_;
  std::map<std::string, std::shared_ptr<Topic>> topics_;  // fixed after start
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  mutable std::mutex mutex_;
  Offsets committed_;
  bool dirty_ = false, writing_offsets_ = false;
};

}  // namespace

std::unique_ptr<Log> open_embedded_log(runtime::Runtime& runtime, runtime::Loop& home,
                                       EmbeddedLogOptions options) {
  return std::make_unique<EmbeddedLog>(runtime, home, std::move(options));
}

}  // namespace penstock::log
