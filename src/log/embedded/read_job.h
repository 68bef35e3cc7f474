// ReadJob: one fetch that the tail cache cannot serve, run by a pool thread. Private to Topic.
//
// Planned and finished on the loop; in between a pool job owns it alone. It reads from the block
// that the index names, clips nothing, and hands back what it learnt about positions.
#pragma once

#include <memory>
#include <vector>

#include "log/embedded/topic.h"

namespace penstock::log {

struct Topic::ReadJob {
  struct Piece {
    std::shared_ptr<Segment> segment;  // only `index` and `readers` change, on the loop
    std::string path;
    Walk walk;
    uint64_t number_limit = 0;  // blocks from this number on are void
    std::vector<int64_t> base;  // offsets where the walk begins
    std::vector<int64_t> end;   // and where the piece ends
    std::vector<IndexEntry> learnt;
  };
  std::string topic;
  size_t bytes_max = 0;
  std::vector<Position> asked;
  std::vector<Piece> pieces;
  std::vector<int64_t> wanted;  // next offset per partition; kNotAsked: none
  std::vector<ReadBatch> batches;
  size_t bytes = 0;
  Status status;

  static constexpr int64_t kNotAsked = INT64_MAX;

  void run(runtime::FileSystem& files);

 private:
  Status read(runtime::FileSystem& files, Piece& piece, bool direct);
  bool take(Piece& piece, WalkedBlock&& block);
};

}  // namespace penstock::log
