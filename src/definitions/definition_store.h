// DefinitionStore: which events and properties a project has, and what type a property is.
//
// Derived from the processed topic (ingestion contract, section 13) and kept, with the positions it
// stands for, in one KeyValue: docs/formats/definitions.md. Names are bounded in number per project
// and in all; what does not fit is refused and counted, so that random property names cost counters
// and no memory. Everything that is known is also held in memory as a hash of 16 bytes, so that an
// event without news is a few look-ups.
//
// Threads: `apply` and `save` from one loop; everything else from any thread. Failure: KeyValue's.
// After a failed write the same records are applied again.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "kv/key_value.h"
#include "log/log.h"

namespace penstock::definitions {

/// The consumer group of `processed` under which its progress is committed.
inline constexpr std::string_view kConsumerGroup = "definitions";

/// Whose property it is; the numbers are PostHog's.
enum class Owner : uint8_t { kEvent = 1, kPerson = 2, kGroup = 3, kSession = 4 };
std::string_view owner_name(Owner owner);
std::optional<Owner> owner_named(std::string_view name);

enum class PropertyType : uint8_t {
  kUnknown = 0,  // only null, lists and objects were seen
  kString = 1,
  kNumeric = 2,
  kBoolean = 3,
  kDateTime = 4,
};
/// As PostHog has them ("DateTime"); "" for kUnknown.
std::string_view property_type_name(PropertyType type);

struct EventDefinition {
  std::string name;
  int64_t first_seen_ms = 0;  // when the first one was received
  int64_t last_seen_ms = 0;   // exact to an hour, so that it is written once an hour
};

struct PropertyDefinition {
  std::string name;
  Owner owner = Owner::kEvent;
  std::string group_type;  // of Owner::kGroup
  PropertyType type = PropertyType::kUnknown;
  int64_t first_seen_ms = 0;
};

/// What a project has, and what was left out of it since it began.
struct DefinitionCounts {
  uint64_t events = 0, properties = 0, pairs = 0;
  uint64_t refused_events = 0;      // events of a new name beyond the limit
  uint64_t refused_properties = 0;  // values under a new name beyond the limit
  uint64_t refused_pairs = 0;
  uint64_t long_names = 0;      // of events or properties, over 200 bytes
  uint64_t crowded_events = 0;  // with more properties than one event may define
};

struct DefinitionLimits {
  uint64_t events_max = 10'000;      // per project
  uint64_t properties_max = 20'000;  // per project
  uint64_t pairs_max = 200'000;      // per project: a property in an event
  uint64_t total_max = 2'000'000;    // of all kinds and projects
  uint64_t updates_per_event_max = 10'000;
};

/// What a list holds: names that contain `search` (whatever the case), behind `after`.
struct DefinitionsAsked {
  std::string search{}, after{};
  size_t limit = 100;
};

class DefinitionStore {
 public:
  /// Reads what is known; blocks.
  static Result<std::unique_ptr<DefinitionStore>> open(std::unique_ptr<kv::KeyValue> kv,
                                                       DefinitionLimits limits);
  virtual ~DefinitionStore() = default;

  /// Takes consecutive records of a processed partition, the first at `base`; what was taken before
  /// is skipped. kCorrupt: a record cannot be read; what came before it is taken.
  virtual Status apply(Partition partition, Offset base,
                       const std::vector<std::string_view>& records) = 0;
  /// Positions up to which records are taken, by partition.
  virtual std::vector<log::Position> applied() const = 0;
  /// Records of the partition below `to` are gone: goes on there.
  virtual void skip_to(Partition partition, Offset to) = 0;
  /// Writes the positions, which records without news only move in memory.
  virtual Status save() = 0;
  /// Makes what is saved durable, then commits kConsumerGroup; blocks.
  virtual Status flush(log::Log& log) = 0;

  /// By name, in byte order.
  virtual Result<std::vector<EventDefinition>> events(ProjectId project,
                                                      const DefinitionsAsked& asked) const = 0;
  virtual Result<std::vector<PropertyDefinition>> properties(
      ProjectId project, Owner owner, const DefinitionsAsked& asked) const = 0;
  /// The properties that an event was seen with.
  virtual Result<std::vector<PropertyDefinition>> properties_of(
      ProjectId project, std::string_view event, const DefinitionsAsked& asked) const = 0;
  /// Names of the events that were seen with a property.
  virtual Result<std::vector<std::string>> events_with(ProjectId project, std::string_view property,
                                                       const DefinitionsAsked& asked) const = 0;
  virtual DefinitionCounts counts(ProjectId project) const = 0;
  virtual const DefinitionLimits& limits() const = 0;
};

}  // namespace penstock::definitions
