// Reading what is new: one consumer follows every topic's end and keeps the newest records; fetches
// are answered from them, wait for them, or go to the readers of what is older.
#include <algorithm>
#include <chrono>

#include "base/diag.h"
#include "base/metrics.h"
#include "log/kafka/implementation.h"

namespace penstock::log::kafka {
namespace {

Counter ignored_metric{"penstock_log_kafka_ignored_frames_total",
                       "Frames of an earlier process behind its successor's fence."};

constexpr int kTailPollMs = 100;
constexpr size_t kTailMessages = 2000;
constexpr int64_t kComingMs = 10'000;  // for what is acknowledged to come back
constexpr int64_t kPlaceEvery = 32;    // frames, of which one place is remembered
constexpr size_t kPlacesMax = 4096;    // of one partition

/// What of a fetch cannot be answered at all.
Status check_positions(TopicState* topic, const FetchRequest& request) {
  if (topic == nullptr) return fail(Code::kNotFound, "there is no topic " + request.topic);
  for (const Position& at : request.positions) {
    const PartitionState* p = topic->find(at.partition);
    if (p == nullptr) return fail(Code::kInvalid, "there is no such partition");
    if (p->unseen) return fail(Code::kInvalid, "this process does not look at this partition");
    if (!p->lost.empty()) return fail(Code::kCorrupt, p->lost);
    if (at.next.value < p->start || at.next.value < 0) {
      return fail(Code::kNotFound, "the offset is gone");
    }
    if (at.next.value > p->end) return fail(Code::kInvalid, "the offset lies beyond the end");
  }
  return {};
}

}  // namespace

KafkaLog::Seen KafkaLog::look(const FetchRequest& request) {
  Seen out;
  if (stopped_) {
    out.result = fail(Code::kCancelled, "the log has stopped");
    return out;
  }
  const auto it = topics_.find(request.topic);
  TopicState* topic = it == topics_.end() ? nullptr : it->second.get();
  if (const Status good = check_positions(topic, request); !good) {
    out.result = std::unexpected(good.error());
    return out;
  }
  for (const Position& at : request.positions) {
    const PartitionState& p = *topic->find(at.partition);
    out.behind = out.behind || at.next.value < cached_from(p, request);
    out.not_yet = out.not_yet || (at.next.value >= p.tail_end && at.next.value < p.end);
  }
  out.result->next = request.positions;
  if (!out.behind) fill_from_cache(request, *out.result);
  return out;
}

/// What nobody here reads is not asked of the brokers: a process of capture alone reads no lane.
Status KafkaLog::follow(const FetchRequest& request) {
  const auto it = topics_.find(request.topic);
  if (it == topics_.end() || stopped_) return {};
  TopicState& topic = *it->second;
  for (const Position& at : request.positions) {
    PartitionState* p = topic.find(at.partition);
    if (p == nullptr || p->unseen || p->tailing) continue;
    p->tail_end = p->cache_from = p->end;
    p->tail_place = p->end - p->begin;
    PENSTOCK_CHECK(start_tail(topic, *p));
  }
  return {};
}

/// For the positions that the cache holds; `result.next` moves on.
void KafkaLog::fill_from_cache(const FetchRequest& request, FetchResult& result) {
  const auto it = topics_.find(request.topic);
  if (it == topics_.end()) return;
  size_t bytes = 0;
  for (const ReadBatch& b : result.batches) {
    for (const std::string_view r : b.records) bytes += r.size();
  }
  for (size_t i = 0; i < request.positions.size(); i++) {
    const PartitionState* p = it->second->find(request.positions[i].partition);
    if (p == nullptr || result.next[i].next.value < cached_from(*p, request)) continue;
    result.next[i].next.value =
        take_cached(p->cache, result.next[i].next.value, request.bytes_max, bytes, result.batches);
  }
}

void KafkaLog::fetch(runtime::Loop& home, FetchRequest request, FetchDone done) {
  auto shared = std::make_shared<FetchDone>(std::move(done));
  const std::lock_guard lock(mutex_);
  if (const Status following = follow(request); !following) {
    return answer(home, std::move(shared), std::unexpected(following.error()));
  }
  Seen seen = look(request);
  if (!seen.result) return answer(home, std::move(shared), std::move(seen.result));
  if (seen.behind) {
    if (jobs_.size() >= options_.waiters_max) {
      return answer(home, std::move(shared), fail(Code::kBusy, "too many fetches wait"));
    }
    jobs_.push_back({&home, std::move(request), std::move(shared)});
    jobs_there_.notify_all();
    return;
  }
  const int64_t wait_ms = seen.not_yet ? std::max(request.wait_ms, kComingMs) : request.wait_ms;
  if (!seen.result->batches.empty() || wait_ms <= 0 || waiters_.size() >= options_.waiters_max) {
    return answer(home, std::move(shared), std::move(seen.result));
  }
  wait_for_more(home, std::move(request), std::move(shared), wait_ms);
}

void KafkaLog::wait_for_more(runtime::Loop& home, FetchRequest request,
                             std::shared_ptr<FetchDone> done, int64_t wait_ms) {
  const uint64_t id = next_waiter_++;
  waiters_.push_back({id, &home, std::move(request), std::move(done)});
  // Timers belong to their loop's thread.
  home.post([this, life = life_, id, &home, wait_ms] {
    home.after(std::chrono::milliseconds(wait_ms), [this, life, id] {
      const std::lock_guard alive(life->mutex);
      if (life->alive) expire(id);
    });
  });
}

void KafkaLog::expire(uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto it = std::ranges::find(waiters_, id, &Waiter::id);
  if (it == waiters_.end()) return;
  Seen seen = look(it->request);
  if (seen.result && seen.result->batches.empty() && seen.not_yet) {
    seen.result = fail(Code::kUnavailable, "what is acknowledged does not come from the brokers");
  }
  answer(*it->home, std::move(it->done), std::move(seen.result));
  waiters_.erase(it);
}

void KafkaLog::wake() {
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    Seen seen = look(it->request);
    if (seen.result && !seen.behind && seen.result->batches.empty()) {
      ++it;
      continue;
    }
    if (seen.result && seen.behind) {
      jobs_.push_back({it->home, std::move(it->request), std::move(it->done)});
      jobs_there_.notify_all();
    } else {
      answer(*it->home, std::move(it->done), std::move(seen.result));
    }
    it = waiters_.erase(it);
  }
}

