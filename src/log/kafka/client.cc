#include "log/kafka/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>

#include "base/diag.h"
#include "log/kafka/meters.h"

namespace penstock::log::kafka {
namespace {

constexpr int kErrorBytes = 512;
constexpr int64_t kToldEveryS = 60;
constexpr int32_t kGuardedPartitions = 4;  // of a broker, whose windows may be full at once
constexpr size_t kMessageBytesMax = kBatchBytesMax + (2U << 20);

using Conf = std::unique_ptr<rd_kafka_conf_t, decltype(&rd_kafka_conf_destroy)>;

std::string_view protocol_of(std::string_view security) {
  if (security == "plaintext") return "plaintext";
  if (security == "tls") return "ssl";
  if (security == "sasl_plaintext") return "sasl_plaintext";
  if (security == "sasl_tls") return "sasl_ssl";
  return "";
}

class Settings {
 public:
  Settings() : conf_(rd_kafka_conf_new(), &rd_kafka_conf_destroy) {}

  void set(const char* name, const std::string& value) {
    if (!bad_) return;
    std::array<char, kErrorBytes> text{};
    if (rd_kafka_conf_set(conf_.get(), name, value.c_str(), text.data(), text.size()) !=
        RD_KAFKA_CONF_OK) {
      bad_ = fail(Code::kInvalid, text.data());
    }
  }
  void set_if(const char* name, const std::string& value) {
    if (!value.empty()) set(name, value);
  }
  rd_kafka_conf_t* get() { return conf_.get(); }

  Result<Handle> make(rd_kafka_type_t type) {
    if (!bad_) return std::unexpected(bad_.error());
    std::array<char, kErrorBytes> text{};
    rd_kafka_t* handle = rd_kafka_new(type, conf_.get(), text.data(), text.size());
    if (handle == nullptr) return fail(Code::kInvalid, std::string("Kafka: ") + text.data());
    // Only then it belongs to the handle.
    static_cast<void>(conf_.release());
    return Handle(handle);
  }

