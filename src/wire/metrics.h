// The wire room's metrics, shared by all servers of the process.
#pragma once

#include "base/metrics.h"

namespace penstock::wire {

struct WireMetrics {
  Counter proxy_malformed{"penstock_wire_proxy_malformed_total",
                          "Connections closed because no valid PROXY header came first."};
  Counter access_lines_dropped{"penstock_wire_access_lines_dropped_total",
                               "Lines of the access log that were not written."};
  Counter accept_pauses{"penstock_wire_accept_pauses_total",
                        "Times that no connection could be accepted, for want of descriptors."};
  Counter tls_handshakes{"penstock_wire_tls_handshakes_total", "TLS handshakes completed."};
  Counter tls_handshake_failures{"penstock_wire_tls_handshake_failures_total",
                                 "TLS handshakes begun and not completed."};
  Counter tls_renewals{"penstock_wire_tls_renewals_total",
                       "Certificates taken over from renewed files."};
  Counter tls_renewal_failures{"penstock_wire_tls_renewal_failures_total",
                               "Renewed certificate files that could not be used."};
  Gauge tls_expires{"penstock_wire_tls_certificate_expires_seconds",
                    "Unix time at which the certificate in use ends; 0 without TLS."};
};

WireMetrics& metrics();

}  // namespace penstock::wire
