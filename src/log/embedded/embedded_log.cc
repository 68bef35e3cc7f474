// The Log over its topics: hops to the home loop, start and stop, housekeeping.
#include "log/embedded_log.h"

#include <chrono>
#include <future>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "base/diag.h"
#include "log/embedded/metrics.h"
#include "log/embedded/offsets.h"
#include "log/embedded/topic.h"

namespace penstock::log {
namespace {

constexpr int64_t kStopPollMs = 2;

bool is_folder_name(const std::string& s) {
  return !s.empty() && s.size() <= 128 && s != "damaged" &&
         s.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
             std::string::npos;
}

class EmbeddedLog : public Log {
 public:
  EmbeddedLog(runtime::Runtime& runtime, runtime::Loop& home, EmbeddedLogOptions options)
      : runtime_(runtime),
        loop_(home),
        options_(std::move(options)),
        offsets_(std::make_shared<Offsets>(options_.directory)) {}
  ~EmbeddedLog() override { *alive_ = false; }

  Status start(std::vector<TopicSpec> specs) override {
    runtime::FileSystem& files = runtime_.files();
    PENSTOCK_CHECK(files.create_directories(options_.directory));
    if (const size_t slash = options_.directory.rfind('/'); slash != std::string::npos) {
      PENSTOCK_CHECK(files.sync_directory(slash == 0 ? "/" : options_.directory.substr(0, slash)));
    }
    PENSTOCK_CHECK(offsets_->load(files));
    for (TopicSpec& spec : specs) PENSTOCK_CHECK(open_topic(std::move(spec)));
    on_home([this, alive = alive_] {
      if (*alive) schedule_housekeeping();
    });
    return {};
  }

  Status ensure_topic(TopicSpec spec) override {
    const std::lock_guard opening(opening_);
    return find(spec.name) != nullptr ? Status{} : open_topic(std::move(spec));
  }

  void stop() override {
    {
      const std::lock_guard lock(topics_mutex_);
      closed_ = true;  // from here on the topics are fixed
    }
    if (loop_.on_this_thread()) {
      // Nothing can be waited for here: what waits to be written is refused.
      for (const auto& topic : all_topics()) {
        topic->stop();
        topic->abandon();
      }
      stopped_ = true;
    } else {
      std::promise<void> done;
      loop_.post([this, &done] { stop_on_home(done); });
      done.get_future().wait();
    }
    if (Status s = offsets_->save(runtime_.files()); !s) {
      diag::warn("offsets not written", {{"error", s.error().message}});
    }
  }

  void append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
              AppendDone done) override {
    const auto found = find(topic);
    if (found == nullptr) {
      home.post([done = std::move(done), topic]() mutable {
        done(fail(Code::kNotFound, "there is no topic " + topic));
      });
      return;
    }
    PendingAppend pending{&home, std::move(batches), std::move(done), nullptr, 0, 0};
    loop_.on_this_thread() ? found->append(std::move(pending))
                           : found->hand_over(std::move(pending));
  }

  void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) override {
    const auto found = find(request.topic);
    if (found == nullptr) {
      home.post([done = std::move(done), topic = request.topic]() mutable {
        done(fail(Code::kNotFound, "there is no topic " + topic));
      });
      return;
    }
    PendingFetch pending{&home, std::move(request), std::move(done), 0, 0};
    if (loop_.on_this_thread()) return found->fetch(std::move(pending));
    loop_.post(
        [t = found, pending = std::move(pending)]() mutable { t->fetch(std::move(pending)); });
  }

  Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const override {
    const auto found = find(topic);
    if (found == nullptr) return fail(Code::kNotFound, "there is no topic " + topic);
    return found->bounds();
  }

  int64_t last_sequence(const std::string& topic, Partition partition,
                        uint64_t producer) const override {
    const auto found = find(topic);
    return found == nullptr ? -1 : found->last_sequence(partition, producer);
  }

  Status commit(const std::string& group, const std::string& topic,
                std::vector<Position> positions) override {
    return offsets_->commit(group, topic, positions);
  }

