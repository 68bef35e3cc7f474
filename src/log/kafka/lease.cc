#include "log/kafka_lease.h"

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "base/diag.h"
#include "log/kafka/client.h"

namespace penstock::log::kafka {
namespace {

constexpr int kPollMs = 100;

class GroupLease : public KafkaLease {
 public:
  ~GroupLease() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    if (member_) rd_kafka_consumer_close(member_.get());
  }

  Status begin(const KafkaLogOptions& log, const KafkaLeaseOptions& options) {
    give_back_ms_ = options.give_back_ms;
    first_ = options.first;
    PENSTOCK_TRY(member_, make_group_member(log, log.group_prefix + options.group, options.member,
                                            options.session_ms, &GroupLease::on_rebalance, this));
    rd_kafka_poll_set_consumer(member_.get());
    rd_kafka_topic_partition_list_t* topics = rd_kafka_topic_partition_list_new(1);
    const std::string topic = log.topic_prefix + options.topic;
    rd_kafka_topic_partition_list_add(topics, topic.c_str(), RD_KAFKA_PARTITION_UA);
    const auto asked = rd_kafka_subscribe(member_.get(), topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return std::unexpected(error_of(asked, "joining the group of " + topic));
    }
    thread_ = std::thread([this] { run(); });
    return {};
  }

  bool wait(int64_t wait_ms) override {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), [this] { return !held_.empty(); });
    return !held_.empty();
  }

  std::vector<int32_t> held() const override {
    const std::lock_guard lock(mutex_);
    return {held_.begin(), held_.end()};
  }

  bool over() const override { return over_; }

  void give_back() override {
    {
      const std::lock_guard lock(mutex_);
      leaving_ = false;
    }
    changed_.notify_all();
  }

  void on_change(std::function<void()> changed) override {
    const std::lock_guard lock(telling_);
    tell_ = std::move(changed);
  }

 private:
  void run() {
    while (!ending_) {
      // Nothing is read: what is assigned is paused. Errors repeat themselves until they are over.
      const Message message(rd_kafka_consumer_poll(member_.get(), kPollMs));
      std::array<char, 256> text{};
      if (rd_kafka_fatal_error(member_.get(), text.data(), text.size()) ==
          RD_KAFKA_RESP_ERR_NO_ERROR) {
        continue;
      }
      diag::error("a lease is lost for good", {{"error", text.data()}});
      {
        const std::lock_guard lock(mutex_);
        held_.clear();
        over_ = true;
      }
      return tell();
    }
  }

  static void on_rebalance(rd_kafka_t* member, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t* parts, void* opaque) {
    auto* self = static_cast<GroupLease*>(opaque);
    const bool given = what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    if (!given) self->take_away(*parts, rd_kafka_assignment_lost(member) != 0);
    rd_kafka_error_t* error = given ? rd_kafka_incremental_assign(member, parts)
                                    : rd_kafka_incremental_unassign(member, parts);
    if (error != nullptr) rd_kafka_error_destroy(error);
    if (!given) return;
    if (parts->cnt > 0) rd_kafka_pause_partitions(member, parts);
    {
      const std::lock_guard lock(self->mutex_);
      for (int i = 0; i < parts->cnt; i++)
        self->held_.insert(self->first_ + parts->elems[i].partition);
    }
    self->tell();
  }

  /// `lost`: the group went on without this member, or there are no brokers. Others may have it
  /// already; it is the fence that decides, and what is given next says what is another now.
  void take_away(const rd_kafka_topic_partition_list_t& parts, bool lost) {
    if (parts.cnt == 0) return;
    {
      const std::lock_guard lock(mutex_);
      for (int i = 0; i < parts.cnt; i++) held_.erase(first_ + parts.elems[i].partition);
      leaving_ = give_back_ms_ > 0 && !lost && !ending_;
    }
    if (lost) return;
    tell();
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(give_back_ms_),
                      [this] { return !leaving_ || ending_; });
    leaving_ = false;
  }

  void tell() {
    changed_.notify_all();
    const std::lock_guard lock(telling_);
    if (tell_) tell_();
  }

  Handle member_;
  std::thread thread_;
  std::atomic<bool> ending_{false}, over_{false};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<int32_t> held_;
  bool leaving_ = false;  // something is taken away and not given back yet
  int64_t give_back_ms_ = 0;
  int32_t first_ = 0;
  std::mutex telling_;
  std::function<void()> tell_;
};

}  // namespace
}  // namespace penstock::log::kafka

namespace penstock::log {

Result<std::unique_ptr<KafkaLease>> KafkaLease::join(const KafkaLogOptions& log,
                                                     const KafkaLeaseOptions& options) {
  auto lease = std::make_unique<kafka::GroupLease>();
  PENSTOCK_CHECK(lease->begin(log, options));
  return lease;
}

}  // namespace penstock::log
