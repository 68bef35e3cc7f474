#include "definitions/state/codec.h"

#include "base/codec.h"
#include "base/hash.h"

namespace penstock::definitions {
namespace {

constexpr size_t kProjectAt = 1, kProjectEnd = 9;

/// Big-endian, so that keys of one project lie together.
void append_number(std::string& out, uint64_t v) {
  for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(v >> shift));
}

/// Two hashes as one: a multiplication whose upper half, which every bit reaches, is folded down.
uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t x = (a ^ 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 32) ^ b) * 0xc4ceb9fe1a85ec53ULL;
  x = (x ^ (x >> 29)) * 0x9e3779b97f4a7c15ULL;
  return x ^ (x >> 32);
}

/// Names have at most 200 bytes; a length before the first keeps two of them apart.
void append_first(std::string& out, std::string_view first) { ByteWriter(out).bytes(first); }

}  // namespace

std::string project_key(char prefix, ProjectId project) {
  std::string out(1, prefix);
  append_number(out, static_cast<uint64_t>(project.value));
  return out;
}

std::string event_key(ProjectId project, std::string_view name) {
  return project_key(kEventPrefix, project).append(name);
}

std::string owner_prefix(ProjectId project, Owner owner) {
  std::string out = project_key(kPropertyPrefix, project);
  out.push_back(static_cast<char>(owner));
  return out;
}

std::string property_key(ProjectId project, Owner owner, std::string_view group_type,
                         std::string_view name) {
  std::string out = owner_prefix(project, owner);
  if (owner == Owner::kGroup) append_first(out, group_type);
  return out.append(name);
}

std::string pair_prefix(char prefix, ProjectId project, std::string_view first) {
  std::string out = project_key(prefix, project);
  append_first(out, first);
  return out;
}

std::string position_key(Partition partition) {
  std::string out(1, kPositionPrefix);
  append_number(out, static_cast<uint64_t>(partition.value));
  return out;
}

bool read_key(std::string_view key, KeyParts& out) {
  if (key.size() < kProjectEnd) return false;
  const char prefix = key.front();
  uint64_t project = 0;
  for (const char c : key.substr(kProjectAt, kProjectEnd - kProjectAt)) {
    project = (project << 8) | static_cast<uint8_t>(c);
  }
  out.project.value = static_cast<int64_t>(project);
  out.first = out.second = {};
  ByteReader in(key.substr(kProjectEnd));
  if (prefix == kPropertyPrefix) {
    out.owner = static_cast<Owner>(in.u8());
    if (out.owner == Owner::kGroup) out.first = in.bytes();
  } else if (prefix == kPairPrefix || prefix == kPairBackPrefix) {
    out.first = in.bytes();
  }
  if (!in.ok()) return false;
  out.second = in.rest();
  return true;
}

int32_t read_position_key(std::string_view key) {
  uint64_t value = 0;
  for (const char c : key.substr(1)) value = (value << 8) | static_cast<uint8_t>(c);
  return static_cast<int32_t>(value);
}

std::string encode_event(int64_t first_seen_ms, int64_t last_seen_ms) {
  std::string out;
  ByteWriter w(out);
  w.zigzag(first_seen_ms);
  w.zigzag(last_seen_ms);
  return out;
}

bool decode_event(std::string_view bytes, int64_t& first_seen_ms, int64_t& last_seen_ms) {
  ByteReader in(bytes);
  first_seen_ms = in.zigzag();
  last_seen_ms = in.zigzag();
  return in.ok() && in.at_end();
}

std::string encode_property(PropertyType type, int64_t first_seen_ms) {
  std::string out;
  ByteWriter w(out);
  w.u8(static_cast<uint8_t>(type));
  w.zigzag(first_seen_ms);
  return out;
}

bool decode_property(std::string_view bytes, PropertyType& type, int64_t& first_seen_ms) {
  ByteReader in(bytes);
  const uint8_t number = in.u8();
  type = static_cast<PropertyType>(number);
  first_seen_ms = in.zigzag();
  return in.ok() && in.at_end() && number <= static_cast<uint8_t>(PropertyType::kDateTime);
}

std::string encode_counts(const DefinitionCounts& c) {
  std::string out;
  ByteWriter w(out);
  for (const uint64_t n : {c.events, c.properties, c.pairs, c.refused_events, c.refused_properties,
                           c.refused_pairs, c.long_names, c.crowded_events}) {
    w.varint(n);
  }
  return out;
}

bool decode_counts(std::string_view bytes, DefinitionCounts& out) {
  ByteReader in(bytes);
  for (uint64_t* n :
       {&out.events, &out.properties, &out.pairs, &out.refused_events, &out.refused_properties,
        &out.refused_pairs, &out.long_names, &out.crowded_events}) {
    *n = in.varint();
  }
  return in.ok() && in.at_end();
}

std::string encode_offset(int64_t offset) {
  std::string out;
  ByteWriter(out).i64(offset);
  return out;
}

int64_t decode_offset(std::string_view bytes) { return ByteReader(bytes).i64(); }

uint64_t event_hash(ProjectId project, std::string_view name) {
  return hash64(name, static_cast<uint64_t>(project.value) * 8);
}

uint64_t property_hash(ProjectId project, Owner owner, std::string_view group_type, uint64_t name) {
  const uint64_t whose = static_cast<uint64_t>(project.value) * 8 + static_cast<uint64_t>(owner);
  return mix(group_type.empty() ? whose : hash64(group_type, whose), name);
}

uint64_t pair_hash(uint64_t event, uint64_t name) { return mix(event, ~name); }

}  // namespace penstock::definitions
