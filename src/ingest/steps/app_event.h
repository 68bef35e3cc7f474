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

/// `item` has its raw record and project. Nullopt: it will be decided before any app is asked.
/// `cookieless` serves this event only: what it would change is decided again in the cycle.
std::optional<std::string> app_event(Item& item, int64_t now_ms, CookielessStep& cookieless);
/// Takes over what the apps made of the event; the answer must outlive the item.
Verdict apply_apps(Item& item, const AppsAnswer& answer, Warnings& warnings);

}  // namespace penstock::ingest