  std::vector<Position> committed(const std::string& group,
                                  const std::string& topic) const override {
    return offsets_->committed(group, topic);
  }

  LogStats stats() const override {
    LogStats out;
    for (const auto& topic : all_topics()) topic->add_stats(out);
    out.commit_us_p50 = metrics().commit.quantile_us(0.5);
    out.commit_us_p99 = metrics().commit.quantile_us(0.99);
    return out;
  }

 private:
  struct Round {  // what a housekeeping job found
    Status saved;
    Result<uint64_t> free = uint64_t{0};
  };

  std::shared_ptr<Topic> find(const std::string& name) const {
    const std::shared_lock lock(topics_mutex_);
    const auto it = topics_.find(name);
    return it == topics_.end() ? nullptr : it->second;
  }

  std::vector<std::shared_ptr<Topic>> all_topics() const {
    const std::shared_lock lock(topics_mutex_);
    std::vector<std::shared_ptr<Topic>> out;
    for (const auto& [name, topic] : topics_) out.push_back(topic);
    return out;
  }

  Status open_topic(TopicSpec spec) {
    if (spec.partitions < 1 || static_cast<size_t>(spec.partitions) > kPartitionsMax) {
      return fail(Code::kInvalid, spec.name + ": a topic has 1 to 256 partitions");
    }
    if (!is_folder_name(spec.name)) {
      return fail(Code::kInvalid, spec.name + " is not a name for a topic");
    }
    auto topic = std::make_shared<Topic>(runtime_, loop_, options_, std::move(spec));
    PENSTOCK_CHECK(topic->recover());
    const std::lock_guard lock(topics_mutex_);
    if (closed_) return fail(Code::kCancelled, "the log has stopped");
    topics_.emplace(topic->spec().name, std::move(topic));
    return {};
  }

  void on_home(runtime::Task task) {
    loop_.on_this_thread() ? task() : loop_.post(std::move(task));
  }

  void stop_on_home(std::promise<void>& done) {
    stopped_ = true;
    bool busy = housekeeping_;
    for (const auto& topic : all_topics()) {
      topic->stop();
      busy = busy || topic->busy();
    }
    if (!busy) return done.set_value();
    loop_.after(std::chrono::milliseconds(kStopPollMs), [this, &done] { stop_on_home(done); });
  }

  void schedule_housekeeping() {
    loop_.after(std::chrono::milliseconds(options_.housekeeping_ms), [this, alive = alive_] {
      if (*alive && !stopped_) housekeeping();
    });
  }

  void housekeeping() {
    housekeeping_ = true;
    auto round = std::make_shared<Round>();
    const Status submitted = runtime_.pool().submit(
        [&files = runtime_.files(), directory = options_.directory, offsets = offsets_, round] {
          round->saved = offsets->save(files);
          round->free = files.free_bytes(directory);
        },
        loop_,
        [this, alive = alive_, round] {
          if (*alive) housekept(*round);
        });
    if (submitted) return;
    housekeeping_ = false;
    schedule_housekeeping();
  }

  void housekept(const Round& round) {
    housekeeping_ = false;
    if (!round.saved) {
      diag::warn("offsets not written", {{"error", round.saved.error().message}});
    }
    if (stopped_) return;
    for (const auto& topic : all_topics()) {
      if (round.free) topic->free_space(*round.free);
      topic->retain(offsets_->required(topic->spec()));
    }
    schedule_housekeeping();
  }

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  const EmbeddedLogOptions options_;
  std::mutex opening_;  // one new topic at a time
  mutable std::shared_mutex topics_mutex_;
  std::map<std::string, std::shared_ptr<Topic>> topics_;  // grows; a topic stays for good
  bool closed_ = false;
  std::shared_ptr<Offsets> offsets_;
  // Of the home loop:
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool stopped_ = false, housekeeping_ = false;
};

}  // namespace

std::unique_ptr<Log> open_embedded_log(runtime::Runtime& runtime, runtime::Loop& home,
                                       EmbeddedLogOptions options) {
  return std::make_unique<EmbeddedLog>(runtime, home, std::move(options));
}

}  // namespace penstock::log
