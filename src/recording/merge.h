// BlockMerge: the lines of a session's blocks in the order of their timestamps, with bounded
// memory.
//
// Blocks are opened only when the next line may be theirs, so blocks that follow each other are in
// memory one at a time. When blocks that overlap are more than `bytes_max` together, the ones that
// do not fit come after the lines of those that do, in the order of their first timestamps: late,
// not lost. Pure state machine, one owner:
//
//   while (!merge.done()) { if (merge.wants_block()) merge.open(fetch(merge.next_block()));
//                           else write(merge.pop()); }
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "recording/block.h"

namespace penstock::recording {

class BlockMerge {
 public:
  /// First timestamps of the blocks, ascending.
  BlockMerge(std::vector<int64_t> first_timestamps_ms, size_t bytes_max);

  bool done() const { return next_ == firsts_.size() && heap_.empty(); }
  /// The next line is not known before this block was opened or skipped.
  bool wants_block() const;
  size_t next_block() const { return next_; }
  /// Takes the decompressed block that `next_block` named. kCorrupt: it is skipped.
  Status open(std::string block);
  void skip() { next_++; }
  /// The next line, valid until the next call of any method. Only while !wants_block() && !done().
  std::string_view pop();
  size_t bytes_open() const { return bytes_open_; }

 private:
  struct Open {
    size_t number;  // of the block: lines of equal time keep the blocks' order
    std::string text;
    std::vector<Line> lines;
    size_t at = 0;
  };
  static bool later(const std::unique_ptr<Open>& a, const std::unique_ptr<Open>& b);

  std::vector<int64_t> firsts_;
  size_t bytes_max_, next_ = 0, bytes_open_ = 0;
  std::vector<std::unique_ptr<Open>> heap_;
  std::unique_ptr<Open> spent_;  // keeps the last line's text
};

}  // namespace penstock::recording