void KafkaLog::run_tail() {
  std::vector<rd_kafka_message_t*> messages(kTailMessages);
  for (;;) {
    const size_t got = consume(tail_queue_.get(), kTailPollMs, messages);
    {
      const std::lock_guard lock(mutex_);
      if (ending_) {
        for (size_t i = 0; i < got; i++) rd_kafka_message_destroy(messages[i]);
        return;
      }
    }
    if (got > 0) take_tail(messages.data(), got);
  }
}

void KafkaLog::take_tail(rd_kafka_message_t** messages, size_t count) {
  // What is read of open topics is made outside the lock.
  std::map<PartitionState*, OpenBatch> open;
  const auto flush = [this](TopicState& topic, PartitionState& p, OpenBatch& batch) {
    const std::lock_guard lock(mutex_);
    cache(topic, p, batch.take(p.id));
  };
  std::map<PartitionState*, TopicState*> topics;
  for (size_t i = 0; i < count; i++) {
    const Message message(messages[i]);
    auto* topic = static_cast<TopicState*>(rd_kafka_topic_opaque(message->rkt));
    PartitionState* p = topic == nullptr ? nullptr : topic->find({message->partition});
    if (p == nullptr) continue;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      const std::lock_guard lock(mutex_);
      p->tail_place = std::max(p->tail_place, message->offset);
      continue;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      const Error error = error_of(message->err, "following " + topic->name);
      const std::lock_guard lock(mutex_);
      if (error.code == Code::kNotFound && p->lost.empty()) {
        p->lost = topic->remote + ": the brokers no longer have what they acknowledged";
      }
      diag::error("a topic cannot be read", {{"topic", topic->remote}, {"error", error.message}});
      continue;
    }
    if (!topic->open) {
      take_tail_frame(*topic, *p, *message);
      continue;
    }
    OpenBatch& batch = open[p];
    topics[p] = topic;
    if (batch.add(*options_.codec, topic->name, p->begin, *message, true)) continue;
    flush(*topic, *p, batch);
    batch.add(*options_.codec, topic->name, p->begin, *message, true);
  }
  for (auto& [p, batch] : open) flush(*topics[p], *p, batch);
  const std::lock_guard lock(mutex_);
  wake();
  tell_ends();
  tail_moved_.notify_all();
}

