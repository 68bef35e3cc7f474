#include "log/scan.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace penstock::log {
namespace {

class Scan : public std::enable_shared_from_this<Scan> {
 public:
  Scan(Log& log, runtime::Loop& home, std::string topic, ScanVisitLater visit, ScanDone done)
      : log_(log),
        home_(home),
        topic_(std::move(topic)),
        visit_(std::move(visit)),
        done_(std::move(done)) {}

  Scan(Log& log, runtime::Loop& home, std::string topic, ScanVisitTogether visit, ScanDone done)
      : log_(log),
        home_(home),
        topic_(std::move(topic)),
        together_(std::move(visit)),
        done_(std::move(done)) {}

  void add(const ScanRange& range) {
    if (range.from < range.to) open_.push_back(range);
  }

  void step() {
    if (open_.empty()) return finish({});
    FetchRequest request;
    request.topic = topic_;
    for (const ScanRange& range : open_) {
      request.positions.push_back({range.partition, range.from});
    }
    log_.fetch(home_, std::move(request), [self = shared_from_this()](Result<FetchResult> got) {
      if (!got) return self->finish(std::unexpected(std::move(got).error()));
      self->batches_ = std::move(got->batches);
      self->next_ = std::move(got->next);
      self->at_ = 0;
      self->progress_ = false;
      self->together_ ? self->visit_together() : self->visit_next();
    });
  }

 private:
  /// A visit that ends at once comes back here from inside: it is not a deeper call.
  void visit_next() {
    again_ = true;
    if (visiting_) return;
    visiting_ = true;
    while (std::exchange(again_, false)) visit_one();
    visiting_ = false;
  }

  void visit_together() {
    std::vector<ScanSlice> slices;
    while (take_next()) slices.push_back(std::move(slice_));
    Status status = slices.empty() ? Status{} : together_(slices);
    status ? go_on() : finish(std::move(status));
  }

  /// The next slice that has something.
  bool take_next() {
    while (at_ < batches_.size()) {
      const ReadBatch& batch = batches_[at_++];
      const auto range = std::ranges::find(open_, batch.partition, &ScanRange::partition);
      if (range == open_.end()) continue;
      slice_ = clip(batch, *range);
      if (slice_.records.empty()) continue;
      range->from.value = slice_.base.value + static_cast<int64_t>(slice_.records.size());
      progress_ = true;
      return true;
    }
    return false;
  }

  void visit_one() {
    if (take_next()) {
      return visit_(slice_, [self = shared_from_this()](Status status) {
        status ? self->visit_next() : self->finish(std::move(status));
      });
    }
    go_on();
  }

  void go_on() {
    // Where records were skipped by a repair, nothing comes and the position moves on.
    for (const Position& next : next_) {
      const auto range = std::ranges::find(open_, next.partition, &ScanRange::partition);
      if (range == open_.end() || next.next <= range->from) continue;
      range->from = next.next;
      progress_ = true;
    }
    std::erase_if(open_, [](const ScanRange& r) { return r.from >= r.to; });
    if (!progress_) {
      return finish(fail(Code::kUnavailable, "reading " + topic_ + ": no records came"));
    }
    step();
  }

  static ScanSlice clip(const ReadBatch& batch, const ScanRange& range) {
    ScanSlice slice;
    slice.partition = batch.partition;
    for (size_t i = 0; i < batch.records.size(); i++) {
      const Offset at{batch.base.value + static_cast<int64_t>(i)};
      if (at < range.from) continue;
      if (at >= range.to) break;
      if (slice.records.empty()) slice.base = at;
      slice.records.push_back(batch.records[i]);
    }
    return slice;
  }

  void finish(Status status) {
    if (done_) std::exchange(done_, nullptr)(std::move(status));
  }

  Log& log_;
  runtime::Loop& home_;
  std::string topic_;
  ScanVisitLater visit_;
  ScanVisitTogether together_;
  ScanDone done_;
  std::vector<ScanRange> open_;
  std::vector<ReadBatch> batches_;  // of the last fetch
  std::vector<Position> next_;      // and where to go on after it
  size_t at_ = 0;                   // the next of them
  ScanSlice slice_;                 // being visited
  bool progress_ = false, visiting_ = false, again_ = false;
};

}  // namespace

void scan_slowly(Log& log, runtime::Loop& home, std::string topic, std::vector<ScanRange> ranges,
                 ScanVisitLater visit, ScanDone done) {
  auto scan =
      std::make_shared<Scan>(log, home, std::move(topic), std::move(visit), std::move(done));
  for (const ScanRange& range : ranges) scan->add(range);
  home.post([scan] { scan->step(); });
}

void scan_together(Log& log, runtime::Loop& home, std::string topic, std::vector<ScanRange> ranges,
                   ScanVisitTogether visit, ScanDone done) {
  auto scan =
      std::make_shared<Scan>(log, home, std::move(topic), std::move(visit), std::move(done));
  for (const ScanRange& range : ranges) scan->add(range);
  home.post([scan] { scan->step(); });
}

void scan(Log& log, runtime::Loop& home, std::string topic, std::vector<ScanRange> ranges,
          ScanVisit visit, ScanDone done) {
  auto at_once = [visit = std::move(visit)](const ScanSlice& slice, ScanNext next) mutable {
    next(visit(slice));
  };
  scan_slowly(log, home, std::move(topic), std::move(ranges), std::move(at_once), std::move(done));
}

}  // namespace penstock::log
