// A topic that goes on where another log's ended: its first segment is made at once, without a
// block, because its header is what keeps the offsets and the producers.
#include <algorithm>

#include "log/embedded/topic.h"

namespace penstock::log {
namespace {

/// Small: the topic's usual segments follow.
constexpr uint64_t kFirstSegmentBytes = 256U << 10;

}  // namespace

Status Topic::begin_where_told() {
  const auto told = options_.begins.find(spec_.name);
  if (told == options_.begins.end()) return {};
  const TopicBegin& begin = told->second;
  if (begin.base.size() != end_.size()) {
    return fail(Code::kInvalid, spec_.name + ": where it begins is told of other partitions");
  }
  const bool anew = std::ranges::all_of(begin.base, [](int64_t base) { return base == 0; });
  if (anew && begin.sequences.empty()) return {};
  end_ = begin.base;
  for (const auto& [key, sequence] : begin.sequences) producers_.set(key, {sequence, 0});
  runtime::FileSystem& files = runtime_.files();
  const Spare spare = new_spare(kFirstSegmentBytes);
  const auto segment = next_segment(spare);
  const std::string text = encode_segment_header(segment->header);
  AlignedBuffer head;
  head.reserve(text.size());
  std::ranges::copy(text, head.data());
  PENSTOCK_TRY(const auto file, files.open(spare.path, {.create = true, .truncate = true}));
  PENSTOCK_CHECK(file->pwrite({head.data(), text.size()}, 0));
  PENSTOCK_CHECK(zero_segment_file(*file, text.size(), spare.bytes - text.size()));
  PENSTOCK_CHECK(file->sync());
  PENSTOCK_CHECK(files.rename(spare.path, segment->path));
  PENSTOCK_CHECK(files.sync_directory(directory_));
  segments_.push_back(segment);
  return {};
}

/// When the first block does not fit into the first segment: a name is used once, so the number of
/// the block that is not there goes with it.
void Topic::pass_over_empty_segment() {
  if (segments_.empty() || segments_.back()->header.first_block != next_number_) return;
  leave_segment_ = true;
  valid_before_ = next_number_++;
}

}  // namespace penstock::log
