// Projects whose apps take too long: they share a worker of their own until they were good for a
// while, so that other projects' events never wait behind them again.
#include <algorithm>

#include "apps/host/engine.h"
#include "apps/host/metrics.h"

namespace penstock::apps {
namespace {

constexpr int64_t kApartMsMin = 600'000, kApartMsMax = 86'400'000;
constexpr int64_t kLookMs = 10'000;

}  // namespace

size_t Engine::worker_of(ProjectId project) const {
  const auto found = apart_.find(project.value);
  if (found != apart_.end() && found->second.until_ms != 0) return apart_worker();
  return static_cast<size_t>(project.value) % apart_worker();
}

void Engine::set_apart(ProjectId project, const std::string& why) {
  Apart& apart = apart_[project.value];
  if (apart.until_ms != 0) return;
  apart.rest_ms = std::clamp(apart.rest_ms * 2, kApartMsMin, kApartMsMax);
  apart.until_ms = now_ms() + apart.rest_ms;
  metrics::set_apart.add();
  go_round(project);
  const auto found = by_project_.find(project.value);
  if (found != by_project_.end()) {
    const auto slot = slot_of(configs_[found->second.front()].id);
    if (slot) {
      log(*slot, LogEntry::Source::kSystem, LogEntry::Level::kWarn,
          "The project's apps have a worker apart from other projects' now: " + why + ".");
    }
  }
  set(configs_);
}

/// Those whose time is over, and whose apps are all well.
void Engine::come_back(int64_t now_ms) {
  if (apart_.empty() || now_ms - back_looked_ms_ < kLookMs) return;
  back_looked_ms_ = now_ms;
  bool any = false;
  for (auto at = apart_.begin(); at != apart_.end();) {
    auto& [project, apart] = *at;
    const auto found = by_project_.find(project);
    if (found == by_project_.end()) {
      at = apart_.erase(at);
      continue;
    }
    ++at;
    const bool well = std::ranges::all_of(found->second, [&](size_t place) {
      const auto slot = slot_of(configs_[place].id);
      return !slot || slot->health.health() != Health::kDisabled;
    });
    if (apart.until_ms == 0) continue;
    if (now_ms < apart.until_ms || !well) continue;
    apart.until_ms = 0;
    apart.late = false;
    any = true;
  }
  if (any) set(configs_);
}

}  // namespace penstock::apps