 private:
  Conf conf_;
  Status bad_;
};

int take_statistics(rd_kafka_t*, char* json, size_t size, void*) {
  show_statistics({json, size});
  return 0;  // it stays theirs
}

void quiet_log(const rd_kafka_t*, int, const char*, const char*) {}

/// A password that is no longer right, a certificate that nobody trusts: brokers that refuse do not
/// come back by themselves, and whoever waits for them hears only of time that is over.
void tell_refusal(rd_kafka_t*, int code, const char* reason, void*) {
  const Error error = error_of(static_cast<rd_kafka_resp_err_t>(code), reason);
  if (error.code != Code::kDenied) return;
  static std::atomic<int64_t> quiet_until_s{0};
  const int64_t now_s = std::chrono::duration_cast<std::chrono::seconds>(
                            std::chrono::steady_clock::now().time_since_epoch())
                            .count();
  int64_t until = quiet_until_s.load();
  if (now_s < until || !quiet_until_s.compare_exchange_strong(until, now_s + kToldEveryS)) return;
  diag::warn("brokers refuse this process", {{"error", error.message}});
}

Settings common(const KafkaLogOptions& o) {
  Settings s;
  s.set("bootstrap.servers", o.brokers);
  s.set("client.id", "penstock");
  s.set("security.protocol", std::string(protocol_of(o.security)));
  if (o.security.starts_with("sasl")) {
    s.set("sasl.mechanism", o.sasl_mechanism);
    s.set("sasl.username", o.user);
    s.set("sasl.password", o.password);
  }
  if (o.security.ends_with("tls")) {
    s.set_if("ssl.ca.location", o.tls_ca_file);
    s.set_if("ssl.certificate.location", o.tls_cert_file);
    s.set_if("ssl.key.location", o.tls_key_file);
  }
  s.set("reconnect.backoff.ms", "50");
  s.set("reconnect.backoff.max.ms", "1000");
  s.set("topic.metadata.refresh.interval.ms", "30000");
  s.set("allow.auto.create.topics", "false");
  s.set("enable.metrics.push", "false");
  s.set("log.connection.close", "false");
  // What matters of it comes as errors; the rest would say the same line every second.
  rd_kafka_conf_set_log_cb(s.get(), &quiet_log);
  rd_kafka_conf_set_error_cb(s.get(), &tell_refusal);
  return s;
}

/// A number among the settings; nullopt: not told.
std::optional<int64_t> number(const TopicFacts& facts, const char* name) {
  const auto it = facts.settings.find(name);
  if (it == facts.settings.end()) return std::nullopt;
  int64_t value = 0;
  const std::string& text = it->second;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is(const TopicFacts& facts, const char* name, std::string_view value) {
  const auto it = facts.settings.find(name);
  return it != facts.settings.end() && it->second == value;
}

}  // namespace

Error error_of(rd_kafka_resp_err_t code, const std::string& what) {
  const std::string text = what + ": " + rd_kafka_err2str(code);
  switch (code) {
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
    case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS: return {Code::kBusy, text};
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH: return {Code::kMaybe, text};
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__DESTROY: return {Code::kCancelled, text};
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR__SSL:
    case RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED: return {Code::kDenied, text};
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR__INVALID_ARG: return {Code::kInvalid, text};
    case RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION: return {Code::kExhausted, text};
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET: return {Code::kNotFound, text};
    case RD_KAFKA_RESP_ERR__BAD_MSG:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION: return {Code::kCorrupt, text};
    // Leaders moving, brokers away, too few replicas: it will be again.
    default: return {Code::kUnavailable, text};
  }
}

Result<Handle> make_producer(const KafkaLogOptions& options, bool guarded, DeliveryReport report,
                             void* opaque) {
  Settings s = common(options);
  s.set("enable.idempotence", guarded ? "true" : "false");
  if (guarded) {
    // Of a connection; of a partition never more than brokers guard.
    s.set("max.in.flight",
          std::to_string(kGuardedPartitions * std::min(options.in_flight, kGuardedInFlight)));
  } else {
    // What is repeated while later ones are under way would come behind them.
    s.set("max.in.flight", std::to_string(options.in_flight));
    s.set("retries", "0");
  }
  s.set("acks", "all");
  s.set("linger.ms", std::to_string(options.linger_ms));
  s.set("compression.codec", options.compression);
  s.set("message.max.bytes", std::to_string(kMessageBytesMax));
  // What is under way has one outcome. Whoever waits is answered by our clock.
  s.set("message.timeout.ms", "0");
  // Bounded by pending_bytes_max, which counts before it is asked.
  s.set("queue.buffering.max.messages", "0");
  s.set("queue.buffering.max.kbytes", "2147483647");
  // Of the one that events go through.
  const bool events = guarded == (options.in_flight <= kGuardedInFlight);
  s.set("statistics.interval.ms", events ? "5000" : "0");
  rd_kafka_conf_set_stats_cb(s.get(), &take_statistics);
  rd_kafka_conf_set_dr_msg_cb(s.get(), report);
  rd_kafka_conf_set_opaque(s.get(), opaque);
  return s.make(RD_KAFKA_PRODUCER);
}

size_t consume(rd_kafka_queue_t* queue, int wait_ms, std::span<rd_kafka_message_t*> out) {
  out[0] = rd_kafka_consume_queue(queue, wait_ms);
  if (out[0] == nullptr) return 0;
  const ssize_t more = rd_kafka_consume_batch_queue(queue, 0, &out[1], out.size() - 1);
  return 1 + static_cast<size_t>(std::max<ssize_t>(more, 0));
}

Result<Handle> make_consumer(const KafkaLogOptions& options) {
  Settings s = common(options);
  s.set("enable.partition.eof", "true");
  s.set("enable.auto.commit", "false");
  s.set("auto.offset.reset", "error");
  s.set("fetch.wait.max.ms", "500");
  s.set("fetch.queue.backoff.ms", "20");
  s.set("queued.max.messages.kbytes", "32768");
  s.set("fetch.message.max.bytes", "4194304");
  s.set("fetch.max.bytes", "33554432");
  s.set("receive.message.max.bytes", "100000000");
  return s.make(RD_KAFKA_CONSUMER);
}

Result<Handle> make_member(const KafkaLogOptions& options, const std::string& group) {
  Settings s = common(options);
  s.set("group.id", group);
  s.set("enable.auto.commit", "false");
  return s.make(RD_KAFKA_CONSUMER);
}

Result<Handle> make_group_member(const KafkaLogOptions& options, const std::string& group,
                                 const std::string& name, int64_t session_ms,
                                 void (*rebalance)(rd_kafka_t*, rd_kafka_resp_err_t,
                                                   rd_kafka_topic_partition_list_t*, void*),
                                 void* opaque) {
  Settings s = common(options);
  s.set("group.id", group);
  s.set("group.instance.id", name);
  s.set("session.timeout.ms", std::to_string(session_ms));
  s.set("heartbeat.interval.ms", std::to_string(session_ms / 6));
  s.set("partition.assignment.strategy", "cooperative-sticky");
  s.set("enable.auto.commit", "false");
  s.set("auto.offset.reset", "latest");
  rd_kafka_conf_set_rebalance_cb(s.get(), rebalance);
  rd_kafka_conf_set_opaque(s.get(), opaque);
  return s.make(RD_KAFKA_CONSUMER);
}

std::vector<std::string> topic_risks(const TopicFacts& facts, const TopicSpec& spec) {
  std::vector<std::string> out;
  if (facts.replicas < 2) {
    out.emplace_back("there is one copy: what a broker's disk loses is lost (replication factor)");
  } else if (number(facts, "min.insync.replicas").value_or(2) < 2) {
    out.emplace_back("one copy is enough to acknowledge: raise min.insync.replicas to 2");
  } else if (number(facts, "min.insync.replicas").value_or(1) >= facts.replicas) {
    out.emplace_back(
        "no broker may be away: min.insync.replicas should be below the replication factor");
  }
  if (is(facts, "unclean.leader.election.enable", "true")) {
    out.emplace_back(
        "a copy that lacks records may lead: set unclean.leader.election.enable=false");
  }
  const auto policy = facts.settings.find("cleanup.policy");
  if (policy != facts.settings.end() && policy->second.find("compact") != std::string::npos) {
    out.emplace_back("compaction deletes all but the last message of a key: cleanup.policy=delete");
  }
  const int64_t ms = number(facts, "retention.ms").value_or(-1);
  if (ms >= 0 && (spec.retention_ms == 0 || ms < spec.retention_ms)) {
    out.push_back(fmt::format("messages are deleted after {} minutes, read or not (retention.ms)",
                              ms / 60'000));
  }
  const int64_t bytes = number(facts, "retention.bytes").value_or(-1);
  if (bytes >= 0 && facts.partitions > 0 &&
      (spec.retention_bytes == 0 ||
       static_cast<uint64_t>(bytes) <
           spec.retention_bytes / static_cast<uint64_t>(facts.partitions))) {
    out.push_back(fmt::format(
        "messages beyond {} bytes of a partition are deleted, read or not (retention.bytes)",
        bytes));
  }
  if (number(facts, "max.message.bytes").value_or(kMessageBytesMax) <
      static_cast<int64_t>(kMessageBytesMax)) {
    out.push_back(
        fmt::format("large records are refused: raise max.message.bytes to {}", kMessageBytesMax));
  }
  return out;
}

}  // namespace penstock::log::kafka

namespace penstock::log {

Status check_kafka_options(const KafkaLogOptions& o) {
  if (o.brokers.empty()) return fail(Code::kInvalid, "log.kafka_brokers is needed");
  if (kafka::protocol_of(o.security).empty()) {
    return fail(Code::kInvalid, fmt::format("log.kafka_security is '{}'; it can be plaintext, tls, "
                                            "sasl_plaintext or sasl_tls",
                                            o.security));
  }
  for (const char* known : {"none", "lz4", "zstd", "gzip", "snappy"}) {
    if (o.compression == known) return {};
  }
  return fail(Code::kInvalid, fmt::format("log.kafka_compression is '{}'; it can be lz4, zstd, "
                                          "gzip, snappy or none",
                                          o.compression));
}

}  // namespace penstock::log
