// PropertyStamps: when, and by which distinct id, a person got each of its properties.
//
// Events of one distinct id come in order, and the last to arrive has its way, as in PostHog.
// Events of several distinct ids of one person may arrive in any order: between them the stamps
// decide, so that the person comes out the same (docs/decisions/0008-convergence.md says how). What
// dates from the person's first event, which is most, takes no room. Kept with the person as opaque
// bytes. Plain values; not thread safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace penstock::persons {

/// Times in Unix ms.
struct PropertyStamp {
  int64_t event_ms = 0;
  /// When the value came to this person: an event from before its distinct id was merged into the
  /// person comes with that merge. Otherwise `event_ms`.
  int64_t reached_ms = 0;
  uint32_t writer = 0;  // writer_of the event's distinct id
  bool once = false;    // by `$set_once`
  bool operator==(const PropertyStamp&) const = default;

  bool came_by_merge() const { return event_ms < reached_ms; }
};

/// Tells the distinct ids of one person apart; two that collide are treated as one.
uint32_t writer_of(std::string_view distinct_id);

/// Whether, between different distinct ids, a value by `$set` stands above that one.
bool set_is_later(const PropertyStamp& a, const PropertyStamp& b);
/// Whether an event's `$set` with this stamp replaces a value with that one.
bool set_replaces(const PropertyStamp& offered, const PropertyStamp& present);
/// The same for `$set_once`: only another one that should have come later.
bool set_once_replaces(const PropertyStamp& offered, const PropertyStamp& present);

class PropertyStamps {
 public:
  /// Of a new person, created by an event of this distinct id.
  explicit PropertyStamps(uint32_t founder = 0) : founder_(founder) {}
  /// What `bytes` gave. Bytes that are none of ours count as empty.
  static PropertyStamps read(std::string_view bytes, int64_t created_at_ms);
  std::string bytes(int64_t created_at_ms) const;

  /// Only of properties the person has.
  PropertyStamp get(std::string_view key, int64_t created_at_ms) const;
  void put(std::string_view key, const PropertyStamp& stamp, int64_t created_at_ms);
  /// The property is gone.
  void forget(std::string_view key);
  /// No property came by `$set_once` after this; spares looking at each one.
  int64_t latest_once_ms(int64_t created_at_ms) const;
  /// The same without reading all of `bytes`.
  static int64_t latest_once_ms(std::string_view bytes, int64_t created_at_ms);
  /// Before `created_at` changes: writes down what it implied for this property.
  void pin(std::string_view key, int64_t created_at_ms);

 private:
  PropertyStamp implied(std::string_view key, int64_t created_at_ms) const;

  uint32_t founder_ = 0;
  std::unordered_map<std::string, PropertyStamp> entries_;  // what is not as implied
};

}  // namespace penstock::persons
