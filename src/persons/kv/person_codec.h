// Keys and values of the person store's KeyValue; the page for it is docs/formats/persons.md.
//
// Deleted persons stay as small tombstones: their version keeps an older change, replayed later
// from another partition, from bringing them back. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "persons/person_store.h"

namespace penstock::persons {

inline constexpr char kPersonPrefix = 'p';     // project, uuid → PersonValue
inline constexpr char kMappingPrefix = 'd';    // project, distinct id → MappingValue
inline constexpr char kReversePrefix = 'i';    // project, uuid, distinct id → Mapping
inline constexpr char kCountPrefix = 'n';      // project → number of persons
inline constexpr char kGroupPrefix = 'g';      // project, type index, key → GroupValue
inline constexpr char kGroupTypePrefix = 't';  // project, type index → GroupTypeValue
inline constexpr char kAppliedPrefix = 'a';    // partition → next offset
inline constexpr char kMergePrefix =
    'm';  // project, resulting person, time, place, event → PersonMerge
inline constexpr char kMergedPrefix =
    'r';  // project, source person, time, place, event → result's uuid
inline constexpr char kForgottenPrefix = 'f';  // project, person → number of merges forgotten
inline constexpr char kReportPrefix = 'c';     // project, command → PersonCommandReport
inline constexpr char kDeletedPrefix = 'x';    // project: ids were deleted in it

std::string person_key(ProjectId project, const Uuid& id);
std::string mapping_key(ProjectId project, std::string_view distinct_id);
std::string reverse_prefix(ProjectId project, const Uuid& id);
std::string reverse_key(ProjectId project, const Uuid& id, std::string_view distinct_id);
std::string count_key(ProjectId project);
std::string group_key(ProjectId project, uint8_t type_index, std::string_view key);
std::string group_type_key(ProjectId project, uint8_t index);
/// `prefix` is one of the merges'; sorted by time.
std::string merge_prefix(char prefix, ProjectId project, const Uuid& person);
std::string merge_key(char prefix, const Uuid& person, const event::PersonMerge& merge);
std::string report_prefix(ProjectId project);
std::string report_key(ProjectId project, const Uuid& command);
std::string deleted_key(ProjectId project);
std::string applied_key(Partition partition);

struct PersonValue {
  bool deleted = false;
  uint64_t version = 0;
  bool is_identified = false;
  int64_t created_at_ms = 0;
  std::optional<int64_t> last_seen_at_ms;
  std::string_view properties;
  std::string_view stamps{};  // PropertyStamps::bytes
};
std::string encode_person(const PersonValue& value);
bool decode_person(std::string_view bytes, PersonValue& out);

struct MappingValue {
  Uuid person_id;
  int64_t version = 0;
  bool deleted = false;
  int64_t attached_at_ms = 0;
};
std::string encode_mapping(const MappingValue& value);
bool decode_mapping(std::string_view bytes, MappingValue& out);

struct GroupValue {
  uint64_t version = 0;
  int64_t created_at_ms = 0;
  std::string_view properties;
};
std::string encode_group(const GroupValue& value);
bool decode_group(std::string_view bytes, GroupValue& out);

struct GroupTypeValue {
  int64_t created_at_ms = 0;
  std::string_view name;
};
std::string encode_group_type(const GroupTypeValue& value);
bool decode_group_type(std::string_view bytes, GroupTypeValue& out);

/// The value under kReversePrefix.
std::string encode_reverse(int64_t version, int64_t attached_at_ms);
void decode_reverse(std::string_view bytes, Mapping& out);

std::string encode_number(int64_t v);
int64_t decode_number(std::string_view bytes);

}  // namespace penstock::persons
