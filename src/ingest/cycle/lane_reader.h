// LaneReader: reads ahead on one raw topic, so that the next batch is there when a cycle ends.
//
// Holds a bounded amount of fetched records in partition order; `peek` lends the next ones,
// `advance` forgets what was decided. Positions move only by `advance`: what is lent and not
// decided is lent again. Records of other slices of the projects are passed over. Ingest loop only.
// Failure: errors of the log are kept in `last_error` and retried with a growing delay.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "event/lane.h"
#include "event/slice.h"
#include "ingest/cycle/decider.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace penstock::ingest {

struct LaneReaderOptions {
  size_t fetch_bytes_max = 4U << 20;
  size_t buffered_bytes_max = 8U << 20;
  int64_t wait_ms = 500;
  int64_t retry_ms_min = 50, retry_ms_max = 5000;
  event::Slice slice{};
};

class LaneReader {
 public:
  /// `on_records` runs on the loop when records have come.
  LaneReader(runtime::Loop& loop, log::Log& log, event::Lane lane, LaneReaderOptions options,
             runtime::Task on_records);
  ~LaneReader();

  void start(const std::vector<log::Position>& positions);
  void stop();

  event::Lane lane() const { return lane_; }
  bool has_records() const { return !buffer_.empty(); }
  /// The next records in order, at most this many events and about this many bytes, at least one.
  std::vector<InputSlice> peek(size_t events_max, size_t bytes_max) const;
  /// The records of the partition below `next` are decided.
  void advance(Partition partition, Offset next);
  /// Of each partition, the first record that is neither decided nor another slice's.
  std::vector<log::Position> positions() const;
  const std::string& last_error() const { return last_error_; }

 private:
  struct Piece {
    Partition partition;
    Offset base;
    std::vector<std::string_view> records;
    size_t bytes = 0;
    std::shared_ptr<const void> owner;
  };

  void fetch();
  void on_fetched(Result<log::FetchResult> got);
  void take(const log::ReadBatch& batch);
  /// Of one batch, the records of this slice: each run of them a piece.
  void take_slice(const log::ReadBatch& batch);
  void keep(Piece piece);
  void retry_later(std::string error);

  runtime::Loop& loop_;
  log::Log& log_;
  event::Lane lane_;
  LaneReaderOptions options_;
  runtime::Task on_records_;
  std::deque<Piece> buffer_;
  size_t buffered_bytes_ = 0;
  std::map<int32_t, int64_t> decided_, fetched_;
  bool fetching_ = false, stopped_ = true;
  int64_t retry_ms_ = 0;
  std::string last_error_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace penstock::ingest
