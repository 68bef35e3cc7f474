#include "persons/property_stamps.h"

#include <algorithm>
#include <map>

#include "base/codec.h"
#include "base/hash.h"

namespace penstock::persons {
namespace {

constexpr uint8_t kOnce = 1, kByMerge = 2;

/// Properties that come by `$set_once` as a rule; all others by `$set`.
bool once_as_a_rule(std::string_view key) {
  return key.starts_with("$initial_") || key == "$creator_event_uuid";
}

}  // namespace

uint32_t writer_of(std::string_view distinct_id) {
  return static_cast<uint32_t>(hash64(distinct_id));
}

bool set_is_later(const PropertyStamp& a, const PropertyStamp& b) {
  // The target of a merge keeps its own; of two sources counts the one that was merged first.
  if (a.came_by_merge() != b.came_by_merge()) return b.came_by_merge();
  if (a.came_by_merge() && a.reached_ms != b.reached_ms) return a.reached_ms < b.reached_ms;
  return a.event_ms > b.event_ms;
}

bool set_replaces(const PropertyStamp& offered, const PropertyStamp& present) {
  return present.once || offered.writer == present.writer || !set_is_later(present, offered);
}

bool set_once_replaces(const PropertyStamp& offered, const PropertyStamp& present) {
  if (!present.once || offered.writer == present.writer) return false;
  if (offered.reached_ms != present.reached_ms) return offered.reached_ms < present.reached_ms;
  return offered.event_ms < present.event_ms;
}

PropertyStamps PropertyStamps::read(std::string_view bytes, int64_t created_at_ms) {
  PropertyStamps out;
  if (bytes.empty()) return out;
  ByteReader in(bytes);
  out.founder_ = in.u32();
  in.zigzag();  // latest_once_ms
  while (in.ok() && !in.at_end()) {
    const std::string_view key = in.bytes();
    const uint8_t flags = in.u8();
    PropertyStamp stamp;
    stamp.once = (flags & kOnce) != 0;
    stamp.writer = in.u32();
    stamp.event_ms = created_at_ms + in.zigzag();
    stamp.reached_ms = stamp.event_ms + ((flags & kByMerge) != 0 ? in.zigzag() : 0);
    if (in.ok()) out.entries_.insert_or_assign(std::string(key), stamp);
  }
  if (!in.ok()) return PropertyStamps();
  return out;
}

std::string PropertyStamps::bytes(int64_t created_at_ms) const {
  std::string out;
  ByteWriter w(out);
  w.u32(founder_);
  w.zigzag(latest_once_ms(created_at_ms) - created_at_ms);
  if (entries_.empty()) return out;
  // Sorted, so that equal states are equal bytes.
  const std::map<std::string_view, PropertyStamp> sorted(entries_.begin(), entries_.end());
  for (const auto& [key, stamp] : sorted) {
    if (stamp == implied(key, created_at_ms)) continue;
    w.bytes(key);
    w.u8(static_cast<uint8_t>((stamp.once ? kOnce : 0) | (stamp.came_by_merge() ? kByMerge : 0)));
    w.u32(stamp.writer);
    w.zigzag(stamp.event_ms - created_at_ms);
    if (stamp.came_by_merge()) w.zigzag(stamp.reached_ms - stamp.event_ms);
  }
  return out;
}

PropertyStamp PropertyStamps::implied(std::string_view key, int64_t created_at_ms) const {
  return {created_at_ms, created_at_ms, founder_, once_as_a_rule(key)};
}

PropertyStamp PropertyStamps::get(std::string_view key, int64_t created_at_ms) const {
  if (!entries_.empty()) {
    if (const auto it = entries_.find(std::string(key)); it != entries_.end()) return it->second;
  }
  return implied(key, created_at_ms);
}

void PropertyStamps::put(std::string_view key, const PropertyStamp& stamp, int64_t created_at_ms) {
  if (stamp == implied(key, created_at_ms)) return forget(key);
  entries_.insert_or_assign(std::string(key), stamp);
}

void PropertyStamps::forget(std::string_view key) {
  if (!entries_.empty()) entries_.erase(std::string(key));
}

int64_t PropertyStamps::latest_once_ms(int64_t created_at_ms) const {
  int64_t latest = created_at_ms;
  for (const auto& [key, stamp] : entries_) {
    if (stamp.once) latest = std::max(latest, stamp.reached_ms);
  }
  return latest;
}

int64_t PropertyStamps::latest_once_ms(std::string_view bytes, int64_t created_at_ms) {
  if (bytes.empty()) return created_at_ms;
  ByteReader in(bytes);
  in.u32();
  return created_at_ms + in.zigzag();
}

void PropertyStamps::pin(std::string_view key, int64_t created_at_ms) {
  entries_.try_emplace(std::string(key), implied(key, created_at_ms));
}

}  // namespace penstock::persons
