// Limits and switches of the capture stage. Defaults are the contract's; docs/LIMITS.md lists them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "event/slice.h"
#include "event/timestamp.h"
#include "runtime/ip_range.h"

namespace penstock::capture {

struct CaptureOptions {
  std::optional<event::Layout> layout;          // of the lanes; none: as many as the first one has
  size_t body_bytes_max = 20U << 20;            // as sent; more: 413
  size_t decoded_bytes_max = 100U << 20;        // after decompression; more: 413
  size_t v1_body_bytes_max = 10U << 20;         // of a Capture V1 request, as sent; more: 413
  size_t v1_decoded_bytes_max = 50U << 20;      // of a Capture V1 request, decompressed; more: 413
  size_t message_bytes_max = 22U << 20;         // one event; more: 413
  size_t replay_body_bytes_max = 25U << 20;     // of /s/, as sent; more: 413
  size_t replay_message_bytes_max = 17U << 20;  // what a request of /s/ becomes; more: 413
  size_t ai_parts_bytes_max = 25U << 20;        // of /i/v0/ai, all parts together; more: 413
  size_t ai_event_bytes_max = 8U << 20;         // one event of /i/v1/ai/events; more: dropped
  size_t events_per_request_max = 100'000;      // more: 413
  size_t requests_waiting_max = 8192;           // for the log, per shard; more: 503
  size_t bytes_waiting_max = 128U << 20;        // for the log, per shard; more: 503
  size_t distinct_id_chars_max = 200;
  size_t token_bytes_max = 64;
  size_t refused_uuids_max = 100;  // recorded for `trace` per refused request
  size_t refused_records_per_second_max = 2000;
  event::SkewRule skew_rule = event::SkewRule::kExact;
  int32_t historical_after_days = 0;  // 0: events are not rerouted by age
  std::string path_prefix;            // "/ingest-x1": all routes also answer below it; empty: none
  bool path_prefix_only = false;      // the plain paths answer 404
  std::vector<runtime::IpRange> trusted_proxies;  // empty: everybody's headers are believed
  uint32_t overflow_events_per_second = 100;      // of one distinct id; 0: nothing overflows
  uint32_t overflow_burst = 1000;
  size_t overflow_keys_max = 65'536;  // distinct ids watched at once, per shard
  /// Of one project of weight 1 beside others, over all shards; 0: no project overflows as a whole.
  uint32_t flood_events_per_second = 3000;
};

}  // namespace penstock::capture
