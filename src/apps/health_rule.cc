#include "apps/health_rule.h"

#include <algorithm>

#include "base/metrics.h"

namespace penstock::apps {
namespace {

/// A probe whose result never came is given up after this.
constexpr int64_t kProbeLostMs = 60'000;

Counter disabled_metric{"penstock_apps_disabled_total",
                        "Times an app was disabled for a while by the health rule."};

}  // namespace

bool HealthRule::become(Health health) {
  const bool changed = health_ != health;
  health_ = health;
  return changed;
}

void HealthRule::note(bool failure) {
  failures_ -= window_[at_] ? 1 : 0;
  failures_ += failure ? 1 : 0;
  window_[at_] = failure;
  at_ = (at_ + 1) % kWindow;
}

bool HealthRule::admits(int64_t now_ms) {
  if (health_ != Health::kDisabled) return true;
  if (now_ms < probe_at_ms_) return false;
  probing_ = true;
  probe_at_ms_ = now_ms + kProbeLostMs;
  return true;
}

bool HealthRule::disable(int64_t now_ms) {
  probing_ = false;
  probes_ = 0;
  probe_at_ms_ = now_ms + rest_ms_;
  rest_ms_ = std::min(rest_ms_ * 2, rest_ms_max_);
  costly_ms_.fill(0);
  const bool turned = become(Health::kDisabled);
  if (turned) disabled_metric.add();
  return turned;
}

bool HealthRule::was_costly(int64_t now_ms) const {
  return std::ranges::any_of(costly_ms_,
                             [&](int64_t at) { return at != 0 && now_ms - at <= kCostlyWindowMs; });
}

bool HealthRule::succeeded(int64_t now_ms) {
  note(false);
  if (health_ == Health::kDisabled) {
    if (!probing_) return false;  // begun before it was disabled
    probing_ = false;
    if (++probes_ < kProbesMin) {
      probe_at_ms_ = now_ms;
      return false;
    }
    reset();
    return true;
  }
  if (failures_ * 2 < kDegradedFrom && !was_costly(now_ms)) return become(Health::kHealthy);
  return false;
}

bool HealthRule::failed(int64_t now_ms, bool costly) {
  note(true);
  if (health_ == Health::kDisabled) {
    if (probing_ && costly) return disable(now_ms);
    if (probing_) {  // it threw, in time: as harmless as before
      probing_ = false;
      probes_++;
      probe_at_ms_ = now_ms;
      if (probes_ >= kProbesMin) {
        reset();
        return true;
      }
    }
    return false;
  }
  if (costly) {
    costly_ms_[costly_at_] = now_ms;
    costly_at_ = (costly_at_ + 1) % costly_ms_.size();
    if (std::ranges::all_of(
            costly_ms_, [&](int64_t at) { return at != 0 && now_ms - at <= kCostlyWindowMs; })) {
      return disable(now_ms);
    }
  }
  return costly || failures_ >= kDegradedFrom ? become(Health::kDegraded) : false;
}

void HealthRule::reset() {
  health_ = Health::kHealthy;
  window_.fill(false);
  failures_ = 0;
  costly_ms_.fill(0);
  probing_ = false;
  probes_ = 0;
  rest_ms_ = rest_ms_min_;
}

}  // namespace penstock::apps
