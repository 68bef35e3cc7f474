#include "log/embedded/segment.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::log {
namespace {

constexpr size_t kPrepareChunk = 1U << 20;
constexpr size_t kScanChunk = 1U << 20;

}  // namespace

std::string segment_name(uint64_t first_block) { return fmt::format("{:016x}.seg", first_block); }

Result<SegmentHeader> read_segment_header(const runtime::File& file, const std::string& path) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  PENSTOCK_TRY(const size_t got, file.pread(bytes, 0));
  bytes.resize(got);
  auto header = decode_segment_header(bytes);
  if (!header) return fail(Code::kCorrupt, path + ": the segment header is damaged");
  return std::move(*header);
}

Status prepare_segment_file(runtime::FileSystem& files, const std::string& path, uint64_t bytes,
                            bool written) {
  PENSTOCK_TRY(const auto file, files.open(path, {.create = true, .truncate = true, .direct = true}));
  PENSTOCK_CHECK(file->allocate(bytes));
  AlignedBuffer zeros;
  zeros.reserve(kPrepareChunk);
  std::fill_n(zeros.data(), kPrepareChunk, '\0');
  for (uint64_t at = 0; written && at < bytes; at += kPrepareChunk) {
    const size_t n = std::min<uint64_t>(kPrepareChunk, bytes - at);
    PENSTOCK_CHECK(file->pwrite({zeros.data(), n}, at));
  }
  return file->sync();
}

WalkResult walk_blocks(const runtime::File& file, uint64_t epoch, uint64_t at, uint64_t number,
                       uint64_t to, const std::function<bool(WalkedBlock&&)>& visit) {
  WalkResult result{WalkEnd::kReachedEnd, at, number, {}};
  const auto stop = [&result](WalkEnd end) {
    result.end = end;
    return result;
  };
  while (result.at < to) {
    char head[kBlockHeaderBytes];
    auto got = file.pread(head, result.at);
    if (!got) {
      result.error = got.error();
      return stop(WalkEnd::kIoError);
    }
    const auto header = peek_block({head, *got});
    const bool ours = header && header->epoch == epoch && header->number == result.next_number &&
                      result.at + header->padded() <= to;
    if (!ours) return stop(WalkEnd::kInvalid);
    auto bytes = std::make_shared<std::string>(header->bytes, '\0');
    got = file.pread(*bytes, result.at);
    if (!got) {
      result.error = got.error();
      return stop(WalkEnd::kIoError);
    }
    auto subs = *got == header->bytes ? parse_block(*bytes, *header) : std::nullopt;
    if (!subs) return stop(WalkEnd::kInvalid);
    const bool skip = (header->flags & kSkipBlock) != 0;
    WalkedBlock block{result.at, *header, std::move(*subs), std::move(bytes)};
    result.at += skip ? static_cast<uint64_t>(header->time_ms) : header->padded();
    result.next_number = header->number + 1;
    if (skip && !block.subs.empty()) {
      // A skip block names in its only sub-batch the number that follows it.
      result.next_number = static_cast<uint64_t>(block.subs.front().sequence);
      continue;
    }
    if (!visit(std::move(block))) return stop(WalkEnd::kStopped);
  }
  return result;
}

Result<uint64_t> find_later_block(const runtime::File& file, uint64_t epoch, uint64_t number,
                                  uint64_t from, uint64_t to) {
  std::string chunk;
  for (uint64_t at = from / kPage * kPage; at < to; at += kScanChunk) {
    chunk.assign(std::min<uint64_t>(kScanChunk, to - at), '\0');
    PENSTOCK_TRY(const size_t got, file.pread(chunk, at));
    for (size_t i = 0; i + kBlockHeaderBytes <= got; i += kPage) {
      const auto header = peek_block(std::string_view(chunk).substr(i));
      if (!header || header->epoch != epoch || header->number < number || at + i < from) continue;
      if (at + i + header->padded() > to) continue;
      std::string bytes(header->bytes, '\0');
      PENSTOCK_TRY(const size_t size, file.pread(bytes, at + i));
      if (size == header->bytes && parse_block(bytes, *header)) return at + i;
    }
  }
  return uint64_t{0};
}

}  // namespace penstock::log
