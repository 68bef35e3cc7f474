// Appending: messages of open topics, frames of the others.
#include <fmt/format.h>

#include <algorithm>

#include "base/diag.h"
#include "base/metrics.h"
#include "log/kafka/implementation.h"
#include "log/kafka/messages.h"
#include "log/record_codec.h"

namespace penstock::log::kafka {
namespace {

Counter appended_metric{"penstock_log_kafka_acknowledged_messages_total",
                        "Messages that the brokers acknowledged."};
Counter failed_metric{"penstock_log_kafka_failed_messages_total",
                      "Messages that the brokers refused, or whose fate is not known."};
Counter busy_metric{"penstock_log_kafka_busy_total",
                    "Appends refused because too much was unacknowledged."};
LatencyHistogram append_metric{"penstock_log_kafka_append_us",
                               "From an append to the brokers' acknowledgement."};

constexpr int kPollMs = 100;
constexpr size_t kMessageExtraBytes = 512;  // what a message costs beside its record

/// Of the batch as Kafka's producer holds it, before its messages are written: a little more than
/// they will be.
size_t bytes_of(const Batch& b) {
  return b.text().size() + b.text().size() / 4 + b.count * kMessageExtraBytes;
}

Status check_batch(const Batch& b, std::vector<std::string_view>& records) {
  const std::string& text = b.text();
  if (text.size() > kBatchBytesMax) return fail(Code::kInvalid, "a batch is too large");
  records.clear();
  if (b.count == 0 || b.count > text.size() || !split_records(text, b.count, records)) {
    return fail(Code::kInvalid, "a batch does not hold the records it claims");
  }
  return {};
}

}  // namespace

/// The messages of one batch of an open topic.
class KafkaLog::OpenDelivery : public Delivery {
 public:
  OpenDelivery(KafkaLog& log, TicketPtr ticket, size_t index, TopicState& topic, Partition p,
               size_t count, size_t bytes)
      : log_(log),
        ticket_(std::move(ticket)),
        index_(index),
        topic_(topic),
        partition_(p),
        left_(count),
        count_(count),
        bytes_(bytes) {}

  /// What the producer's messages point into, until the last of them is delivered.
  Messages messages;

  void delivered(rd_kafka_resp_err_t error, int64_t place) override {
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
      error_ = error_of(error, "writing to " + topic_.name);
    } else {
      base_ = base_ < 0 ? place : std::min(base_, place);
      last_ = std::max(last_, place);
    }
    if (--left_ == 0) finish();
  }
  /// The rest of them was not taken; while others may be under way.
  void refused(rd_kafka_resp_err_t error, size_t count) {
    refused_ = error;
    if (left_.fetch_sub(count) == count) finish();
  }

 private:
  void finish() {
    if (!error_ && refused_ != RD_KAFKA_RESP_ERR_NO_ERROR) {
      error_ = error_of(refused_, "writing to " + topic_.name);
    }
    int64_t begin = 0;
    {
      const std::lock_guard lock(log_.mutex_);
      PartitionState& p = *topic_.find(partition_);
      begin = p.begin;
      p.end = std::max(p.end, begin + last_ + 1);
      log_.release(bytes_);
      if (!error_) log_.note_append(*ticket_, count_, bytes_);
    }
    if (error_) {
      failed_metric.add();
      const bool unclear = base_ >= 0 || error_->code == Code::kUnavailable;
      if (unclear && error_->code != Code::kCancelled) error_->code = Code::kMaybe;
      ticket_->settle(index_, std::unexpected(*error_));
    } else {
      appended_metric.add(count_);
      // Another process wrote between them: they are not what `base` and the count say.
      const bool in_a_row = last_ - base_ + 1 == static_cast<int64_t>(count_);
      ticket_->settle(index_, Appended{partition_, Offset{in_a_row ? begin + base_ : -1}, false});
    }
    delete this;
  }

  // Delivery reports come on one thread.
  KafkaLog& log_;
  TicketPtr ticket_;
  size_t index_;
  TopicState& topic_;
  Partition partition_;
  std::atomic<size_t> left_;
  std::atomic<rd_kafka_resp_err_t> refused_{RD_KAFKA_RESP_ERR_NO_ERROR};
  size_t count_, bytes_;
  int64_t base_ = -1, last_ = -1;
  std::optional<Error> error_;
};

