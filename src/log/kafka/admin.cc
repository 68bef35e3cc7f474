// Admin: requests about topics, offsets and groups, each asked and waited for.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "log/kafka/client.h"

namespace penstock::log::kafka {
namespace {

struct EventEnd {
  void operator()(rd_kafka_event_t* e) const { rd_kafka_event_destroy(e); }
};
using Event = std::unique_ptr<rd_kafka_event_t, EventEnd>;
struct ListEnd {
  void operator()(rd_kafka_topic_partition_list_t* l) const {
    rd_kafka_topic_partition_list_destroy(l);
  }
};
using List = std::unique_ptr<rd_kafka_topic_partition_list_t, ListEnd>;
struct OptionsEnd {
  void operator()(rd_kafka_AdminOptions_t* o) const { rd_kafka_AdminOptions_destroy(o); }
};
using Options = std::unique_ptr<rd_kafka_AdminOptions_t, OptionsEnd>;

constexpr int kErrorBytes = 512;
constexpr int64_t kMessageBytes = static_cast<int64_t>(kBatchBytesMax) + (2 << 20);

Options options_for(rd_kafka_t* handle, rd_kafka_admin_op_t what, int64_t wait_ms) {
  Options out(rd_kafka_AdminOptions_new(handle, what));
  std::array<char, kErrorBytes> text{};
  rd_kafka_AdminOptions_set_request_timeout(out.get(), static_cast<int>(wait_ms), text.data(),
                                            text.size());
  return out;
}

/// The answer of a request that `ask` sends.
template <typename Ask>
Result<Event> answer_of(rd_kafka_t* handle, rd_kafka_admin_op_t op, int64_t wait_ms,
                        const std::string& what, Ask ask) {
  const Queue queue(rd_kafka_queue_new(handle));
  const Options options = options_for(handle, op, wait_ms);
  ask(options.get(), queue.get());
  // Kafka's own deadline comes first.
  Event event(rd_kafka_queue_poll(queue.get(), static_cast<int>(wait_ms + 2000)));
  if (!event) return fail(Code::kUnavailable, what + ": the brokers do not answer");
  if (const auto code = rd_kafka_event_error(event.get()); code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Error error = error_of(code, what);
    // Nothing of it is repeated blindly: that it may have happened changes nothing.
    if (error.code == Code::kMaybe) error.code = Code::kUnavailable;
    return std::unexpected(std::move(error));
  }
  return event;
}

List list_of(const std::vector<PartitionPlace>& places) {
  List list(rd_kafka_topic_partition_list_new(static_cast<int>(places.size())));
  for (const PartitionPlace& p : places) {
    rd_kafka_topic_partition_t* entry =
        rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition);
    entry->offset = p.offset;
    if (p.note.empty()) continue;
    entry->metadata = std::malloc(p.note.size());
    std::memcpy(entry->metadata, p.note.data(), p.note.size());
    entry->metadata_size = p.note.size();
  }
  return list;
}

struct NewTopicEnd {
  void operator()(rd_kafka_NewTopic_t* t) const { rd_kafka_NewTopic_destroy(t); }
};

}  // namespace

Status Admin::create(const std::vector<TopicSpec>& topics, int64_t wait_ms) {
  if (topics.empty()) return {};
  std::vector<std::unique_ptr<rd_kafka_NewTopic_t, NewTopicEnd>> owned;
  std::vector<rd_kafka_NewTopic_t*> wanted;
  for (const TopicSpec& t : topics) {
    std::array<char, kErrorBytes> text{};
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(
        t.name.c_str(), t.partitions, options_.replication, text.data(), text.size());
    if (topic == nullptr) return fail(Code::kInvalid, t.name + ": " + text.data());
    owned.emplace_back(topic);
    wanted.push_back(topic);
    const auto set = [&](const char* name, int64_t value) {
      rd_kafka_NewTopic_set_config(topic, name, std::to_string(value).c_str());
    };
    set("retention.ms", t.retention_ms == 0 ? -1 : t.retention_ms);
    set("retention.bytes",
        t.retention_bytes == 0 ? -1 : static_cast<int64_t>(t.retention_bytes) / t.partitions);
    set("max.message.bytes", kMessageBytes);
    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "delete");
    rd_kafka_NewTopic_set_config(topic, "unclean.leader.election.enable", "false");
    if (options_.replication >= 3) set("min.insync.replicas", 2);
  }
  PENSTOCK_TRY(const Event event,
               answer_of(handle_.get(), RD_KAFKA_ADMIN_OP_CREATETOPICS, wait_ms, "creating topics",
                         [&](rd_kafka_AdminOptions_t* o, rd_kafka_queue_t* q) {
                           rd_kafka_CreateTopics(handle_.get(), wanted.data(), wanted.size(), o, q);
                         }));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (size_t i = 0; i < count; i++) {
    const auto code = rd_kafka_topic_result_error(results[i]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
      continue;
    }
    const char* text = rd_kafka_topic_result_error_string(results[i]);
    Error error =
        error_of(code, std::string("creating the topic ") + rd_kafka_topic_result_name(results[i]));
    if (text != nullptr) error.message += std::string(" (") + text + ")";
    return std::unexpected(std::move(error));
  }
  return {};
}

