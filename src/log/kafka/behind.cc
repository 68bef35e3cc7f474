// Reading what is old: a fetch whose records the cache no longer has is read from the brokers by
// one of a few consumers.
#include <algorithm>
#include <array>

#include "base/metrics.h"
#include "log/kafka/implementation.h"

namespace penstock::log::kafka {
namespace {

Counter begun_metric{"penstock_log_kafka_old_reads_total",
                     "Times that reading what is old began at another place."};

constexpr size_t kMessages = 500;  // taken from the client at a time
constexpr int kFirstMs = 10'000;   // for the first message
constexpr int kSliceMs = 100;
constexpr int kMoreMs = 200;         // for more, when something is there: it is known to come
constexpr int64_t kNearPlaces = 64;  // read over rather than searched

}  // namespace

BehindReader::BehindReader(KafkaLog& log, Handle handle)
    : log_(log), handle_(std::move(handle)), queue_(rd_kafka_queue_new(handle_.get())) {}

/// The next message, unless the log ends.
Message BehindReader::next(int wait_ms) {
  for (int waited = 0; here_.empty() && waited < wait_ms; waited += kSliceMs) {
    std::array<rd_kafka_message_t*, kMessages> messages{};
    const size_t got = consume(queue_.get(), std::min(kSliceMs, wait_ms), messages);
    for (size_t i = 0; i < got; i++) here_.emplace_back(messages[i]);
    if (got > 0) break;
    const std::lock_guard lock(log_.mutex_);
    if (log_.ending_) break;
  }
  if (here_.empty()) return nullptr;
  Message out = std::move(here_.front());
  here_.pop_front();
  return out;
}

BehindReader::~BehindReader() { end(); }

TopicHandle BehindReader::open(const TopicState& topic) const {
  return TopicHandle(rd_kafka_topic_new(handle_.get(), topic.remote.c_str(), nullptr));
}

void BehindReader::end() {
  for (const auto& [partition, stream] : streams_) {
    rd_kafka_consume_stop(handle_topic_.get(), partition);
  }
  streams_.clear();
  handle_topic_.reset();
  topic_ = nullptr;
  // What was read ahead is nobody's any more.
  here_.clear();
  queue_.reset(rd_kafka_queue_new(handle_.get()));
}

bool BehindPlace::goes_on_with(const FetchRequest& request) const {
  return topic == request.topic && std::ranges::all_of(next, [&](const auto& at) {
           return std::ranges::any_of(request.positions, [&](const Position& p) {
             return p.partition.value == at.first && p.next.value == at.second;
           });
         });
}

BehindPlace BehindReader::place() const {
  BehindPlace out;
  for (const auto& [partition, s] : streams_) {
    if (s.done) continue;
    out.topic = topic_->name;
    out.next[partition] = s.next;
  }
  return out;
}

Result<int64_t> BehindReader::base_at(TopicState& topic, Partition p, int64_t place,
                                      int64_t end_place) {
  end();
  if (place >= end_place) return -1;
  const TopicHandle handle = open(topic);
  if (rd_kafka_consume_start_queue(handle.get(), p.value, place, queue_.get()) != 0) {
    return std::unexpected(error_of(rd_kafka_last_error(), "reading " + topic.name));
  }
  Result<int64_t> out = fail(Code::kUnavailable, "reading " + topic.name + ": no messages came");
  while (true) {
    const Message m = next(kFirstMs);
    if (!m) break;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      out = -1;
      break;
    }
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      out = std::unexpected(error_of(m->err, "reading " + topic.name));
      break;
    }
    const auto frame = decode_frame({static_cast<const char*>(m->payload), m->len});
    if (frame && frame->kind == FrameKind::kBatch) {
      out = frame->base;
      break;
    }
  }
  rd_kafka_consume_stop(handle.get(), p.value);
  end();
  return out;
}

/// Where a frame lies from which the offset can be read on: not far before it.
Result<int64_t> BehindReader::place_of(TopicState& topic, Partition p, int64_t offset) {
  int64_t low = 0, high = 0;
  {
    const std::lock_guard lock(log_.mutex_);
    const PartitionState& state = *topic.find(p);
    low = state.start_place;
    high = state.tail_place;
    const auto behind = state.places.upper_bound(offset);
    if (behind != state.places.end()) high = behind->second;
    if (behind != state.places.begin()) low = std::max(low, std::prev(behind)->second);
  }
  while (high - low > kNearPlaces) {
    const int64_t middle = low + (high - low) / 2;
    PENSTOCK_TRY(const int64_t base, base_at(topic, p, middle, high));
    (base >= 0 && base <= offset ? low : high) = middle;
  }
  return low;
}

