#include "event/raw_record.h"

#include <algorithm>

#include "base/assert.h"
#include "base/codec.h"

namespace penstock::event {
namespace {

// A record without anything version 2 added is still written as version 1: one byte less, and an
// older Penstock can read it.
constexpr uint8_t kRawVersion = 1;
constexpr uint8_t kRawVersion2 = 2;
constexpr uint8_t kRawVersion3 = 3;
constexpr uint8_t kRefusedVersion = 1;
constexpr uint8_t kRefusedVersion2 = 2;
constexpr uint8_t kRefusalCountVersion = 1;

enum Flag : uint8_t {
  kHistorical = 1,
  kCookieless = 2,
  kSkipPersons = 4,
  kRedriven = 8,
  kEngage = 16,
  kSentAt = 32,
};

enum Flag2 : uint8_t {
  kSkipHeatmap = 1,
  // Version 3: what follows the flags, in this order.
  kDisposition = 2,
  kRequest = 4,
  kClientRequest = 8,
  kEntry = 16,
};

uint8_t version_of(const RawRecord& r) {
  if (r.request != 0 || !r.client_request.is_nil() || !r.quarantine_entry.empty()) {
    return kRawVersion3;
  }
  return r.skip_heatmap || r.disposition != Disposition::kProcess ? kRawVersion2 : kRawVersion;
}

bool is_disposed(const RawRecord& r) { return r.disposition != Disposition::kProcess; }

const char* write(const RawRecord& r, FixedWriter w) {
  const uint8_t version = version_of(r);
  w.u8(version);
  w.u8(static_cast<uint8_t>((r.historical ? kHistorical : 0) | (r.cookieless ? kCookieless : 0) |
                            (r.skip_persons ? kSkipPersons : 0) | (r.redriven ? kRedriven : 0) |
                            (r.engage ? kEngage : 0) | (r.sent_at_ms ? kSentAt : 0)));
  if (version == kRawVersion2) w.u8(r.skip_heatmap ? kSkipHeatmap : 0);
  if (version == kRawVersion3) {
    w.u8(static_cast<uint8_t>(
        (r.skip_heatmap ? kSkipHeatmap : 0) | (is_disposed(r) ? kDisposition : 0) |
        (r.request != 0 ? kRequest : 0) | (r.client_request.is_nil() ? 0 : kClientRequest) |
        (r.quarantine_entry.empty() ? 0 : kEntry)));
  }
  if (version == kRawVersion2 || (version == kRawVersion3 && is_disposed(r))) {
    w.u8(static_cast<uint8_t>(r.disposition));
    w.bytes(r.reason);
  }
  if (r.request != 0) w.u32(r.request);
  if (!r.client_request.is_nil()) w.uuid(r.client_request);
  if (!r.quarantine_entry.empty()) w.bytes(r.quarantine_entry);
  w.uuid(r.uuid);
  w.zigzag(r.project.value);
  w.i64(r.now_ms);
  w.zigzag(r.timestamp_ms - r.now_ms);
  if (r.sent_at_ms) w.zigzag(*r.sent_at_ms - r.now_ms);
  w.bytes(r.token);
  w.bytes(r.distinct_id);
  w.bytes(r.event);
  w.bytes(r.ip);
  w.bytes(r.session_id);
  w.bytes(r.data);
  return w.at();
}

}  // namespace

void encode(const RawRecord& r, std::string& out) {
  const size_t before = out.size();
  const size_t after = before + encoded_size(r);
  if (after > out.capacity()) out.reserve(std::max(after, 2 * out.capacity()));
  out.resize_and_overwrite(after, [&](char* data, size_t size) {
    const char* end = write(r, FixedWriter(data + before));
    PENSTOCK_ASSERT(end == data + size);
    return size;
  });
}

size_t encoded_size(const RawRecord& r) {
  constexpr size_t kFixed = 2 + 16 + 8;  // version, flags, uuid, now
  size_t size = kFixed + zigzag_size(r.project.value) + zigzag_size(r.timestamp_ms - r.now_ms);
  const uint8_t version = version_of(r);
  if (version != kRawVersion) size++;
  if (version == kRawVersion2 || (version == kRawVersion3 && is_disposed(r))) {
    size += 1 + bytes_size(r.reason);
  }
  if (r.request != 0) size += 4;
  if (!r.client_request.is_nil()) size += 16;
  if (!r.quarantine_entry.empty()) size += bytes_size(r.quarantine_entry);
  if (r.sent_at_ms) size += zigzag_size(*r.sent_at_ms - r.now_ms);
  return size + bytes_size(r.token) + bytes_size(r.distinct_id) + bytes_size(r.event) +
         bytes_size(r.ip) + bytes_size(r.session_id) + bytes_size(r.data);
}

Result<RawRecord> decode_raw(std::string_view bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (version < kRawVersion || version > kRawVersion3) {
    return fail(Code::kCorrupt, "a raw record of an unknown version");
  }
  const uint8_t flags = in.u8();
  RawRecord r;
  const uint8_t more = version == kRawVersion ? uint8_t{0} : in.u8();
  r.skip_heatmap = (more & kSkipHeatmap) != 0;
  if (version == kRawVersion2 || (more & kDisposition) != 0) {
    const uint8_t disposition = in.u8();
    if (disposition > static_cast<uint8_t>(Disposition::kQuarantine)) {
      return fail(Code::kCorrupt, "a raw record of an unknown disposition");
    }
    r.disposition = static_cast<Disposition>(disposition);
    r.reason = in.bytes();
  }
  if (version == kRawVersion3) {
    if ((more & kRequest) != 0) r.request = in.u32();
    if ((more & kClientRequest) != 0) r.client_request = in.uuid();
    if ((more & kEntry) != 0) r.quarantine_entry = in.bytes();
  }
  r.uuid = in.uuid();
  r.project.value = in.zigzag();
  r.now_ms = in.i64();
  r.timestamp_ms =
      static_cast<int64_t>(static_cast<uint64_t>(in.zigzag()) + static_cast<uint64_t>(r.now_ms));
  if ((flags & kSentAt) != 0) {
    r.sent_at_ms =
        static_cast<int64_t>(static_cast<uint64_t>(in.zigzag()) + static_cast<uint64_t>(r.now_ms));
  }
  r.token = in.bytes();
  r.distinct_id = in.bytes();
  r.event = in.bytes();
  r.ip = in.bytes();
  r.session_id = in.bytes();
  r.data = in.bytes();
  r.historical = (flags & kHistorical) != 0;
  r.cookieless = (flags & kCookieless) != 0;
  r.skip_persons = (flags & kSkipPersons) != 0;
  r.redriven = (flags & kRedriven) != 0;
  r.engage = (flags & kEngage) != 0;
  if (!in.ok() || !in.at_end()) return fail(Code::kCorrupt, "a raw record with a wrong length");
  return r;
}

void partition_key(const RawRecord& r, Lane lane, std::string& out) {
  if (lane == Lane::kReplay) {
    out.assign(r.session_id);
    return;
  }
  if (lane == Lane::kOverflow && r.skip_persons) {
    out.assign(reinterpret_cast<const char*>(r.uuid.bytes.data()), r.uuid.bytes.size());
    return;
  }
  out.assign(r.token);
  out += ':';
  out += r.cookieless ? r.ip : r.distinct_id;
}

void encode(const RefusedRecord& r, std::string& out) {
  ByteWriter w(out);
  const bool second = r.request != 0 || !r.client_request.is_nil();
  w.u8(second ? kRefusedVersion2 : kRefusedVersion);
  w.uuid(r.uuid);
  w.i64(r.now_ms);
  w.varint(static_cast<uint64_t>(r.status));
  w.bytes(r.token);
  w.bytes(r.reason);
  w.bytes(r.path);
  if (!second) return;
  w.u32(r.request);
  w.uuid(r.client_request);
}

Result<RefusedRecord> decode_refused(std::string_view bytes) {
  ByteReader in(bytes);
  const uint8_t version = in.u8();
  if (version != kRefusedVersion && version != kRefusedVersion2) {
    return fail(Code::kCorrupt, "a refused record of an unknown version");
  }
  RefusedRecord r;
  r.uuid = in.uuid();
  r.now_ms = in.i64();
  r.status = static_cast<int>(in.varint());
  r.token = in.bytes();
  r.reason = in.bytes();
  r.path = in.bytes();
  if (version == kRefusedVersion2) {
    r.request = in.u32();
    r.client_request = in.uuid();
  }
  if (!in.ok() || !in.at_end()) return fail(Code::kCorrupt, "a refused record with a wrong length");
  return r;
}

void encode(const RefusalCount& r, std::string& out) {
  ByteWriter w(out);
  w.u8(kRefusalCountVersion);
  w.zigzag(r.project.value);
  w.i64(r.now_ms);
  w.varint(static_cast<uint64_t>(r.status));
  w.varint(r.requests);
  w.bytes(r.reason);
  w.bytes(r.path);
  w.bytes(r.message);
}

Result<RefusalCount> decode_refusal_count(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u8() != kRefusalCountVersion) {
    return fail(Code::kCorrupt, "a refusal count of an unknown version");
  }
  RefusalCount r;
  r.project.value = in.zigzag();
  r.now_ms = in.i64();
  r.status = static_cast<int>(in.varint());
  r.requests = in.varint();
  r.reason = in.bytes();
  r.path = in.bytes();
  r.message = in.bytes();
  if (!in.ok() || !in.at_end()) return fail(Code::kCorrupt, "a refusal count with a wrong length");
  return r;
}

}  // namespace penstock::event
