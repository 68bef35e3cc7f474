#include "ingest/steps/content.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/hash.h"
#include "base/json_writer.h"
#include "base/probe.h"
#include "event/json_hash.h"
#include "ingest/steps/heatmap.h"
#include "ingest/steps/text.h"

namespace penstock::ingest {
namespace {

/// Properties that tell of the sending and not of the event, or that the edge adds or takes away.
constexpr std::array<std::string_view, 9> kOfTheSending{
    "$sent_at",    "$ip",   "$raw_user_agent", "$lib",         "$lib_version",
    "distinct_id", "token", "$time",           "$heatmap_data"};
constexpr uint32_t kTheirSizes = [] {
  uint32_t sizes = 0;
  for (std::string_view key : kOfTheSending) sizes |= 1U << key.size();
  return sizes;
}();

bool of_the_sending(std::string_view key) {
  return key.size() < 32 && (kTheirSizes >> key.size() & 1) != 0 &&
         std::ranges::find(kOfTheSending, key) != kOfTheSending.end();
}

uint64_t sum_of(const event::JsonFields& fields) {
  uint64_t sum = 0;
  for (const auto& [key, value] : fields.fields()) sum += event::json_member_hash(key, value);
  return sum;
}

}  // namespace

uint64_t content_hash(const Item& item) {
  const bool heatmap = item.event == kHeatmapEvent;
  uint64_t properties = 0;
  for (const auto& [key, value] : item.properties.fields()) {
    if (of_the_sending(key) && !(heatmap && key == "$heatmap_data")) continue;
    properties += event::json_member_hash(key, value);
  }
  uint64_t hash = hash64(item.raw.distinct_id, hash64(item.raw.event, properties));
  if (item.has_set) hash = hash64("$set", hash ^ sum_of(item.set));
  if (item.has_set_once) hash = hash64("$set_once", hash ^ sum_of(item.set_once));
  return std::max<uint64_t>(hash, 1);
}

Verdict conflict(const Item& item, Warnings& warnings) {
  constexpr std::string_view kConflict = "uuid_conflict";
  probe<"ingest.uuid_conflict">();
  JsonWriter w;
  w.begin_object().field("eventUuid", item.raw.uuid.text()).field("event", item.event);
  w.field("distinctId", cut_characters(item.raw.distinct_id, kDistinctIdCharsMax));
  w.field("category", "event").field("severity", "error").end_object();
  warnings.push_back({item.project->id, kConflict, w.take(), item.raw.now_ms});
  return Verdict::quarantine("dedup", kConflict);
}

}  // namespace penstock::ingest
