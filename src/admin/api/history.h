// History: one point a second of what flows and what waits, for the last ten minutes.
//
// Fed by the admin loop's timer; fixed size, oldest points overwritten.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

namespace penstock::admin {

struct HistoryPoint {
  int64_t at_ms = 0;
  double events_per_s = 0, stored_per_s = 0, requests_per_s = 0;
  uint64_t ingest_lag = 0, load_lag = 0;
};

class History {
 public:
  static constexpr size_t kPoints = 600;

  /// Totals since start; the rates come from the difference to the sample before.
  void sample(int64_t at_ms, uint64_t events, uint64_t stored, uint64_t requests,
              uint64_t ingest_lag, uint64_t load_lag);
  /// Oldest first.
  void each(const std::function<void(const HistoryPoint&)>& visit) const;
  HistoryPoint last() const;

 private:
  std::array<HistoryPoint, kPoints> points_{};
  size_t next_ = 0, count_ = 0;
  int64_t before_ms_ = 0;
  uint64_t events_ = 0, stored_ = 0, requests_ = 0;
};

}  // namespace penstock::admin
