#include "ingest/steps/heatmap.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/json_writer.h"
#include "ingest/steps/person_step.h"
#include "ingest/steps/text.h"
#include "ingest/steps/web_url.h"

namespace penstock::ingest {
namespace {

using event::json_type;
using event::JsonType;

constexpr std::string_view kData = "$heatmap_data";
constexpr std::string_view kPreviousPath = "$prev_pageview_pathname";
constexpr std::string_view kCurrentUrl = "$current_url";
constexpr std::string_view kMaxScroll = "$prev_pageview_max_scroll";
constexpr std::string_view kInvalid = "invalid_heatmap_data";
constexpr std::string_view kDisabled = "heatmaps_disabled";
constexpr std::string_view kInvalidUrl = "rejecting_heatmap_data_with_invalid_url";
constexpr std::string_view kInvalidItems = "rejecting_heatmap_data_with_invalid_items";

/// Sixteenths of a number of pixels, halves up; nullopt for what a column cannot hold.
std::optional<int16_t> scaled(std::optional<std::string_view> raw) {
  if (!raw || json_type(*raw) != JsonType::kNumber) return std::nullopt;
  double pixels = 0;
  const auto [end, error] = std::from_chars(raw->data(), raw->data() + raw->size(), pixels);
  if (error != std::errc() || end != raw->data() + raw->size()) return std::nullopt;
  const double rounded = std::floor(pixels / event::kHeatmapScale + 0.5);
  if (!(rounded >= std::numeric_limits<int16_t>::min() &&
        rounded <= std::numeric_limits<int16_t>::max())) {
    return std::nullopt;
  }
  return static_cast<int16_t>(rounded);
}

std::string text_of(std::optional<std::string_view> raw) {
  return raw && json_type(*raw) == JsonType::kString ? event::decode_string(*raw) : std::string();
}

std::string session_of(const Item& item) {
  const auto raw = item.properties.find("$session_id");
  if (!raw) return "undefined";  // as PostHog stores it
  if (json_type(*raw) == JsonType::kNull) return {};
  return json_type(*raw) == JsonType::kString ? event::decode_string(*raw) : std::string(*raw);
}

/// One event's points being gathered; warns once of each kind, however many points are wrong.
class Taking {
 public:
  Taking(const Item& item, HeatmapPoints& out, Warnings& warnings)
      : item_(item),
        out_(out),
        warnings_(warnings),
        data_(item.properties.find(kData)),
        path_(text_of(item.properties.find(kPreviousPath))),
        current_(text_of(item.properties.find(kCurrentUrl))) {}

  bool has_data() const { return data_ && json_type(*data_) != JsonType::kNull; }
  bool has_scroll() const { return !path_.empty() && !current_.empty(); }

  /// False: there is not a single point to store; a warning says why.
  bool run() {
    if (!has_data() && !has_scroll()) return reject("there is no heatmap data in it");
    if (is_unmergeable(item_.raw.distinct_id)) return reject("the distinct id names nobody");
    const auto width = scaled(item_.properties.find("$viewport_width"));
    const auto height = scaled(item_.properties.find("$viewport_height"));
    if (!width || !height) return reject("$viewport_width and $viewport_height are no numbers");
    std::optional<std::string> previous;
    if (has_scroll()) {
      previous = with_path(current_, path_);
      if (!previous) return reject("$current_url is no URL");
    }
    if (has_data() && !take_pages(*data_)) return reject("$heatmap_data is no object");
    if (previous) take_scroll(*previous);
    out_.session_id = session_of(item_);
    out_.record.project = item_.project->id;
    out_.record.session_id = out_.session_id;
    out_.record.distinct_id = item_.raw.distinct_id;
    out_.record.timestamp_ms = item_.timestamp_ms;
    out_.record.viewport_width = *width;
    out_.record.viewport_height = *height;
    if (!out_.record.points.empty()) return true;
    return warned_ ? false : reject("there is no point in it");
  }

 private:
  bool reject(std::string_view why) {
    warn(kInvalid, "reason", why);
    return false;
  }