Result<std::map<std::string, TopicFacts>> Admin::facts(const std::vector<std::string>& topics,
                                                       int64_t wait_ms) {
  std::map<std::string, TopicFacts> out;
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto code =
      rd_kafka_metadata(handle_.get(), 1, nullptr, &metadata, static_cast<int>(wait_ms));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Error error = error_of(code, "asking the brokers for their topics");
    if (error.code != Code::kDenied) error.code = Code::kUnavailable;
    return std::unexpected(std::move(error));
  }
  const std::unique_ptr<const rd_kafka_metadata_t, decltype(&rd_kafka_metadata_destroy)> owner(
      metadata, &rd_kafka_metadata_destroy);
  for (int i = 0; i < metadata->topic_cnt; i++) {
    const rd_kafka_metadata_topic_t& t = metadata->topics[i];
    if (t.err != RD_KAFKA_RESP_ERR_NO_ERROR || t.partition_cnt == 0) continue;
    if (std::ranges::find(topics, std::string_view(t.topic)) == topics.end()) continue;
    TopicFacts& facts = out[t.topic];
    facts.partitions = t.partition_cnt;
    facts.replicas = t.partitions[0].replica_cnt;
    for (int p = 0; p < t.partition_cnt; p++) {
      facts.replicas = std::min(facts.replicas, t.partitions[p].replica_cnt);
    }
  }
  if (out.empty()) return out;
  std::vector<rd_kafka_ConfigResource_t*> asked;
  for (const auto& [name, facts] : out) {
    asked.push_back(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  }
  auto answered =
      answer_of(handle_.get(), RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, wait_ms, "asking for settings",
                [&](rd_kafka_AdminOptions_t* o, rd_kafka_queue_t* q) {
                  rd_kafka_DescribeConfigs(handle_.get(), asked.data(), asked.size(), o, q);
                });
  rd_kafka_ConfigResource_destroy_array(asked.data(), asked.size());
  // Who may not read settings can still write and read messages: then nothing is known of them.
  if (!answered) return out;
  size_t count = 0;
  const rd_kafka_ConfigResource_t** resources = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(answered->get()), &count);
  for (size_t i = 0; i < count; i++) {
    if (rd_kafka_ConfigResource_error(resources[i]) != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    size_t entries = 0;
    const rd_kafka_ConfigEntry_t** entry = rd_kafka_ConfigResource_configs(resources[i], &entries);
    auto& settings = out[rd_kafka_ConfigResource_name(resources[i])].settings;
    for (size_t e = 0; e < entries; e++) {
      const char* value = rd_kafka_ConfigEntry_value(entry[e]);
      if (value != nullptr) settings[rd_kafka_ConfigEntry_name(entry[e])] = value;
    }
  }
  return out;
}

Result<std::pair<int64_t, int64_t>> Admin::ends(const std::string& topic, int32_t partition,
                                                int64_t wait_ms) {
  int64_t low = 0, high = 0;
  const auto code = rd_kafka_query_watermark_offsets(handle_.get(), topic.c_str(), partition, &low,
                                                     &high, static_cast<int>(wait_ms));
  if (code == RD_KAFKA_RESP_ERR_NO_ERROR) return std::pair(low, high);
  Error error = error_of(code, "asking for the offsets of " + topic);
  if (error.code == Code::kMaybe) error.code = Code::kUnavailable;
  return std::unexpected(std::move(error));
}

// Positions go through a group's own handle rather than the admin requests for them: those end the
// process when a coordinator goes away under them (librdkafka 2.15.1, rd_kafka_coord_req).
Result<rd_kafka_t*> Admin::group(const std::string& name) {
  Handle& handle = groups_[name];
  if (!handle) {
    PENSTOCK_TRY(handle, make_member(options_, name));
  }
  return handle.get();
}

Result<std::vector<PartitionPlace>> Admin::committed(const std::string& name,
                                                     const std::vector<PartitionPlace>& of,
                                                     int64_t wait_ms) {
  std::vector<PartitionPlace> out;
  if (of.empty()) return out;
  PENSTOCK_TRY(rd_kafka_t * handle, group(name));
  const List list = list_of(of);
  const auto code = rd_kafka_committed(handle, list.get(), static_cast<int>(wait_ms));
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    Error error = error_of(code, "asking for the positions of " + name);
    if (error.code == Code::kMaybe) error.code = Code::kUnavailable;
    return std::unexpected(std::move(error));
  }
  for (int i = 0; i < list->cnt; i++) {
    const rd_kafka_topic_partition_t& at = list->elems[i];
    if (at.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return std::unexpected(error_of(at.err, "asking for the positions of " + name));
    }
    if (at.offset < 0) continue;
    out.push_back({at.topic, at.partition, at.offset,
                   at.metadata == nullptr
                       ? std::string()
                       : std::string(static_cast<const char*>(at.metadata), at.metadata_size)});
  }
  return out;
}

Status Admin::commit(const std::string& name, const std::vector<PartitionPlace>& places,
                     int64_t wait_ms) {
  if (places.empty()) return {};
  PENSTOCK_TRY(rd_kafka_t * handle, group(name));
  const List list = list_of(places);
  const std::string what = "committing positions of " + name;
  const Queue queue(rd_kafka_queue_new(handle));
  const auto asked = rd_kafka_commit_queue(handle, list.get(), queue.get(), nullptr, nullptr);
  if (asked != RD_KAFKA_RESP_ERR_NO_ERROR) return std::unexpected(error_of(asked, what));
  const Event event(rd_kafka_queue_poll(queue.get(), static_cast<int>(wait_ms)));
  if (!event) return fail(Code::kUnavailable, what + ": the brokers do not answer");
  const auto code = rd_kafka_event_error(event.get());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) return std::unexpected(error_of(code, what));
  const rd_kafka_topic_partition_list_t* done = rd_kafka_event_topic_partition_list(event.get());
  for (int p = 0; done != nullptr && p < done->cnt; p++) {
    if (done->elems[p].err == RD_KAFKA_RESP_ERR_NO_ERROR) continue;
    return std::unexpected(error_of(done->elems[p].err, what));
  }
  return {};
}

}  // namespace penstock::log::kafka
