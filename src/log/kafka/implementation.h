// The implementation's class; its parts are in kafka_log.cc (start and stop), resume.cc (framed
// topics of an earlier process), append.cc, tail.cc (reading what is new, fetches), behind.cc
// (reading what is old) and upkeep.cc.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "log/begin.h"
#include "log/kafka/client.h"
#include "log/kafka/state.h"

namespace penstock::log::kafka {

struct Waiter {
  uint64_t id = 0;
  runtime::Loop* home = nullptr;
  FetchRequest request;
  std::shared_ptr<FetchDone> done;
};

/// A fetch that wants what is not cached any more.
struct BehindJob {
  runtime::Loop* home = nullptr;
  FetchRequest request;
  std::shared_ptr<FetchDone> done;
};

class KafkaLog;

/// Where a reader of old records stands; no topic: nowhere.
struct BehindPlace {
  bool waits = true;  // for a job
  std::string topic;
  std::map<int32_t, int64_t> next;

  bool goes_on_with(const FetchRequest& request) const;
};

/// Reads old records for one fetch at a time, and remembers where it stands: the next fetch often
/// goes on there. Used by one thread.
class BehindReader {
 public:
  BehindReader(KafkaLog& log, Handle handle);
  ~BehindReader();

  /// From where on it has read ahead.
  BehindPlace place() const;
  /// Blocks until something came, at most a few seconds.
  Result<FetchResult> read(const FetchRequest& request);
  /// The offset of the first frame at or behind a place; -1: there is none before `end_place`.
  Result<int64_t> base_at(TopicState& topic, Partition p, int64_t place, int64_t end_place);
  /// What the first message at or behind a place holds.
  Result<std::string> text_at(const TopicState& topic, Partition p, int64_t place);

 private:
  struct Stream {
    int64_t place = 0, next = 0;  // where it reads on; what it has answered up to
    int64_t begin = 0;            // the partition's
    int64_t until = 0;            // from here on the cache has it
    FrameOrder order;
    bool done = false;
  };

  Status begin(TopicState& topic, const FetchRequest& request);
  Result<int64_t> place_of(TopicState& topic, Partition p, int64_t offset);
  void end();
  Message next(int wait_ms);
  Status take(TopicState& topic, const rd_kafka_message_t& message, FetchResult& out,
              size_t& bytes);
  TopicHandle open(const TopicState& topic) const;

  KafkaLog& log_;
  Handle handle_;
  Queue queue_;
  TopicHandle handle_topic_;
  TopicState* topic_ = nullptr;
  std::map<int32_t, Stream> streams_;
  std::deque<Message> here_;  // taken from the queue, not looked at
};

class KafkaLog : public Log {
 public:
  KafkaLog(runtime::Runtime& runtime, KafkaLogOptions options);
  ~KafkaLog() override;

