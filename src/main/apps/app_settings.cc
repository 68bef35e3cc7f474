// The options of apps: how they run, and how they are called for stored events.
#include "main/settings.h"

namespace penstock::cli {
namespace {

constexpr int64_t kMiB = 1 << 20, kGiB = 1 << 30;
constexpr int64_t kMsPerDay = 86'400'000;

}  // namespace

void bind_apps(config::OptionTable& t, AppSettings& a) {
  auto& apps = a.engine;
  t.add("apps.deadline_ms", a.deadline_ms, 100, 600'000, "ms",
        "How long a batch of events waits for a project's apps; then an app that has not answered "
        "has failed, and the event goes on as it was.");
  t.add("apps.workers", apps.workers, 1, 64, "count", "Worker processes that run apps.");
  t.add("apps.memory_bytes_max", apps.memory_bytes_max, kMiB, 4 * kGiB, "bytes",
        "Memory of one app.");
  t.add("apps.cpu_ms_max", apps.cpu_ms_max, 1, 60'000, "ms",
        "CPU of one call of an app, without its waiting.");
  t.add("apps.task_ms_max", apps.task_ms_max, 100, 600'000, "ms",
        "One call of an app, with its waiting.");
  t.add("apps.geoip_file", apps.geoip_file, "path", "A MaxMind City database (.mmdb) for apps.");
  t.add("apps.npm_registry", a.npm_registry, "URL",
        "Where apps are installed from as npm packages, without a slash at the end.");
  t.add("apps.allow_private_hosts", apps.allow_private_hosts, "list",
        "Private hosts and ranges that apps may fetch from: \"10.1.0.0/16, localhost\".");
  auto& d = a.deliver;
  t.add("deliver.queue_events_max", d.queue_events_max, 100, 10'000'000, "count",
        "Stored events that wait for one function of one app; further ones are given up.");
  t.add("deliver.queue_bytes_max", d.queue_bytes_max, kMiB, 64 * kGiB, "bytes",
        "The same in bytes.");
  t.add("deliver.attempt_ms", d.attempt_ms, 10, 3'600'000, "ms",
        "Wait before onEvent or composeWebhook are tried again; doubled for each further attempt, "
        "of which there are five.");
  t.add("deliver.export_attempt_ms", d.export_attempt_ms, 10, 3'600'000, "ms",
        "Half the wait before exportEvents is tried again; doubled for each further attempt, of "
        "which there are sixteen.");
  t.add("deliver.keep_ms", d.keep_ms, 60'000, 365 * kMsPerDay, "ms",
        "How long attempts to call apps are remembered for an event's trace.");
  t.add("deliver.attempts_max", d.attempts_max, 1000, 100'000'000, "count",
        "Attempts that are remembered.");
}

}  // namespace penstock::cli