Status BehindReader::begin(TopicState& topic, const FetchRequest& request) {
  std::map<int32_t, Stream> wanted;
  {
    const std::lock_guard lock(log_.mutex_);
    for (const Position& at : request.positions) {
      const PartitionState& p = *topic.find(at.partition);
      if (at.next.value >= cached_from(p, request)) continue;
      Stream s;
      s.begin = p.begin;
      s.place = at.next.value - p.begin;
      s.next = at.next.value;
      s.until = cached_from(p, request);
      wanted[at.partition.value] = s;
    }
  }
  if (!topic.open) {
    for (auto& [partition, s] : wanted) {
      PENSTOCK_TRY(s.place, place_of(topic, {partition}, s.next));
    }
  }
  end();
  begun_metric.add();
  topic_ = &topic;
  handle_topic_ = open(topic);
  for (auto& [partition, s] : wanted) {
    if (rd_kafka_consume_start_queue(handle_topic_.get(), partition, s.place, queue_.get()) != 0) {
      const Error error = error_of(rd_kafka_last_error(), "reading " + topic.name);
      end();
      return std::unexpected(error);
    }
    streams_[partition] = s;
  }
  return {};
}

Status BehindReader::take(TopicState& topic, const rd_kafka_message_t& m, FetchResult& out,
                          size_t& bytes) {
  const auto it = streams_.find(m.partition);
  if (it == streams_.end()) return {};
  Stream& s = it->second;
  if (m.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    s.done = true;
    return {};
  }
  if (m.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return std::unexpected(error_of(m.err, "reading " + topic.name));
  }
  const auto frame = decode_frame({static_cast<const char*>(m.payload), m.len});
  if (!frame || !s.order.take(*frame)) return {};
  PENSTOCK_TRY(Cached batch, read_frame({m.partition}, *frame));
  if (batch.next <= s.next) return {};
  bytes += batch.bytes;
  s.next = batch.next;
  s.done = s.next >= s.until;
  out.batches.push_back(std::move(batch.batch));
  return {};
}

Result<FetchResult> BehindReader::read(const FetchRequest& request) {
  TopicState* topic = log_.find(request.topic);
  if (topic == nullptr) return fail(Code::kNotFound, "there is no topic " + request.topic);
  if (!place().goes_on_with(request)) {
    PENSTOCK_CHECK(begin(*topic, request));
  }
  FetchResult out;
  out.next = request.positions;
  size_t bytes = 0;
  const bool heads = request.wait_ms > 0;
  std::map<int32_t, OpenBatch> open;
  const auto close = [&](int32_t partition, OpenBatch& batch) {
    Cached c = batch.take({partition});
    out.batches.push_back(std::move(c.batch));
  };
  Status good;
  while (good && bytes < request.bytes_max) {
    if (std::ranges::all_of(streams_, [](const auto& s) { return s.second.done; })) break;
    const Message m = next(bytes == 0 ? kFirstMs : kMoreMs);
    if (!m) break;
    if (!topic->open || m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      good = take(*topic, *m, out, bytes);
      continue;
    }
    const auto it = streams_.find(m->partition);
    if (it == streams_.end() || m->offset + it->second.begin < it->second.next) continue;
    const int64_t begin = it->second.begin;
    OpenBatch& batch = open[m->partition];
    if (!batch.add(*log_.options_.codec, topic->name, begin, *m, heads)) {
      close(m->partition, batch);
      batch.add(*log_.options_.codec, topic->name, begin, *m, heads);
    }
    bytes += m->len;
    it->second.next = m->offset + begin + 1;
    it->second.done = it->second.next >= it->second.until;
  }
  for (auto& [partition, batch] : open) close(partition, batch);
  if (!good || out.batches.empty()) {
    end();
    if (!good) return std::unexpected(good.error());
    return fail(Code::kUnavailable, "reading " + request.topic + ": no messages came");
  }
  for (Position& at : out.next) {
    const auto it = streams_.find(at.partition.value);
    if (it != streams_.end()) at.next.value = std::max(at.next.value, it->second.next);
  }
  return out;
}

}  // namespace penstock::log::kafka
