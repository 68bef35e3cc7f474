// Retention: the oldest segment becomes a spare when it is too much or too old and no one needs it.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/diag.h"
#include "base/probe.h"
#include "log/embedded/topic.h"

namespace penstock::log {

struct Topic::Recycling {
  std::shared_ptr<Segment> segment;
  Spare spare;                      // without a path: the file is removed
  std::vector<std::string> strays;  // go before it
  bool settle = false;              // the one before it may come back: the folder is synced first
  bool gone = false;                // it has its old name no more
  Status status;
};

/// A segment that failed to begin may have got its name before it failed. A start knows it by its
/// successor, which passes over it: so it goes, for good, before a successor may.
Status Topic::remove_strays(const std::vector<std::string>& paths) const {
  if (paths.empty()) return {};
  probe<"log.stray_segment_removed">();
  for (const std::string& path : paths) PENSTOCK_CHECK(runtime_.files().remove(path));
  return runtime_.files().sync_directory(directory_);
}

uint64_t Topic::segment_bytes_total() const {
  uint64_t bytes = 0;
  for (const auto& s : segments_) bytes += s->bytes;
  return bytes;
}

bool Topic::may_recycle(const Segment& oldest, const Segment& after) const {
  const bool too_large = spec_.retention_bytes > 0 && segment_bytes_total() > spec_.retention_bytes;
  const int64_t age_ms = runtime_.clock().wall_ms() - after.header.created_ms;
  const bool too_old = spec_.retention_ms > 0 && age_ms > spec_.retention_ms;
  if ((!too_large && !too_old) || oldest.readers > 0) return false;
  const std::vector<int64_t>& end = after.header.base;
  for (size_t p = 0; p < end.size(); p++) {
    if (required_[p] < end[p]) return false;
  }
  return true;
}

void Topic::retain(std::vector<int64_t> required) {
  required_ = std::move(required);
  recycle_oldest();
}

void Topic::recycle_oldest() {
  if (recycling_ || stopped_ || segments_.size() < 2) return;
  const std::shared_ptr<Segment> oldest = segments_.front();
  if (!may_recycle(*oldest, *segments_[1])) return;
  segments_.pop_front();
  publish();
  recycling_ = true;
  auto job = std::make_shared<Recycling>();
  job->segment = oldest;
  job->strays = std::exchange(strays_, {});
  job->settle = names_unsettled_;
  const bool keep = spares_.size() < options_.spare_segments_max && oldest->bytes == segment_bytes_;
  if (keep) job->spare = new_spare(oldest->bytes);
  const Status submitted = runtime_.pool().submit(
      [this, self = shared_from_this(), job] {
        runtime::FileSystem& files = runtime_.files();
        job->status = remove_strays(job->strays);
        if (job->status && job->settle) job->status = files.sync_directory(directory_);
        if (!job->status) return;
        job->status = job->spare.path.empty() ? files.remove(job->segment->path)
                                              : files.rename(job->segment->path, job->spare.path);
        job->gone = job->status.has_value();
        // The old name must be gone for good before the file is written to again, and before a
        // younger segment goes: a start must never find a gap.
        if (job->gone) job->status = files.sync_directory(directory_);
      },
      loop_, [this, self = shared_from_this(), job] { recycled(*job); });
  if (submitted) return;
  job->status = submitted;
  recycled(*job);
}

void Topic::recycled(Recycling& job) {
  recycling_ = false;
  if (job.gone) names_unsettled_ = !job.status.has_value();
  if (job.status) {
    probe<"log.segment_recycled">();
    if (!job.spare.path.empty()) spares_.push_back(std::move(job.spare));
    publish();
    return recycle_oldest();
  }
  probe<"log.retention_failed">();
  diag::warn("retention failed",
             {{"file", job.segment->path}, {"error", job.status.error().message}});
  if (job.gone) probe<"log.retired_segment_may_come_back">();
  if (!job.gone) {
    segments_.push_front(job.segment);
    std::ranges::move(job.strays, std::back_inserter(strays_));
  }
  publish();
}

}  // namespace penstock::log
