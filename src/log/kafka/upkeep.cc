// What runs beside appends and fetches, and its threads: positions are written, late appends
// answered, retention is noticed, and a producer that failed is replaced.
#include <algorithm>
#include <chrono>

#include "base/diag.h"
#include "base/metrics.h"
#include "log/kafka/implementation.h"
#include "log/kafka/meters.h"

namespace penstock::log::kafka {
namespace {

Counter recovered_metric{"penstock_log_kafka_recoveries_total",
                         "Times the producer failed for good and was made anew."};

constexpr auto kTurn = std::chrono::milliseconds(250);
constexpr int64_t kCheckpointNs = 5'000'000'000;
constexpr int64_t kStartsNs = 30'000'000'000;
constexpr int64_t kFollowNs = 500'000'000;
constexpr int64_t kAdminMs = 10'000;
constexpr int64_t kCommitMs = 2000;
constexpr int kDrainMs = 5000;

std::string note_of(int64_t offset) { return "offset=" + std::to_string(offset); }

}  // namespace

void KafkaLog::begin_threads() {
  poll_thread_ = std::thread([this] { poll_producer(); });
  if (apart_) apart_thread_ = std::thread([this] { poll_apart(); });
  tail_thread_ = std::thread([this] { run_tail(); });
  upkeep_thread_ = std::thread([this] { run_upkeep(); });
  places_.assign(readers_.size(), {});
  for (size_t i = 0; i < readers_.size(); i++) {
    reader_threads_.emplace_back([this, i] { run_behind(i); });
  }
}

void KafkaLog::end_threads() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  jobs_there_.notify_all();
  upkeep_wanted_.notify_all();
  tail_moved_.notify_all();
  for (std::thread& t : reader_threads_) t.join();
  reader_threads_.clear();
  for (std::thread* t : {&upkeep_thread_, &poll_thread_, &apart_thread_, &tail_thread_}) {
    if (t->joinable()) t->join();
  }
}

void KafkaLog::run_upkeep() {
  int64_t checkpoint_ns = runtime_.clock().mono_ns(), starts_ns = checkpoint_ns;
  int64_t followed_ns = checkpoint_ns;
  for (;;) {
    bool failed = false;
    {
      std::unique_lock lock(mutex_);
      upkeep_wanted_.wait_for(lock, kTurn, [this] {
        return ending_ ||
               std::ranges::any_of(ends_asked_, [](const auto& a) { return a.places.empty(); });
      });
      if (ending_) return;
      if (stopped_) continue;
      failed = producer_failed_ || recovering_;
    }
    if (failed) recover_producer();
    const int64_t now = runtime_.clock().mono_ns();
    if (now - checkpoint_ns > kCheckpointNs) {
      checkpoint_ns = now;
      note_checkpoints(false);
    }
    flush_positions();
    ask_for_ends();
    if (now - followed_ns > kFollowNs) {
      followed_ns = now;
      follow_groups();
      look_at_lag();
    }
    if (now - starts_ns > kStartsNs) {
      starts_ns = now;
      look_at_starts();
    }
  }
}

/// What waits longer than its caller may gets an answer; Kafka goes on with it.
void KafkaLog::answer_late_appends() {
  const int64_t late = runtime_.clock().mono_ns() - options_.append_ms_max * 1'000'000;
  const std::lock_guard lock(mutex_);
  while (!open_tickets_.empty()) {
    const TicketPtr ticket = open_tickets_.front().lock();
    if (ticket && !ticket->is_answered()) {
      if (ticket->begun_ns > late) return;
      ticket->answer(fail(Code::kMaybe, "the brokers did not acknowledge in time"));
    }
    open_tickets_.pop_front();
  }
}

Status KafkaLog::commit(const std::string& group, const std::string& topic,
                        std::vector<Position> positions) {
  std::vector<PartitionPlace> places;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Code::kCancelled, "the log has stopped");
    const auto it = topics_.find(topic);
    if (it == topics_.end()) return fail(Code::kNotFound, "there is no topic " + topic);
    for (const Position& at : positions) {
      const PartitionState* p = it->second->find(at.partition);
      if (p == nullptr) return fail(Code::kInvalid, "there is no such partition");
      // One before the begin is of a log that these records were copied from: nothing is there.
      int64_t place = std::max<int64_t>(0, at.next.value - p->begin);
      if (!it->second->open) {
        // Of a framed topic Kafka's own tools see about how far a group is; the note is exact.
        const auto behind = p->places.upper_bound(at.next.value);
        place = at.next.value >= p->tail_end  ? p->tail_place
                : behind == p->places.begin() ? p->start_place
                                              : std::prev(behind)->second;
      }
      places.push_back({it->second->remote, at.partition.value, place, note_of(at.next.value)});
    }
  }
  const std::lock_guard lock(groups_mutex_);
  const std::string name = options_.group_prefix + group;
  for (PartitionPlace& p : places) {
    dirty_[name][p.key()] = p;
    groups_[name][p.key()] = std::move(p);
  }
  moved_.emplace(group, topic);
  return {};
}

