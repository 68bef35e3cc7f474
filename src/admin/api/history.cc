#include "admin/api/history.h"

namespace penstock::admin {

void History::sample(int64_t at_ms, uint64_t events, uint64_t stored, uint64_t requests,
                     uint64_t ingest_lag, uint64_t load_lag) {
  if (before_ms_ != 0 && at_ms > before_ms_) {
    const double seconds = static_cast<double>(at_ms - before_ms_) / 1000.0;
    const auto rate = [seconds](uint64_t now, uint64_t before) {
      return now > before ? static_cast<double>(now - before) / seconds : 0.0;
    };
    points_[next_] = {at_ms,
                      rate(events, events_),
                      rate(stored, stored_),
                      rate(requests, requests_),
                      ingest_lag,
                      load_lag};
    next_ = (next_ + 1) % kPoints;
    if (count_ < kPoints) count_++;
  }
  before_ms_ = at_ms;
  events_ = events;
  stored_ = stored;
  requests_ = requests;
}

void History::each(const std::function<void(const HistoryPoint&)>& visit) const {
  for (size_t i = 0; i < count_; i++) visit(points_[(next_ + kPoints - count_ + i) % kPoints]);
}

HistoryPoint History::last() const {
  return count_ == 0 ? HistoryPoint{} : points_[(next_ + kPoints - 1) % kPoints];
}

}  // namespace penstock::admin
