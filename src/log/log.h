// Log: the durable, partitioned, ordered record stream between stages.
//
// A topic is a lane with a fixed number of partitions; a record is bytes whose meaning the log does
// not know. Appends are acknowledged when they are on stable storage. Consumers keep their own
// positions and commit them under a group name; records are kept until retention allows and every
// required group has passed them. Implementations: MemoryLog, EmbeddedLog (own segments), later
// KafkaLog; one contract suite (tests/contract/log_contract_test.cc) runs over all of them.
//
// Threads: methods may be called from any loop; every callback runs on the `home` loop that the
// call names. Failure: kBusy and kExhausted mean nothing was written, kMaybe that it is unknown;
// repeating an append with the same producer and sequence never writes it twice.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "runtime/runtime.h"

namespace penstock::log {

struct TopicSpec {
  std::string name;
  int32_t partitions = 1;
  uint64_t retention_bytes = 0;  // 0: no limit
  int64_t retention_ms = 0;      // 0: no limit; age counts from the segment's last append
  std::vector<std::string> required_groups;  // nothing these have not committed past is deleted
  uint64_t segment_bytes = 0;  // of the embedded log's files, for small topics; 0: its option
  /// Of the embedded log's free_reserve_bytes: what drains others goes on when they must stop.
  uint64_t free_reserve_percent = 100;
};

/// Records for one partition, in order: what encode_record appended, `count` times.
/// A batch is at most kBatchBytesMax and at least one record, and is stored atomically.
struct Batch {
  Partition partition;
  uint32_t count = 0;
  std::string data;
  /// In place of `data`, for a caller that reads on in what it appends; nobody changes it any more.
  std::shared_ptr<const std::string> shared{};
  /// 0: no producer. Otherwise sequences of one producer in one partition must rise; a batch whose
  /// sequence is not above the last one stored is acknowledged without being written.
  uint64_t producer = 0;
  int64_t sequence = 0;
  /// Where each record ends in the text, from a caller that knows; empty: the log finds out.
  std::vector<uint32_t> ends{};

  const std::string& text() const { return shared ? *shared : data; }
};

inline constexpr size_t kBatchBytesMax = 24U << 20;
inline constexpr size_t kRecordBytesMax = 22U << 20;

/// Appends one record (varint length, bytes) to a batch's data.
void encode_record(std::string& data, std::string_view record);
/// The first half of it, for a caller that then appends exactly `size` bytes itself.
void begin_record(std::string& data, size_t size);
/// For a caller that learns the size by appending: `open_record`, the bytes, `close_record` with
/// what the first one answered. Answers where the bytes begin.
size_t open_record(std::string& data);
size_t close_record(std::string& data, size_t opened);

struct Appended {
  Partition partition;
  Offset base;             // offset of the batch's first record
  bool duplicate = false;  // the sequence was already stored; base is then meaningless
};
using AppendDone = std::move_only_function<void(Result<std::vector<Appended>>)>;

/// One stored batch as a reader sees it. The views live as long as `owner`.
struct ReadBatch {
  Partition partition;
  Offset base;
  uint64_t producer = 0;
  int64_t sequence = 0;
  std::vector<std::string_view> records;
  std::shared_ptr<const void> owner;
};

struct Position {
  Partition partition;
  Offset next;
};

struct FetchRequest {
  std::string topic;
  std::vector<Position> positions;
  size_t bytes_max = 4U << 20;  // at least one batch is returned whatever its size
  int64_t wait_ms = 0;          // how long to wait for the first record; 0: answer at once
};

struct FetchResult {
  /// In order within a partition. A batch may begin before the asked position (readers skip
  /// records below it); positions to ask for next are in `next`.
  std::vector<ReadBatch> batches;
  std::vector<Position> next;
};
using FetchDone = std::move_only_function<void(Result<FetchResult>)>;

struct PartitionBounds {
  Partition partition;
  Offset start;  // oldest record still there
  Offset end;    // one past the newest durable record
};

struct LogStats {
  uint64_t disk_bytes = 0;
  uint64_t appended_records = 0, appended_bytes = 0, commits = 0;
  int64_t commit_us_p50 = 0, commit_us_p99 = 0;
  bool disk_full = false;
};

class Log {
 public:
  virtual ~Log() = default;

  /// Opens or creates the topics and recovers; blocks. kCorrupt names the file, the offset and the
  /// command that repairs.
  virtual Status start(std::vector<TopicSpec> topics) = 0;
  /// Opens or creates one more topic while the log runs; a topic that is there stays as it is, with
  /// the spec it has. Blocks; any thread but the log's own loop. Failure: as `start`.
  virtual Status ensure_topic(TopicSpec topic) = 0;
  /// Finishes what was accepted, refuses the rest with kCancelled, and closes; blocks.
  virtual void stop() = 0;

  /// Appends all batches atomically to one topic. kBusy when too much is waiting, kExhausted when
  /// the disk is full, kInvalid when a batch is malformed or too large; `done` always runs, once.
  virtual void append(runtime::Loop& home, std::string topic, std::vector<Batch> batches,
                      AppendDone done) = 0;
  /// kNotFound: a position lies below the partition's start (retention passed it). kInvalid: it
  /// lies beyond the partition's end.
  virtual void fetch(runtime::Loop& home, FetchRequest request, FetchDone done) = 0;

  virtual Result<std::vector<PartitionBounds>> bounds(const std::string& topic) const = 0;
  /// Where each partition ends, behind all that was acknowledged to anybody before the call: where
  /// other processes append, `bounds` hears of it a little later. kUnavailable: it could not be
  /// found out in time; kBusy: too many ask.
  using EndsDone = std::move_only_function<void(Result<std::vector<Position>>)>;
  virtual void ends(runtime::Loop& home, std::string topic, EndsDone done);
  /// The highest sequence of a producer in a partition, or -1.
  virtual int64_t last_sequence(const std::string& topic, Partition partition,
                                uint64_t producer) const = 0;

  /// Records a group's position; durable within a second and at `stop` (consumers must be able to
  /// repeat the tail). Any thread.
  virtual Status commit(const std::string& group, const std::string& topic,
                        std::vector<Position> positions) = 0;
  /// Positions of a group; partitions it never committed are left out.
  virtual std::vector<Position> committed(const std::string& group,
                                          const std::string& topic) const = 0;

  virtual LogStats stats() const = 0;
};

}  // namespace penstock::log
