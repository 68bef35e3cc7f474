#include "log/scan.h"

#include <memory>
#include <utility>

namespace penstock::log {
namespace {

class Scan : public std::enable_shared_from_this<Scan> {
 public:
  Scan(Log& log, runtime::Loop& home, std::string topic, ScanVisit visit, ScanDone done)
      : log_(log),
        home_(home),
        topic_(std::move(topic)),
        visit_(std::move(visit)),
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
      if (Status s = self->take(*got); !s) return self->finish(std::move(s));
      self->step();
    });
  }

 private:
  Status take(const FetchResult& got) {
    bool progress = false;
    for (const ReadBatch& batch : got.batches) {
      for (ScanRange& range : open_) {
        if (range.partition != batch.partition) continue;
        ScanSlice slice = clip(batch, range);
        if (slice.records.empty()) break;
        range.from.value = slice.base.value + static_cast<int64_t>(slice.records.size());
        progress = true;
        if (Status s = visit_(slice); !s) return s;
        break;
      }
    }
    std::erase_if(open_, [](const ScanRange& r) { return r.from >= r.to; });
    if (!progress) return fail(Code::kUnavailable, "reading " + topic_ + ": no records came");
    return {};
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
  ScanVisit visit_;
  ScanDone done_;
  std::vector<ScanRange> open_;
};

}  // namespace

void scan(Log& log, runtime::Loop& home, std::string topic, std::vector<ScanRange> ranges,
          ScanVisit visit, ScanDone done) {
  auto scan =
      std::make_shared<Scan>(log, home, std::move(topic), std::move(visit), std::move(done));
  for (const ScanRange& range : ranges) scan->add(range);
  home.post([scan] { scan->step(); });
}

}  // namespace penstock::log
