#include "recording/merge.h"

#include <algorithm>

#include "base/assert.h"

namespace penstock::recording {

BlockMerge::BlockMerge(std::vector<int64_t> first_timestamps_ms, size_t bytes_max)
    : firsts_(std::move(first_timestamps_ms)), bytes_max_(bytes_max) {}

bool BlockMerge::later(const std::unique_ptr<Open>& a, const std::unique_ptr<Open>& b) {
  const int64_t at = a->lines[a->at].timestamp_ms, bt = b->lines[b->at].timestamp_ms;
  return at != bt ? at > bt : a->number > b->number;
}

bool BlockMerge::wants_block() const {
  if (next_ == firsts_.size()) return false;
  if (heap_.empty()) return true;
  const Open& head = *heap_.front();
  return firsts_[next_] < head.lines[head.at].timestamp_ms && bytes_open_ < bytes_max_;
}

Status BlockMerge::open(std::string block) {
  auto fresh = std::make_unique<Open>();
  fresh->number = next_++;
  fresh->text = std::move(block);
  PENSTOCK_TRY(fresh->lines, split_lines(fresh->text));
  if (fresh->lines.empty()) return {};
  bytes_open_ += fresh->text.size();
  heap_.push_back(std::move(fresh));
  std::ranges::push_heap(heap_, later);
  return {};
}

std::string_view BlockMerge::pop() {
  PENSTOCK_ASSERT(!heap_.empty());
  spent_.reset();
  std::ranges::pop_heap(heap_, later);
  Open& open = *heap_.back();
  const std::string_view line = open.lines[open.at++].text;
  if (open.at < open.lines.size()) {
    std::ranges::push_heap(heap_, later);
  } else {
    bytes_open_ -= open.text.size();
    spent_ = std::move(heap_.back());
    heap_.pop_back();
  }
  return line;
}

}  // namespace penstock::recording
