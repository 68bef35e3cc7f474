// AppChain: a project's apps in their order, whatever they are written in, as ingest asks them.
//
// Hands events to the engine of each app in turn, and writes down what each one did: the lists
// `$plugins_…` and `$transformations_…` in the event and the report that `trace` shows. JavaScript
// runs in `apps`' workers, Hog on the pool. An app whose filters an event does not match is not
// asked about it: nothing crosses to a worker or the pool. Ingest loop only. Without `javascript`
// its apps leave events as they are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/apps.h"
#include "apps/places.h"
#include "ingest/event_apps.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct AppChainOptions {
  /// For a batch in one engine: then what is missing has failed and goes on unchanged.
  int64_t deadline_ms = 5000;
  size_t diff_bytes_max = 2048;                  // of one app's part of a report
  std::shared_ptr<const apps::Places> places{};  // for geoipLookup of Hog apps; may be none
  std::function<void(apps::LogEntry)> log{};     // of Hog apps; on the ingest loop
  std::function<void(ProjectId)> slow{};         // AppSink::slow, of Hog apps
};

/// What the chain knows of one configuration, since the process started.
struct AppPassage {
  int64_t config = 0;
  uint64_t filtered = 0;                 // events that did not match its filters
  uint64_t filtering_failed = 0;         // events for which they failed
  uint64_t changed = 0;                  // events that came out of it otherwise than they went in
  std::string filters_error;             // one sentence; empty: none
  std::optional<apps::AppStatus> hog{};  // of an app in Hog: what an engine says of its own
};

class AppChain : public EventApps {
 public:
  /// Of all configurations that are enabled in `now`; others are forgotten.
  virtual std::vector<AppPassage> passages(const catalog::Snapshot& now) = 0;
  /// A Hog app begins again with no failures.
  virtual void reset(int64_t config) = 0;
};

std::unique_ptr<AppChain> make_app_chain(runtime::Loop& loop, runtime::Runtime& runtime,
                                         apps::Apps* javascript, AppChainOptions options);

/// A configuration as the engine wants it; secrets and attachments taken out of its values.
apps::AppConfig engine_config(const catalog::Project& project, const catalog::EnabledApp& app);

}  // namespace penstock::ingest
