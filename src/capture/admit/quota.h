// Which resource an event counts for (contract section 2, Quota).
//
// Scoped resources claim their events; the rest is `events`, so that a limit on one never drops
// what another one claims. Pure functions.
#pragma once

#include "catalog/admission_settings.h"
#include "event/raw_record.h"

namespace penstock::capture {

/// Where events came in; decides resource and restriction pipeline together with the name.
enum class Endpoint : uint8_t { kEvents, kAi, kRecordings };

catalog::QuotaResource resource_of(const event::RawRecord& record, Endpoint endpoint);
catalog::Pipeline pipeline_of(std::string_view event, Endpoint endpoint);

}  // namespace penstock::capture