  void warn(std::string_view type, std::string_view name, std::string_view value) {
    const auto same = [type](const Warning& w) { return w.type == type; };
    if (std::ranges::any_of(warnings_, same)) return;
    warned_ = true;
    JsonWriter w;
    w.begin_object().field("eventUuid", item_.raw.uuid.text()).field("event", item_.event);
    w.field("distinctId", item_.raw.distinct_id).field("sessionId", session_of(item_));
    w.field(name, value).field("category", "event").field("severity", "warning").end_object();
    warnings_.push_back({item_.project->id, type, w.take(), item_.raw.now_ms});
  }

  std::string_view keep(std::string text) { return out_.texts.emplace_back(std::move(text)); }

  bool take_pages(std::string_view raw) {
    if (json_type(raw) != JsonType::kObject) return false;
    const auto pages = event::JsonFields::parse(raw);
    if (!pages) return false;
    for (const auto& [url, items] : pages->fields()) {
      if (trimmed(url).empty()) {
        warn(kInvalidUrl, "heatmapUrl", url);
        continue;
      }
      if (json_type(items) != JsonType::kArray) {
        warn(kInvalidItems, "heatmapUrl", url);
        continue;
      }
      const std::string_view page = keep(std::string(url));
      for (const std::string_view element : split_array(items)) {
        if (!take_point(page, element)) warn(kInvalidItems, "heatmapUrl", url);
      }
    }
    return true;
  }

  bool take_point(std::string_view url, std::string_view raw) {
    if (out_.record.points.size() >= kHeatmapPointsMax) return false;
    if (json_type(raw) != JsonType::kObject) return false;
    const auto fields = event::JsonFields::parse(raw);
    if (!fields) return false;
    event::HeatmapPoint point;
    const auto x = scaled(fields->find("x")), y = scaled(fields->find("y"));
    const auto fixed = fields->find("target_fixed");
    std::string type = text_of(fields->find("type"));
    if (!x || !y || !fixed || json_type(*fixed) != JsonType::kBool || trimmed(type).empty()) {
      return false;
    }
    point.url = url;
    point.type = kept_type(std::move(type));
    point.x = *x;
    point.y = *y;
    point.target_fixed = *fixed == "true";
    out_.record.points.push_back(point);
    return true;
  }

  /// The same word comes again and again.
  std::string_view kept_type(std::string type) {
    const auto& points = out_.record.points;
    return !points.empty() && points.back().type == type ? points.back().type
                                                         : keep(std::move(type));
  }

  /// How far down the page before this one was seen.
  void take_scroll(const std::string& url) {
    const auto depth = scaled(item_.properties.find(kMaxScroll));
    if (!depth || out_.record.points.size() >= kHeatmapPointsMax) {
      return warn(kInvalidItems, "heatmapUrl", url);
    }
    out_.record.points.push_back({keep(url), "scrolldepth", 0, *depth, false});
  }

  const Item& item_;
  HeatmapPoints& out_;
  Warnings& warnings_;
  const std::optional<std::string_view> data_;
  const std::string path_, current_;
  bool warned_ = false;
};

/// Unset counts as yes: a page that never asked for heatmaps still tells how far it was scrolled.
bool opted_out(const Item& item) {
  const std::string* setting = item.project->settings->remote_config.find("heatmaps");
  return setting != nullptr && *setting == "false";
}

}  // namespace

Verdict take_heatmap_event(const Item& item, HeatmapPoints& out, Warnings& warnings) {
  if (opted_out(item)) {
    JsonWriter w;
    w.begin_object().field("eventUuid", item.raw.uuid.text()).field("event", item.event);
    w.field("category", "event").field("severity", "info").end_object();
    warnings.push_back({item.project->id, kDisabled, w.take(), item.raw.now_ms});
    warnings.back().once_per_type = true;  // the project's own doing
    return Verdict::drop(kDisabled);
  }
  if (!Taking(item, out, warnings).run()) return Verdict::drop(kInvalid);
  return Verdict::heatmap();
}

void take_heatmap(Item& item, HeatmapPoints& out, Warnings& warnings) {
  // Most events carry neither, and two look-ups are all they pay.
  const bool has_data = item.properties.contains(kData);
  if (!has_data && !item.properties.contains(kPreviousPath)) return;
  if (!item.raw.skip_heatmap && !opted_out(item)) {
    Taking taking(item, out, warnings);
    if (taking.has_data() || taking.has_scroll()) taking.run();
  }
  if (has_data) item.properties.erase(kData);
}

}  // namespace penstock::ingest
