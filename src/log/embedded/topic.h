// Topic: one lane of the embedded log, a state machine on the log's home loop.
//
// Appends gather while a commit is being written; when it is done everything gathered becomes the
// next block. One block is in flight at a time, so a crash can tear only the last one. After a
// failed write nothing is assumed: the segment is left, what was in flight answers kMaybe, and the
// next segment's header voids whatever may have landed.
//
// Threads: the home loop, except `hand_over` and what `Published` holds. Pool jobs hold
// a reference to the topic and touch nothing of it but `runtime_`.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "log/embedded/inbox.h"
#include "log/embedded/segment.h"
#include "log/embedded_log.h"
#include "runtime/runtime.h"

namespace penstock::log {

/// A batch with its records found: what is appended, written and kept for readers.
struct PendingBatch {
  Batch batch;
  std::vector<std::string_view> records;  // views into the batch's text
};

struct PendingAppend {
  runtime::Loop* home = nullptr;
  std::vector<Batch> batches;
  AppendDone done;
  // Filled by Topic::parse:
  std::shared_ptr<std::vector<PendingBatch>> parsed;
  uint64_t bytes = 0, records = 0;
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
  /// `append`, from any other thread.
  void hand_over(PendingAppend append);
  void fetch(PendingFetch fetch);
  /// Recycles what retention allows; `required` is the lowest committed position per partition.
  void retain(std::vector<int64_t> required);
  /// What the disk has left, looked at now and then.
  void free_space(uint64_t bytes);
  /// Accepts nothing more; what was accepted is still written.
  void stop();
  /// Gives up what waits to be written, for a caller that cannot wait.
  void abandon();
  bool busy() const { return writing_ || preparing_ || recycling_ || !pending_.empty(); }

  const TopicSpec& spec() const { return spec_; }
  // Any thread.
  std::vector<PartitionBounds> bounds() const;
  int64_t last_sequence(Partition partition, uint64_t producer) const;
  void add_stats(LogStats& stats) const;

 private:
  struct Commit;  // a block on its way to the disk
  struct ReadJob;
  struct Spare {
    std::string path;
    uint64_t bytes = 0;
  };
  struct CachedBlock {
    std::vector<ReadBatch> batches;
    std::vector<int64_t> end;  // of every partition, after it
    uint64_t bytes = 0;
  };

  // topic_append.cc
  Status parse(PendingAppend& append) const;
  Status admit(PendingAppend& append) const;
  static void refuse(PendingAppend& append, const Status& status);
  void accept(PendingAppend append);
  void take_inbox();
  void pump();
  void write_due();
  bool is_due();
  uint64_t awaited_records() const;
  uint64_t next_block_bytes() const;
  std::shared_ptr<Commit> gather();
  void take(Commit& commit, PendingAppend& append);
  void acknowledge(Commit& commit);
  void refuse_pending(Code code, const std::string& message);
  bool is_read(const CachedBlock& block) const;
  void cache(Commit& commit);

  // topic_prepare.cc
  struct Preparation;
  void prepare(uint64_t bytes);
  void prepare_step(const std::shared_ptr<Preparation>& preparation);
  void prepare_next(const std::shared_ptr<Preparation>& preparation);
  bool is_behind(const Preparation& preparation) const;

  // topic_write.cc
  bool fits(uint64_t block) const;
  bool make_room(uint64_t block);
  void prepared(const Spare& spare, const Status& status);
  std::shared_ptr<Segment> next_segment(const Spare& spare) const;
  void write(const std::shared_ptr<Commit>& commit);
  void not_started(const std::shared_ptr<Commit>& commit, const Status& status);
  void written(const std::shared_ptr<Commit>& commit);
  void failed(Commit& commit);
  void set_disk_full(bool full);
  std::string path_of(const std::string& name) const { return directory_ + "/" + name; }
  Spare new_spare(uint64_t bytes);
  uint64_t free_reserve() const {
    return options_.free_reserve_bytes / 100 * spec_.free_reserve_percent;
  }

  // topic_retain.cc
  bool may_recycle(const Segment& oldest, const Segment& after) const;
  void recycle_oldest();
  struct Recycling;
  void recycled(Recycling& recycling);
  Status remove_strays(const std::vector<std::string>& paths) const;
  uint64_t segment_bytes_total() const;

  // topic_read.cc
  Status check(const FetchRequest& request) const;
  FetchResult read_cache(const FetchRequest& request) const;
  bool has_data(const FetchRequest& request) const;
  bool in_cache(const FetchRequest& request) const;
  void wait(PendingFetch fetch);
  void answer_waiters();
  void read_disk(PendingFetch fetch);
  std::shared_ptr<ReadJob> plan_read(const FetchRequest& request);
  void has_read(ReadJob& job, PendingFetch& fetch);
  static void answer(PendingFetch& fetch, Result<FetchResult> result);

  // topic_recover.cc
  Status open_segments(const std::vector<std::string>& names);
  Status check_chain();
  Status scan_last();
  Status settle_tail(uint64_t at, uint64_t bytes);
  Status keep_spares(const std::vector<std::string>& names);
  std::unexpected<Error> damaged(const std::string& what) const;

  // topic_begin.cc
  Status begin_where_told();
  void pass_over_empty_segment();

  void publish();

  runtime::Runtime& runtime_;
  runtime::Loop& loop_;
  const EmbeddedLogOptions options_;
  const TopicSpec spec_;
  const uint64_t segment_bytes_;
  const std::string directory_;

  std::deque<std::shared_ptr<Segment>> segments_;  // the newest is written to
  std::vector<std::string> strays_;                // segments that failed to begin
  bool names_unsettled_ = false;  // a segment lost its name, and the folder could not be synced
  std::vector<Spare> spares_;
  uint64_t next_spare_ = 0;
  uint64_t next_number_ = 1;
  std::vector<int64_t> end_;
  Producers producers_;

  Inbox<PendingAppend> inbox_;
  std::deque<PendingAppend> pending_;
  uint64_t pending_bytes_ = 0, pending_records_ = 0;
  uint64_t worth_records_ = 0;  // so many are expected soon after the last commit
  int64_t committed_ns_ = 0;
  bool delay_armed_ = false;

  std::shared_ptr<AlignedBuffer> buffer_ =
      std::make_shared<AlignedBuffer>(AlignedBuffer::Life::kLong);
  bool writing_ = false, preparing_ = false, recycling_ = false, stopped_ = false;
  bool disk_full_ = false;
  bool wants_segment_ = false;  // the disk was full when a segment was needed
  bool leave_segment_ = false;  // the last write failed: go on in a new segment
  uint64_t valid_before_ = 0;   // for that segment's header

  std::deque<CachedBlock> cache_;
  std::vector<int64_t> cache_base_;
  uint64_t cache_bytes_ = 0;
  std::vector<int64_t> read_up_to_;  // the highest offset asked for, by partition
  int64_t read_ns_ = INT64_MIN / 2;  // when somebody last asked
  std::vector<PendingFetch> waiters_;
  uint64_t next_waiter_ = 1;
  std::vector<int64_t> required_;

  struct Published {
    std::vector<int64_t> start, end;
    Producers producers;
    uint64_t disk_bytes = 0, records = 0, bytes = 0, commits = 0;
    bool disk_full = false;
  };
  mutable std::mutex mutex_;
  Published published_;
};

}  // namespace penstock::log
