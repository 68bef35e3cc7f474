// HeatmapSplit: takes an event's heatmap data out of it and makes an event of its own of it.
//
// So that what a page's visitors clicked travels by itself: the project's restrictions can name it,
// and the event it came with is as small as any other (contract section 2; what is split and what
// is not: docs/decisions/0007-heatmaps.md). One pass over the event's text, which the parser has
// validated. Belongs to one shard; what it answers is valid until the next call.
#pragma once

#include <string>
#include <string_view>

#include "base/ids.h"

namespace penstock::capture {

inline constexpr std::string_view kHeatmapEvent = "$$heatmap";

class HeatmapSplit {
 public:
  void split(std::string_view event, std::string_view distinct_id);
  /// The event without its $heatmap_data.
  const std::string& rest() const { return rest_; }
  /// The `$$heatmap` event: the data, and what is needed to read it.
  const std::string& heatmap() const { return heatmap_; }
  /// Gives large buffers back.
  void trim();

  /// The same for the same event, so that an event sent again has its heatmap only once.
  static Uuid uuid_of(const Uuid& event);

 private:
  std::string rest_, heatmap_;
};

}  // namespace penstock::capture
