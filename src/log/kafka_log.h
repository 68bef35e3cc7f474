// KafkaLog: the Log on Apache Kafka, or what speaks its protocol (Redpanda, WarpStream).
//
// Two kinds of topics. Where the codec says so a topic is *open*: every record is one message in
// the format of a codec, so that others can write and read it; an offset is Kafka's. Every other
// topic is *framed*: a message is one batch with its producer, sequence and first offset, atomic
// because a message is; offsets count records, without gaps. Any number of processes may write to
// open topics; an append whose messages got others between them answers Appended::base -1. Framed
// topics have one writing process, and a new one shuts out what an old one still had under way;
// with `follows` this process writes none (kDenied) and reads what that one does. Kafka's
// transactions are not used. With `owns` several processes share a framed topic, each partition
// with one writer at a time; an append is then acknowledged when it was read back, in an order that
// every reader sees: what a successor's fence has overtaken is never acknowledged. Why, and what
// Kafka cannot promise: docs/decisions/0017-kafka-log.md.
//
// Threads: as Log says; it has a few of its own. Errors: kBusy (too much waits), kMaybe (no answer
// in time; for an append with a producer only after all is known again), kUnavailable, kDenied,
// kExhausted (a quota), kInvalid. Required groups do not hold back Kafka's own retention.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "log/begin.h"
#include "log/log.h"

namespace penstock::log {

/// A message to be written. Used again: it comes without key and headers, what was in its buffers
/// is overwritten and their room stays.
struct MessageText {
  bool keyed = false;
  std::string key;
  std::string value;
  /// Names live for ever, values in the record or in `notes`; nullopt: the header is there and
  /// null.
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> headers;
  std::string notes;
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
  /// Of a message whose record somebody else works on: a record that says whose it is and what it
  /// is called, made without looking at the value. False, and nothing appended: read it whole. A
  /// fetch that waits for what is new is given these heads; one that does not wait never is.
  virtual bool read_head(const MessageView& /*message*/, std::string& /*out*/) const {
    return false;
  }
};

struct KafkaLogOptions {
  std::string brokers;                           // host:port, several with commas
  std::string security = "plaintext";            // or tls, sasl_plaintext, sasl_tls
  std::string sasl_mechanism = "SCRAM-SHA-512";  // or SCRAM-SHA-256, PLAIN
  std::string user, password;
  std::string tls_ca_file, tls_cert_file, tls_key_file;  // empty: the system's; no client's
  std::string topic_prefix;                              // before every topic's name
  std::string group_prefix = "penstock-";                // before every group's name
  int32_t replication = -1;         // of topics made here; -1: the brokers' default
  std::string compression = "lz4";  // or zstd, gzip, snappy, none
  int64_t linger_ms = 5;            // waited for more before a request is sent
  /// Produce requests that may wait for a broker. Up to kGuardedInFlight all are guarded against
  /// repeats, kGuardedInFlight of a partition and four times this of a broker. Above it those of
  /// open topics are not, and none is tried again: an append that fails says so, and order holds.
  int32_t in_flight = 5;
  int64_t append_ms_max = 10'000;          // then an append without producer answers kMaybe
  int64_t start_ms_max = 30'000;           // for the brokers to answer at start
  uint64_t pending_bytes_max = 64U << 20;  // unacknowledged, all topics; more: kBusy
  uint64_t tail_cache_bytes = 32U << 20;   // newest records of one topic kept in memory
  size_t waiters_max = 1024;               // fetches waiting for records; more answer at once
  std::vector<std::string> groups;         // whose positions have to be known at start
  bool follows = false;                    // framed topics are another process's
  /// Which partitions of framed topics are this process's; empty: all, or none with `follows`.
  std::function<bool(std::string_view topic, Partition)> owns;
  /// Partitions that are read here, or could be; empty: all. Of the others nothing is known: they
  /// have no bounds, and can be appended to where that needs no knowledge (open topics).
  std::function<bool(std::string_view topic, Partition)> looks_at;
  std::function<void()> on_shut_out;          // a newer process writes them; one of its threads
  std::vector<std::string> followed_groups;   // which others commit: asked for again and again
  std::shared_ptr<const MessageCodec> codec;  // none: every topic is framed
  Begins begins;  // written down where none is; kConflict: its topics have messages already
};

/// What Kafka's protocol guards at a time.
inline constexpr int32_t kGuardedInFlight = 5;

std::unique_ptr<Log> open_kafka_log(runtime::Runtime& runtime, KafkaLogOptions options);

/// How far a group is behind in a topic, all partitions together.
struct GroupBehind {
  std::string group, topic;
  uint64_t records = 0;
  int32_t partitions = 0;
};
/// Of the groups that this process moves or follows, at most a second old; empty without a log on
/// Kafka. Any thread.
std::vector<GroupBehind> groups_behind();

/// What ranges alone cannot say: kInvalid names the option.
Status check_kafka_options(const KafkaLogOptions& options);

}  // namespace penstock::log
