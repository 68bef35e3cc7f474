// make_apps: the Apps on QuickJS, in worker processes of this very program.
//
// Each project's apps live in one worker, each app in a script runtime of its own. A worker that
// dies or stands still is replaced; the event that it died of goes on without the app that killed
// it, everything else is repeated (docs/apps/ENGINE.md). State (storage, cache, jobs) is kept in
// `state`, which must outlive the Apps, as must the sink.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "apps/apps.h"
#include "apps/health_rule.h"
#include "kv/key_value.h"
#include "runtime/net.h"
#include "runtime/runtime.h"

namespace penstock::apps {

struct AppsOptions {
  std::string binary;      // runs `app-worker`; empty: this very program
  std::string geoip_file;  // a MaxMind City database; empty: meta.geoip.locate answers null
  std::string site_url;    // where posthog.api goes without a host
  /// Hosts and ranges that fetch may reach although they are private: "10.1.0.0/16, localhost".
  std::string allow_private_hosts;
  size_t workers = 1;
  bool standby = true;    // one more worker is started and waits, once there are some
  bool schedules = true;  // calls runEveryMinute and its like: one process of an installation
  uint64_t memory_bytes_max = 64U << 20;  // of one app
  int64_t cpu_ms_max = 500;               // of one call, without its waiting
  int64_t shared_cpu_ms_max = 50;         // of an event, where other projects wait behind it
  int64_t load_cpu_ms_max = 5000;
  int64_t task_ms_max = 30'000;  // of one call, with its waiting
  uint64_t event_bytes_max = 1U << 20;
  int64_t fetch_ms_max = 30'000;
  uint64_t fetch_bytes_max = 16U << 20;  // of an answer
  size_t fetches_max = 500;              // under way, of all apps
  int64_t load_retry_ms = 3000;          // before the second attempt; doubled for each further one
  int64_t probe_ms_min = kRestMsMin, probe_ms_max = kRestMsMax;  // how long a disabled app rests
};

/// kInvalid: `allow_private_hosts`; kNotFound, kCorrupt: `geoip_file`.
Result<std::unique_ptr<Apps>> make_apps(runtime::Runtime& runtime, runtime::Loop& loop,
                                        runtime::Poller& poller, kv::KeyValue& state, AppSink& sink,
                                        AppsOptions options);

}  // namespace penstock::apps
