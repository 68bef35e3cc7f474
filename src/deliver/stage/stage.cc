#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include "base/diag.h"
#include "deliver/deliver.h"
#include "deliver/event_json.h"
#include "deliver/queue/queue.h"
#include "deliver/stage/lane.h"
#include "deliver/stage/metrics.h"
#include "event/lane.h"
#include "log/follow.h"

namespace penstock::deliver {
namespace {

constexpr int64_t kFetchWaitMs = 500;
constexpr auto kPump = std::chrono::milliseconds(100);
constexpr int64_t kLookNs = 500'000'000;  // at what apps have
constexpr int64_t kSweepNs = 60'000'000'000;

class LogDeliver final : public Deliver {
 public:
  LogDeliver(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log,
             catalog::Catalog& catalog, apps::Apps& apps, std::unique_ptr<kv::KeyValue> state,
             DeliverHooks hooks, DeliverOptions options)
      : loop_(loop),
        runtime_(runtime),
        log_(log),
        catalog_(catalog),
        apps_(apps),
        kv_(std::move(state)),
        queue_(*kv_),
        hooks_(std::move(hooks)),
        options_(std::move(options)),
        follower_(loop, log, follow_options(options_), follow_hooks()) {}

  Status start() override {
    PENSTOCK_TRY(const auto kept, queue_.positions());
    PENSTOCK_TRY(counted_, queue_.counts());
    PENSTOCK_CHECK(queue_.count_attempts());
    PENSTOCK_TRY(const auto bounds, log_.bounds(topic_));
    std::vector<log::Position> known;
    for (const log::PartitionBounds& b : bounds) {
      const auto at = kept.find(b.partition.value);
      if (at != kept.end()) {
        known.push_back({b.partition, {std::min(at->second, b.end.value)}});
      } else if (kept.empty()) {
        // What was stored before there was anything to call for it is nobody's.
        known.push_back({b.partition, b.end});
      }
    }
    configure();
    PENSTOCK_CHECK(follower_.start(known));
    PENSTOCK_CHECK(save_positions());
    // Where it all begins must outlast a power loss: a start without it would begin later.
    if (kept.empty()) PENSTOCK_CHECK(queue_.flush());
    pump();
    schedule_checkpoint();
    return {};
  }

  void stop(runtime::Task done) override {
    stopping_ = true;
    stopped_ = std::move(done);
    follower_.stop();
    loop_.cancel(checkpoint_timer_);
    if (Status s = save_positions(); !s) note(s.error());
    lanes_.clear();
    if (checkpointing_) return;  // it uses the store, and goes on when it ends
    if (Status s = queue_.flush(); s) commit(follower_.positions());
    std::exchange(stopped_, nullptr)();
  }

  void configure() override {
    const auto snapshot = catalog_.snapshot();
    std::map<int64_t, std::vector<Called>> now;
    for (const catalog::Project& project : snapshot->projects) {
      if (project.apps == nullptr) continue;
      for (const auto& app : *project.apps) {
        if (app->app.manifest.language != catalog::AppLanguage::kJavaScript) continue;
        now[project.id.value].push_back({app, {}});
      }
    }
    projects_ = std::move(now);
    configured_++;
    look_at_apps();
  }

  DeliverStats stats() const override {
    const uint64_t lag = follower_.lag_records();
    const std::lock_guard lock(mutex_);
    DeliverStats out = stats_;
    for (const DeliveryCounts& one : shown_) out.waiting += one.waiting;
    out.lag_records = lag;
    return out;
  }

  std::vector<DeliveryCounts> counts() const override {
    const std::lock_guard lock(mutex_);
    return shown_;
  }

  Result<std::vector<Attempt>> attempts(const Uuid& event) const override {
    return queue_.attempts(event);
  }

 private:
  /// An app and the queues of those functions that it has, or may have.
  struct Called {
    std::shared_ptr<const catalog::EnabledApp> app;
    std::vector<Lane*> lanes;
  };

  std::weak_ptr<int> alive() const { return alive_; }

  // ---- Apps ----

  /// Which functions apps have is known once they were loaded; until then events wait for all.
  void look_at_apps() {
    std::map<int64_t, apps::AppStatus> loaded;
    for (apps::AppStatus& status : apps_.statuses()) {
      if (!status.capabilities.empty()) loaded[status.config] = std::move(status);
    }
    std::map<QueueId, std::unique_ptr<Lane>> lanes;
    for (auto& [project, apps] : projects_) {
      for (Called& called : apps) {
        called.lanes.clear();
        const int64_t config = called.app->config.id;
        const auto status = loaded.find(config);
        for (size_t m = 0; m < kMethods; m++) {
          const QueueId id{config, static_cast<Method>(m)};
          if (status != loaded.end() && !status->second.has(method_name(id.method))) {
            if (lanes_.contains(id)) forget(id);
            continue;
          }
          auto& lane = lanes[id] = take_lane(id);
          lane->configure(called.app);
          called.lanes.push_back(lane.get());
        }
      }
    }
    for (const auto& [id, lane] : lanes_) {
      if (lane) remember(*lane);
    }
    lanes_ = std::move(lanes);
    looked_ns_ = runtime_.clock().mono_ns();
  }

