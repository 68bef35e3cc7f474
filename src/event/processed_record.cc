#include "event/processed_record.h"

#include "base/codec.h"
#include "event/outcome_codec.h"

namespace penstock::event {
namespace {

constexpr uint8_t kVersion = 1;
enum class Type : uint8_t {
  kOutcome = 1,
  kPerson = 2,
  kDistinctId = 3,
  kWarning = 4,
  kReplayBlock = 5,
  kLogEntry = 6,
  kHeatmap = 7,
  kGroup = 8,
  kGroupType = 9,
  kPersonMerge = 10,
  kPersonCommandReport = 12,
  kCookieless = 11,
  kQuarantineChange = 13,
};

void write(ByteWriter& w, const Outcome& o) {
  w.u8(static_cast<uint8_t>(Type::kOutcome));
  write_outcome(w, o);
}

void write(ByteWriter& w, const PersonChange& p) {
  w.u8(static_cast<uint8_t>(Type::kPerson));
  w.u8(static_cast<uint8_t>((p.is_identified ? 1 : 0) | (p.is_deleted ? 2 : 0) |
                            (p.last_seen_at_ms ? 4 : 0) | (p.stamps.empty() ? 0 : 8)));
  w.zigzag(p.project.value);
  w.uuid(p.id);
  w.bytes(p.properties);
  w.zigzag(p.created_at_ms);
  w.varint(p.version);
  if (p.last_seen_at_ms) w.zigzag(*p.last_seen_at_ms);
  if (!p.stamps.empty()) w.bytes(p.stamps);
}

void write(ByteWriter& w, const DistinctIdChange& d) {
  w.u8(static_cast<uint8_t>(Type::kDistinctId));
  w.u8(static_cast<uint8_t>((d.is_deleted ? 1 : 0) | (d.attached_at_ms != 0 ? 2 : 0)));
  w.zigzag(d.project.value);
  w.bytes(d.distinct_id);
  w.uuid(d.person_id);
  w.zigzag(d.version);
  if (d.attached_at_ms != 0) w.zigzag(d.attached_at_ms);
}

void write(ByteWriter& w, const ReplayBlock& b) {
  w.u8(static_cast<uint8_t>(Type::kReplayBlock));
  w.zigzag(b.project.value);
  w.bytes(b.session_id);
  w.bytes(b.distinct_id);
  w.zigzag(b.first_timestamp_ms);
  w.zigzag(b.last_timestamp_ms);
  w.bytes(b.block_url);
  w.bytes(b.first_url);
  w.varint(b.urls.size());
  for (std::string_view url : b.urls) w.bytes(url);
  for (const uint64_t n : {b.click_count, b.keypress_count, b.mouse_activity_count,
                           b.active_milliseconds, b.console_log_count, b.console_warn_count,
                           b.console_error_count, b.size, b.event_count, b.message_count}) {
    w.varint(n);
  }
  w.bytes(b.snapshot_source);
  w.bytes(b.snapshot_library);
  w.varint(b.retention_period_days);
}

void write(ByteWriter& w, const LogEntry& l) {
  w.u8(static_cast<uint8_t>(Type::kLogEntry));
  w.zigzag(l.project.value);
  w.bytes(l.source);
  w.bytes(l.source_id);
  w.zigzag(l.timestamp_ms);
  w.bytes(l.level);
  w.bytes(l.message);
}

/// Points of one page follow each other: an empty URL is that of the point before.
void write(ByteWriter& w, const Heatmap& h) {
  w.u8(static_cast<uint8_t>(Type::kHeatmap));
  w.zigzag(h.project.value);
  w.bytes(h.session_id);
  w.bytes(h.distinct_id);
  w.zigzag(h.timestamp_ms);
  w.zigzag(h.viewport_width);
  w.zigzag(h.viewport_height);
  w.varint(h.points.size());
  std::string_view url;
  for (const HeatmapPoint& p : h.points) {
    w.bytes(p.url == url ? std::string_view() : p.url);
    url = p.url;
    w.bytes(p.type);
    w.zigzag(p.x);
    w.zigzag(p.y);
    w.u8(p.target_fixed ? 1 : 0);
  }
}

void write(ByteWriter& w, const IngestionWarning& i) {
  w.u8(static_cast<uint8_t>(Type::kWarning));
  w.zigzag(i.project.value);
  w.bytes(i.type);
  w.bytes(i.source);
  w.bytes(i.details);
  w.zigzag(i.timestamp_ms);
}

void write(ByteWriter& w, const GroupChange& g) {
  w.u8(static_cast<uint8_t>(Type::kGroup));
  w.zigzag(g.project.value);
  w.u8(g.type_index);
  w.bytes(g.key);
  w.bytes(g.properties);
  w.zigzag(g.created_at_ms);
  w.varint(g.version);
}

void write(ByteWriter& w, const GroupTypeChange& t) {
  w.u8(static_cast<uint8_t>(Type::kGroupType));
  w.zigzag(t.project.value);
  w.u8(t.index);
  w.bytes(t.name);
  w.zigzag(t.created_at_ms);
}

void write(ByteWriter& w, const PersonMerge& m) {
  w.u8(static_cast<uint8_t>(Type::kPersonMerge));
  w.u8(m.undone ? 1 : 0);
  w.varint(m.revision);
  w.zigzag(m.project.value);
  w.uuid(m.event_uuid);
  w.bytes(m.event);
  w.zigzag(m.time_ms);
  w.varint(m.place);
  w.bytes(m.source_id);
  w.bytes(m.target_id);
  w.bytes(m.source);
  w.bytes(m.target);
  w.uuid(m.result);
  w.varint(m.moved.size());
  for (size_t i = 0; i < m.moved.size(); i++) {
    w.bytes(m.moved[i]);
    w.zigzag(i < m.moved_attached_ms.size() ? m.moved_attached_ms[i] : 0);
  }
  w.varint(m.positions.size());
  for (int64_t at : m.positions) w.varint(static_cast<uint64_t>(at));
}

void write(ByteWriter& w, const PersonCommandReport& c) {
  w.u8(static_cast<uint8_t>(Type::kPersonCommandReport));
  w.zigzag(c.project.value);
  w.uuid(c.id);
  w.bytes(c.kind);
  w.bytes(c.who);
  w.bytes(c.state);
  w.bytes(c.report);
  w.zigzag(c.time_ms);
}

void write(ByteWriter& w, const CookielessChange& c) {
  w.u8(static_cast<uint8_t>(Type::kCookieless));
  w.u8(c.is_identify ? 1 : 0);
  w.zigzag(c.project.value);
  w.zigzag(c.day);
  w.uuid(c.visitor);
  w.uuid(c.id);
  w.zigzag(c.last_activity_ms);
  w.varint(c.version);
}

void write(ByteWriter& w, const QuarantineChange& c) {
  w.u8(static_cast<uint8_t>(Type::kQuarantineChange));
  w.u8(static_cast<uint8_t>(c.action));
  w.zigzag(c.project.value);
  w.bytes(c.entry);
  w.uuid(c.command);
  w.bytes(c.who);
  w.zigzag(c.time_ms);
  w.bytes(c.data);
}

QuarantineChange read_quarantine_change(ByteReader& in) {
  QuarantineChange c;
  c.action = static_cast<QuarantineChange::Action>(in.u8());
  c.project.value = in.zigzag();
  c.entry = in.bytes();
  c.command = in.uuid();
  c.who = in.bytes();
  c.time_ms = in.zigzag();
  c.data = in.bytes();
  return c;
}

CookielessChange read_cookieless(ByteReader& in) {
  CookielessChange c;
  c.is_identify = in.u8() != 0;
  c.project.value = in.zigzag();
  c.day = static_cast<int32_t>(in.zigzag());
  c.visitor = in.uuid();
  c.id = in.uuid();
  c.last_activity_ms = in.zigzag();
  c.version = in.varint();
  return c;
}

PersonChange read_person(ByteReader& in) {
  PersonChange p;
  const uint8_t flags = in.u8();
  p.is_identified = (flags & 1) != 0;
  p.is_deleted = (flags & 2) != 0;
  p.project.value = in.zigzag();
  p.id = in.uuid();
  p.properties = in.bytes();
  p.created_at_ms = in.zigzag();
  p.version = in.varint();
  if ((flags & 4) != 0) p.last_seen_at_ms = in.zigzag();
  if ((flags & 8) != 0) p.stamps = in.bytes();
  return p;
}

DistinctIdChange read_distinct_id(ByteReader& in) {
  DistinctIdChange d;
  const uint8_t flags = in.u8();
  d.is_deleted = (flags & 1) != 0;
  d.project.value = in.zigzag();
  d.distinct_id = in.bytes();
  d.person_id = in.uuid();
  d.version = in.zigzag();
  if ((flags & 2) != 0) d.attached_at_ms = in.zigzag();
  return d;
}

ReplayBlock read_block(ByteReader& in) {
  ReplayBlock b;
  b.project.value = in.zigzag();
  b.session_id = in.bytes();
  b.distinct_id = in.bytes();
  b.first_timestamp_ms = in.zigzag();
  b.last_timestamp_ms = in.zigzag();
  b.block_url = in.bytes();
  b.first_url = in.bytes();
  const uint64_t urls = in.varint();
  for (uint64_t i = 0; i < urls && in.ok(); i++) b.urls.push_back(in.bytes());
  for (uint64_t* n : {&b.click_count, &b.keypress_count, &b.mouse_activity_count,
                      &b.active_milliseconds, &b.console_log_count, &b.console_warn_count,
                      &b.console_error_count, &b.size, &b.event_count, &b.message_count}) {
    *n = in.varint();
  }
  b.snapshot_source = in.bytes();
  b.snapshot_library = in.bytes();
  b.retention_period_days = static_cast<uint32_t>(in.varint());
  return b;
}

LogEntry read_log_entry(ByteReader& in) {
  LogEntry l;
  l.project.value = in.zigzag();
  l.source = in.bytes();
  l.source_id = in.bytes();
  l.timestamp_ms = in.zigzag();
  l.level = in.bytes();
  l.message = in.bytes();
  return l;
}

Heatmap read_heatmap(ByteReader& in) {
  Heatmap h;
  h.project.value = in.zigzag();
  h.session_id = in.bytes();
  h.distinct_id = in.bytes();
  h.timestamp_ms = in.zigzag();
  h.viewport_width = static_cast<int16_t>(in.zigzag());
  h.viewport_height = static_cast<int16_t>(in.zigzag());
  const uint64_t points = in.varint();
  std::string_view url;
  for (uint64_t i = 0; i < points && in.ok(); i++) {
    HeatmapPoint p;
    const std::string_view own = in.bytes();
    if (!own.empty()) url = own;
    p.url = url;
    p.type = in.bytes();
    p.x = static_cast<int16_t>(in.zigzag());
    p.y = static_cast<int16_t>(in.zigzag());
    p.target_fixed = in.u8() != 0;
    h.points.push_back(p);
  }
  return h;
}

IngestionWarning read_warning(ByteReader& in) {
  IngestionWarning i;
  i.project.value = in.zigzag();
  i.type = in.bytes();
  i.source = in.bytes();
  i.details = in.bytes();
  i.timestamp_ms = in.zigzag();
  return i;
}

GroupChange read_group(ByteReader& in, bool& known) {
  GroupChange g;
  g.project.value = in.zigzag();
  g.type_index = in.u8();
  g.key = in.bytes();
  g.properties = in.bytes();
  g.created_at_ms = in.zigzag();
  g.version = in.varint();
  known = g.type_index < kGroupTypesMax;
  return g;
}

GroupTypeChange read_group_type(ByteReader& in, bool& known) {
  GroupTypeChange t;
  t.project.value = in.zigzag();
  t.index = in.u8();
  t.name = in.bytes();
  t.created_at_ms = in.zigzag();
  known = t.index < kGroupTypesMax;
  return t;
}

PersonMerge read_person_merge(ByteReader& in) {
  PersonMerge m;
  m.undone = in.u8() != 0;
  m.revision = in.varint();
  m.project.value = in.zigzag();
  m.event_uuid = in.uuid();
  m.event = in.bytes();
  m.time_ms = in.zigzag();
  m.place = static_cast<uint32_t>(in.varint());
  m.source_id = in.bytes();
  m.target_id = in.bytes();
  m.source = in.bytes();
  m.target = in.bytes();
  m.result = in.uuid();
  const uint64_t moved = in.varint();
  for (uint64_t i = 0; i < moved && in.ok(); i++) {
    m.moved.push_back(in.bytes());
    m.moved_attached_ms.push_back(in.zigzag());
  }
  const uint64_t positions = in.varint();
  for (uint64_t i = 0; i < positions && in.ok(); i++) {
    m.positions.push_back(static_cast<int64_t>(in.varint()));
  }
  return m;
}

PersonCommandReport read_command_report(ByteReader& in) {
  PersonCommandReport c;
  c.project.value = in.zigzag();
  c.id = in.uuid();
  c.kind = in.bytes();
  c.who = in.bytes();
  c.state = in.bytes();
  c.report = in.bytes();
  c.time_ms = in.zigzag();
  return c;
}

}  // namespace

std::optional<PersonChange> PersonMerge::person(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const auto record = decode_processed(bytes);
  if (!record || !std::holds_alternative<PersonChange>(*record)) return std::nullopt;
  return std::get<PersonChange>(*record);
}

void encode(const ProcessedRecord& record, std::string& out) {
  ByteWriter w(out);
  const auto* outcome = std::get_if<Outcome>(&record);
  w.u8(outcome != nullptr ? version_of(*outcome) : kVersion);
  std::visit([&w](const auto& r) { write(w, r); }, record);
}

Result<ProcessedRecord> decode_processed(std::string_view bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  ProcessedRecord out;
  bool known = true;
  const auto type = static_cast<Type>(in.u8());
  const uint8_t newest = type == Type::kOutcome ? kOutcomeVersionMax : kVersion;
  if (version < kVersion || version > newest) {
    return fail(Code::kCorrupt, "a processed record of an unknown version");
  }
  switch (type) {
    case Type::kOutcome: out = read_outcome(in, version, known); break;
    case Type::kPerson: out = read_person(in); break;
    case Type::kDistinctId: out = read_distinct_id(in); break;
    case Type::kWarning: out = read_warning(in); break;
    case Type::kReplayBlock: out = read_block(in); break;
    case Type::kLogEntry: out = read_log_entry(in); break;
    case Type::kHeatmap: out = read_heatmap(in); break;
    case Type::kGroup: out = read_group(in, known); break;
    case Type::kGroupType: out = read_group_type(in, known); break;
    case Type::kPersonMerge: out = read_person_merge(in); break;
    case Type::kPersonCommandReport: out = read_command_report(in); break;
    case Type::kCookieless: out = read_cookieless(in); break;
    case Type::kQuarantineChange: out = read_quarantine_change(in); break;
    default: known = false;
  }
  if (!known) return fail(Code::kCorrupt, "a processed record of an unknown type");
  if (!in.ok() || !in.at_end()) {
    return fail(Code::kCorrupt, "a processed record with a wrong length");
  }
  return out;
}

}  // namespace penstock::event
