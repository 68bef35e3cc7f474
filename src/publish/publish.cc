#include "publish/publish.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include "base/diag.h"
#include "base/hash.h"
#include "base/json_writer.h"
#include "base/metrics.h"
#include "event/lane.h"
#include "event/messages.h"
#include "log/follow.h"
#include "publish/row_message.h"

namespace penstock::publish {
namespace {

Counter messages_metric{"penstock_publish_messages_total",
                        "Messages written to the topics that ClickHouse reads."};
Counter large_metric{"penstock_publish_too_large_total",
                     "Messages that were larger than topics take: a warning went in their place."};
Counter lost_metric{"penstock_publish_lost_records_total",
                    "Processed records that retention deleted before they were published."};

class LogPublish final : public Publish {
 public:
  LogPublish(runtime::Loop& loop, runtime::Runtime& runtime, log::Log& log, PublishOptions options)
      : loop_(loop),
        runtime_(runtime),
        log_(log),
        options_(options),
        follower_(loop, log, follow_options(options), hooks()) {}

  Status start() override {
    for (const std::string_view topic : event::kMessageTopics) {
      PENSTOCK_TRY(const auto there, log_.bounds(std::string(topic)));
      partitions_[topic] = static_cast<int32_t>(there.size());
    }
    PENSTOCK_CHECK(follower_.start(log_.committed(std::string(kConsumerGroup), topic_)));
    committed_ = follower_.positions();
    return {};
  }

  void stop(runtime::Task done) override {
    stopping_ = true;
    stopped_ = std::move(done);
    follower_.stop();
    if (waiting_ == 0) std::exchange(stopped_, nullptr)();
  }

  PublishStats stats() const override {
    const uint64_t lag = follower_.lag_records();
    const std::lock_guard lock(mutex_);
    PublishStats out = stats_;
    out.lag_records = lag;
    return out;
  }

 private:
  /// One append: batches for the partitions of one topic.
  struct Piece {
    std::string topic;
    std::map<int32_t, log::Batch> batches;
    size_t bytes = 0;
  };

  std::weak_ptr<int> alive() const { return alive_; }

  static log::FollowOptions follow_options(const PublishOptions& options) {
    return {.topic = std::string(event::kTopicProcessed),
            .fetch_bytes_max = options.fetch_bytes_max,
            .wait_ms = options.wait_ms,
            .retry_ms_min = options.retry_ms_min,
            .retry_ms_max = options.retry_ms_max};
  }

  log::FollowHooks hooks() {
    log::FollowHooks out;
    out.take = [this](const log::Followed& came, log::FollowHooks::Taken taken) {
      for (const log::ScanSlice& slice : came) {
        if (const Status made = take(slice); !made) return stop_at(made.error());
      }
      taken_ = std::move(taken);
      send();
    };
    out.moved = [this] { commit(); };
    out.lost = [](Partition, Offset from, Offset to) {
      lost_metric.add(static_cast<uint64_t>(to.value - from.value));
    };
    out.failed = [this](const Error& error) { note(error); };
    return out;
  }

  /// Not bad luck but another version's record: going on would leave a gap for good.
  void stop_at(const Error& error) {
    follower_.stop();
    diag::error("publishing stops at a record", {{"error", error.message}});
    note(error);
  }

  Status take(const log::ScanSlice& slice) {
    for (const std::string_view bytes : slice.records) {
      PENSTOCK_TRY(const event::ProcessedRecord record, event::decode_processed(bytes));
      records_++;
      const std::string_view topic = event::message_topic(record);
      if (topic.empty()) continue;
      texts_.clear();
      event::append_messages(record, texts_);
      const auto* outcome = std::get_if<event::Outcome>(&record);
      const std::string_view product =
          outcome == nullptr ? std::string_view() : product_of(outcome->row.event);
      for (const std::string& text : texts_) {
        if (text.size() > options_.message_bytes_max) {
          tell_too_large(record, topic);
        } else {
          add(topic, {product, key_of(record), text});
        }
      }
    }
    return {};
  }

