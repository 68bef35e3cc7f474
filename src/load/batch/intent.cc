#include "load/batch/intent.h"

#include <fmt/format.h>

#include "base/codec.h"
#include "base/hash.h"

namespace penstock::load {
namespace {

constexpr uint32_t kMagic = 0x494c5350;  // "PSLI"
constexpr uint8_t kVersion = 1;
constexpr uint64_t kRangesMax = 65'536;
constexpr size_t kSumBytes = 4;

}  // namespace

std::string Intent::batch_id() const { return fmt::format("{}-{}", epoch.text(), sequence); }

std::string Intent::encode() const {
  std::string out;
  ByteWriter w(out);
  w.u32(kMagic);
  w.u8(kVersion);
  w.uuid(epoch);
  w.u64(sequence);
  w.u8(split.active ? 1 : 0);
  w.u32(split.table);
  w.u64(split.at);
  w.u64(split.count);
  w.varint(ranges.size());
  for (const Range& r : ranges) {
    w.u32(static_cast<uint32_t>(r.partition.value));
    w.i64(r.from.value);
    w.i64(r.to.value);
  }
  w.u32(crc32c(out));
  return out;
}

Result<Intent> Intent::decode(std::string_view bytes) {
  if (bytes.size() < kSumBytes) return fail(Code::kCorrupt, "the file is cut off");
  const std::string_view body = bytes.substr(0, bytes.size() - kSumBytes);
  ByteReader sum(bytes.substr(body.size()));
  if (sum.u32() != crc32c(body)) return fail(Code::kCorrupt, "the checksum does not match");
  ByteReader r(body);
  if (r.u32() != kMagic) return fail(Code::kCorrupt, "it is not an intent");
  if (const uint8_t version = r.u8(); version != kVersion) {
    return fail(Code::kInvalid, fmt::format("version {} is not known here", version));
  }
  Intent out;
  out.epoch = r.uuid();
  out.sequence = r.u64();
  out.split.active = r.u8() != 0;
  out.split.table = r.u32();
  out.split.at = r.u64();
  out.split.count = r.u64();
  const uint64_t count = r.varint();
  if (count > kRangesMax) return fail(Code::kCorrupt, "it has too many ranges");
  for (uint64_t i = 0; i < count && r.ok(); i++) {
    Range range;
    range.partition.value = static_cast<int32_t>(r.u32());
    range.from.value = r.i64();
    range.to.value = r.i64();
    out.ranges.push_back(range);
  }
  if (!r.ok() || !r.at_end()) return fail(Code::kCorrupt, "it is cut off");
  return out;
}

}  // namespace penstock::load
