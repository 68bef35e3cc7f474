// Admission: what becomes of a well-formed event before it is handed to the log.
//
// Every endpoint that takes events asks here once per event, after decoding and before Turn::add.
// The record is changed in place (disposition, reason, skip_persons); the answer says in which lane
// it travels and which tag a per-event answer (Capture V1) names. A dropped event still goes
// through the log, without its data, so that the ledger counts it and `trace` knows why.
//
// One per shard, loop thread only; never blocks and never fails.
#pragma once

#include <string_view>

#include "catalog/catalog.h"
#include "event/lane.h"
#include "event/raw_record.h"

namespace penstock::capture {

struct Admitted {
  event::Lane lane = event::Lane::kMain;
  /// Static text, empty when the event goes on: "billing_limit_exceeded", …
  std::string_view tag{};
};

class Admission {
 public:
  /// `project` is null when the token is not known here.
  Admitted admit(const catalog::Project* project, event::RawRecord& record);
};

}  // namespace penstock::capture