void KafkaLog::take_tail_frame(TopicState& topic, PartitionState& p,
                               const rd_kafka_message_t& message) {
  const auto frame = decode_frame({static_cast<const char*>(message.payload), message.len});
  auto batch = frame && frame->kind == FrameKind::kBatch
                   ? read_frame(p.id, *frame)
                   : Result<Cached>(fail(Code::kCorrupt, "not a batch"));
  const std::lock_guard lock(mutex_);
  p.tail_place = message.offset + 1;
  if (!frame || (frame->kind == FrameKind::kBatch && !batch)) {
    diag::error("a message in a topic of Penstock's own is not Penstock's",
                {{"topic", topic.remote}, {"offset", message.offset}});
    return;
  }
  const bool overtaken = p.ours && frame->epoch > epoch_;
  if (overtaken && is_shared()) give_up(p, "another process writes to this partition now");
  if (overtaken && !shut_out_) {
    diag::error("another process writes to this log: this one no longer does",
                {{"topic", topic.remote}});
    shut_out_ = true;
    if (options_.on_shut_out) options_.on_shut_out();
  }
  if (!p.order.take(*frame)) {
    if (frame->kind == FrameKind::kBatch) ignored_metric.add();
    return;
  }
  if (frame->producer != 0) {
    int64_t& last = p.sequences.try_emplace(frame->producer, -1).first->second;
    last = std::max(last, frame->sequence);
  }
  if (p.places.empty() || message.offset - p.places.rbegin()->second >= kPlaceEvery) {
    p.places.emplace(frame->base, message.offset);
    if (p.places.size() > kPlacesMax) p.places.erase(p.places.begin());
  }
  cache(topic, p, std::move(*batch));
  confirm(p, *frame);
}

/// With the mutex held.
void KafkaLog::cache(TopicState& topic, PartitionState& p, Cached batch) {
  if (p.cache.empty()) p.cache_from = batch.batch.base.value;
  p.tail_end = batch.next;
  if (topic.open) p.tail_place = batch.next - p.begin;
  if (batch.heads) p.heads_to = batch.next;
  p.end = std::max(p.end, p.tail_end);
  p.cache_bytes += batch.bytes;
  p.cache.push_back(std::move(batch));
  const uint64_t room = options_.tail_cache_bytes / std::max<size_t>(topic.seen, 1);
  while (p.cache.size() > 1 && p.cache_bytes > room) {
    p.cache_bytes -= p.cache.front().bytes;
    p.cache_from = p.cache.front().next;
    p.cache.pop_front();
  }
}

/// Whoever reads on where it stopped goes to the reader that stands there and has more of it here
/// already, and to no other: that one would ask the brokers for all of it once more. Who begins
/// goes to a reader that stands nowhere, if one waits.
std::deque<BehindJob>::iterator KafkaLog::job_for(size_t reader) {
  const BehindPlace& mine = places_[reader];
  const auto it =
      std::ranges::find_if(jobs_, [&](const BehindJob& j) { return mine.goes_on_with(j.request); });
  if (it != jobs_.end()) return it;
  if (!mine.topic.empty() &&
      std::ranges::any_of(places_, [](const auto& p) { return p.waits && p.topic.empty(); })) {
    return jobs_.end();
  }
  return std::ranges::find_if(jobs_, [&](const BehindJob& j) {
    return std::ranges::none_of(places_, [&](const auto& p) { return p.goes_on_with(j.request); });
  });
}

void KafkaLog::run_behind(size_t reader) {
  BehindReader& mine = *readers_[reader];
  for (;;) {
    BehindJob job;
    {
      std::unique_lock lock(mutex_);
      auto it = jobs_.end();
      jobs_there_.wait(lock, [&] {
        it = job_for(reader);
        return ending_ || it != jobs_.end();
      });
      if (ending_) return;
      job = std::move(*it);
      jobs_.erase(it);
      places_[reader] = {false, {}, {}};
    }
    auto result = mine.read(job.request);
    {
      const std::lock_guard lock(mutex_);
      places_[reader] = mine.place();
      if (stopped_) result = fail(Code::kCancelled, "the log has stopped");
      if (result) fill_from_cache(job.request, *result);
    }
    answer(*job.home, std::move(job.done), std::move(result));
  }
}

}  // namespace penstock::log::kafka