  std::unique_ptr<Lane> take_lane(const QueueId& id) {
    if (const auto known = lanes_.find(id); known != lanes_.end() && known->second) {
      return std::move(known->second);
    }
    auto lane = std::make_unique<Lane>(LaneParts{runtime_, apps_, queue_, hooks_, options_}, id,
                                       counted_[id]);
    if (Status s = lane->load(); !s) note(s.error());
    return lane;
  }

  /// The app has no such function.
  void forget(const QueueId& id) {
    const auto lane = lanes_.find(id);
    if (lane->second && lane->second->counts().waiting == 0) return;
    if (Status s = queue_.clear(id); !s) note(s.error());
    lane->second.reset();
  }

  void remember(const Lane& lane) {
    const DeliveryCounts counts = lane.counts();
    counted_[lane.id()] = {counts.successes, counts.successes_on_retry, counts.failures};
  }

  void pump() {
    pump_timer_ = loop_.after(kPump, [this, guard = alive()] {
      if (!guard.expired()) pump();
    });
    if (stopping_) return;
    const int64_t now = runtime_.clock().wall_ms();
    const int64_t ns = runtime_.clock().mono_ns();
    if (ns - looked_ns_ >= kLookNs) look_at_apps();
    for (const auto& [id, lane] : lanes_) lane->pump(now);
    if (ns - swept_ns_ >= kSweepNs) {
      const auto more = queue_.sweep(now - options_.keep_ms, options_.attempts_max);
      if (!more || !*more) swept_ns_ = ns;
    }
    show();
  }

  void show() {
    uint64_t waiting = 0;
    std::vector<DeliveryCounts> shown;
    for (const auto& [id, lane] : lanes_) {
      shown.push_back(lane->counts());
      waiting += shown.back().waiting;
    }
    metrics::waiting.set(static_cast<int64_t>(waiting));
    const std::lock_guard lock(mutex_);
    shown_ = std::move(shown);
  }

  // ---- Reading ----

  static log::FollowOptions follow_options(const DeliverOptions& options) {
    return {.topic = std::string(event::kTopicProcessed),
            .fetch_bytes_max = options.fetch_bytes_max,
            .wait_ms = kFetchWaitMs,
            .pause_ms = options.pause_ms,
            .retry_ms_min = options.retry_ms_min,
            .retry_ms_max = options.retry_ms_max};
  }

  log::FollowHooks follow_hooks() {
    log::FollowHooks out;
    out.take = [this](const log::Followed& came, log::FollowHooks::Taken taken) {
      take_ready(came, std::move(taken));
    };
    out.lost = [](Partition, Offset from, Offset to) {
      metrics::lost.add(static_cast<uint64_t>(to.value - from.value));
    };
    out.failed = [this](const Error& error) { note(error); };
    // No app to call: what is stored meanwhile is nobody's.
    out.wanted = [this] { return !lanes_.empty(); };
    return out;
  }

  void take_ready(const log::Followed& came, log::FollowHooks::Taken taken) {
    if (!hooks_.look_up) return taken(take_all(came));
    hooks_.look_up(upcoming(came), [this, guard = alive(), &came, taken = std::move(taken),
                                    configured = configured_](const Status& ready) mutable {
      if (guard.expired() || stopping_) return;
      // Other filters may ask for more.
      if (configured != configured_) return take_ready(came, std::move(taken));
      taken(ready ? take_all(came) : ready);
    });
  }

  /// What is asked about when `came` is taken. Views into it.
  std::vector<Upcoming> upcoming(const log::Followed& came) const {
    std::vector<Upcoming> out;
    for (const log::ScanSlice& slice : came) {
      for (const std::string_view bytes : slice.records) {
        const auto record = event::decode_processed(bytes);
        const event::Outcome* outcome = record ? delivered(*record) : nullptr;
        if (outcome == nullptr) continue;
        const auto project = projects_.find(outcome->project.value);
        if (project == projects_.end()) continue;
        for (const Called& called : project->second) {
          if (!called.lanes.empty()) out.push_back({called.app.get(), outcome->row.properties});
        }
      }
    }
    return out;
  }

  /// The event that a record brings; null: it brings none that apps are called for.
  static const event::Outcome* delivered(const event::ProcessedRecord& record) {
    const auto* outcome = std::get_if<event::Outcome>(&record);
    if (outcome == nullptr || outcome->kind != event::OutcomeKind::kAccepted) return nullptr;
    const bool other = outcome->source.lane == event::Lane::kReplay || outcome->row.heatmap_only;
    return other ? nullptr : outcome;
  }