  void tell_too_large(const event::ProcessedRecord& record, std::string_view topic) {
    large_metric.add();
    JsonWriter details;
    details.begin_object().field("topic", topic);
    if (const auto* outcome = std::get_if<event::Outcome>(&record)) {
      details.field("eventUuid", outcome->uuid.text());
      details.field("distinctId", outcome->row.distinct_id);
    } else {
      details.field("key", key_of(record));
    }
    details.field("category", "size").field("severity", "error");
    const std::string text = details.end_object().take();
    std::vector<std::string> warning;
    event::append_messages(
        event::IngestionWarning{event::project_of(record), "message_size_too_large",
                                "plugin-server", text, runtime_.clock().wall_ms()},
        warning);
    for (const std::string& w : warning) add(event::kMessagesWarnings, {{}, {}, w});
  }

  void add(std::string_view topic, const RowMessage& message) {
    Piece* piece = nullptr;
    for (Piece& p : pieces_) {
      if (p.topic == topic) piece = &p;  // the last one: what comes later stays behind it
    }
    if (piece == nullptr || piece->bytes + message.text.size() > options_.batch_bytes_max) {
      piece = &pieces_.emplace_back();
      piece->topic = topic;
    }
    const int32_t partitions = partitions_[topic];
    const int32_t at = message.key.empty() ? static_cast<int32_t>(turn_++ % partitions)
                                           : partition_of(message.key, partitions);
    log::Batch& batch = piece->batches.try_emplace(at).first->second;
    batch.partition = {at};
    record_.clear();
    encode(message, record_);
    log::encode_record(batch.data, record_);
    batch.count++;
    piece->bytes += record_.size();
    messages_++;
  }

  /// Pieces go one after the other: those of one topic must not overtake each other.
  void send() {
    if (pieces_.empty()) return published();
    std::vector<log::Batch> batches;
    for (const auto& [partition, batch] : pieces_.front().batches) batches.push_back(batch);
    waiting_++;
    log_.append(loop_, pieces_.front().topic, std::move(batches),
                [this, guard = alive()](const Result<std::vector<log::Appended>>& done) {
                  if (guard.expired()) return;
                  waiting_--;
                  if (stopping_) return std::exchange(stopped_, nullptr)();
                  if (!done) return send_again(done.error());
                  pieces_.erase(pieces_.begin());
                  send();
                });
  }

  void published() {
    messages_metric.add(messages_);
    {
      const std::lock_guard lock(mutex_);
      stats_.messages += std::exchange(messages_, 0);
      stats_.records += std::exchange(records_, 0);
      stats_.last_error.clear();
    }
    retry_ms_ = 0;
    std::exchange(taken_, nullptr)({});
  }

  void commit() {
    std::vector<log::Position> positions;
    for (const auto& [partition, next] : follower_.positions()) {
      if (next > committed_[partition]) positions.push_back({{partition}, {next}});
    }
    committed_ = follower_.positions();
    if (positions.empty()) return;
    const Status kept = log_.commit(std::string(kConsumerGroup), topic_, std::move(positions));
    if (!kept) diag::warn("progress not committed", {{"error", kept.error().message}});
  }

  void send_again(const Error& error) {
    note(error);
    retry_ms_ = std::clamp(retry_ms_ * 2, options_.retry_ms_min, options_.retry_ms_max);
    loop_.after(std::chrono::milliseconds(retry_ms_), [this, guard = alive()] {
      if (!guard.expired() && !stopping_) send();
    });
  }

  void note(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (stats_.last_error.empty()) diag::warn("publishing waits", {{"error", error.message}});
    stats_.last_error = error.message;
    stats_.retries++;
  }

  runtime::Loop& loop_;
  runtime::Runtime& runtime_;
  log::Log& log_;
  const PublishOptions options_;
  const std::string topic_{event::kTopicProcessed};
  std::map<std::string_view, int32_t> partitions_;
  log::Positions committed_;
  log::FollowHooks::Taken taken_;  // to be told when all of a fetch is acknowledged
  std::vector<Piece> pieces_;
  std::vector<std::string> texts_;
  std::string record_;
  uint64_t messages_ = 0, records_ = 0, turn_ = 0;
  size_t waiting_ = 0;
  int64_t retry_ms_ = 0;
  bool stopping_ = false;
  runtime::Task stopped_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  mutable std::mutex mutex_;
  PublishStats stats_;
  log::Follower follower_;  // calls into all of the above
};

}  // namespace

std::unique_ptr<Publish> Publish::make(runtime::Loop& loop, runtime::Runtime& runtime,
                                       log::Log& log, PublishOptions options) {
  return std::make_unique<LogPublish>(loop, runtime, log, options);
}

}  // namespace penstock::publish
