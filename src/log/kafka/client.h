// Client: librdkafka's handles with owners, its settings from ours, its errors as our codes.
//
// Private to KafkaLog. What blocks says so.
#pragma once

#include <rdkafka.h>

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/kafka_log.h"

namespace penstock::log::kafka {

struct HandleEnd {
  void operator()(rd_kafka_t* h) const { rd_kafka_destroy(h); }
};
using Handle = std::unique_ptr<rd_kafka_t, HandleEnd>;
struct QueueEnd {
  void operator()(rd_kafka_queue_t* q) const { rd_kafka_queue_destroy(q); }
};
using Queue = std::unique_ptr<rd_kafka_queue_t, QueueEnd>;
struct TopicEnd {
  void operator()(rd_kafka_topic_t* t) const { rd_kafka_topic_destroy(t); }
};
using TopicHandle = std::unique_ptr<rd_kafka_topic_t, TopicEnd>;
struct MessageEnd {
  void operator()(rd_kafka_message_t* m) const { rd_kafka_message_destroy(m); }
};
using Message = std::unique_ptr<rd_kafka_message_t, MessageEnd>;

/// What a caller does about it; `what` stands in front of the text.
Error error_of(rd_kafka_resp_err_t code, const std::string& what);

using DeliveryReport = void (*)(rd_kafka_t*, const rd_kafka_message_t*, void* opaque);

/// Guarded: the brokers write what is repeated once, and in order; it repeats for ever. Otherwise
/// nothing is repeated, and many requests may be under way.
Result<Handle> make_producer(const KafkaLogOptions& options, bool guarded, DeliveryReport report,
                             void* opaque);
/// Waits for a message, and takes those that are there with it: the client's own call for several
/// waits until there are as many as it may answer. How many there are; they belong to the caller.
size_t consume(rd_kafka_queue_t* queue, int wait_ms, std::span<rd_kafka_message_t*> out);

Result<Handle> make_consumer(const KafkaLogOptions& options);
/// For positions of a group.
Result<Handle> make_member(const KafkaLogOptions& options, const std::string& group);
/// A member by a name of its own of a group that hands partitions out.
Result<Handle> make_group_member(const KafkaLogOptions& options, const std::string& group,
                                 const std::string& name, int64_t session_ms,
                                 void (*rebalance)(rd_kafka_t*, rd_kafka_resp_err_t,
                                                   rd_kafka_topic_partition_list_t*, void*),
                                 void* opaque);

struct TopicFacts {
  int32_t partitions = 0;
  int32_t replicas = 0;                         // of the partition that has fewest
  std::map<std::string, std::string> settings;  // as the broker names them
};

/// What in a topic's settings can lose what was acknowledged: one sentence each.
std::vector<std::string> topic_risks(const TopicFacts& facts, const TopicSpec& spec);

struct PartitionPlace {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
  std::string note;  // of a committed position

  auto key() const { return std::pair(topic, partition); }
};

/// Requests that are asked of brokers and waited for; blocks up to the deadline. One thread at a
/// time.
class Admin {
 public:
  Admin(const KafkaLogOptions& options, Handle handle)
      : options_(options), handle_(std::move(handle)) {}

  /// Creates what is missing; topics that are there stay as they are.
  Status create(const std::vector<TopicSpec>& topics, int64_t wait_ms);
  /// Of topics that exist, by name; those that do not are left out.
  Result<std::map<std::string, TopicFacts>> facts(const std::vector<std::string>& topics,
                                                  int64_t wait_ms);
  /// The first offset of a partition and the next one.
  Result<std::pair<int64_t, int64_t>> ends(const std::string& topic, int32_t partition,
                                           int64_t wait_ms);
  /// What a group has committed of these partitions.
  Result<std::vector<PartitionPlace>> committed(const std::string& group,
                                                const std::vector<PartitionPlace>& of,
                                                int64_t wait_ms);
  Status commit(const std::string& group, const std::vector<PartitionPlace>& places,
                int64_t wait_ms);

 private:
  /// A group's own: it never joins, it only reads and writes positions.
  Result<rd_kafka_t*> group(const std::string& name);

  const KafkaLogOptions& options_;
  Handle handle_;
  std::map<std::string, Handle> groups_;
};

}  // namespace penstock::log::kafka