std::vector<Position> KafkaLog::committed(const std::string& group,
                                          const std::string& topic) const {
  const std::string name = options_.group_prefix + group;
  bool known = false;
  {
    const std::lock_guard lock(groups_mutex_);
    known = loaded_.contains({name, topic}) ||
            std::ranges::find(options_.groups, group) != options_.groups.end();
  }
  if (!known) {
    std::vector<PartitionPlace> of;
    {
      const std::lock_guard lock(mutex_);
      const auto it = topics_.find(topic);
      if (it == topics_.end()) return {};
      it->second->append_places(of);
    }
    const std::lock_guard admin(admin_mutex_);
    if (admin_) {
      if (auto places = admin_->committed(name, of, kAdminMs)) {
        const std::lock_guard lock(groups_mutex_);
        Positions& all = groups_[name];
        for (PartitionPlace& p : *places) all.try_emplace(p.key(), std::move(p));
        loaded_.emplace(name, topic);
      }
    }
  }
  const std::lock_guard lock(groups_mutex_);
  std::vector<Position> out;
  const auto it = groups_.find(name);
  if (it == groups_.end()) return out;
  for (const auto& [key, place] : it->second) {
    if (key.first != options_.topic_prefix + topic) continue;
    int64_t next = place.offset + begin_of(topic, key.second);
    if (place.note.starts_with("offset=")) next = std::strtoll(place.note.c_str() + 7, nullptr, 10);
    out.push_back({{key.second}, {next}});
  }
  return out;
}

/// Of groups that this process moves, and of those that it follows.
void KafkaLog::look_at_lag() {
  std::set<std::pair<std::string, std::string>> of;
  {
    const std::lock_guard lock(groups_mutex_);
    of = moved_;
  }
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& group : options_.followed_groups) {
      for (const auto& [name, topic] : topics_) {
        if (!topic->open) of.emplace(group, name);
      }
    }
  }
  std::vector<GroupLag> lag;
  for (const auto& [group, topic] : of) {
    const std::vector<Position> at = committed(group, topic);
    const std::lock_guard lock(mutex_);
    for (const Position& p : at) {
      const PartitionState* state = topics_.at(topic)->find(p.partition);
      if (state == nullptr || state->unseen) continue;
      lag.push_back(
          {group, topic, p.partition.value, std::max<int64_t>(0, state->end - p.next.value)});
    }
  }
  show_lag(std::move(lag));
}

/// Where the groups are that other processes commit.
void KafkaLog::follow_groups() {
  if (options_.followed_groups.empty()) return;
  std::vector<PartitionPlace> of;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, topic] : topics_) {
      if (!topic->open) topic->append_places(of);
    }
  }
  for (const std::string& group : options_.followed_groups) {
    const std::string name = options_.group_prefix + group;
    Result<std::vector<PartitionPlace>> places;
    {
      const std::lock_guard admin(admin_mutex_);
      places = admin_->committed(name, of, kCommitMs);
    }
    if (!places) return;  // the next turn asks again
    const std::lock_guard lock(groups_mutex_);
    for (PartitionPlace& p : *places) groups_[name][p.key()] = std::move(p);
  }
}

void KafkaLog::note_checkpoints(bool clean) {
  if (options_.follows) return;  // its writer's say more
  std::vector<PartitionPlace> places;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, topic] : topics_) {
      if (topic->open) continue;
      for (PartitionState& p : topic->partitions) {
        if (!p.ours || (!clean && p.checkpoint_place == p.tail_place)) continue;
        p.checkpoint_place = p.tail_place;
        const bool quiet = clean && !p.broken && !shut_out_;
        places.push_back(
            {topic->remote, p.id.value, p.tail_place,
             encode_checkpoint({epoch_, p.order.end, quiet, p.order.epoch, p.sequences})});
      }
    }
    if (shut_out_) return;  // its successor's are newer
  }
  const std::lock_guard lock(groups_mutex_);
  for (PartitionPlace& p : places) dirty_[options_.group_prefix + "log"][p.key()] = std::move(p);
}

