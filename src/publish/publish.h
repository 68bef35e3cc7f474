// Publish: carries what ingest decides to the topics that PostHog's ClickHouse reads.
//
// A stage of its own behind the processed topic, as load is: every accepted event, person, distinct
// id, group, warning and heatmap point becomes the message of the contract (event/messages.h) in
// the topic of its kind, keyed so that Kafka's partitioner keeps the order of what belongs
// together. At least once: a position is committed when everything before it is acknowledged, and
// what lies behind it is written again after a crash; the tables replace repeats by version or by
// uuid.
//
// Threads: one loop; `stats` from any. Failure: appends and fetches are repeated with a growing
// delay, and nothing else notices; memory is bounded by one fetch. A message that is larger than
// topics take becomes an ingestion warning of PostHog's type `message_size_too_large`. A record of
// an unknown version stops the stage, and says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::publish {

/// Of the positions in the processed topic.
inline constexpr std::string_view kConsumerGroup = "publish";

struct PublishOptions {
  size_t fetch_bytes_max = 4U << 20;  // of outcomes, made messages in one turn
  size_t batch_bytes_max = 4U << 20;  // of messages, in one append
  size_t message_bytes_max = 20U << 20;
  int64_t wait_ms = 1000;
  int64_t retry_ms_min = 100, retry_ms_max = 10'000;
};

struct PublishStats {
  uint64_t messages = 0, records = 0, retries = 0;
  uint64_t lag_records = 0;
  std::string last_error;  // empty while healthy
};

class Publish {
 public:
  static std::unique_ptr<Publish> make(runtime::Loop& loop, runtime::Runtime& runtime,
                                       log::Log& log, PublishOptions options = {});
  virtual ~Publish() = default;
  /// The topics of event/messages.h exist. Goes on where the group stands, or begins with the
  /// oldest record there is.
  virtual Status start() = 0;
  /// Waits for what is under way, then runs `done`.
  virtual void stop(runtime::Task done) = 0;
  virtual PublishStats stats() const = 0;
};

}  // namespace penstock::publish
