// KafkaLog: the Log on Apache Kafka, or what speaks its protocol (Redpanda, WarpStream).
//
// Two kinds of topics. Where the codec says so a topic is *open*: every record is one message in
// the format of a codec, so that others can write and read it; an offset is Kafka's. Every other
// topic is *framed*: a message is one batch with its producer, sequence and first offset, atomic
// because a message is; offsets count records, without gaps. Framed topics have one writing
// process, and a new one shuts out what an old one still had under way. Kafka's transactions are
// not used. Why, and what Kafka cannot promise: docs/decisions/0017-kafka-log.md.
//
// Threads: as Log says; it has a few of its own. Errors: kBusy (too much waits), kMaybe (no answer
// in time; for an append with a producer only after all is known again), kUnavailable, kDenied,
// kExhausted (a quota), kInvalid. Required groups do not hold back Kafka's own retention.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/log.h"

namespace penstock::log {

/// A message to be written. Reused: whoever fills it clears it first.
struct MessageText {
  std::optional<std::string> key;
  std::string value;
  /// Names live for ever; nullopt: the header is there and null.
  std::vector<std::pair<std::string_view, std::optional<std::string>>> headers;
};

/// A message that was read; valid during the call.
struct MessageView {
  std::string_view topic;
  Partition partition;
  Offset offset;
  int64_t time_ms = 0;  // Kafka's, of its creation
  std::optional<std::string_view> key;
  std::string_view value;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

/// What open topics hold. Any thread; pure functions of what they are given.
class MessageCodec {
 public:
  virtual ~MessageCodec() = default;
  virtual bool is_open(std::string_view topic) const = 0;
  /// kInvalid: these bytes are no record of that topic.
  virtual Status write(std::string_view topic, std::string_view record, MessageText& out) const = 0;
  /// Appends the record to `out`. Cannot fail: what nobody can read becomes a record that says so.
  virtual void read(const MessageView& message, std::string& out) const = 0;
};

struct KafkaLogOptions {
  std::string brokers;                           // host:port, several with commas
  std::string security = "plaintext";            // or tls, sasl_plaintext, sasl_tls
  std::string sasl_mechanism = "SCRAM-SHA-512";  // or SCRAM-SHA-256, PLAIN
  std::string user, password;
  std::string tls_ca_file, tls_cert_file, tls_key_file;  // empty: the system's; no client's
  std::string topic_prefix;                              // before every topic's name
  std::string group_prefix = "penstock-";                // before every group's name
  int32_t replication = -1;                   // of topics made here; -1: the brokers' default
  std::string compression = "lz4";            // or zstd, gzip, snappy, none
  int64_t linger_ms = 5;                      // waited for more before a request is sent
  int64_t append_ms_max = 10'000;             // then an append without producer answers kMaybe
  int64_t start_ms_max = 30'000;              // for the brokers to answer at start
  uint64_t pending_bytes_max = 64U << 20;     // unacknowledged, all topics; more: kBusy
  uint64_t tail_cache_bytes = 32U << 20;      // newest records of one topic kept in memory
  size_t waiters_max = 1024;                  // fetches waiting for records; more answer at once
  std::vector<std::string> groups;            // whose positions have to be known at start
  std::shared_ptr<const MessageCodec> codec;  // none: every topic is framed
};

std::unique_ptr<Log> open_kafka_log(runtime::Runtime& runtime, KafkaLogOptions options);

/// What ranges alone cannot say: kInvalid names the option.
Status check_kafka_options(const KafkaLogOptions& options);

}  // namespace penstock::log
