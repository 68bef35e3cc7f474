// Starting and stopping: topics, positions, and where a new process goes on.
#include "log/kafka_log.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/diag.h"
#include "log/kafka/implementation.h"

namespace penstock::log::kafka {
namespace {

constexpr size_t kBehindReaders = 2;
constexpr int kFlushMs = 5000;
constexpr auto kAgain = std::chrono::milliseconds(50);
constexpr int64_t kPartitionsMax = 1 << 16;

/// Whether all was acknowledged in time; what was not has its report all the same.
bool flush(rd_kafka_t* producer) {
  rd_kafka_flush(producer, kFlushMs);
  if (rd_kafka_outq_len(producer) == 0) return true;
  rd_kafka_purge(producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  rd_kafka_flush(producer, kFlushMs);
  return false;
}

bool is_topic_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return !name.empty() && name.size() <= 200 && name != "." && name != ".." &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

}  // namespace

KafkaLog::KafkaLog(runtime::Runtime& runtime, KafkaLogOptions options)
    : runtime_(runtime), options_(std::move(options)) {}

KafkaLog::~KafkaLog() {
  stop();
  const std::lock_guard lock(life_->mutex);
  life_->alive = false;
}

Status KafkaLog::start(std::vector<TopicSpec> topics) {
  PENSTOCK_CHECK(check_kafka_options(options_));
  const std::lock_guard once(start_mutex_);
  PENSTOCK_TRY(Handle admin, make_consumer(options_));
  admin_ = std::make_unique<Admin>(options_, std::move(admin));
  PENSTOCK_TRY(tail_, make_consumer(options_));
  tail_queue_.reset(rd_kafka_queue_new(tail_.get()));
  PENSTOCK_TRY(Handle starting, make_consumer(options_));
  start_reader_ = std::make_unique<BehindReader>(*this, std::move(starting));
  for (size_t i = 0; i < kBehindReaders; i++) {
    PENSTOCK_TRY(Handle reading, make_consumer(options_));
    readers_.push_back(std::make_unique<BehindReader>(*this, std::move(reading)));
  }
  epoch_ = runtime_.clock().wall_us();
  PENSTOCK_CHECK(make_producer_anew());
  if (options_.in_flight > kGuardedInFlight) {
    PENSTOCK_TRY(apart_, make_producer(options_, false, &KafkaLog::on_delivery, this));
  }
  {
    const std::lock_guard lock(mutex_);
    stopped_ = ending_ = false;
    started_ = true;
  }
  begin_threads();
  for (TopicSpec& t : topics) {
    for (const std::string& g : t.required_groups) options_.groups.push_back(g);
  }
  std::ranges::sort(options_.groups);
  const auto twice = std::ranges::unique(options_.groups);
  options_.groups.erase(twice.begin(), twice.end());
  PENSTOCK_CHECK(load_begins());
  return add_topics(std::move(topics), false);
}

Status KafkaLog::ensure_topic(TopicSpec topic) {
  const std::lock_guard once(start_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return fail(Code::kCancelled, "the log has stopped");
    if (topics_.contains(topic.name)) return {};
  }
  std::vector<TopicSpec> one;
  one.push_back(std::move(topic));
  return add_topics(std::move(one), true);
}

Status KafkaLog::patiently(const std::function<Status()>& ask) {
  const int64_t until = runtime_.clock().mono_ns() + options_.start_ms_max * 1'000'000;
  for (;;) {
    Status answered;
    {
      const std::lock_guard admin(admin_mutex_);
      answered = ask();
    }
    if (answered) return answered;
    const Code code = answered.error().code;
    if (code != Code::kUnavailable && code != Code::kBusy && code != Code::kNotFound) {
      return answered;
    }
    if (runtime_.clock().mono_ns() > until) return answered;
    std::this_thread::sleep_for(kAgain);
  }
}

/// Positions of the groups that have to be known, in topics that are being opened.
Status KafkaLog::load_groups(const std::vector<PartitionPlace>& of) {
  std::vector<std::string> all = options_.groups;
  all.emplace_back(kOwnGroup);
  for (const std::string& name : all) {
    const std::string group = options_.group_prefix + name;
    std::vector<PartitionPlace> places;
    PENSTOCK_CHECK(patiently([&]() -> Status {
      PENSTOCK_TRY(places, admin_->committed(group, of, options_.start_ms_max));
      return {};
    }));
    const std::lock_guard lock(groups_mutex_);
    for (PartitionPlace& p : places) groups_[group].try_emplace(p.key(), std::move(p));
  }
  return {};
}

Status KafkaLog::add_topics(std::vector<TopicSpec> specs, bool as_they_are) {
  std::vector<std::string> names;
  for (const TopicSpec& t : specs) {
    if (!is_topic_name(t.name)) return fail(Code::kInvalid, "not the name of a topic: " + t.name);
    names.push_back(options_.topic_prefix + t.name);
  }
  std::map<std::string, TopicFacts> facts;
  PENSTOCK_CHECK(patiently([&]() -> Status {
    PENSTOCK_TRY(facts, admin_->facts(names, options_.start_ms_max));
    std::vector<TopicSpec> missing;
    for (size_t i = 0; i < specs.size(); i++) {
      if (facts.contains(names[i])) continue;
      missing.push_back(specs[i]);
      missing.back().name = names[i];
    }
    if (missing.empty()) return {};
    PENSTOCK_CHECK(admin_->create(missing, options_.start_ms_max));
    // A new topic is known to the brokers one after the other.
    return fail(Code::kUnavailable, "the brokers do not show the topics that were made");
  }));
  std::vector<std::unique_ptr<TopicState>> fresh;
  for (size_t i = 0; i < specs.size(); i++) {
    const TopicFacts& f = facts[names[i]];
    if (f.partitions != specs[i].partitions && !as_they_are) {
      return fail(
          Code::kInvalid,
          fmt::format("the topic {} has {} partitions and log.partitions says {}: set it to "
                      "what the topic has",
                      names[i], f.partitions, specs[i].partitions));
    }
    for (const std::string& risk : topic_risks(f, specs[i])) {
      diag::warn("a topic's settings can lose events", {{"topic", names[i]}, {"risk", risk}});
    }
    auto topic = std::make_unique<TopicState>();
    topic->name = specs[i].name;
    topic->remote = names[i];
    topic->open = options_.codec && options_.codec->is_open(specs[i].name);
    topic->spec = std::move(specs[i]);
    topic->partitions.resize(static_cast<size_t>(f.partitions));
    for (int32_t p = 0; p < f.partitions; p++) {
      PartitionState& state = topic->partitions[static_cast<size_t>(p)];
      state.id = {p};
      state.begin = begin_of(topic->name, p);
      state.unseen = options_.looks_at && !options_.looks_at(topic->name, state.id);
      if (!state.unseen) topic->seen++;
    }
    fresh.push_back(std::move(topic));
  }
  return open_topics(fresh);
}

Status KafkaLog::open_topics(std::vector<std::unique_ptr<TopicState>>& fresh) {
  std::vector<PartitionPlace> starts;
  for (const auto& t : fresh) t->append_places(starts);
  PENSTOCK_CHECK(load_groups(starts));
  std::map<std::pair<std::string, int32_t>, int64_t> end_places;
  for (PartitionPlace& p : starts) {
    PENSTOCK_CHECK(patiently([&]() -> Status {
      PENSTOCK_TRY(const auto ends, admin_->ends(p.topic, p.partition, options_.start_ms_max));
      p.offset = ends.first;
      end_places[p.key()] = ends.second;
      return {};
    }));
  }
  size_t at = 0;
  std::vector<TopicState*> framed;
  for (const auto& t : fresh) {
    for (PartitionState& p : t->partitions) {
      if (p.unseen) continue;
      p.start_place = starts[at].offset;
      p.tail_place = end_places.at(starts[at].key());
      p.start = p.begin;
      if (t->open) {
        p.start = p.begin + p.start_place;
        p.end = p.tail_end = p.cache_from = p.begin + p.tail_place;
      }
      at++;
    }
    if (!t->open) framed.push_back(t.get());
  }
  PENSTOCK_CHECK(resume_framed(framed, end_places));
  PENSTOCK_CHECK(find_starts(framed));
  {
    const std::lock_guard lock(mutex_);
    for (auto& t : fresh) topics_.emplace(t->name, std::move(t));
  }
  return {};
}

Status KafkaLog::start_tail(TopicState& topic) {
  for (PartitionState& p : topic.partitions) {
    if (!p.unseen) PENSTOCK_CHECK(start_tail(topic, p));
  }
  return {};
}

Status KafkaLog::start_tail(TopicState& topic, PartitionState& p) {
  if (!topic.tail) {
    rd_kafka_topic_conf_t* conf = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set_opaque(conf, &topic);
    topic.tail.reset(rd_kafka_topic_new(tail_.get(), topic.remote.c_str(), conf));
  }
  if (rd_kafka_consume_start_queue(topic.tail.get(), p.id.value, p.tail_place, tail_queue_.get()) !=
      0) {
    return std::unexpected(error_of(rd_kafka_last_error(), "reading " + topic.name));
  }
  p.tailing = true;
  return {};
}

Status KafkaLog::find_starts(const std::vector<TopicState*>& topics) {
  for (TopicState* t : topics) {
    for (PartitionState& p : t->partitions) {
      if (p.start_place == 0) continue;
      PENSTOCK_TRY(const int64_t base,
                   start_reader_->base_at(*t, p.id, p.start_place, p.tail_place));
      const std::lock_guard lock(mutex_);
      p.start = base < 0 ? p.tail_end : base;
    }
  }
  return {};
}

void KafkaLog::stop() {
  const std::lock_guard once(start_mutex_);
  {
    const std::lock_guard lock(mutex_);
    if (!started_) return;
    started_ = false;
    stopped_ = true;
  }
  bool clean = false;
  {
    const std::shared_lock producer(producer_mutex_);
    clean = (!apart_ || flush(apart_.get())) & flush(producer_.get());
  }
  std::list<Waiter> waiters;
  std::deque<BehindJob> jobs;
  std::list<EndsAsked> asked;
  std::vector<std::pair<TicketPtr, size_t>> unresolved;
  {
    std::unique_lock lock(mutex_);
    const auto quiet = [&] {
      return std::ranges::all_of(topics_, [](const auto& t) {
        return t.second->open || std::ranges::all_of(t.second->partitions, [](const auto& p) {
                 return !p.ours || (!p.broken && p.flights.empty() && p.tail_end == p.next_base);
               });
      });
    };
    clean = clean && tail_moved_.wait_for(lock, std::chrono::seconds(2), quiet);
    waiters.swap(waiters_);
    jobs.swap(jobs_);
    asked.swap(ends_asked_);
    unresolved.swap(unresolved_);
    for (auto& [name, topic] : topics_) {
      for (PartitionState& p : topic->partitions) give_up(p, "the log has stopped");
    }
  }
  const auto cancelled = [] { return fail(Code::kCancelled, "the log has stopped"); };
  for (auto& [ticket, index] : unresolved) {
    ticket->settle(index, fail(Code::kMaybe, "the log has stopped before all was known"));
  }
  for (Waiter& w : waiters) answer(*w.home, w.done, cancelled());
  for (BehindJob& j : jobs) answer(*j.home, j.done, cancelled());
  for (EndsAsked& a : asked) answer(*a.home, a.done, cancelled());
  end_threads();
  note_checkpoints(clean);
  flush_positions();
  {
    // Handles of topics end before their clients.
    const std::lock_guard lock(mutex_);
    for (auto& [name, topic] : topics_) {
      for (const PartitionState& p : topic->partitions) {
        if (p.tailing) rd_kafka_consume_stop(topic->tail.get(), p.id.value);
      }
      topic->tail.reset();
      topic->writer.reset();
    }
  }
  readers_.clear();
  start_reader_.reset();
  tail_queue_.reset();
  tail_.reset();
  producer_.reset();
  apart_.reset();
  admin_.reset();
}

Result<std::vector<PartitionBounds>> KafkaLog::bounds(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  const auto it = topics_.find(topic);
  if (it == topics_.end()) return fail(Code::kNotFound, "there is no topic " + topic);
  std::vector<PartitionBounds> out;
  for (const PartitionState& p : it->second->partitions) {
    if (p.unseen) continue;
    if (!p.lost.empty()) return fail(Code::kCorrupt, p.lost);
    out.push_back({p.id, {std::min(p.start, p.end)}, {p.end}});
  }
  return out;
}

int64_t KafkaLog::last_sequence(const std::string& topic, Partition partition,
                                uint64_t producer) const {
  const std::lock_guard lock(mutex_);
  const auto it = topics_.find(topic);
  const PartitionState* p = it == topics_.end() ? nullptr : it->second->find(partition);
  if (p == nullptr) return -1;
  const auto found = p->sequences.find(producer);
  return found == p->sequences.end() ? -1 : found->second;
}

LogStats KafkaLog::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace penstock::log::kafka

namespace penstock::log {

std::unique_ptr<Log> open_kafka_log(runtime::Runtime& runtime, KafkaLogOptions options) {
  return std::make_unique<kafka::KafkaLog>(runtime, std::move(options));
}

}  // namespace penstock::log