class KafkaLog::FrameDelivery : public Delivery {
 public:
  FrameDelivery(KafkaLog& log, TopicState& topic, Partition p, std::shared_ptr<Flight> flight)
      : log_(log), topic_(topic), partition_(p), flight_(std::move(flight)) {}

  void delivered(rd_kafka_resp_err_t error, int64_t /*place*/) override {
    log_.frame_delivered(topic_, partition_, flight_, error);
    delete this;
  }

 private:
  KafkaLog& log_;
  TopicState& topic_;
  Partition partition_;
  std::shared_ptr<Flight> flight_;
};

void KafkaLog::on_delivery(rd_kafka_t* /*handle*/, const rd_kafka_message_t* message,
                           void* /*opaque*/) {
  static_cast<Delivery*>(message->_private)->delivered(message->err, message->offset);
}

Status KafkaLog::make_producer_anew() {
  PENSTOCK_TRY(producer_, make_producer(options_, true, &KafkaLog::on_delivery, this));
  const std::lock_guard lock(mutex_);
  producer_failed_ = false;
  return {};
}

/// With the mutex held, and the producer's lock where others may replace it. When it is first
/// needed: the producer's thread looks at every partition of every topic that it has, every time.
void KafkaLog::need_writer(TopicState& topic) {
  if (topic.writer) return;
  topic.writer.reset(rd_kafka_topic_new(producer_of(topic), topic.remote.c_str(), nullptr));
}

rd_kafka_t* KafkaLog::producer_of(const TopicState& topic) const {
  return is_apart(topic) ? apart_.get() : producer_.get();
}

TopicState* KafkaLog::find(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  const auto it = topics_.find(topic);
  return it == topics_.end() ? nullptr : it->second.get();
}

void KafkaLog::append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
                      AppendDone done) {
  auto ticket = std::make_shared<Ticket>(home, std::move(done), batches.size());
  ticket->begun_ns = runtime_.clock().mono_ns();
  if (const Status accepted = try_append(ticket, topic, batches); !accepted) {
    if (accepted.error().code == Code::kBusy) busy_metric.add();
    ticket->answer(std::unexpected(accepted.error()));
  }
}

Status KafkaLog::try_append(const TicketPtr& ticket, const std::string& name,
                            std::vector<Batch>& batches) {
  const std::shared_lock producer(producer_mutex_);
  TopicState* topic = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Code::kCancelled, "the log has stopped");
    const auto it = topics_.find(name);
    if (it == topics_.end()) return fail(Code::kNotFound, "there is no topic " + name);
    topic = it->second.get();
    if ((producer_failed_ || recovering_) && !is_apart(*topic)) {
      return fail(Code::kUnavailable, "the brokers refused what was under way; trying again");
    }
    if (shut_out_ && !topic->open) {
      return fail(Code::kUnavailable, "another process writes to this log now");
    }
    need_writer(*topic);
  }
  for (const Batch& b : batches) {
    if (topic->find(b.partition) == nullptr) {
      return fail(Code::kInvalid, "there is no such partition");
    }
  }
  if (batches.empty()) {
    ticket->answer(std::vector<Appended>{});
    return {};
  }
  return topic->open ? append_open(ticket, *topic, batches)
                     : append_framed(ticket, *topic, batches);
}

Status KafkaLog::reserve(size_t bytes) {
  if (pending_bytes_ > 0 && pending_bytes_ + bytes > options_.pending_bytes_max) {
    return fail(Code::kBusy, "too much waits for the brokers; try again soon");
  }
  pending_bytes_ += bytes;
  return {};
}

void KafkaLog::release(size_t bytes) {
  pending_bytes_ -= std::min<uint64_t>(bytes, pending_bytes_);
}

void KafkaLog::note_append(const Ticket& ticket, size_t records, size_t bytes) {
  stats_.appended_records += records;
  stats_.appended_bytes += bytes;
  stats_.commits++;
  append_metric.record_us((runtime_.clock().mono_ns() - ticket.begun_ns) / 1000);
  stats_.commit_us_p50 = append_metric.quantile_us(0.5);
  stats_.commit_us_p99 = append_metric.quantile_us(0.99);
}

rd_kafka_resp_err_t KafkaLog::produce(TopicState& topic, Partition p, std::string_view value,
                                      Delivery* delivery) {
  const int failed =
      rd_kafka_produce(topic.writer.get(), p.value, RD_KAFKA_MSG_F_COPY,
                       const_cast<char*>(value.data()), value.size(), nullptr, 0, delivery);
  return failed == 0 ? RD_KAFKA_RESP_ERR_NO_ERROR : rd_kafka_last_error();
}

