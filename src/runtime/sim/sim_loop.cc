#include "runtime/sim/sim_loop.h"

#include <algorithm>
#include <limits>

namespace penstock::runtime {
namespace {

constexpr uint64_t kWholeTurnPercent = 50;

}  // namespace

TimerId SimLoop::after(Duration delay, Task task) {
  const TimerId id = next_timer_++;
  const int64_t due = world_.now_ns + std::max<int64_t>(0, delay.count()) * 1000;
  timers_.emplace(std::pair{due, id}, std::move(task));
  due_.emplace(id, due);
  most_timers_ = std::max(most_timers_, timers_.size());
  return id;
}

void SimLoop::cancel(TimerId id) {
  const auto found = due_.find(id);
  if (found == due_.end()) return;
  timers_.erase({found->second, id});
  due_.erase(found);
}

bool SimLoop::on_this_thread() const {
  return world_.current == this || (world_.current == nullptr && !world_.in_job);
}

bool SimLoop::ready() const {
  if (world_.now_ns < asleep_until_ns_) return false;
  return !posted_.empty() || !turn_end_.empty() || next_due_ns() <= world_.now_ns;
}

int64_t SimLoop::next_due_ns() const {
  if (asleep_until_ns_ > world_.now_ns && !(posted_.empty() && turn_end_.empty())) {
    return asleep_until_ns_;
  }
  if (timers_.empty()) return std::numeric_limits<int64_t>::max();
  return std::max(timers_.begin()->first.first, asleep_until_ns_);
}

void SimLoop::run(Task task) {
  if (!world_.dead()) task();
}

void SimLoop::turn(Chance& dice) {
  world_.current = this;
  size_t tasks = posted_.size();
  if (tasks > 1 && !dice.percent(kWholeTurnPercent)) tasks = 1 + dice.below(tasks);
  for (; tasks > 0 && !posted_.empty(); tasks--) {
    Task task = std::move(posted_.front());
    posted_.pop_front();
    run(std::move(task));
  }
  while (next_due_ns() <= world_.now_ns) {
    auto timer = timers_.extract(timers_.begin());
    due_.erase(timer.key().second);
    run(std::move(timer.mapped()));
  }
  std::vector<Task> ending;
  ending.swap(turn_end_);
  for (Task& task : ending) run(std::move(task));
  world_.current = nullptr;
}

void SimLoop::clear() {
  // Destroying a task may post or cancel; what it adds is destroyed in the next round.
  while (!posted_.empty() || !turn_end_.empty() || !timers_.empty()) {
    const auto posted = std::exchange(posted_, {});
    const auto ending = std::exchange(turn_end_, {});
    const auto timers = std::exchange(timers_, {});
    due_.clear();
  }
}

}  // namespace penstock::runtime
