// Heatmaps: where people clicked, moved and how far they scrolled (contract section 7, ERRATA A16).
//
// An event tells it as $heatmap_data, points by page, and as the scroll depth of the page that was
// left before ($prev_pageview_…). Capture splits what events of v0 carry off into `$$heatmap`
// events; what comes otherwise is taken here, so that it is taken exactly once
// (docs/decisions/0007-heatmaps.md). Pure functions.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "event/processed_record.h"
#include "ingest/steps/item.h"

namespace penstock::ingest {

inline constexpr std::string_view kHeatmapEvent = "$$heatmap";
/// Of one event; what is beyond is left out with a warning.
inline constexpr size_t kHeatmapPointsMax = 10'000;

struct HeatmapPoints {
  event::Heatmap record;          // without points: there is nothing to store
  std::deque<std::string> texts;  // what the points' views borrow from
  std::string session_id;
};

/// What a `$$heatmap` event becomes: Verdict::Kind::kHeatmap with its points, or dropped.
Verdict take_heatmap_event(const Item& item, HeatmapPoints& out, Warnings& warnings);
/// The points of any other event, whose $heatmap_data goes. None when capture has split them off.
void take_heatmap(Item& item, HeatmapPoints& out, Warnings& warnings);

}  // namespace penstock::ingest
