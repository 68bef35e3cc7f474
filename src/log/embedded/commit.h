// A block on its way to the disk, and who waits for it. Private to Topic.
//
// Made and finished on the loop; in between a pool job owns it alone.
#pragma once

#include <map>

#include "log/embedded/topic.h"

namespace penstock::log {

struct Topic::Commit {
  struct Waiting {
    runtime::Loop* home;
    AppendDone done;
    std::vector<Appended> appended;
  };
  struct Stored {
    PendingBatch* batch;
    size_t owner;  // index of what keeps it
  };
  std::vector<std::shared_ptr<std::vector<PendingBatch>>> owners;  // one per append
  std::vector<Stored> stored;                                      // beside `subs`
  std::vector<SubBatch> subs;
  std::vector<Waiting> waiting;
  std::vector<int64_t> end;  // of every partition, once it is durable
  std::map<ProducerKey, int64_t> sequences;
  uint64_t records = 0, bytes = 0;

  BlockHeader header;
  uint64_t at = 0, size = 0;  // on disk, padding included
  std::shared_ptr<Segment> segment;
  Spare spare;  // of a segment that begins with this block
  bool begins = false;
  bool strays = false;  // it failed, and its file may have a segment's name
  std::shared_ptr<runtime::File> writer;
  std::shared_ptr<AlignedBuffer> buffer;
  int64_t started_ns = 0;
  Status status;
};

}  // namespace penstock::log
