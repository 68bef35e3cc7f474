#include "capture/decode/heatmap.h"

#include <algorithm>
#include <array>

#include "event/json_fields.h"
#include "event/json_scan.h"

namespace penstock::capture {
namespace {

constexpr size_t kKeptBytes = 256U << 10;
constexpr std::string_view kData = "$heatmap_data";
/// What goes along with the data; the event keeps its own copies.
constexpr std::array<std::string_view, 12> kAlong{
    "$viewport_height", "$viewport_width", "$session_id", "$prev_pageview_pathname",
    "$prev_pageview_max_scroll", "$current_url", "$cookieless_mode",
    // Whoever keeps no cookie is known by these.
    "$ip", "$raw_user_agent", "$host", "$timezone", "$cookieless_extra"};

/// Calls `see(name, member, value)` for each member of an object.
template <typename See>
void each_member(std::string_view object, See see) {
  event::JsonScanner in(object);
  if (!in.accept('{') || in.accept('}')) return;
  do {
    const char* begin = in.next_begin();
    std::string_view key, value;
    bool escaped = false;
    if (!in.string(key, escaped) || !in.accept(':') || !in.value(value)) return;
    const std::string_view member(begin, static_cast<size_t>(in.last_end() - begin));
    key = key.substr(1, key.size() - 2);
    see(escaped ? event::decode_string(member.substr(0, key.size() + 2)) : std::string(key), member,
        value);
  } while (in.accept(','));
}

}  // namespace

void HeatmapSplit::split(std::string_view event, std::string_view distinct_id) {
  rest_.clear();
  heatmap_ = R"({"event":"$$heatmap","distinct_id":)";
  event::append_json_string(heatmap_, distinct_id);
  heatmap_ += R"(,"properties":{)";
  const auto add = [](std::string& to, std::string_view member) {
    if (to.back() != '{') to += ',';
    to += member;
  };
  const char* copied = event.data();
  each_member(event, [&](const std::string& name, std::string_view, std::string_view value) {
    if (name != "properties" || !value.starts_with('{')) return;
    rest_.append(copied, value.data() + 1);
    copied = value.data() + value.size() - 1;
    each_member(value, [&](const std::string& key, std::string_view member, std::string_view) {
      const bool data = key == kData;
      if (!data) add(rest_, member);
      if (data || std::ranges::find(kAlong, key) != kAlong.end()) add(heatmap_, member);
    });
  });
  heatmap_ += "}}";
  rest_.append(copied, event.data() + event.size());
}

void HeatmapSplit::trim() {
  for (std::string* s : {&rest_, &heatmap_}) {
    if (s->capacity() > kKeptBytes) *s = std::string();
  }
}

Uuid HeatmapSplit::uuid_of(const Uuid& event) {
  static constexpr Uuid kNamespace{{0x3d, 0x8a, 0x5c, 0x1e, 0x0b, 0x72, 0x4f, 0x96, 0xa1, 0xd4,
                                    0x6e, 0x27, 0x9c, 0x58, 0xb3, 0x0f}};
  return Uuid::v5(kNamespace,
                  {reinterpret_cast<const char*>(event.bytes.data()), event.bytes.size()});
}

}  // namespace penstock::capture
