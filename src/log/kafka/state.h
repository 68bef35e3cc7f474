// What KafkaLog knows of its topics and of what is under way. Guarded by the log's mutex unless
// said otherwise.
#pragma once

#include <rdkafka.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "log/kafka/client.h"
#include "log/kafka/frame.h"
#include "log/log.h"

namespace penstock::log::kafka {

/// One append on its way: answered once, on its caller's loop. Any thread.
class Ticket {
 public:
  Ticket(runtime::Loop& home, AppendDone done, size_t batches)
      : home_(home), done_(std::move(done)), out_(batches), left_(batches) {}

  /// One of its batches has its outcome; the last one answers.
  void settle(size_t index, Result<Appended> outcome);
  void answer(Result<std::vector<Appended>> result);
  bool is_answered() const { return answered_; }

  int64_t begun_ns = 0;

 private:
  runtime::Loop& home_;
  AppendDone done_;
  std::vector<Appended> out_;
  std::mutex mutex_;  // of `out_` and `error_`
  std::optional<Error> error_;
  std::atomic<size_t> left_;
  std::atomic<bool> answered_{false};
};
using TicketPtr = std::shared_ptr<Ticket>;

/// What a message's delivery report comes back to; deletes itself with the last one.
class Delivery {
 public:
  virtual ~Delivery() = default;
  virtual void delivered(rd_kafka_resp_err_t error, int64_t place) = 0;
};

/// A frame that was handed to Kafka.
struct Flight {
  int64_t base = 0;
  uint32_t count = 0;
  uint64_t producer = 0;
  int64_t sequence = 0;
  size_t bytes = 0;
  bool settled = false;  // read back before its delivery was reported
  /// The append that wrote it, then those that repeated it meanwhile.
  std::vector<std::pair<TicketPtr, size_t>> waiting;
};

struct Cached {
  ReadBatch batch;
  int64_t next = 0;  // the offset behind it
  size_t bytes = 0;
  bool heads = false;  // some of its records are heads of what others decide
};

struct PartitionState {
  Partition id;
  bool unseen = false;   // KafkaLogOptions::looks_at
  bool tailing = false;  // what is new comes by itself
  // `…_place`: Kafka's offset. Of an open topic it is the offset without `begin`.
  int64_t start = 0, start_place = 0;
  int64_t begin = 0;                      // the offset of what was written first
  int64_t end = 0;                        // behind all that is acknowledged or was seen
  std::map<uint64_t, int64_t> sequences;  // stored

  // Writing, of a framed topic.
  int64_t next_base = 0;
  std::map<uint64_t, int64_t> assigned;  // sequences, with those under way
  std::deque<std::shared_ptr<Flight>> flights;
  bool ours = false;    // it is known what older processes wrote
  bool broken = false;  // something under way failed: what comes behind it does not count

  // The newest records, as Kafka gave them back.
  FrameOrder order;
  int64_t tail_end = 0, tail_place = 0;
  std::deque<Cached> cache;
  size_t cache_bytes = 0;
  int64_t cache_from = 0;             // everything from here to tail_end is cached
  int64_t heads_to = 0;               // behind the last head that was cached
  std::map<int64_t, int64_t> places;  // of some frames: offset, place
  int64_t checkpoint_place = -1;      // of the last one that was written
  std::string lost;                   // why nothing comes any more; empty: all is well
};

struct TopicState {
  std::string name;    // ours
  std::string remote;  // Kafka's
  bool open = false;
  TopicSpec spec;
  std::vector<PartitionState> partitions;
  TopicHandle tail;  // of the tail's handle
  size_t seen = 0;   // partitions that are looked at here
  // Of an open topic.
  std::mutex writing;
  TopicHandle writer;  // of the producer; replaced with it, under the producer's lock

  /// Of the partitions that are looked at here, by what Kafka calls them.
  void append_places(std::vector<PartitionPlace>& out) const {
    for (const PartitionState& p : partitions) {
      if (!p.unseen) out.push_back({remote, p.id.value, 0, ""});
    }
  }

  PartitionState* find(Partition p) {
    const auto at = static_cast<size_t>(p.value);
    return p.value >= 0 && at < partitions.size() ? &partitions[at] : nullptr;
  }
};

/// From where on the cache has what a fetch wants: whoever does not wait wants no heads.
inline int64_t cached_from(const PartitionState& p, const FetchRequest& request) {
  return request.wait_ms > 0 ? p.cache_from : std::max(p.cache_from, p.heads_to);
}

/// Kept with the positions of the group "log": where a new process goes on reading for sequences.
struct Checkpoint {
  int64_t epoch = 0;  // of who wrote it: whoever comes next takes a newer one
  int64_t end = 0;
  bool clean = false;  // nothing was under way when it was written, and nothing was written since
  /// The newest that was seen in front of its place: what lies behind it may be of any since then.
  /// -1: not known (as older versions wrote it).
  int64_t seen = -1;
  std::map<uint64_t, int64_t> sequences;
};
std::string encode_checkpoint(const Checkpoint& c);
std::optional<Checkpoint> decode_checkpoint(std::string_view text);

/// Messages of an open topic in a row, made a batch of records.
class OpenBatch {
 public:
  /// False: it does not follow on what is there. `begin`: the partition's. `heads`: of what others
  /// decide they will do.
  bool add(const MessageCodec& codec, std::string_view topic, int64_t begin,
           const rd_kafka_message_t& message, bool heads);
  bool empty() const { return ends_.empty(); }
  int64_t next() const { return base_ + static_cast<int64_t>(ends_.size()); }
  /// Hands it over and is empty again.
  Cached take(Partition partition);

 private:
  int64_t base_ = 0;
  std::shared_ptr<std::string> text_;
  std::vector<size_t> ends_;
  bool heads_ = false;
};

/// The batch in a frame; kCorrupt when it does not hold what it claims.
Result<Cached> read_frame(Partition partition, const Frame& frame);

/// For batches of `in` that reach beyond `from`, as long as there is room; answers where to go on.
int64_t take_cached(const std::deque<Cached>& in, int64_t from, size_t bytes_max, size_t& bytes,
                    std::vector<ReadBatch>& out);

}  // namespace penstock::log::kafka
