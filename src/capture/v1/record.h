// From one event of a Capture V1 batch to the record that goes into the log.
//
// The stored event is put together from slices of the body; what the server adds stands at the end
// of `properties`, where it wins over a member of the same name. A RecordMaker belongs to one
// shard; a record is valid until the next call.
#pragma once

#include <string>

#include "capture/admit/quota.h"
#include "capture/options.h"
#include "capture/v1/batch.h"
#include "capture/v1/head.h"
#include "catalog/catalog.h"
#include "event/raw_record.h"

namespace penstock::capture::v1 {

/// What all events of a request have in common.
struct RequestFacts {
  const catalog::Project* project = nullptr;  // null: the token is not known here
  Endpoint endpoint = Endpoint::kEvents;
  std::string_view token, ip;
  int64_t now_ms = 0, client_ms = 0;
  bool historical = false;
  uint32_t request = 0;   // event::RequestId::number
  Uuid client_request{};  // PostHog-Request-Id
};

class RecordMaker {
 public:
  /// Call before the events of a request: `head` tells the library they come from.
  void begin(const Head& head);
  event::RawRecord make(const BatchEvent& event, const RequestFacts& facts,
                        const CaptureOptions& options);
  /// Gives a large buffer back.
  void trim();

 private:
  void write_data(const BatchEvent& event);
  void add_property(std::string_view name, std::string_view raw);

  std::string lib_;  // ,"$lib":…,"$lib_version":…
  std::string data_, added_, text_;
};

}  // namespace penstock::capture::v1
