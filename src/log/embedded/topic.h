// Topic: one lane of the embedded log, a state machine on the log's home loop.
//
// Appends gather while a commit is being written; when it is done everything gathered becomes the
// next block. One block is in flight at a time, so a crash can tear only the last one. After a
// failed write nothing is assumed: the segment is left, what was in flight answers kMaybe, and the
// next segment's header voids whatever may have landed.
//
// Threads: the home loop, except what `Published` holds, which any thread may read.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/embedded/segment.h"
#include "log/embedded_log.h"
#include "runtime/runtime.h"

namespace penstock::log {

struct PendingAppend {
  runtime::Loop* home = nullptr;
  std::vector<Batch> batches;
  AppendDone done;
  uint64_t bytes = 0;
};

struct PendingFetch {
  runtime::Loop* home = nullptr;
  FetchRequest request;
  FetchDone done;
  runtime::TimerId timer = 0;
  uint64_t id = 0;
};

class Topic : public std::enable_shared_from_this<Topic> {
 public:
  Topic(runtime::Runtime& runtime, runtime::Loop& loop, const EmbeddedLogOptions& options,
        TopicSpec spec);

  /// Reads what is there; blocks.
  Status recover();
  void append(PendingAppend append);
  void fetch(PendingFetch fetch);
  /// Recycles what retention allows; `required` is the lowest committed position per partition.
  void retain(const std::vector<int64_t>& required);
  /// Refuses what is waiting; the block in flight still finishes.
  void stop();
  bool busy() const { return writing_ || preparing_; }

  const TopicSpec& spec() const { return spec_; }
  // Any thread.
  std::vector<PartitionBounds> bounds() const;
  int64_t last_sequence(Partition partition, uint64_t producer) const;
  void add_stats(LogStats& stats) const;

 private:
  struct Commit;  // a block on its way to the disk
  struct CachedBlock {
    std::vector<ReadBatch> batches;
    std::vector<int64_t> end;  // of every partition, after it
    uint64_t bytes = 0;
  };
  struct ReadJob;

  // topic.cc: appending
  void pump();
  bool make_room(uint64_t bytes);
  void prepare(bool written);
  void prepared(const std::string& path, Status status);
  std::shared_ptr<Commit> gather();
  void begin_segment(Commit& commit);
  void write(std::shared_ptr<Commit> commit);
  void committed(const std::shared_ptr<Commit>& commit);
  void failed(const std::shared_ptr<Commit>& commit);
  void refuse_pending(Code code, const std::string& message);
  void cache(const std::shared_ptr<Commit>& commit);
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }

  // topic_read.cc
  Result<FetchResult> read_cache(const FetchRequest& request) const;
  bool has_data(const FetchRequest& request) const;
  bool in_cache(const FetchRequest& request) const;
  void answer_waiters();
  void read_disk(PendingFetch fetch);
  std::shared_ptr<ReadJob> plan_read(const FetchRequest& request);
  static void answer(PendingFetch& fetch, Result<FetchResult> result);

  // topic_recover.cc
  Status open_segments(const std::vector<std::string>& names);
  Status scan_last();
  void publish();

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  const EmbeddedLogOptions& options_;
  TopicSpec spec_;
  std::string directory_;

  std::deque<std::shared_ptr<Segment>> segments_;  // the last one is written to
  std::vector<std::string> spares_;
  uint64_t next_spare_ = 0;
  uint64_t next_number_ = 1;
  std::vector<int64_t> end_;
  std::map<ProducerKey, int64_t> sequences_;

  std::deque<PendingAppend> pending_;
  uint64_t pending_bytes_ = 0;
  std::shared_ptr<AlignedBuffer> buffer_ = std::make_shared<AlignedBuffer>();
  bool writing_ = false, preparing_ = false, stopped_ = false, disk_full_ = false;
  bool leave_segment_ = false;  // the last write failed: go on in a new segment
  uint64_t valid_before_ = 0;   // for the next segment's header

  std::deque<CachedBlock> cache_;
  std::vector<int64_t> cache_base_;
  uint64_t cache_bytes_ = 0;
  std::vector<PendingFetch> waiters_;
  uint64_t next_waiter_ = 1;

  struct Published {
    std::vector<int64_t> start, end;
    std::map<ProducerKey, int64_t> sequences;
    uint64_t disk_bytes = 0, records = 0, bytes = 0, commits = 0;
    bool disk_full = false;
  };
  mutable std::mutex mutex_;
  Published published_;
};

}  // namespace penstock::log
