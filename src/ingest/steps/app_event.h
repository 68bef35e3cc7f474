// An event as a project's apps see it, and what becomes of it by what they answer.
//
// The app's event is made before its cycle, the answer applied within it, so both sides take an
// event through the same pure steps: `app_event` those that stand before the apps, on an Item of
// its own. Contract: plugins section 5, ingestion section 1 step 9, ERRATA B10.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ingest/event_apps.h"
#include "ingest/steps/cookieless.h"
#include "ingest/steps/item.h"

namespace penstock::ingest {

inline constexpr std::string_view kDroppedByApp = "dropped_by_app";
/// Why an event is in quarantine, stage `apps`, for the moment that it takes to go round.
inline constexpr std::string_view kAppWaits = "app_waits";

/// `item` has its raw record and project. Nullopt: it will be decided before any app is asked;
/// `decided` says how, if the project's settings or the visitors' store had a part in it, which may
/// be others when the event's turn comes.
/// `cookieless` serves this event only: what it would change is decided again in the cycle.
std::optional<std::string> app_event(Item& item, int64_t now_ms, CookielessStep& cookieless,
                                     Verdict& decided);
/// Takes over what the apps made of the event; the answer must outlive the item.
Verdict apply_apps(Item& item, const AppsAnswer& answer, Warnings& warnings);

}  // namespace penstock::ingest