void KafkaLog::flush_positions() {
  std::map<std::string, Positions> now;
  {
    const std::lock_guard lock(groups_mutex_);
    now.swap(dirty_);
  }
  // Brokers that do not take one do not take the next: a turn waits for them once.
  Status written;
  for (const auto& [group, positions] : now) {
    if (written) {
      std::vector<PartitionPlace> places;
      for (const auto& [key, place] : positions) places.push_back(place);
      const std::lock_guard admin(admin_mutex_);
      written = admin_->commit(group, places, kCommitMs);
      if (written) continue;
      if (!positions_wait_) {
        diag::warn("positions of groups are written later",
                   {{"group", group}, {"error", written.error().message}});
      }
    }
    const std::lock_guard lock(groups_mutex_);
    for (const auto& [key, place] : positions) dirty_[group].try_emplace(key, place);
  }
  positions_wait_ = !written;
}

/// Where retention has moved the starts to, and others the ends of what nobody here follows.
void KafkaLog::look_at_starts() {
  std::vector<PartitionPlace> places;
  std::vector<int64_t> end_places;
  std::vector<std::pair<TopicState*, PartitionState*>> at;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [name, topic] : topics_) {
      for (PartitionState& p : topic->partitions) {
        if (p.unseen) continue;
        places.push_back({topic->remote, p.id.value, 0, ""});
        at.emplace_back(topic.get(), &p);
      }
    }
  }
  for (PartitionPlace& place : places) {
    const std::lock_guard admin(admin_mutex_);
    const auto ends = admin_->ends(place.topic, place.partition, kAdminMs);
    if (!ends) return;
    place.offset = ends->first;
    end_places.push_back(ends->second);
  }
  for (size_t i = 0; i < at.size(); i++) {
    auto [topic, p] = at[i];
    int64_t base = p->begin + places[i].offset, end = 0;
    {
      const std::lock_guard lock(mutex_);
      if (!p->tailing) p->end = std::max(p->end, p->begin + end_places[i]);
      if (places[i].offset <= p->start_place) continue;
      end = p->tail_place;
    }
    if (!topic->open) {
      const auto found = start_reader_->base_at(*topic, p->id, places[i].offset, end);
      if (!found) continue;
      base = *found;
    }
    const std::lock_guard lock(mutex_);
    p->start_place = places[i].offset;
    p->start = base < 0 ? p->tail_end : base;
    std::erase_if(p->places, [&](const auto& place) { return place.second < p->start_place; });
  }
}

/// After it everything that was under way is known: it came before the fence, or it never counts.
void KafkaLog::recover_producer() {
  {
    const std::lock_guard lock(mutex_);
    recovering_ = replacing_ = true;
  }
  Status made;
  {
    const std::unique_lock producer(producer_mutex_);
    rd_kafka_purge(producer_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_flush(producer_.get(), kDrainMs);
    {
      const std::lock_guard lock(mutex_);
      for (auto& [name, topic] : topics_) {
        if (!is_apart(*topic)) topic->writer.reset();
      }
    }
    producer_.reset();
    epoch_ = std::max(epoch_ + 1, runtime_.clock().wall_us());
    made = make_producer_anew();
  }
  FramedParts framed;
  std::map<PartitionState*, int64_t> targets;
  {
    const std::lock_guard lock(mutex_);
    replacing_ = false;
    if (!made || shut_out_) return;
    for (auto& [name, topic] : topics_) {
      if (topic->open) continue;
      for (PartitionState& p : topic->partitions) {
        if (p.ours) framed.emplace_back(topic.get(), &p);
      }
    }
  }
  upkeep_wanted_.notify_all();
  Status known = fence(framed, targets);
  if (known) known = wait_for_tail(targets);
  if (!known) {
    diag::warn("the log waits for its brokers", {{"error", known.error().message}});
    return;  // comes again in the next turn
  }
  const std::lock_guard lock(mutex_);
  for (auto& [topic, p] : framed) {
    // Acknowledged and not counted, for want of what was to come before it.
    give_up(*p, "the brokers refused what was under way");
    p->broken = false;
    p->next_base = std::max(p->order.end, p->begin);
    p->assigned = p->sequences;
  }
  for (auto& [ticket, index] : unresolved_) {
    ticket->settle(index, fail(Code::kMaybe, "the brokers refused what was under way"));
  }
  unresolved_.clear();
  recovering_ = false;
  recovered_metric.add();
}

}  // namespace penstock::log::kafka