Status KafkaLog::append_open(const TicketPtr& ticket, TopicState& topic,
                             std::vector<Batch>& batches) {
  std::vector<std::vector<std::string_view>> records(batches.size());
  size_t all = 0;
  for (size_t i = 0; i < batches.size(); i++) {
    if (batches[i].producer != 0) {
      return fail(Code::kInvalid, topic.name + " has messages of its own: no producers there");
    }
    PENSTOCK_CHECK(check_batch(batches[i], records[i]));
    all += bytes_of(batches[i]);
  }
  {
    const std::lock_guard lock(mutex_);
    PENSTOCK_CHECK(reserve(all));
    open_tickets_.push_back(ticket);
  }
  for (size_t i = 0; i < batches.size(); i++) {
    const size_t bytes = bytes_of(batches[i]);
    auto* delivery =
        new OpenDelivery(*this, ticket, i, topic, batches[i].partition, records[i].size(), bytes);
    if (!write_messages(*options_.codec, topic.name, records[i], bytes, delivery->messages)) {
      delivery->refused(RD_KAFKA_RESP_ERR_INVALID_RECORD, records[i].size());
      continue;
    }
    hand_over(topic, batches[i].partition, records[i].size(), delivery);
  }
  return {};
}

void KafkaLog::hand_over(TopicState& topic, Partition p, size_t count, OpenDelivery* delivery) {
  thread_local std::vector<rd_kafka_message_t> messages;
  messages.assign(count, {});
  const char* from = delivery->messages.text.data();
  for (size_t i = 0; i < count; i++) {
    const char* const end = delivery->messages.text.data() + delivery->messages.ends[i];
    messages[i].payload = const_cast<char*>(from);
    messages[i].len = static_cast<size_t>(end - from);
    messages[i]._private = delivery;
    from = end;
  }
  {
    // Of several threads that append, one at a time: the offsets of a batch follow each other.
    const std::lock_guard in_a_row(topic.writing);
    const int taken = rd_kafka_produce_batch(topic.writer.get(), p.value, RD_KAFKA_MSG_F_RECORD,
                                             messages.data(), static_cast<int>(count));
    if (taken == static_cast<int>(count)) return;  // and the delivery may be gone by now
  }
  const auto is_refused = [](const rd_kafka_message_t& m) {
    return m.err != RD_KAFKA_RESP_ERR_NO_ERROR;
  };
  const auto why = std::ranges::find_if(messages, is_refused)->err;
  if (why == RD_KAFKA_RESP_ERR__FATAL) {
    const std::lock_guard lock(mutex_);
    producer_failed_ = true;
  }
  delivery->refused(why, static_cast<size_t>(std::ranges::count_if(messages, is_refused)));
}

Status KafkaLog::append_framed(const TicketPtr& ticket, TopicState& topic,
                               std::vector<Batch>& batches) {
  size_t all = 0;
  std::vector<std::string_view> records;
  for (const Batch& b : batches) {
    if (!topic.find(b.partition)->ours) {
      return fail(Code::kDenied, topic.name + " is written by another process");
    }
    PENSTOCK_CHECK(check_batch(b, records));
    all += b.text().size() + kMessageExtraBytes;
  }
  const std::lock_guard lock(mutex_);
  PENSTOCK_CHECK(reserve(all));
  for (size_t i = 0; i < batches.size(); i++) {
    const Batch& b = batches[i];
    const size_t bytes = b.text().size() + kMessageExtraBytes;
    PartitionState& p = *topic.find(b.partition);
    if (b.producer != 0) {
      const auto [last, fresh] = p.assigned.try_emplace(b.producer, -1);
      if (b.sequence <= last->second) {
        release(bytes);
        // Acknowledged when what it repeats is.
        if (p.flights.empty()) {
          ticket->settle(i, Appended{b.partition, Offset{}, true});
        } else {
          p.flights.back()->waiting.emplace_back(ticket, i);
        }
        continue;
      }
      last->second = b.sequence;
    }
    auto flight = std::make_shared<Flight>();
    flight->base = p.next_base;
    flight->count = b.count;
    flight->producer = b.producer;
    flight->sequence = b.sequence;
    flight->bytes = bytes;
    flight->waiting.emplace_back(ticket, i);
    p.next_base += b.count;
    p.flights.push_back(flight);
    std::string message;
    message.reserve(bytes);
    encode(
        Frame{FrameKind::kBatch, epoch_, flight->base, b.producer, b.sequence, b.count, b.text()},
        message);
    auto* delivery = new FrameDelivery(*this, topic, b.partition, flight);
    const auto failed = produce(topic, b.partition, message, delivery);
    if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    delete delivery;
    p.broken = true;
    producer_failed_ = true;
    p.flights.pop_back();
    release(bytes);
    for (auto& w : flight->waiting) unresolved_.push_back(std::move(w));
  }
  return {};
}

