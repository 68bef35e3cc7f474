// Where topics begin that another log's records were copied to: one message in a topic of its own,
// which every process reads at its start. Layout: docs/formats/kafka.md.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "log/kafka/begins.h"
#include "log/kafka/implementation.h"

namespace penstock::log::kafka {
namespace {

constexpr std::string_view kBeginsTopic = "log_begins";

/// Waited for; deletes itself.
class NoteDelivery : public Delivery {
 public:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<rd_kafka_resp_err_t> outcome;
  };
  explicit NoteDelivery(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  void delivered(rd_kafka_resp_err_t error, int64_t /*place*/) override {
    {
      const std::lock_guard lock(shared_->mutex);
      shared_->outcome = error;
    }
    shared_->changed.notify_all();
    delete this;
  }

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace

Status KafkaLog::load_begins() {
  const std::string remote = options_.topic_prefix + std::string(kBeginsTopic);
  std::pair<int64_t, int64_t> ends;
  PENSTOCK_CHECK(patiently([&]() -> Status {
    PENSTOCK_TRY(const auto there, admin_->facts({remote}, options_.start_ms_max));
    if (there.contains(remote)) {
      PENSTOCK_TRY(ends, admin_->ends(remote, 0, options_.start_ms_max));
      return {};
    }
    if (options_.begins.empty()) return {};
    PENSTOCK_CHECK(check_begins());
    TopicSpec spec;  // kept for ever
    spec.name = remote;
    PENSTOCK_CHECK(admin_->create({spec}, options_.start_ms_max));
    return fail(Code::kUnavailable, "the brokers do not show the topic " + remote);
  }));
  if (ends.second > 0) return read_begins(remote, ends.second);
  if (options_.begins.empty()) return {};
  PENSTOCK_CHECK(patiently([this] { return check_begins(); }));
  return write_begins(remote);
}

/// Offsets of what is there already would change.
Status KafkaLog::check_begins() {
  std::vector<std::string> names;
  for (const auto& [topic, begin] : options_.begins) names.push_back(options_.topic_prefix + topic);
  PENSTOCK_TRY(const auto there, admin_->facts(names, options_.start_ms_max));
  for (const auto& [name, facts] : there) {
    for (int32_t p = 0; p < facts.partitions; p++) {
      PENSTOCK_TRY(const auto ends, admin_->ends(name, p, options_.start_ms_max));
      if (ends.second == 0) continue;
      return fail(Code::kConflict, "the topic " + name +
                                       " has messages already: delete it, or set "
                                       "log.kafka_topic_prefix to another one");
    }
  }
  return {};
}

Status KafkaLog::write_begins(const std::string& remote) {
  TopicState topic;
  topic.name = kBeginsTopic;
  topic.remote = remote;
  const std::string message = encode_begins(options_.begins);
  auto shared = std::make_shared<NoteDelivery::Shared>();
  {
    const std::shared_lock producer(producer_mutex_);
    need_writer(topic);
    auto* delivery = new NoteDelivery(shared);
    const auto failed = produce(topic, {0}, message, delivery);
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) delivery->delivered(failed, -1);
  }
  std::unique_lock lock(shared->mutex);
  shared->changed.wait_for(lock, std::chrono::milliseconds(options_.start_ms_max),
                           [&] { return shared->outcome.has_value(); });
  if (!shared->outcome) return fail(Code::kUnavailable, "the brokers do not acknowledge");
  if (*shared->outcome != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::unexpected(error_of(*shared->outcome, "writing to " + remote));
  }
  begins_ = options_.begins;
  return {};
}

Status KafkaLog::read_begins(const std::string& remote, int64_t end_place) {
  TopicState topic;
  topic.name = kBeginsTopic;
  topic.remote = remote;
  PENSTOCK_TRY(const std::string text, start_reader_->text_at(topic, {0}, end_place - 1));
  auto begins = decode_begins(text);
  if (!begins)
    return fail(Code::kCorrupt, remote + " holds something else than where topics begin");
  begins_ = std::move(*begins);
  return {};
}

int64_t KafkaLog::begin_of(const std::string& topic, int32_t partition) const {
  const auto it = begins_.find(topic);
  const auto at = static_cast<size_t>(partition);
  return it == begins_.end() || at >= it->second.base.size() ? 0 : it->second.base[at];
}

/// They were another log's and no frame has them; a checkpoint keeps them from here on.
void KafkaLog::take_sequences(const TopicState& topic, PartitionState& p) const {
  const auto it = options_.begins.find(topic.name);
  if (it == options_.begins.end()) return;
  for (const auto& [key, sequence] : it->second.sequences) {
    if (key.first == p.id.value) p.sequences.try_emplace(key.second, sequence);
  }
}

Result<std::string> BehindReader::text_at(const TopicState& topic, Partition p, int64_t place) {
  constexpr int kWaitMs = 10'000;
  end();
  const TopicHandle handle = open(topic);
  if (rd_kafka_consume_start_queue(handle.get(), p.value, place, queue_.get()) != 0) {
    return std::unexpected(error_of(rd_kafka_last_error(), "reading " + topic.remote));
  }
  const Message m = next(kWaitMs);
  Result<std::string> out = fail(Code::kUnavailable, "reading " + topic.remote + ": nothing came");
  if (m && m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    out = std::string(static_cast<const char*>(m->payload), m->len);
  } else if (m) {
    out = std::unexpected(error_of(m->err, "reading " + topic.remote));
  }
  rd_kafka_consume_stop(handle.get(), p.value);
  end();
  return out;
}

}  // namespace penstock::log::kafka
