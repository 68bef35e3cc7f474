// HealthRule: when an app is called, and when it is left alone for a while.
//
// An error that is thrown costs little: many of them make an app degraded, none disables it (that
// is PostHog's promise to apps). What costs others is: time used up by computing or by waiting,
// memory used up, a worker that died. One of those makes an app degraded for a minute at least,
// kCostlyMax within a minute disable it; after a rest one event is let through, and kProbesMin that
// went well bring it back. Whatever an app is written in has this rule. Pure but
// for a counter: the caller says what time it is.
#pragma once

#include <array>
#include <cstdint>

#include "apps/apps.h"

namespace penstock::apps {

/// How long a disabled app rests before it is tried again: at first, and at most.
inline constexpr int64_t kRestMsMin = 30'000, kRestMsMax = 900'000;

class HealthRule {
 public:
  static constexpr size_t kWindow = 50;        // calls
  static constexpr size_t kDegradedFrom = 10;  // failed, of the window
  static constexpr int kCostlyMax = 3;
  static constexpr int64_t kCostlyWindowMs = 60'000;
  static constexpr int kProbesMin = 3;

  HealthRule(int64_t rest_ms_min, int64_t rest_ms_max)
      : rest_ms_min_(rest_ms_min), rest_ms_max_(rest_ms_max), rest_ms_(rest_ms_min) {}

  Health health() const { return health_; }
  /// Wall clock, of kDisabled: when the next probe is due.
  int64_t probe_at_ms() const { return probe_at_ms_; }
  /// Whether a call may be made now. A probe counts as made: its result must be told.
  bool admits(int64_t now_ms);
  /// True: the health changed.
  bool succeeded(int64_t now_ms);
  bool failed(int64_t now_ms, bool costly);
  void reset();

 private:
  bool become(Health health);
  void note(bool failure);
  bool disable(int64_t now_ms);
  bool was_costly(int64_t now_ms) const;

  int64_t rest_ms_min_, rest_ms_max_, rest_ms_;
  Health health_ = Health::kHealthy;
  std::array<bool, kWindow> window_{};  // true: failed
  size_t at_ = 0, failures_ = 0;
  std::array<int64_t, kCostlyMax> costly_ms_{};  // the newest, in a ring
  size_t costly_at_ = 0;
  int64_t probe_at_ms_ = 0;
  bool probing_ = false;
  int probes_ = 0;
};

}  // namespace penstock::apps
