// A block on its way to the disk, and who waits for it. Private to Topic.
#pragma once

#include "log/embedded/topic.h"

namespace penstock::log {

struct Topic::Commit {
  struct Waiting {
    runtime::Loop* home;
    AppendDone done;
    std::vector<Appended> appended;
  };
  std::vector<std::vector<Batch>> data;  // keeps what `subs` points into
  std::vector<SubBatch> subs;
  std::vector<Waiting> waiting;
  std::vector<int64_t> end;              // of every partition, once it is durable
  std::map<ProducerKey, int64_t> sequences;
  BlockHeader header;
  uint64_t at = 0, padded = 0, records = 0, bytes = 0;
  std::shared_ptr<Segment> segment;
  std::string spare;                     // not empty: becomes a new segment first
  std::shared_ptr<AlignedBuffer> buffer;
  int64_t started_ns = 0;
  Status status;
};

}  // namespace penstock::log
