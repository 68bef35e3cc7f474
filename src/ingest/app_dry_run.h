// What a project's apps would make of an event, without side effects.
//
// Takes one event through the apps in their order, each in an instance of its own that may not
// fetch, write or capture (apps::TryOptions::dry). Nothing is counted or logged. The report names
// the apps that were passed by as well, and why: their filters, their health, nothing to ask.
// Ingest loop only; what is passed in must outlive the run.
#pragma once

#include <map>
#include <memory>

#include "apps/apps.h"
#include "apps/places.h"
#include "ingest/event_apps.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct DryRunParts {
  runtime::Loop& loop;
  runtime::Runtime& runtime;
  apps::Apps* javascript = nullptr;  // null: its apps are passed by
  std::shared_ptr<const apps::Places> places{};
  size_t diff_bytes_max = 0;                    // of one app's part of the report
  std::map<int64_t, apps::AppStatus> health{};  // of the apps that run, by configuration
};

void dry_run_apps(DryRunParts parts, const catalog::Project& project, std::string event,
                  EventApps::DryDone done);

}  // namespace penstock::ingest
