// Where partitions end: what other processes have appended comes by the tail, a little later than
// it was acknowledged. Whoever has to know all of it has the brokers asked, and waits until the
// tail has come there.
#include <algorithm>
#include <utility>

#include "log/kafka/implementation.h"

namespace penstock::log::kafka {
namespace {

constexpr size_t kAskedMax = 64;
constexpr int64_t kPatienceNs = 30'000'000'000;
constexpr int64_t kAdminMs = 10'000;

}  // namespace

void KafkaLog::ends(runtime::Loop& home, std::string topic, EndsDone done) {
  EndsAsked asked{&home, std::move(topic), std::make_shared<EndsDone>(std::move(done)),
                  runtime_.clock().mono_ns() + kPatienceNs};
  const std::lock_guard lock(mutex_);
  if (stopped_)
    return answer(*asked.home, asked.done, fail(Code::kCancelled, "the log has stopped"));
  if (!topics_.contains(asked.topic)) {
    return answer(*asked.home, asked.done,
                  fail(Code::kNotFound, "there is no topic " + asked.topic));
  }
  if (ends_asked_.size() >= kAskedMax) {
    return answer(*asked.home, asked.done, fail(Code::kBusy, "too many ask where partitions end"));
  }
  ends_asked_.push_back(std::move(asked));
  upkeep_wanted_.notify_all();
}

/// On the upkeep's thread, the only one that puts places in.
void KafkaLog::ask_for_ends() {
  for (;;) {
    std::vector<PartitionPlace> of;
    EndsAsked* asked = nullptr;
    TopicState* topic = nullptr;
    {
      const std::lock_guard lock(mutex_);
      const auto it =
          std::ranges::find_if(ends_asked_, [](const EndsAsked& a) { return a.places.empty(); });
      if (it == ends_asked_.end() || stopped_) return tell_ends();
      asked = &*it;  // only this thread takes one away that has no places
      topic = topics_.at(asked->topic).get();
      topic->append_places(of);
    }
    Status known;
    for (PartitionPlace& place : of) {
      const std::lock_guard admin(admin_mutex_);
      const auto ends = admin_->ends(place.topic, place.partition, kAdminMs);
      if (!ends) known = std::unexpected(ends.error());
      if (!known) break;
      place.offset = ends->second;
    }
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    const auto it =
        std::ranges::find_if(ends_asked_, [&](const EndsAsked& a) { return &a == asked; });
    if (it == ends_asked_.end()) continue;
    if (!known || of.empty()) {
      answer(*it->home, it->done,
             known ? Result<std::vector<Position>>{} : std::unexpected(known.error()));
      ends_asked_.erase(it);
      continue;
    }
    for (const PartitionPlace& place : of) {
      PartitionState* const p = topic->find({place.partition});
      // Nobody here follows it: nothing comes of what lies there.
      if (!p->tailing) p->end = std::max(p->end, p->begin + place.offset);
      it->places[p] = p->tailing ? place.offset : 0;
    }
  }
}

/// With the mutex held, whenever the tail has moved and now and then.
void KafkaLog::tell_ends() {
  const int64_t now = runtime_.clock().mono_ns();
  for (auto it = ends_asked_.begin(); it != ends_asked_.end();) {
    const bool there = !it->places.empty() && std::ranges::all_of(it->places, [](const auto& at) {
      return at.first->tail_place >= at.second;
    });
    const bool late = !it->places.empty() && now >= it->until_ns;
    if (!there && !late) {
      ++it;
      continue;
    }
    Result<std::vector<Position>> out;
    if (!there) {
      out = fail(Code::kUnavailable, "what is acknowledged does not come from the brokers");
    } else {
      for (const auto& [p, place] : it->places) out->push_back({p->id, {p->end}});
    }
    answer(*it->home, it->done, std::move(out));
    it = ends_asked_.erase(it);
  }
}

}  // namespace penstock::log::kafka
