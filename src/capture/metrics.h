// The capture stage's metrics, shared by its shards.
#pragma once

#include "base/metrics.h"

namespace penstock::capture {

struct CaptureMetrics {
  Counter requests{"penstock_capture_requests_total", "Requests to endpoints that take events."};
  Counter events{"penstock_capture_events_total", "Events accepted and handed to the log."};
  Counter bytes{"penstock_capture_body_bytes_total", "Request body bytes as sent."};
  Counter ok{"penstock_capture_accepted_requests_total", "Requests whose events are durable."};
  Counter unavailable{"penstock_capture_unavailable_total",
                      "Requests answered 503 because their events could not be stored."};
  Counter refused{"penstock_capture_refused_total", "Requests refused as malformed or too large."};
  Counter refused_unrecorded{"penstock_capture_refused_unrecorded_total",
                             "Refusals beyond the rate that is recorded for trace."};
  Counter refused_untold{"penstock_capture_refused_untold_total",
                         "Refused requests that no warning tells of: too many kinds at once."};
  Counter over_quota{"penstock_capture_over_quota_total",
                     "Events and requests refused because their project has used up its quota."};
  Counter over_share{"penstock_capture_over_share_total",
                     "Requests answered 503 because their project had its share of what may wait."};
  Counter restricted{"penstock_capture_restricted_total",
                     "Events dropped, quarantined or redirected by a project's restriction."};
  Counter overflowed{"penstock_capture_overflowed_total",
                     "Events sent through the overflow lane, by rate or by restriction."};
  LatencyHistogram latency{"penstock_capture_ack_seconds",
                           "From a whole request to its acknowledgement."};
};

CaptureMetrics& metrics();

}  // namespace penstock::capture
