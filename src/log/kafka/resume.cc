// Where a new process goes on with framed topics: behind a fence, at the end of all that counts.
#include <algorithm>
#include <chrono>

#include "log/kafka/implementation.h"

namespace penstock::log::kafka {
namespace {

constexpr int kFencesMax = 5;

}  // namespace

/// A fence on its way; waited for.
class KafkaLog::FenceDelivery : public Delivery {
 public:
  struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    size_t left = 0;
    std::map<PartitionState*, int64_t> places;
    std::optional<Error> error;
  };
  FenceDelivery(std::shared_ptr<Shared> shared, PartitionState* at)
      : shared_(std::move(shared)), at_(at) {}
  void delivered(rd_kafka_resp_err_t error, int64_t place) override {
    {
      const std::lock_guard lock(shared_->mutex);
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        shared_->places[at_] = place;
      } else {
        shared_->error = error_of(error, "writing a fence");
      }
      shared_->left--;
    }
    shared_->changed.notify_all();
    delete this;
  }

 private:
  std::shared_ptr<Shared> shared_;
  PartitionState* at_;
};

/// Reads what the last checkpoint did not know, behind a fence unless all was quiet.
Status KafkaLog::resume_framed(const std::vector<TopicState*>& topics,
                               const std::map<std::pair<std::string, int32_t>, int64_t>& ends) {
  FramedParts unsure;
  std::map<PartitionState*, int64_t> targets;
  Positions noted;
  {
    const std::lock_guard lock(groups_mutex_);
    noted = groups_[options_.group_prefix + std::string(kOwnGroup)];
  }
  for (TopicState* t : topics) {
    for (PartitionState& p : t->partitions) {
      if (p.unseen) continue;
      const int64_t end = ends.at({t->remote, p.id.value});
      p.tail_place = p.start_place;
      targets[&p] = end;
      bool quiet = end == 0;
      const auto it = noted.find({t->remote, p.id.value});
      const auto known = it == noted.end() ? std::nullopt : decode_checkpoint(it->second.note);
      // A checkpoint beyond the end is another topic's, one that was deleted.
      if (known && it->second.offset >= p.start_place && it->second.offset <= end) {
        p.tail_place = it->second.offset;
        p.order = {known->seen, known->end};
        p.tail_end = p.cache_from = p.end = known->end;
        p.sequences = known->sequences;
        epoch_ = std::max(epoch_, known->epoch + 1);
        quiet = known->clean && it->second.offset == end;
      }
      take_sequences(*t, p);
      p.checkpoint_place = p.tail_place;
      if (!quiet && owns(*t, p)) unsure.emplace_back(t, &p);
    }
  }
  // From here on the last checkpoints are no longer the end of it.
  std::vector<PartitionPlace> open;
  for (TopicState* t : topics) {
    for (const PartitionState& p : t->partitions) {
      if (!owns(*t, p)) continue;
      open.push_back({t->remote, p.id.value, p.tail_place,
                      encode_checkpoint({epoch_, p.order.end, false, p.order.epoch, p.sequences})});
    }
  }
  if (!open.empty()) {
    PENSTOCK_CHECK(patiently([&] {
      return admin_->commit(options_.group_prefix + std::string(kOwnGroup), open,
                            options_.start_ms_max);
    }));
  }
  PENSTOCK_CHECK(fence_all(topics, std::move(unsure), targets));
  const std::lock_guard lock(mutex_);
  for (TopicState* t : topics) {
    for (PartitionState& p : t->partitions) {
      if (p.order.end < 0) p.order.end = p.begin;
      p.tail_end = p.end = p.next_base = p.order.end;
      if (p.cache.empty()) p.cache_from = p.tail_end;
      p.assigned = p.sequences;
      p.ours = owns(*t, p);
      epoch_ = std::max(epoch_, p.order.epoch);
    }
  }
  return {};
}

/// A clock may be behind that of who wrote before: a fence of an epoch that is not the newest shuts
/// nobody out, and is written again.
Status KafkaLog::fence_all(const std::vector<TopicState*>& topics, FramedParts unsure,
                           std::map<PartitionState*, int64_t>& targets) {
  for (int attempt = 0; attempt < kFencesMax; attempt++) {
    PENSTOCK_CHECK(fence(unsure, targets));
    if (attempt == 0) {
      for (TopicState* t : topics) PENSTOCK_CHECK(start_tail(*t));
    }
    PENSTOCK_CHECK(wait_for_tail(targets));
    const std::lock_guard lock(mutex_);
    unsure.clear();
    int64_t newest = epoch_;
    for (TopicState* t : topics) {
      for (PartitionState& p : t->partitions) {
        if (!owns(*t, p) || p.order.epoch <= epoch_) continue;
        newest = std::max(newest, p.order.epoch);
        unsure.emplace_back(t, &p);
      }
    }
    if (unsure.empty()) return {};
    epoch_ = newest + 1;
  }
  return fail(Code::kUnavailable, "other processes begin to write to this log again and again");
}

Status KafkaLog::fence(const FramedParts& at, std::map<PartitionState*, int64_t>& targets) {
  if (at.empty()) return {};
  auto shared = std::make_shared<FenceDelivery::Shared>();
  shared->left = at.size();
  for (const auto& [topic, p] : at) {
    {
      const std::lock_guard lock(mutex_);
      need_writer(*topic);
    }
    std::string message;
    encode(Frame{FrameKind::kFence, epoch_, std::max(p->order.end, p->begin), 0, 0, 0, {}},
           message);
    auto* delivery = new FenceDelivery(shared, p);
    const auto failed = produce(*topic, p->id, message, delivery);
    if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) delivery->delivered(failed, -1);
  }
  std::unique_lock lock(shared->mutex);
  const bool all = shared->changed.wait_for(lock, std::chrono::milliseconds(options_.start_ms_max),
                                            [&] { return shared->left == 0; });
  if (shared->error) return std::unexpected(*shared->error);
  if (!all) return fail(Code::kUnavailable, "the brokers do not acknowledge");
  for (const auto& [p, place] : shared->places) targets[p] = place + 1;
  return {};
}

/// Not by the time it takes, which grows with what there is, but as long as something comes.
Status KafkaLog::wait_for_tail(const std::map<PartitionState*, int64_t>& targets) {
  std::unique_lock lock(mutex_);
  int64_t seen = -1;
  for (;;) {
    bool there = true;
    int64_t sum = 0;
    for (const auto& [p, place] : targets) {
      if (!p->lost.empty()) return fail(Code::kCorrupt, p->lost);
      there = there && p->tail_place >= place;
      sum += p->tail_place;
    }
    if (there) return {};
    if (sum == seen) return fail(Code::kUnavailable, "the brokers do not send their messages");
    seen = sum;
    tail_moved_.wait_for(lock, std::chrono::milliseconds(options_.start_ms_max), [&] {
      return std::ranges::all_of(targets,
                                 [](const auto& t) { return t.first->tail_place >= t.second; });
    });
  }
}

}  // namespace penstock::log::kafka
