#include "log/embedded/format.h"

#include <cstdlib>
#include <cstring>

#include "base/assert.h"
#include "base/codec.h"
#include "base/hash.h"
#include "runtime/memory.h"

namespace penstock::log {
namespace {

constexpr uint32_t kSegmentMagic = 0x47455350;  // "PSEG"
constexpr uint32_t kBlockMagic = 0x4b4c4250;    // "PBLK"
constexpr uint32_t kVersion = 1;
constexpr size_t kHugeFrom = 256U << 10;
constexpr size_t kChecked = 8;  // magic and checksum stand before what the checksum covers

std::string sub_headers(const std::vector<SubBatch>& subs) {
  std::string out;
  ByteWriter w(out);
  for (const SubBatch& s : subs) {
    w.u32(static_cast<uint32_t>(s.partition.value));
    w.u32(s.count);
    w.i64(s.base.value);
    w.u64(s.producer);
    w.i64(s.sequence);
    w.u32(static_cast<uint32_t>(s.data.size()));
    w.u32(0);
  }
  return out;
}

std::optional<SegmentHeader> decode_header_copy(std::string_view bytes) {
  ByteReader in(bytes);
  const uint32_t magic = in.u32(), crc = in.u32(), size = in.u32();
  if (!in.ok() || magic != kSegmentMagic || size > in.remaining()) return std::nullopt;
  const std::string_view body = in.rest().substr(0, size);
  if (crc32c(body) != crc) return std::nullopt;
  ByteReader r(body);
  SegmentHeader h;
  if (r.u32() != kVersion) return std::nullopt;
  h.epoch = r.u64();
  h.first_block = r.u64();
  h.previous = r.u64();
  h.valid_before = r.u64();
  h.created_ms = r.i64();
  const uint32_t partitions = r.u32();
  if (partitions > kPartitionsMax) return std::nullopt;
  for (uint32_t i = 0; i < partitions; i++) h.base.push_back(r.i64());
  const uint32_t producers = r.u32();
  if (producers > kProducersMax) return std::nullopt;
  for (uint32_t i = 0; i < producers; i++) {
    const auto partition = static_cast<int32_t>(r.u32());
    const uint64_t producer = r.u64();
    Producers::State state;
    state.sequence = r.i64();
    state.block = r.u64();
    h.producers.set({partition, producer}, state);
  }
  if (!r.ok()) return std::nullopt;
  return h;
}

}  // namespace

void AlignedBuffer::Free::operator()(char* p) const { std::free(p); }

void AlignedBuffer::reserve(size_t bytes) {
  bytes = padded(bytes);
  if (bytes <= capacity_) return;
  if (bytes < 2 * capacity_) bytes = 2 * capacity_;
  const bool huge = life_ == Life::kLong && bytes >= kHugeFrom;
  if (huge) bytes = (bytes + runtime::kHugePage - 1) / runtime::kHugePage * runtime::kHugePage;
  data_.reset(static_cast<char*>(std::aligned_alloc(huge ? runtime::kHugePage : kPage, bytes)));
  PENSTOCK_ASSERT(data_ != nullptr);
  if (huge) runtime::prefer_huge_pages(data_.get(), bytes);
  capacity_ = bytes;
}

std::string encode_segment_header(const SegmentHeader& h) {
  PENSTOCK_ASSERT(h.base.size() <= kPartitionsMax);
  std::string body;
  ByteWriter w(body);
  w.u32(kVersion);
  w.u64(h.epoch);
  w.u64(h.first_block);
  w.u64(h.previous);
  w.u64(h.valid_before);
  w.i64(h.created_ms);
  w.u32(static_cast<uint32_t>(h.base.size()));
  for (const int64_t b : h.base) w.i64(b);
  w.u32(static_cast<uint32_t>(h.producers.states().size()));
  for (const auto& [key, state] : h.producers.states()) {
    w.u32(static_cast<uint32_t>(key.first));
    w.u64(key.second);
    w.i64(state.sequence);
    w.u64(state.block);
  }
  std::string copy;
  ByteWriter head(copy);
  head.u32(kSegmentMagic);
  head.u32(crc32c(body));
  head.u32(static_cast<uint32_t>(body.size()));
  copy += body;
  PENSTOCK_ASSERT(copy.size() <= kHeaderCopyBytes);
  copy.resize(kHeaderCopyBytes, '\0');
  return copy + copy;
}

std::optional<SegmentHeader> decode_segment_header(std::string_view bytes) {
  auto header = decode_header_copy(bytes.substr(0, kHeaderCopyBytes));
  if (!header && bytes.size() > kHeaderCopyBytes) {
    header = decode_header_copy(bytes.substr(kHeaderCopyBytes));
  }
  return header;
}

size_t block_bytes(const std::vector<SubBatch>& subs) {
  size_t bytes = kBlockHeaderBytes + subs.size() * kSubBatchHeaderBytes;
  for (const SubBatch& s : subs) bytes += s.data.size();
  return bytes;
}

size_t build_block(AlignedBuffer& out, BlockHeader header, const std::vector<SubBatch>& subs) {
  header.bytes = static_cast<uint32_t>(block_bytes(subs));
  header.sub_batches = static_cast<uint32_t>(subs.size());
  const size_t total = header.padded();
  out.reserve(total);
  std::string head;
  ByteWriter w(head);
  w.u32(kBlockMagic);
  w.u32(0);  // the checksum, below
  w.u32(header.bytes);
  w.u32(header.flags);
  w.u64(header.epoch);
  w.u64(header.number);
  w.i64(header.time_ms);
  w.u32(header.sub_batches);
  w.u32(0);
  PENSTOCK_ASSERT(head.size() == kBlockHeaderBytes);
  head += sub_headers(subs);
  char* at = out.data();
  std::memcpy(at, head.data(), head.size());
  at += head.size();
  for (const SubBatch& s : subs) {
    if (s.data.empty()) continue;  // a skip block's
    std::memcpy(at, s.data.data(), s.data.size());
    at += s.data.size();
  }
  std::memset(at, 0, total - header.bytes);
  const uint32_t crc = block_checksum({out.data(), header.bytes});
  std::memcpy(out.data() + 4, &crc, sizeof crc);
  return total;
}

uint32_t block_checksum(std::string_view block) { return crc32c(block.substr(kChecked)); }

std::optional<BlockHeader> peek_block(std::string_view bytes) {
  ByteReader in(bytes);
  if (in.u32() != kBlockMagic) return std::nullopt;
  in.u32();
  BlockHeader h;
  h.bytes = in.u32();
  h.flags = in.u32();
  h.epoch = in.u64();
  h.number = in.u64();
  h.time_ms = in.i64();
  h.sub_batches = in.u32();
  in.u32();
  const bool sound = in.ok() && h.bytes >= kBlockHeaderBytes && h.sub_batches <= 1U << 20 &&
                     uint64_t{h.sub_batches} * kSubBatchHeaderBytes <= h.bytes;
  if (!sound) return std::nullopt;
  return h;
}

std::optional<std::vector<SubBatch>> parse_block(std::string_view bytes, const BlockHeader& h,
                                                 size_t partitions) {
  if (bytes.size() < h.bytes) return std::nullopt;
  uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + 4, sizeof crc);
  if (block_checksum(bytes.substr(0, h.bytes)) != crc) return std::nullopt;
  const size_t headers = size_t{h.sub_batches} * kSubBatchHeaderBytes;
  if (kBlockHeaderBytes + headers > h.bytes) return std::nullopt;
  ByteReader in(bytes.substr(kBlockHeaderBytes, headers));
  std::string_view data =
      bytes.substr(kBlockHeaderBytes + headers, h.bytes - kBlockHeaderBytes - headers);
  std::vector<SubBatch> out;
  out.reserve(h.sub_batches);
  for (uint32_t i = 0; i < h.sub_batches; i++) {
    SubBatch s;
    s.partition.value = static_cast<int32_t>(in.u32());
    s.count = in.u32();
    s.base.value = in.i64();
    s.producer = in.u64();
    s.sequence = in.i64();
    const uint32_t size = in.u32();
    in.u32();
    const bool sound = in.ok() && size <= data.size() && s.partition.value >= 0 &&
                       static_cast<size_t>(s.partition.value) < partitions;
    if (!sound) return std::nullopt;
    s.data = data.substr(0, size);
    data.remove_prefix(size);
    out.push_back(s);
  }
  return out;
}

}  // namespace penstock::log