  Status start(std::vector<TopicSpec> topics) override;
  Status ensure_topic(TopicSpec topic) override;
  void stop() override;
  void append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
              AppendDone done) override;
  void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) override;
  Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const override;
  void ends(runtime::Loop& home, std::string topic, EndsDone done) override;
  int64_t last_sequence(const std::string& topic, Partition partition,
                        uint64_t producer) const override;
  Status commit(const std::string& group, const std::string& topic,
                std::vector<Position> positions) override;
  std::vector<Position> committed(const std::string& group,
                                  const std::string& topic) const override;
  LogStats stats() const override;

 private:
  friend class BehindReader;
  class OpenDelivery;
  class FrameDelivery;
  class FenceDelivery;
  using Positions = std::map<std::pair<std::string, int32_t>, PartitionPlace>;

  /// The group whose positions are the log's own: how far a new process need not read again.
  static constexpr std::string_view kOwnGroup = "log";

  // --- start and stop (kafka_log.cc) ---
  Status add_topics(std::vector<TopicSpec> topics, bool as_they_are);
  Status open_topics(std::vector<std::unique_ptr<TopicState>>& fresh);
  Status start_tail(TopicState& topic);
  Status start_tail(TopicState& topic, PartitionState& p);
  Status find_starts(const std::vector<TopicState*>& topics);
  Status load_groups(const std::vector<PartitionPlace>& of);
  /// Asks until the brokers, or one of them, are no longer just coming up.
  Status patiently(const std::function<Status()>& ask);

  // --- where topics begin (begins.cc) ---
  Status load_begins();
  Status write_begins(const std::string& remote);
  Status read_begins(const std::string& remote, int64_t end_place);
  Status check_begins();
  int64_t begin_of(const std::string& topic, int32_t partition) const;
  void take_sequences(const TopicState& topic, PartitionState& p) const;

  // --- where it goes on (resume.cc) ---
  Status resume_framed(const std::vector<TopicState*>& topics,
                       const std::map<std::pair<std::string, int32_t>, int64_t>& ends);
  using FramedParts = std::vector<std::pair<TopicState*, PartitionState*>>;
  Status fence_all(const std::vector<TopicState*>& topics, FramedParts unsure,
                   std::map<PartitionState*, int64_t>& targets);
  /// Waits until all that may still come of older processes is in front of it.
  Status fence(const FramedParts& at, std::map<PartitionState*, int64_t>& targets);
  Status wait_for_tail(const std::map<PartitionState*, int64_t>& targets);

  // --- appending (append.cc) ---
  Status make_producer_anew();
  /// Whether a topic's messages go past the guarded producer.
  bool is_apart(const TopicState& topic) const { return topic.open && apart_; }
  rd_kafka_t* producer_of(const TopicState& topic) const;
  void need_writer(TopicState& topic);
  TopicState* find(const std::string& topic) const;
  Status try_append(const TicketPtr& ticket, const std::string& topic, std::vector<Batch>& batches);
  Status append_open(const TicketPtr& ticket, TopicState& topic, std::vector<Batch>& batches);
  Status append_framed(const TicketPtr& ticket, TopicState& topic, std::vector<Batch>& batches);
  Status reserve(size_t bytes);
  void release(size_t bytes);
  /// One message without key and headers.
  rd_kafka_resp_err_t produce(TopicState& topic, Partition p, std::string_view value,
                              Delivery* delivery);
  void hand_over(TopicState& topic, Partition p, size_t count, OpenDelivery* delivery);
  void frame_delivered(TopicState& topic, Partition p, const std::shared_ptr<Flight>& flight,
                       rd_kafka_resp_err_t error);
  void settle(PartitionState& p, const Flight& flight);
  /// What was read back and counts; with the mutex held, as the next one.
  void confirm(PartitionState& p, const Frame& frame);
  /// Nothing of what is under way there will ever count, or nobody will know.
  static void give_up(PartitionState& p, std::string_view why);
  bool owns(const TopicState& topic, const PartitionState& p) const {
    return !options_.follows && (!options_.owns || options_.owns(topic.name, p.id));
  }
  /// Others write other partitions of this topic's, and may want ours.
  bool is_shared() const { return options_.owns != nullptr; }
  void note_append(const Ticket& ticket, size_t records, size_t bytes);
  void poll_producer();
  void poll_apart();
  static void on_delivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);

  // --- reading (tail.cc) ---
  struct Seen {
    Result<FetchResult> result = FetchResult{};
    bool behind = false;   // something lies before the cache
    bool not_yet = false;  // something is acknowledged that did not come back yet
  };
  Status follow(const FetchRequest& request);
  Seen look(const FetchRequest& request);
  void fill_from_cache(const FetchRequest& request, FetchResult& result);
  template <typename T>
  using Done = std::shared_ptr<std::move_only_function<void(Result<T>)>>;
  template <typename T>
  static void answer(runtime::Loop& home, Done<T> done, std::type_identity_t<Result<T>> result) {
    home.post([done = std::move(done), result = std::move(result)]() mutable {
      (*done)(std::move(result));
    });
  }
  void run_tail();
  void take_tail(rd_kafka_message_t** messages, size_t count);
  void take_tail_frame(TopicState& topic, PartitionState& p, const rd_kafka_message_t& message);
  void cache(TopicState& topic, PartitionState& p, Cached batch);
  void wake();
  void expire(uint64_t id);
  void wait_for_more(runtime::Loop& home, FetchRequest request, std::shared_ptr<FetchDone> done,
                     int64_t wait_ms);
  void run_behind(size_t reader);
  std::deque<BehindJob>::iterator job_for(size_t reader);

  // --- where partitions end (ends.cc) ---
  /// Who waits until what the brokers had when it asked has come here.
  struct EndsAsked {
    runtime::Loop* home;
    std::string topic;
    std::shared_ptr<EndsDone> done;
    int64_t until_ns = 0;
    std::map<PartitionState*, int64_t> places{};  // empty: the brokers were not asked yet
  };
  void ask_for_ends();
  void tell_ends();

  // --- upkeep (upkeep.cc) ---
  void begin_threads();
  void end_threads();
  void run_upkeep();
  void flush_positions();
  void note_checkpoints(bool clean);
  void follow_groups();
  void look_at_lag();
  void answer_late_appends();
  void look_at_starts();
  void recover_producer();

  runtime::Runtime& runtime_;
  KafkaLogOptions options_;
  std::mutex start_mutex_;  // one start, ensure_topic or stop at a time

  mutable std::mutex mutex_;
  bool started_ = false, stopped_ = true;
  Begins begins_;  // as they are written down; fixed once started
  std::map<std::string, std::unique_ptr<TopicState>> topics_;
  std::list<Waiter> waiters_;
  std::list<EndsAsked> ends_asked_;
  uint64_t next_waiter_ = 1;
  std::deque<BehindJob> jobs_;
  std::vector<BehindPlace> places_;                 // of readers that wait for jobs
  std::deque<std::weak_ptr<Ticket>> open_tickets_;  // of appends without producer, oldest first
  std::vector<std::pair<TicketPtr, size_t>> unresolved_;
  bool producer_failed_ = false;
  bool recovering_ = false;  // nothing is taken meanwhile
  bool replacing_ = false;   // nobody may use the producer
  bool shut_out_ = false;    // by a process that started later
  uint64_t pending_bytes_ = 0;
  LogStats stats_;
  std::condition_variable tail_moved_, jobs_there_, upkeep_wanted_;
  bool ending_ = false;  // threads

  // Positions of groups, by Kafka's names, and those that are not written yet.
  mutable std::mutex groups_mutex_;
  mutable std::map<std::string, Positions> groups_, dirty_;
  std::set<std::pair<std::string, std::string>> moved_;  // groups and topics committed here
  bool positions_wait_ = false;  // upkeep's: that the brokers do not take them was told
  /// Groups that nobody named at start, and the topics whose positions were asked for since.
  mutable std::set<std::pair<std::string, std::string>> loaded_;

  mutable std::mutex admin_mutex_;
  mutable std::unique_ptr<Admin> admin_;

  std::shared_mutex producer_mutex_;
  Handle producer_;
  Handle apart_;  // of open topics, where many requests may be under way; never replaced
  int64_t epoch_ = 0;

  Handle tail_;
  Queue tail_queue_;
  std::unique_ptr<BehindReader> start_reader_;  // start's and upkeep's
  std::vector<std::unique_ptr<BehindReader>> readers_;
  std::thread poll_thread_, apart_thread_, tail_thread_, upkeep_thread_;
  std::vector<std::thread> reader_threads_;

  /// Timers may fire after the log is gone. Its lock comes before `mutex_`.
  struct Life {
    std::mutex mutex;
    bool alive = true;
  };
  const std::shared_ptr<Life> life_ = std::make_shared<Life>();
};

}  // namespace penstock::log::kafka
