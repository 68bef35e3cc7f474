// RawRecord: one captured event as the embedded log keeps it.
//
// The same fields as the JSON message of the capture contract (section 5), without escaping JSON
// into JSON: `data` holds the event object's bytes as the client sent them. Layout and versions:
// docs/formats/records.md. A decoded record is a view into the encoded bytes, which must outlive
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "base/result.h"
#include "event/lane.h"

namespace penstock::event {

/// What the edge has already decided about a record. It travels with the record, so that the one
/// stage that writes outcomes also counts this one and `trace` knows its reason.
enum class Disposition : uint8_t {
  kProcess = 0,
  kDrop = 1,        // becomes a dropped outcome with `reason`; `data` may be empty
  kQuarantine = 2,  // kept with its bytes under `reason`; can be re-driven
};

struct RawRecord {
  Uuid uuid;
  ProjectId project;                  // the token's project when received; 0: unknown then
  int64_t now_ms = 0;                 // when capture received it (wall clock, Unix ms)
  std::optional<int64_t> sent_at_ms;  // the client's clock when it sent the request
  int64_t timestamp_ms = 0;           // corrected for skew, offset and the future (contract 4)
  std::string_view token;
  std::string_view distinct_id;  // already at most 200 characters, never empty
  std::string_view event;        // decoded event name, never empty
  std::string_view ip;
  std::string_view session_id;  // properties.$session_id if a string, else empty
  std::string_view data;        // the event object, JSON text, as received
  bool historical = false;      // batch flag, or rerouted by age
  bool cookieless = false;
  bool skip_persons = false;  // header force_disable_person_processing
  bool redriven = false;      // came back from quarantine (counted as received again)
  bool engage = false;        // an /engage body: `data` has no `event` member
  bool skip_heatmap = false;  // heatmap data was split off at the edge already
  Disposition disposition = Disposition::kProcess;
  std::string_view reason;  // a tag such as "billing_limit_exceeded"; empty while kProcess
  /// RequestId::number of the request that brought it; 0: not known.
  uint32_t request = 0;
  Uuid client_request;  // what the client called its request (Capture V1); nil: nothing
  /// The quarantine entry (its 20 bytes) that a re-driven record came from.
  std::string_view quarantine_entry;
};

/// Appends the encoded record to `out`.
void encode(const RawRecord& record, std::string& out);
/// Bytes `encode` will append, exactly.
size_t encoded_size(const RawRecord& record);
/// kCorrupt when the bytes are not a record of a known version.
Result<RawRecord> decode_raw(std::string_view bytes);

/// The log key: decides the partition (contract section 5). In the replay lane it is the session.
/// In the overflow lane an event without a person needs no order (PostHog's key is null): its uuid
/// spreads it over all partitions, a repeat to the same one.
void partition_key(const RawRecord& record, Lane lane, std::string& out);

/// What capture refused, best effort: one per uuid found in the refused body, or one without uuid.
struct RefusedRecord {
  Uuid uuid;  // nil: the body held none that could be read
  int64_t now_ms = 0;
  int status = 400;
  std::string_view token;   // as far as known; may be empty
  std::string_view reason;  // a short tag: "missing_distinct_id", "invalid_json", …
  std::string_view path;
  uint32_t request = 0;  // RequestId::number; 0: not known
  Uuid client_request;   // as in RawRecord
};
void encode(const RefusedRecord& record, std::string& out);
Result<RefusedRecord> decode_refused(std::string_view bytes);

/// How many requests of a project were refused for one reason; becomes an ingestion warning.
struct RefusalCount {
  ProjectId project;
  int64_t now_ms = 0;  // of the last
  int status = 400;
  uint64_t requests = 0;  // since the last count of this kind
  std::string_view reason, path;
  std::string_view message;  // what the last one was answered
};
void encode(const RefusalCount& record, std::string& out);
Result<RefusalCount> decode_refusal_count(std::string_view bytes);

}  // namespace penstock::event