  Status take_all(const log::Followed& came) {
    kv::WriteBatch batch;
    events_ = 0;
    for (const log::ScanSlice& slice : came) {
      for (const std::string_view record : slice.records) take(batch, record);
      const int64_t next = slice.base.value + static_cast<int64_t>(slice.records.size());
      Queue::put_position(batch, slice.partition.value, next);
    }
    if (Status s = queue_.write(batch); !s) {
      // What the lanes took is not in the store: they begin again from there.
      lanes_.clear();
      if (auto counts = queue_.counts()) counted_ = std::move(*counts);
      look_at_apps();
      return s;
    }
    const int64_t now = runtime_.clock().wall_ms();
    for (const auto& [id, lane] : lanes_) lane->pump(now);
    show();  // before anyone can take it for read and for nobody's
    const std::lock_guard lock(mutex_);
    stats_.events += events_;
    if (events_ > 0) stats_.last_error.clear();
    return {};
  }

  void take(kv::WriteBatch& batch, std::string_view bytes) {
    const auto record = event::decode_processed(bytes);
    const event::Outcome* outcome = record ? delivered(*record) : nullptr;
    if (outcome == nullptr) return;
    const auto project = projects_.find(outcome->project.value);
    if (project == projects_.end()) return;
    std::string text;
    std::optional<event::JsonFields> fields;
    for (const Called& called : project->second) {
      if (called.lanes.empty()) continue;
      if (!fields) {
        text = event_json(*outcome, options_.site_url);
        auto parsed = event::JsonFields::parse(text);
        if (!parsed) return;
        fields = std::move(*parsed);
      }
      if (hooks_.wants && !hooks_.wants(*called.app, *fields)) continue;
      for (Lane* lane : called.lanes) lane->add(batch, outcome->uuid, outcome->row.event, text);
      events_++;
    }
  }

  // ---- Positions ----

  Status save_positions() {
    kv::WriteBatch batch;
    for (const auto& [partition, next] : follower_.positions()) {
      Queue::put_position(batch, partition, next);
    }
    return queue_.write(batch);
  }

  void commit(const log::Positions& next) {
    std::vector<log::Position> positions;
    for (const auto& [partition, at] : next) positions.push_back({{partition}, {at}});
    const Status s = log_.commit(std::string(kConsumerGroup), topic_, std::move(positions));
    if (!s) diag::warn("deliver's position was not noted", {{"error", s.error().message}});
  }

  void schedule_checkpoint() {
    checkpoint_timer_ =
        loop_.after(std::chrono::milliseconds(options_.checkpoint_ms), [this, guard = alive()] {
          if (!guard.expired()) checkpoint();
        });
  }

  /// The log keeps what is not durable here.
  void checkpoint() {
    if (Status s = save_positions(); !s) note(s.error());
    checkpointing_ = true;
    auto flushed = std::make_shared<Status>(fail(Code::kBusy, "not flushed"));
    auto job = [this, flushed] { *flushed = queue_.flush(); };
    const auto done = [this, guard = alive(), flushed, next = follower_.positions()] {
      if (guard.expired()) return;
      checkpointing_ = false;
      if (*flushed) commit(next);
      if (stopping_) return std::exchange(stopped_, nullptr)();
      schedule_checkpoint();
    };
    if (!runtime_.pool().submit(std::move(job), loop_, done)) loop_.post(done);
  }

  void note(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (stats_.last_error != error.message) {
      diag::warn("deliver waits", {{"error", error.message}});
    }
    stats_.last_error = error.message;
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  catalog::Catalog& catalog_;
  apps::Apps& apps_;
  std::unique_ptr<kv::KeyValue> kv_;
  Queue queue_;
  const DeliverHooks hooks_;
  const DeliverOptions options_;
  const std::string topic_{event::kTopicProcessed};
  std::map<QueueId, Counted> counted_;
  std::map<QueueId, std::unique_ptr<Lane>> lanes_;
  std::map<int64_t, std::vector<Called>> projects_;
  uint64_t configured_ = 0;  // how often
  uint64_t events_ = 0;      // of one fetch
  int64_t looked_ns_ = 0, swept_ns_ = 0;
  bool stopping_ = false, checkpointing_ = false;
  runtime::TimerId checkpoint_timer_ = 0, pump_timer_ = 0;
  runtime::Task stopped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  mutable std::mutex mutex_;
  DeliverStats stats_;
  std::vector<DeliveryCounts> shown_;
  log::Follower follower_;  // calls into all of the above
};

}  // namespace

std::string_view method_name(Method method) {
  switch (method) {
    case Method::kOnEvent: return "onEvent";
    case Method::kComposeWebhook: return "composeWebhook";
    case Method::kExportEvents: return "exportEvents";
  }
  return "onEvent";
}

std::unique_ptr<Deliver> Deliver::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                       log::Log& log, catalog::Catalog& catalog, apps::Apps& apps,
                                       std::unique_ptr<kv::KeyValue> state, DeliverHooks hooks,
                                       DeliverOptions options) {
  return std::make_unique<LogDeliver>(loop, runtime, log, catalog, apps, std::move(state),
                                      std::move(hooks), std::move(options));
}

}  // namespace penstock::deliver
