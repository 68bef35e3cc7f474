// Counters of the apps' engine. Any thread.
#pragma once

#include "base/metrics.h"

namespace penstock::apps::metrics {

inline Counter events{"penstock_apps_events_total", "Events handed to apps."};
inline Counter succeeded{"penstock_apps_calls_total",
                         "Calls of apps' processEvent by their result.", "result=\"succeeded\""};
inline Counter failed{"penstock_apps_calls_total", "Calls of apps' processEvent by their result.",
                      "result=\"failed\""};
inline Counter dropped{"penstock_apps_calls_total", "Calls of apps' processEvent by their result.",
                       "result=\"dropped\""};
inline Counter skipped{"penstock_apps_calls_total", "Calls of apps' processEvent by their result.",
                       "result=\"skipped\""};
inline Counter worker_ends{"penstock_apps_worker_ends_total", "App workers that ended unasked."};
inline Counter worker_outside_ends{
    "penstock_apps_worker_outside_ends_total",
    "App workers that were ended from outside: by a person, or by a machine out of memory."};
inline Counter worker_kills{"penstock_apps_worker_kills_total",
                            "App workers that were ended because a script stood still."};
inline Counter standby_taken{"penstock_apps_standby_taken_total",
                             "Times an app worker was there at once because one had waited."};
inline Counter set_apart{"penstock_apps_set_apart_total",
                         "Times a project's apps were moved to a worker apart from the others'."};
inline Counter went_round{"penstock_apps_went_round_total",
                          "Times a project's events began to go round others' because its apps let "
                          "them wait."};
inline Counter late{"penstock_apps_late_total", "Batches whose apps' time was over."};
inline Counter fetches{"penstock_apps_fetches_total", "HTTP requests of apps."};
inline Counter fetches_denied{"penstock_apps_fetches_denied_total",
                              "HTTP requests of apps to addresses that are not public."};
inline Counter jobs_refused{"penstock_apps_jobs_refused_total",
                            "Jobs that apps could not enqueue because too many were waiting."};
inline LatencyHistogram batch_us{"penstock_apps_batch_seconds",
                                 "From handing a batch over to its last result."};

}  // namespace penstock::apps::metrics
