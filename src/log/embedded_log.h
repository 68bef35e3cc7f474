// EmbeddedLog: the Log on local segment files, one process, one directory.
//
// A topic is a folder of preallocated segments shared by its partitions; a block is one group
// commit: written and synced before anything in it is acknowledged. Layout, recovery and repair:
// docs/formats/log_segment.md. `home` is the loop its state lives on; files are touched only from
// the runtime's pool.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "log/begin.h"
#include "log/log.h"

namespace penstock::log {

struct EmbeddedLogOptions {
  std::string directory;
  uint64_t segment_bytes = 64U << 20;
  uint64_t block_bytes_max = 8U << 20;  // gathered into one commit (one append may be larger)
  int64_t commit_delay_us_max = 1000;   // a commit waits so long for those just answered
  // Of one topic, waiting to be written; more: kBusy, unless nothing else waits.
  uint64_t pending_bytes_max = 64U << 20;
  uint64_t free_reserve_bytes = 256U << 20;  // below it appends answer kExhausted
  uint64_t tail_cache_bytes = 32U << 20;     // newest blocks of one topic kept in memory
  size_t spare_segments_max = 2;             // emptied segments kept for reuse, per topic
  size_t waiters_max = 1024;                 // fetches waiting for records; more answer at once
  int64_t housekeeping_ms = 1000;            // offsets written, retention looked at
  Begins begins;                             // of topics that have no segment yet
};

std::unique_ptr<Log> open_embedded_log(runtime::Runtime& runtime, runtime::Loop& home,
                                       EmbeddedLogOptions options);

/// One segment as `penstock log inspect` shows it.
struct SegmentReport {
  std::string file;
  uint64_t first_block = 0, blocks = 0, records = 0, bytes_used = 0;
  std::vector<PartitionBounds> partitions;
  std::string problem;  // empty: sound
};
/// Reads every block of a topic; blocks the caller. The log must not be running.
Result<std::vector<SegmentReport>> inspect_topic(runtime::Runtime& runtime,
                                                 const std::string& directory,
                                                 const std::string& topic);

struct RepairReport {
  std::vector<std::string> actions;  // what was done, one sentence each
  uint64_t records_lost = 0;
};
/// Copies what is damaged to <directory>/damaged and marks the unreadable ranges as skipped, so
/// that everything readable can be read again. The log must not be running.
Result<RepairReport> repair_topic(runtime::Runtime& runtime, const std::string& directory,
                                  const std::string& topic);

}  // namespace penstock::log
