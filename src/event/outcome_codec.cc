#include "event/outcome_codec.h"

namespace penstock::event {
namespace {

/// Where version 1 had a hash of (project, day, event, distinct id), the others have one of the
/// content.
constexpr uint8_t kOutcomeVersion = 2;

/// Version 3 of an outcome: what follows its flags, in this order.
enum OutcomeFlag : uint8_t {
  kRedriven = 1,
  kRequest = 2,
  kClientRequest = 4,
  kEntry = 8,
  kDecided = 16,
  kWhy = 32,
  kCodeVersion = 64,
  kApps = 128,
};

uint8_t flags_of(const Outcome& o) {
  const bool why = o.kind == OutcomeKind::kAccepted && o.row.person_why != PersonWhy::kUnknown;
  // An accepted event's row says when.
  const bool when = o.decided_ms != 0 && o.kind != OutcomeKind::kAccepted;
  return static_cast<uint8_t>((o.redriven ? kRedriven : 0) | (o.request != 0 ? kRequest : 0) |
                              (o.client_request.is_nil() ? 0 : kClientRequest) |
                              (o.quarantine_entry.empty() ? 0 : kEntry) | (when ? kDecided : 0) |
                              (why ? kWhy : 0) | (o.version.empty() ? 0 : kCodeVersion) |
                              (o.apps.empty() ? 0 : kApps));
}

void write_row(ByteWriter& w, const EventRow& row, int64_t received_ms) {
  w.u8(static_cast<uint8_t>((row.captured_at_ms ? 1 : 0) | (row.historical ? 2 : 0) |
                            (row.heatmap_only ? 4 : 0)));
  w.bytes(row.event);
  w.bytes(row.properties);
  w.zigzag(row.timestamp_ms);
  w.bytes(row.distinct_id);
  w.bytes(row.elements_chain);
  w.zigzag(row.created_at_ms - received_ms);
  if (row.captured_at_ms) w.zigzag(*row.captured_at_ms - received_ms);
  w.uuid(row.person_id);
  w.bytes(row.person_properties);
  w.zigzag(row.person_created_at_ms);
  w.u8(static_cast<uint8_t>(row.person_mode));
}

EventRow read_row(ByteReader& in, int64_t received_ms) {
  const auto plus = [received_ms](int64_t delta) {
    return static_cast<int64_t>(static_cast<uint64_t>(delta) + static_cast<uint64_t>(received_ms));
  };
  EventRow row;
  const uint8_t flags = in.u8();
  row.event = in.bytes();
  row.properties = in.bytes();
  row.timestamp_ms = in.zigzag();
  row.distinct_id = in.bytes();
  row.elements_chain = in.bytes();
  row.created_at_ms = plus(in.zigzag());
  if ((flags & 1) != 0) row.captured_at_ms = plus(in.zigzag());
  row.historical = (flags & 2) != 0;
  row.heatmap_only = (flags & 4) != 0;
  row.person_id = in.uuid();
  row.person_properties = in.bytes();
  row.person_created_at_ms = in.zigzag();
  row.person_mode = static_cast<PersonMode>(in.u8());
  return row;
}

}  // namespace

uint8_t version_of(const Outcome& o) {
  return (flags_of(o) & ~kRedriven) != 0 ? kOutcomeVersionMax : kOutcomeVersion;
}

void write_outcome(ByteWriter& w, const Outcome& o) {
  w.u8(static_cast<uint8_t>(o.kind));
  const uint8_t flags = flags_of(o);
  w.u8(flags);
  if ((flags & kRequest) != 0) w.u32(o.request);
  if ((flags & kClientRequest) != 0) w.uuid(o.client_request);
  if ((flags & kEntry) != 0) w.bytes(o.quarantine_entry);
  if ((flags & kDecided) != 0) w.zigzag(o.decided_ms - o.received_ms);
  if ((flags & kWhy) != 0) w.u8(static_cast<uint8_t>(o.row.person_why));
  if ((flags & kCodeVersion) != 0) w.bytes(o.version);
  if ((flags & kApps) != 0) w.bytes(o.apps);
  w.zigzag(o.project.value);
  w.zigzag(o.received_for.value);
  w.uuid(o.uuid);
  w.u64(o.content_hash.value_or(0));
  w.i64(o.received_ms);
  w.u8(static_cast<uint8_t>(o.source.lane));
  w.varint(static_cast<uint64_t>(o.source.partition.value));
  w.varint(static_cast<uint64_t>(o.source.offset.value));
  switch (o.kind) {
    case OutcomeKind::kAccepted: return write_row(w, o.row, o.received_ms);
    case OutcomeKind::kDropped: return w.bytes(o.reason);
    case OutcomeKind::kDuplicate: return;
    case OutcomeKind::kQuarantined:
      w.bytes(o.reason);
      w.bytes(o.stage);
      w.bytes(o.token);
      w.bytes(o.raw);
  }
}

Outcome read_outcome(ByteReader& in, uint8_t version, bool& known) {
  Outcome o;
  o.kind = static_cast<OutcomeKind>(in.u8());
  const uint8_t flags = in.u8();
  o.redriven = (flags & kRedriven) != 0;
  if ((flags & kRequest) != 0) o.request = in.u32();
  if ((flags & kClientRequest) != 0) o.client_request = in.uuid();
  if ((flags & kEntry) != 0) o.quarantine_entry = in.bytes();
  const int64_t after_ms = (flags & kDecided) != 0 ? in.zigzag() : 0;
  const auto why = static_cast<PersonWhy>((flags & kWhy) != 0 ? in.u8() : 0);
  if ((flags & kCodeVersion) != 0) o.version = in.bytes();
  if ((flags & kApps) != 0) o.apps = in.bytes();
  o.project.value = in.zigzag();
  o.received_for.value = in.zigzag();
  o.uuid = in.uuid();
  const uint64_t hash = in.u64();
  if (version >= kOutcomeVersion && hash != 0) o.content_hash = hash;
  o.received_ms = in.i64();
  if ((flags & kDecided) != 0) o.decided_ms = o.received_ms + after_ms;
  o.source.lane = static_cast<Lane>(in.u8());
  o.source.partition.value = static_cast<int32_t>(in.varint());
  o.source.offset.value = static_cast<int64_t>(in.varint());
  switch (o.kind) {
    case OutcomeKind::kAccepted:
      o.row = read_row(in, o.received_ms);
      o.row.person_why = why;
      o.decided_ms = o.row.created_at_ms;
      break;
    case OutcomeKind::kDropped: o.reason = in.bytes(); break;
    case OutcomeKind::kDuplicate: break;
    case OutcomeKind::kQuarantined:
      o.reason = in.bytes();
      o.stage = in.bytes();
      o.token = in.bytes();
      o.raw = in.bytes();
      break;
    default: known = false;
  }
  return o;
}

std::string_view outcome_name(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kAccepted: return "accepted";
    case OutcomeKind::kDropped: return "dropped";
    case OutcomeKind::kDuplicate: return "duplicate";
    case OutcomeKind::kQuarantined: return "quarantined";
  }
  return "unknown";
}

std::string_view person_mode_name(PersonMode mode) {
  switch (mode) {
    case PersonMode::kFull: return "full";
    case PersonMode::kPropertyless: return "propertyless";
    case PersonMode::kForceUpgrade: return "force_upgrade";
  }
  return "full";
}

std::string_view person_why_name(PersonWhy why) {
  switch (why) {
    case PersonWhy::kUnknown: return "";
    case PersonWhy::kExisting: return "existing";
    case PersonWhy::kCreated: return "created";
    case PersonWhy::kMerged: return "merged";
    case PersonWhy::kPersonless: return "personless";
    case PersonWhy::kPersonlessExisting: return "personless_existing";
  }
  return "";
}

}  // namespace penstock::event
