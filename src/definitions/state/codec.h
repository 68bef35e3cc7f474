// Keys and values of the definitions' KeyValue (docs/formats/definitions.md), and the hashes by
// which the same things are known in memory. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "definitions/definition_store.h"

namespace penstock::definitions {

inline constexpr char kEventPrefix = 'e';     // project, name → EventValue
inline constexpr char kPropertyPrefix = 'p';  // project, owner, [group type,] name → PropertyValue
inline constexpr char kPairPrefix = 'x';      // project, event, property → nothing
inline constexpr char kPairBackPrefix = 'y';  // project, property, event → nothing
inline constexpr char kCountsPrefix = 'c';    // project → DefinitionCounts
inline constexpr char kPositionPrefix = 'a';  // partition → next offset

std::string project_key(char prefix, ProjectId project);
std::string event_key(ProjectId project, std::string_view name);
std::string owner_prefix(ProjectId project, Owner owner);
std::string property_key(ProjectId project, Owner owner, std::string_view group_type,
                         std::string_view name);
/// The pairs of one event (kPairPrefix) or of one property (kPairBackPrefix).
std::string pair_prefix(char prefix, ProjectId project, std::string_view first);
std::string position_key(Partition partition);

/// The parts of a key as its makers put them together; false when it is none.
struct KeyParts {
  ProjectId project;
  Owner owner = Owner::kEvent;
  std::string_view first, second;  // event or group type; name
};
bool read_key(std::string_view key, KeyParts& out);
int32_t read_position_key(std::string_view key);

std::string encode_event(int64_t first_seen_ms, int64_t last_seen_ms);
bool decode_event(std::string_view bytes, int64_t& first_seen_ms, int64_t& last_seen_ms);
std::string encode_property(PropertyType type, int64_t first_seen_ms);
bool decode_property(std::string_view bytes, PropertyType& type, int64_t& first_seen_ms);
std::string encode_counts(const DefinitionCounts& counts);
bool decode_counts(std::string_view bytes, DefinitionCounts& out);
std::string encode_offset(int64_t offset);
int64_t decode_offset(std::string_view bytes);

uint64_t event_hash(ProjectId project, std::string_view name);
/// `name` is hash64 of the property's name; `group_type` empty but for Owner::kGroup.
uint64_t property_hash(ProjectId project, Owner owner, std::string_view group_type, uint64_t name);
uint64_t pair_hash(uint64_t event, uint64_t name);

}  // namespace penstock::definitions
