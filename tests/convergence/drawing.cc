#include "tests/convergence/drawing.h"

#include <cstdio>

#include <array>
#include <map>

namespace naive {

std::string event_uuid(uint64_t history, size_t number) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%08llx-%04llx-4000-8000-%012zx",
                static_cast<unsigned long long>(history >> 16 & 0xFFFFFFFF),
                static_cast<unsigned long long>(history & 0xFFFF), number);
  return text.data();
}

EventJson Drawing::plain_value() {
  switch (below(12)) {
    case 0: return nullptr;
    case 1: return true;
    case 2: return false;
    case 3: return 0;
    case 4: return -17;
    case 5: return 1.5;
    case 6: return 9'007'199'254'740'993;
    case 7: return 1e300;
    case 8: return "";
    case 9: return "ünï 💡 \"\\\n\u0001";
    default: return word();
  }
}

EventJson Drawing::value() {
  switch (below(12)) {
    case 0: return EventJson::array({plain_value(), EventJson::array({plain_value()})});
    case 1: return EventJson{{"z", plain_value()}, {"a", EventJson{{"b", plain_value()}}}};
    case 2: return EventJson::object();
    case 3: return EventJson::array();
    default: return plain_value();
  }
}

int64_t Drawing::time(int64_t& now_ms) {
  if (!percent(10)) now_ms += 1 + static_cast<int64_t>(below(percent(20) ? 4'000'000 : 90'000));
  if (percent(8)) return now_ms - static_cast<int64_t>(below(10'000'000));
  return now_ms;
}

std::vector<Event> another_arrival(const std::vector<Event>& events, Random& random) {
  std::map<std::string, std::vector<const Event*>> queues;
  for (const Event& e : events) queues[e.distinct_id].push_back(&e);
  std::vector<std::pair<std::vector<const Event*>, size_t>> open;
  for (auto& [id, queue] : queues) open.emplace_back(std::move(queue), 0);
  std::vector<Event> out;
  // One id may go on alone for a while: a delay of all others.
  size_t which = 0, left = 0;
  while (!open.empty()) {
    if (left == 0 || which >= open.size()) {
      which = random() % open.size();
      left = random() % 3 == 0 ? 1 + random() % 20 : 1;
    }
    auto& [queue, next] = open[which];
    out.push_back(*queue[next++]);
    left--;
    if (next == queue.size()) {
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
      left = 0;
    }
  }
  for (size_t i = random() % 4; i > 0 && !out.empty(); i--) {
    const size_t from = random() % out.size();
    const size_t to = from + 1 + random() % (out.size() - from);
    const Event copy = out[from];
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(to), copy);
  }
  return out;
}

std::vector<std::string> mentioned_ids(const Event& event) {
  std::vector<std::string> out{event.distinct_id};
  const EventJson whole = EventJson::parse(event.data);
  if (!whole.contains("properties")) return out;
  for (const char* key : {"$anon_distinct_id", "alias"}) {
    if (!whole["properties"].contains(key)) continue;
    const EventJson& other = whole["properties"][key];
    if (other.is_string()) out.push_back(other);
  }
  return out;
}

std::optional<std::string> mentioned_group(const Event& event) {
  const EventJson whole = EventJson::parse(event.data);
  if (event.name != "$groupidentify" || !whole.contains("properties")) return {};
  const EventJson& properties = whole["properties"];
  if (!properties.contains("$group_key")) return {};
  const EventJson& key = properties["$group_key"];
  return key.is_string() ? key.get<std::string>() : key.dump();
}

std::string describe(const std::vector<Event>& events) {
  std::string out;
  for (const Event& e : events) {
    out += e.uuid.substr(24) + " t=" + std::to_string(e.timestamp_ms - kFirstMs) +
           (e.force_disable ? " force_disable " : " ") + e.data + "\n";
  }
  return out;
}

}  // namespace naive
