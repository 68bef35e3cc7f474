#include "persons/kv/person_codec.h"

#include <bit>

#include "base/codec.h"

namespace penstock::persons {
namespace {

constexpr uint8_t kIdentified = 1, kDeleted = 2, kLastSeen = 4, kStamps = 8;

void put_project(std::string& out, ProjectId project) {
  const uint64_t big_endian = std::byteswap(static_cast<uint64_t>(project.value));
  out.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
}
void put_number(std::string& out, uint32_t v) {
  const uint32_t big_endian = std::byteswap(v);
  out.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
}
void put_uuid(std::string& out, const Uuid& id) {
  out.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
}
constexpr size_t kKeyBytes = 80;  // that most have

std::string begin(char prefix, ProjectId project) {
  std::string out;
  out.reserve(kKeyBytes);
  out.push_back(prefix);
  put_project(out, project);
  return out;
}

}  // namespace

std::string person_key(ProjectId project, const Uuid& id) {
  std::string out = begin(kPersonPrefix, project);
  put_uuid(out, id);
  return out;
}
std::string mapping_key(ProjectId project, std::string_view distinct_id) {
  std::string out = begin(kMappingPrefix, project);
  out.append(distinct_id);
  return out;
}
std::string reverse_prefix(ProjectId project, const Uuid& id) {
  std::string out = begin(kReversePrefix, project);
  put_uuid(out, id);
  return out;
}
std::string reverse_key(ProjectId project, const Uuid& id, std::string_view distinct_id) {
  std::string out = reverse_prefix(project, id);
  out.append(distinct_id);
  return out;
}
std::string count_key(ProjectId project) { return begin(kCountPrefix, project); }
std::string group_key(ProjectId project, uint8_t type_index, std::string_view key) {
  std::string out = begin(kGroupPrefix, project);
  out.push_back(static_cast<char>(type_index));
  out.append(key);
  return out;
}
std::string group_type_key(ProjectId project, uint8_t index) {
  std::string out = begin(kGroupTypePrefix, project);
  out.push_back(static_cast<char>(index));
  return out;
}
std::string merge_prefix(char prefix, ProjectId project, const Uuid& person) {
  std::string out = begin(prefix, project);
  put_uuid(out, person);
  return out;
}
std::string merge_key(char prefix, const Uuid& person, const event::PersonMerge& merge) {
  std::string out = merge_prefix(prefix, merge.project, person);
  put_project(out, {merge.time_ms});
  put_number(out, merge.place);
  put_uuid(out, merge.event_uuid);
  return out;
}
std::string report_prefix(ProjectId project) { return begin(kReportPrefix, project); }
std::string report_key(ProjectId project, const Uuid& command) {
  std::string out = report_prefix(project);
  put_uuid(out, command);
  return out;
}
std::string deleted_key(ProjectId project) { return begin(kDeletedPrefix, project); }
std::string applied_key(Partition partition) {
  std::string out(1, kAppliedPrefix);
  put_number(out, static_cast<uint32_t>(partition.value));
  return out;
}

std::string encode_person(const PersonValue& v) {
  std::string out;
  out.reserve(24 + v.properties.size() + v.stamps.size());
  ByteWriter w(out);
  w.u8(static_cast<uint8_t>((v.is_identified ? kIdentified : 0) | (v.deleted ? kDeleted : 0) |
                            (v.last_seen_at_ms ? kLastSeen : 0) |
                            (v.stamps.empty() ? 0 : kStamps)));
  w.varint(v.version);
  w.zigzag(v.created_at_ms);
  if (v.last_seen_at_ms) w.zigzag(*v.last_seen_at_ms);
  w.bytes(v.properties);
  if (!v.stamps.empty()) w.bytes(v.stamps);
  return out;
}

bool decode_person(std::string_view bytes, PersonValue& out) {
  ByteReader r(bytes);
  const uint8_t flags = r.u8();
  out.is_identified = (flags & kIdentified) != 0;
  out.deleted = (flags & kDeleted) != 0;
  out.version = r.varint();
  out.created_at_ms = r.zigzag();
  out.last_seen_at_ms.reset();
  if ((flags & kLastSeen) != 0) out.last_seen_at_ms = r.zigzag();
  out.properties = r.bytes();
  out.stamps = (flags & kStamps) != 0 ? r.bytes() : std::string_view();
  return r.ok() && r.at_end();
}

std::string encode_mapping(const MappingValue& v) {
  std::string out;
  ByteWriter w(out);
  w.uuid(v.person_id);
  w.zigzag(v.version);
  w.u8(v.deleted ? 1 : 0);
  if (v.attached_at_ms != 0) w.zigzag(v.attached_at_ms);
  return out;
}

bool decode_mapping(std::string_view bytes, MappingValue& out) {
  ByteReader r(bytes);
  out.person_id = r.uuid();
  out.version = r.zigzag();
  out.deleted = r.u8() != 0;
  out.attached_at_ms = r.at_end() ? 0 : r.zigzag();
  return r.ok() && r.at_end();
}

std::string encode_group(const GroupValue& v) {
  std::string out;
  out.reserve(24 + v.properties.size());
  ByteWriter w(out);
  w.varint(v.version);
  w.zigzag(v.created_at_ms);
  w.bytes(v.properties);
  return out;
}

bool decode_group(std::string_view bytes, GroupValue& out) {
  ByteReader r(bytes);
  out.version = r.varint();
  out.created_at_ms = r.zigzag();
  out.properties = r.bytes();
  return r.ok() && r.at_end();
}

std::string encode_group_type(const GroupTypeValue& v) {
  std::string out;
  ByteWriter w(out);
  w.zigzag(v.created_at_ms);
  w.bytes(v.name);
  return out;
}

bool decode_group_type(std::string_view bytes, GroupTypeValue& out) {
  ByteReader r(bytes);
  out.created_at_ms = r.zigzag();
  out.name = r.bytes();
  return r.ok() && r.at_end();
}

std::string encode_reverse(int64_t version, int64_t attached_at_ms) {
  std::string out = encode_number(version);
  if (attached_at_ms != 0) ByteWriter(out).zigzag(attached_at_ms);
  return out;
}
void decode_reverse(std::string_view bytes, Mapping& out) {
  ByteReader r(bytes);
  out.version = r.zigzag();
  out.attached_at_ms = r.at_end() ? 0 : r.zigzag();
}

std::string encode_number(int64_t v) {
  std::string out;
  ByteWriter(out).zigzag(v);
  return out;
}
int64_t decode_number(std::string_view bytes) { return ByteReader(bytes).zigzag(); }

}  // namespace penstock::persons
