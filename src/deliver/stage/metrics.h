// Counters of calls of apps for stored events. Any thread.
#pragma once

#include "base/metrics.h"

namespace penstock::deliver::metrics {

inline Counter succeeded{"penstock_deliver_calls_total",
                         "Calls of apps for stored events, one for each event and function.",
                         "result=\"succeeded\""};
inline Counter retried{"penstock_deliver_calls_total",
                       "Calls of apps for stored events, one for each event and function.",
                       "result=\"failed_for_now\""};
inline Counter given_up{"penstock_deliver_calls_total",
                        "Calls of apps for stored events, one for each event and function.",
                        "result=\"given_up\""};
inline Gauge waiting{"penstock_deliver_waiting", "Stored events that wait for a call of an app."};
inline Counter lost{"penstock_deliver_lost_records_total",
                    "Processed records that retention deleted before apps were called for them."};

}  // namespace penstock::deliver::metrics
