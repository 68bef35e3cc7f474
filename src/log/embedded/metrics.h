// The log's metrics, shared by its topics.
#pragma once

#include "base/metrics.h"

namespace penstock::log {

struct LogMetrics {
  Counter records{"penstock_log_records_total", "Records made durable."};
  Counter bytes{"penstock_log_written_bytes_total", "Bytes written to segments, padding included."};
  Counter busy{"penstock_log_busy_total", "Appends refused because too much was waiting."};
  Counter failures{"penstock_log_write_failures_total", "Commits whose write or sync failed."};
  Counter disk_reads{"penstock_log_disk_reads_total",
                     "Fetches that the tail cache could not serve."};
  LatencyHistogram commit{"penstock_log_commit_seconds", "From a block's start to its sync."};
};

LogMetrics& metrics();

}  // namespace penstock::log
