// Capture messages: a raw record as PostHog's capture puts it on Kafka, and back.
//
// Key, headers and JSON body are the capture contract's (section 5), so that PostHog's ingestion
// reads what Penstock's capture wrote and the other way round. What the contract has no place for
// travels in one more header, `penstock`, which others ignore; with it a record comes back byte for
// byte. A record that the edge has already decided about lies in that header whole, and its message
// has no token, by which PostHog's ingestion drops it. Layout: docs/formats/kafka.md. Pure
// functions.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "event/lane.h"
#include "event/raw_record.h"

namespace penstock::event {

/// Reused: its buffers keep their room. What it shows lies in the record and in itself.
struct CaptureMessage {
  bool keyed = false;  // false: any partition will do
  std::string key;
  std::string body;
  /// Nullopt: the header is there and null, as PostHog's are.
  std::vector<std::pair<std::string_view, std::optional<std::string_view>>> headers;
  std::string notes;  // values of headers that are not the record's
};

/// `lane` decides the key; a topic that events are redirected to has its events' lane.
void write_capture_message(const RawRecord& record, Lane lane, CaptureMessage& out);

struct CaptureMessageView {
  std::string_view topic;
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t time_ms = 0;  // of the message, where it does not say itself when it was received
  std::string_view body;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

/// Which project a token is of, now; 0: of none.
using ProjectOfToken = std::function<ProjectId(std::string_view token)>;

/// Appends the encoded raw record. An event that another capture wrote is of the project that
/// `project_of` names: it alone knew which it was then. What is no capture message becomes a record
/// to be quarantined under kUnreadableMessage, with the body's bytes and a uuid made of where it
/// lies.
void read_capture_message(const CaptureMessageView& message, const ProjectOfToken& project_of,
                          std::string& out);

/// Of a message that Penstock's capture wrote, and whose token `ours` does not want: appends the
/// raw record without ip and data, from headers alone. False, and nothing appended, of any other.
bool read_capture_head(const CaptureMessageView& message,
                       const std::function<bool(std::string_view token)>& ours, std::string& out);

inline constexpr std::string_view kUnreadableMessage = "unreadable_message";

}  // namespace penstock::event