void KafkaLog::frame_delivered(TopicState& topic, Partition partition,
                               const std::shared_ptr<Flight>& flight, rd_kafka_resp_err_t error) {
  const std::lock_guard lock(mutex_);
  PartitionState& p = *topic.find(partition);
  release(flight->bytes);
  const bool waits = is_shared() && error == RD_KAFKA_RESP_ERR_NO_ERROR && !p.broken;
  if (waits) return;  // until it is read back
  std::erase(p.flights, flight);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    failed_metric.add();
    if (!p.broken && !stopped_) {
      diag::error("the brokers refused a frame",
                  {{"topic", topic.name}, {"error", rd_kafka_err2str(error)}});
    }
    p.broken = true;
    producer_failed_ = true;
    upkeep_wanted_.notify_all();
  }
  if (flight->settled) return;
  // Behind a gap nobody counts it: what holds is known when the partition was read again.
  if (p.broken) {
    for (auto& w : flight->waiting) unresolved_.push_back(std::move(w));
    return;
  }
  settle(p, *flight);
}

void KafkaLog::settle(PartitionState& p, const Flight& flight) {
  p.end = std::max(p.end, flight.base + static_cast<int64_t>(flight.count));
  if (flight.producer != 0) {
    int64_t& last = p.sequences.try_emplace(flight.producer, -1).first->second;
    last = std::max(last, flight.sequence);
  }
  appended_metric.add();
  note_append(*flight.waiting.front().first, flight.count, flight.bytes);
  for (size_t i = 0; i < flight.waiting.size(); i++) {
    const auto& [ticket, index] = flight.waiting[i];
    ticket->settle(index, Appended{p.id, Offset{flight.base}, i > 0});
  }
}

/// It cannot fail for good: only the guard can be lost.
void KafkaLog::poll_apart() {
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
    }
    rd_kafka_poll(apart_.get(), kPollMs);
  }
}

void KafkaLog::confirm(PartitionState& p, const Frame& frame) {
  if (!is_shared() || !p.ours || p.flights.empty() || frame.epoch != epoch_) return;
  const std::shared_ptr<Flight> flight = p.flights.front();
  if (flight->base != frame.base || flight->producer != frame.producer ||
      flight->sequence != frame.sequence) {
    return;
  }
  p.flights.pop_front();
  flight->settled = true;
  settle(p, *flight);
}

void KafkaLog::give_up(PartitionState& p, std::string_view why) {
  for (const std::shared_ptr<Flight>& flight : p.flights) {
    flight->settled = true;
    for (auto& [ticket, index] : flight->waiting) {
      ticket->settle(index, fail(Code::kMaybe, std::string(why)));
    }
  }
  p.flights.clear();
}

void KafkaLog::poll_producer() {
  for (;;) {
    answer_late_appends();  // here, where nothing waits for brokers
    {
      std::unique_lock lock(mutex_);
      if (ending_) return;
      if (replacing_) {  // recovery wants the producer for itself
        upkeep_wanted_.wait_for(lock, std::chrono::milliseconds(kPollMs));
        continue;
      }
    }
    const std::shared_lock producer(producer_mutex_);
    rd_kafka_poll(producer_.get(), kPollMs);
    std::array<char, 256> text{};
    const auto fatal = rd_kafka_fatal_error(producer_.get(), text.data(), text.size());
    if (fatal == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    const std::lock_guard lock(mutex_);
    if (!producer_failed_) {
      diag::error("Kafka's producer failed and is made anew", {{"error", text.data()}});
    }
    producer_failed_ = true;
    upkeep_wanted_.notify_all();
  }
}

}  // namespace penstock::log::kafka
