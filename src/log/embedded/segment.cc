#include "log/embedded/segment.h"

#include "base/probe.h"

#include <fmt/format.h>

#include <algorithm>

namespace penstock::log {
namespace {

constexpr uint64_t kZeroBytes = 2U << 20;
constexpr uint64_t kReadChunk = 1U << 20;

/// A window on a file that moves forward; what was read from it stays as long as its owner.
class Window {
 public:
  explicit Window(const runtime::File& file) : file_(file) {}

  /// `bytes` from `at`, or fewer where the file ends. `at` is a page's begin.
  Result<std::string_view> view(uint64_t at, uint64_t bytes, uint64_t end) {
    if (chunk_ == nullptr || at < from_ || at + bytes > from_ + size_) {
      const uint64_t wanted = padded(std::max(bytes, std::min(kReadChunk, end - at)));
      chunk_ = std::make_shared<AlignedBuffer>();
      chunk_->reserve(wanted);
      PENSTOCK_TRY(size_, file_.pread({chunk_->data(), wanted}, at));
      from_ = at;
    }
    const uint64_t offset = at - from_;
    return std::string_view(chunk_->data() + offset, std::min(bytes, size_ - offset));
  }
  std::shared_ptr<const void> owner() const { return chunk_; }

 private:
  const runtime::File& file_;
  std::shared_ptr<AlignedBuffer> chunk_;
  uint64_t from_ = 0, size_ = 0;
};

/// Where the walk goes on after a skip block; false when the block does not make sense.
bool follow_skip(const WalkedBlock& block, uint64_t to, WalkResult& result) {
  const auto bytes = static_cast<uint64_t>(block.header.time_ms);
  const bool sound = block.subs.size() == 1 && bytes % kPage == 0 &&
                     bytes >= block.header.padded() && bytes <= to - block.at;
  if (!sound) return false;
  result.at = block.at + bytes;
  // Its only sub-batch names the number that follows.
  result.next_number = static_cast<uint64_t>(block.subs.front().sequence);
  return true;
}

}  // namespace

std::string segment_name(uint64_t first_block) { return fmt::format("{:016x}.seg", first_block); }

Result<SegmentHeader> read_segment_header(const runtime::File& file, const std::string& path) {
  // Aligned, for those who read past the page cache.
  AlignedBuffer bytes;
  bytes.reserve(kSegmentHeaderBytes);
  PENSTOCK_TRY(const size_t got, file.pread({bytes.data(), kSegmentHeaderBytes}, 0));
  auto header = decode_segment_header({bytes.data(), got});
  if (!header) {
    return fail(Code::kCorrupt, path + " is damaged at byte 0 (its header is unreadable)");
  }
  // The number is in the name; the epoch is in every block. A file that is used again holds blocks
  // of lower numbers only, so one of this number or a later one and of another epoch was written
  // under another header.
  const bool named = path.ends_with("/" + segment_name(header->first_block));
  PENSTOCK_TRY(const size_t there, file.pread({bytes.data(), kPage}, kSegmentHeaderBytes));
  const auto block = peek_block({bytes.data(), std::min(there, kBlockHeaderBytes)});
  bool foreign = block && block->epoch != header->epoch && block->number >= header->first_block;
  if (foreign) {
    // Or that block is the one that is damaged: then others of this header's follow.
    PENSTOCK_TRY(const uint64_t size, file.size());
    PENSTOCK_TRY(const uint64_t own,
                 find_later_block(file, {header->epoch, header->base.size(),
                                         kSegmentHeaderBytes + kPage, header->first_block, size}));
    foreign = own == 0;
  }
  if (!named || foreign) {
    probe<"log.header_of_another_segment">();
    return fail(Code::kCorrupt, path + " is damaged at byte 0 (its header is another segment's)");
  }
  return std::move(*header);
}

Status zero_segment_file(runtime::File& file, uint64_t at, uint64_t bytes) {
  // Made once: memory that is touched for the first time costs more than writing it.
  static const AlignedBuffer zeros = [] {
    AlignedBuffer buffer(AlignedBuffer::Life::kLong);
    buffer.reserve(kZeroBytes);
    std::fill_n(buffer.data(), kZeroBytes, '\0');
    return buffer;
  }();
  for (const uint64_t end = at + bytes; at < end; at += kZeroBytes) {
    PENSTOCK_CHECK(file.pwrite({zeros.data(), std::min(kZeroBytes, end - at)}, at));
  }
  return {};
}

std::string cut_off_text(uint64_t at) {
  return fmt::format("damaged at byte {} (it is cut off there)", at);
}

WalkResult walk_blocks(const runtime::File& file, const Walk& walk,
                       const std::function<bool(WalkedBlock&&)>& visit) {
  WalkResult result{WalkEnd::kReachedEnd, walk.at, walk.number, {}};
  Window window(file);
  const auto stop = [&result](WalkEnd end) {
    result.end = end;
    return result;
  };
  const auto io_error = [&](const Error& error) {
    result.error = error;
    return stop(WalkEnd::kIoError);
  };
  while (result.at < walk.to) {
    auto bytes = window.view(result.at, kBlockHeaderBytes, walk.to);
    if (!bytes) return io_error(bytes.error());
    const auto header = peek_block(*bytes);
    const bool ours = header && header->epoch == walk.epoch &&
                      header->number == result.next_number &&
                      result.at + header->padded() <= walk.to;
    if (!ours) return stop(WalkEnd::kInvalid);
    bytes = window.view(result.at, header->bytes, walk.to);
    if (!bytes) return io_error(bytes.error());
    auto subs = parse_block(*bytes, *header, walk.partitions);
    if (!subs) {
      probe<"log.block_is_torn">();
      return stop(WalkEnd::kInvalid);
    }
    WalkedBlock block{result.at, *header, std::move(*subs), window.owner()};
    if ((header->flags & kSkipBlock) != 0) {
      if (!follow_skip(block, walk.to, result)) return stop(WalkEnd::kInvalid);
      continue;
    }
    if (!visit(std::move(block))) return stop(WalkEnd::kStopped);
    result.at += header->padded();
    result.next_number = header->number + 1;
  }
  return result;
}

Result<uint64_t> find_later_block(const runtime::File& file, const Walk& walk) {
  Window window(file);
  Window whole(file);
  for (uint64_t at = padded(walk.at); at < walk.to; at += kPage) {
    PENSTOCK_TRY(const std::string_view head, window.view(at, kBlockHeaderBytes, walk.to));
    const auto header = peek_block(head);
    if (!header || header->epoch != walk.epoch || header->number < walk.number) continue;
    if (at + header->padded() > walk.to) continue;
    PENSTOCK_TRY(const std::string_view bytes, whole.view(at, header->bytes, walk.to));
    if (parse_block(bytes, *header, walk.partitions)) return at;
  }
  return uint64_t{0};
}

}  // namespace penstock::log
