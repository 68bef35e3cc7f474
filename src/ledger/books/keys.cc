#include "ledger/books/keys.h"

#include <bit>
#include <limits>

#include "base/codec.h"

namespace penstock::ledger {
namespace {

void put_be64(std::string& out, uint64_t v) {
  const uint64_t big_endian = std::byteswap(v);
  out.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
}
void put_be32(std::string& out, uint32_t v) {
  const uint32_t big_endian = std::byteswap(v);
  out.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
}
uint64_t get_be64(std::string_view in) {
  uint64_t v = 0;
  for (size_t i = 0; i < 8; i++) v = (v << 8) | static_cast<uint8_t>(in[i]);
  return v;
}
uint32_t get_be32(std::string_view in) {
  uint32_t v = 0;
  for (size_t i = 0; i < 4; i++) v = (v << 8) | static_cast<uint8_t>(in[i]);
  return v;
}
/// Keeps the order of signed numbers.
uint64_t biased(int64_t v) { return static_cast<uint64_t>(v) ^ (1ULL << 63); }
int64_t unbiased(uint64_t v) { return static_cast<int64_t>(v ^ (1ULL << 63)); }
uint64_t inverted(int64_t minute) { return ~biased(minute); }

std::string with_uuid(char prefix, const Uuid& uuid) {
  std::string out;
  out.reserve(1 + uuid.bytes.size() + sizeof(ProjectId));
  out.push_back(prefix);
  out.append(reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size());
  return out;
}

void put_source(ByteWriter& w, const event::Source& source) {
  w.u8(static_cast<uint8_t>(source.lane));
  w.varint(static_cast<uint64_t>(source.partition.value));
  w.zigzag(source.offset.value);
}
event::Source get_source(ByteReader& r) {
  event::Source source;
  source.lane = static_cast<event::Lane>(r.u8());
  source.partition = {static_cast<int32_t>(r.varint())};
  source.offset = {r.zigzag()};
  return source;
}

constexpr size_t kQuarantineIdBytes = 20;

void put_place(std::string& out, const event::Source& source) {
  out.push_back(static_cast<char>(source.lane));
  put_be32(out, static_cast<uint32_t>(source.partition.value));
  put_be64(out, biased(source.offset.value));
}

void read_hash(ByteReader& r, std::optional<uint64_t>& out) {
  const uint64_t hash = r.u64();
  out = hash == 0 ? std::nullopt : std::optional(hash);
}

/// At the end of an entry, and only where it is not the number of the source's partition: where
/// several slices share a lane. Entries of older versions have none.
void put_processed_in(ByteWriter& w, Partition in, const event::Source& source) {
  if (in != source.partition) w.varint(static_cast<uint64_t>(in.value));
}
Partition get_processed_in(ByteReader& r, const event::Source& source) {
  return r.at_end() ? source.partition : Partition{static_cast<int32_t>(r.varint())};
}

bool read_accepted(ByteReader& r, AcceptedEntry& out) {
  out.project = {r.zigzag()};
  out.received_ms = r.zigzag();
  out.source = get_source(r);
  out.processed = {r.zigzag()};
  out.duplicates = r.varint();
  out.last_duplicate_ms = r.zigzag();
  out.event = r.bytes();
  out.distinct_id = r.bytes();
  out.processed_in = get_processed_in(r, out.source);
  return r.ok() && r.at_end();
}

}  // namespace

std::string counts_key(const LedgerKey& key) {
  std::string out = counts_scan_from(key.project, key.minute);
  out.push_back(static_cast<char>(key.lane));
  return out;
}

LedgerKey parse_counts_key(std::string_view bytes) {
  LedgerKey key;
  if (bytes.size() != 18) return key;
  key.project = {unbiased(get_be64(bytes.substr(1)))};
  key.minute = unbiased(~get_be64(bytes.substr(9)));
  key.lane = static_cast<event::Lane>(bytes[17]);
  return key;
}

std::string counts_scan_from(ProjectId project, int64_t minute) {
  std::string out(1, kCountsPrefix);
  put_be64(out, biased(project.value));
  put_be64(out, inverted(minute));
  return out;
}

std::string totals_key(ProjectId project) {
  std::string out(1, kTotalsPrefix);
  put_be64(out, biased(project.value));
  return out;
}

std::string position_key(PositionKind kind, event::Lane lane, Partition partition) {
  std::string out{kPositionPrefix, static_cast<char>(kind), static_cast<char>(lane)};
  put_be32(out, static_cast<uint32_t>(partition.value));
  return out;
}

std::string accepted_prefix(const Uuid& uuid) { return with_uuid(kAcceptedPrefix, uuid); }
std::string accepted_key(const Uuid& uuid, ProjectId project) {
  std::string out = accepted_prefix(uuid);
  put_be64(out, biased(project.value));
  return out;
}
std::string accepted_again_key(const Uuid& uuid, ProjectId project, const event::Source& source) {
  std::string out = accepted_key(uuid, project);
  put_place(out, source);
  return out;
}

std::string other_prefix(const Uuid& uuid) { return with_uuid(kOtherPrefix, uuid); }
std::string other_key(const Uuid& uuid, char kind, const event::Source& source) {
  std::string out = other_prefix(uuid);
  out.push_back(kind);
  put_place(out, source);
  return out;
}

std::string refused_ring_key(int64_t offset) {
  std::string out(1, kRefusedRing);
  put_be64(out, biased(offset));
  return out;
}

std::string QuarantineId::bytes() const {
  std::string out;
  put_be64(out, biased(received_ms));
  put_be32(out, static_cast<uint32_t>(partition.value));
  put_be64(out, biased(offset.value));
  return out;
}

std::string QuarantineId::text() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes()) {
    out.push_back(kHex[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kHex[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

QuarantineId QuarantineId::from_bytes(std::string_view raw) {
  QuarantineId id;
  if (raw.size() != kQuarantineIdBytes) return id;
  id.received_ms = unbiased(get_be64(raw));
  id.partition = {static_cast<int32_t>(get_be32(raw.substr(8)))};
  id.offset = {unbiased(get_be64(raw.substr(12)))};
  return id;
}

std::optional<QuarantineId> QuarantineId::parse(std::string_view text) {
  if (text.size() != kQuarantineIdBytes * 2) return std::nullopt;
  std::string raw;
  for (size_t i = 0; i < text.size(); i += 2) {
    int v = 0;
    for (size_t j = i; j < i + 2; j++) {
      const char c = text[j];
      const bool digit = c >= '0' && c <= '9';
      if (!digit && (c < 'a' || c > 'f')) return std::nullopt;
      v = v * 16 + (digit ? c - '0' : c - 'a' + 10);
    }
    raw.push_back(static_cast<char>(v));
  }
  return from_bytes(raw);
}

std::string quarantine_key(std::string_view id_bytes) {
  std::string out(1, kQuarantineData);
  out.append(id_bytes);
  return out;
}
std::string quarantine_token_prefix(std::string_view token) {
  std::string out(1, kQuarantineToken);
  out.append(token);
  out.push_back('\0');
  return out;
}
std::string quarantine_token_key(std::string_view token, std::string_view id_bytes) {
  std::string out = quarantine_token_prefix(token);
  out.append(id_bytes);
  return out;
}
std::string quarantine_usage_key(std::string_view token) {
  std::string out(1, kQuarantineUsage);
  out.append(token);
  return out;
}

std::string range_scan_from(int64_t minute) {
  std::string out(1, kRangePrefix);
  put_be64(out, inverted(minute));
  return out;
}
std::string range_scan_after(const DecidedPlace& place) {
  std::string out = range_scan_from(place.minute);
  put_place(out, {place.lane, place.partition, place.offset});
  return out;
}
std::string range_key(const DecidedRange& range) {
  return range_scan_after({range.minute, range.lane, range.partition, range.from});
}

std::string encode_range(const DecidedRange& range) {
  std::string out;
  ByteWriter w(out);
  w.zigzag(range.to.value - range.from.value);
  w.zigzag(range.first_ms);
  w.zigzag(range.last_ms - range.first_ms);
  w.varint(range.counts.size());
  for (const DecidedCount& c : range.counts) {
    w.zigzag(c.project.value);
    w.u8(static_cast<uint8_t>(c.kind));
    w.bytes(c.reason);
    w.varint(c.count);
  }
  return out;
}

bool decode_range(std::string_view key, std::string_view value, DecidedRange& out) {
  constexpr size_t kKeyBytes = 1 + 8 + 1 + 4 + 8;
  if (key.size() != kKeyBytes) return false;
  out.minute = unbiased(~get_be64(key.substr(1)));
  out.lane = static_cast<event::Lane>(key[9]);
  out.partition = {static_cast<int32_t>(get_be32(key.substr(10)))};
  out.from = {unbiased(get_be64(key.substr(14)))};
  ByteReader r(value);
  out.to = {out.from.value + r.zigzag()};
  out.first_ms = r.zigzag();
  out.last_ms = out.first_ms + r.zigzag();
  out.counts.clear();
  const uint64_t n = r.varint();
  for (uint64_t i = 0; i < n && r.ok(); i++) {
    DecidedCount& c = out.counts.emplace_back();
    c.project = {r.zigzag()};
    c.kind = static_cast<event::OutcomeKind>(r.u8());
    c.reason = r.bytes();
    c.count = r.varint();
  }
  return r.ok() && r.at_end();
}

std::string request_prefix(const Uuid& request) { return with_uuid(kRequestPrefix, request); }
std::string request_key(const Uuid& request, char kind, int64_t place) {
  std::string out = request_prefix(request);
  out.push_back(kind);
  put_be64(out, biased(place));
  return out;
}
int64_t request_place(std::string_view key) {
  constexpr size_t kPlaceAt = 1 + 16 + 1;
  return key.size() == kPlaceAt + 8 ? unbiased(get_be64(key.substr(kPlaceAt))) : 0;
}

std::string redrive_job_key(const Uuid& command) { return with_uuid(kRedriveJob, command); }
std::string encode_job(const RedriveJob& job) {
  std::string out;
  ByteWriter w(out);
  w.uuid(job.id);
  w.zigzag(job.project.value);
  for (const std::string* s : {&job.who, &job.body, &job.state}) w.bytes(*s);
  w.zigzag(job.began_ms);
  w.zigzag(job.ended_ms);
  return out;
}
bool decode_job(std::string_view bytes, RedriveJob& out) {
  ByteReader r(bytes);
  out.id = r.uuid();
  out.project = {r.zigzag()};
  for (std::string* s : {&out.who, &out.body, &out.state}) *s = r.bytes();
  out.began_ms = r.zigzag();
  out.ended_ms = r.zigzag();
  return r.ok() && r.at_end();
}

std::string encode_counts(const LedgerCounts& c) {
  std::string out;
  ByteWriter w(out);
  for (uint64_t v : {c.received, c.accepted, c.stored, c.deduplicated, c.quarantined, c.redriven}) {
    w.varint(v);
  }
  w.varint(c.dropped.size());
  for (const auto& [reason, n] : c.dropped) {
    w.bytes(reason);
    w.varint(n);
  }
  return out;
}

bool decode_counts(std::string_view bytes, LedgerCounts& out) {
  ByteReader r(bytes);
  out = {};
  for (uint64_t* v : {&out.received, &out.accepted, &out.stored, &out.deduplicated,
                      &out.quarantined, &out.redriven}) {
    *v = r.varint();
  }
  const uint64_t n = r.varint();
  for (uint64_t i = 0; i < n && r.ok(); i++) {
    const std::string reason(r.bytes());
    out.dropped[reason] = r.varint();
  }
  return r.ok() && r.at_end();
}

std::string encode_accepted(const AcceptedEntry& e) {
  std::string out;
  out.reserve(40 + e.event.size() + e.distinct_id.size());
  ByteWriter w(out);
  w.u64(e.content_hash.value_or(0));
  w.zigzag(e.project.value);
  w.zigzag(e.received_ms);
  put_source(w, e.source);
  w.zigzag(e.processed.value);
  w.varint(e.duplicates);
  w.zigzag(e.last_duplicate_ms);
  w.bytes(e.event);
  w.bytes(e.distinct_id);
  put_processed_in(w, e.processed_in, e.source);
  return out;
}

bool decode_accepted(std::string_view bytes, AcceptedEntry& out) {
  ByteReader r(bytes);
  read_hash(r, out.content_hash);
  return read_accepted(r, out);
}

bool decode_accepted_hash(std::string_view bytes, std::optional<uint64_t>& out) {
  ByteReader r(bytes);
  read_hash(r, out);
  return r.ok();
}

bool decode_old_accepted(std::string_view bytes, AcceptedEntry& out) {
  ByteReader r(bytes);
  out.content_hash.reset();
  return read_accepted(r, out);
}

std::string encode_other(const OtherEntry& e) {
  std::string out;
  ByteWriter w(out);
  w.bytes(e.state);
  w.zigzag(e.project.value);
  w.zigzag(e.received_ms);
  put_source(w, e.source);
  w.zigzag(e.status);
  for (const std::string* s : {&e.reason, &e.stage, &e.event, &e.distinct_id}) w.bytes(*s);
  w.zigzag(e.processed ? e.processed->value : -1);
  w.bytes(e.quarantine_id);
  w.bytes(e.by);
  w.zigzag(e.changed_ms);
  w.uuid(e.request);
  put_processed_in(w, e.processed_in, e.source);
  return out;
}

bool decode_other(std::string_view bytes, OtherEntry& out) {
  ByteReader r(bytes);
  out.state = r.bytes();
  out.project = {r.zigzag()};
  out.received_ms = r.zigzag();
  out.source = get_source(r);
  out.status = static_cast<int>(r.zigzag());
  for (std::string* s : {&out.reason, &out.stage, &out.event, &out.distinct_id}) *s = r.bytes();
  out.processed_in = out.source.partition;
  if (r.at_end()) return r.ok();
  const int64_t processed = r.zigzag();
  if (processed >= 0) out.processed = {processed};
  out.quarantine_id = r.bytes();
  out.by = r.bytes();
  out.changed_ms = r.zigzag();
  out.request = r.uuid();
  out.processed_in = get_processed_in(r, out.source);
  return r.ok() && r.at_end();
}

std::string encode_quarantine(const QuarantineData& d) {
  std::string out;
  ByteWriter w(out);
  w.zigzag(d.key.project.value);
  w.zigzag(d.key.minute);
  w.u8(static_cast<uint8_t>(d.key.lane));
  put_source(w, d.source);
  w.uuid(d.uuid);
  w.zigzag(d.received_ms);
  for (const std::string* s : {&d.token, &d.reason, &d.stage, &d.raw}) w.bytes(*s);
  w.bytes(d.version);
  w.zigzag(d.decided_ms);
  w.bytes(d.edited);
  w.bytes(d.edited_by);
  w.zigzag(d.edited_ms);
  return out;
}

bool decode_quarantine(std::string_view bytes, QuarantineData& out) {
  ByteReader r(bytes);
  out.key.project = {r.zigzag()};
  out.key.minute = r.zigzag();
  out.key.lane = static_cast<event::Lane>(r.u8());
  out.source = get_source(r);
  out.uuid = r.uuid();
  out.received_ms = r.zigzag();
  for (std::string* s : {&out.token, &out.reason, &out.stage, &out.raw}) *s = r.bytes();
  if (r.at_end()) return r.ok();
  out.version = r.bytes();
  out.decided_ms = r.zigzag();
  out.edited = r.bytes();
  out.edited_by = r.bytes();
  out.edited_ms = r.zigzag();
  return r.ok() && r.at_end();
}

}  // namespace penstock::ledger
