// SimLoop: a Loop whose turns are given by the simulator's scheduler.
//
// One thread runs all of them; "this loop's thread" is whoever the scheduler let run. A turn runs
// some of the posted tasks (the dice say how many), the timers that are due, then what asked for
// the turn's end. Owned by SimRuntime; never fails.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/runtime.h"
#include "runtime/sim/chance.h"

namespace penstock::runtime {

/// What the loops share: the time, and whose turn it is.
struct SimWorld {
  int64_t now_ns = 1'000'000'000;
  const Loop* current = nullptr;  // null: a pool job or the test itself
  bool in_job = false;
  std::function<bool()> dead;
};

class SimLoop : public Loop {
 public:
  explicit SimLoop(SimWorld& world) : world_(world) {}

  void post(Task task) override {
    posted_.push_back(std::move(task));
    most_posted_ = std::max(most_posted_, posted_.size());
  }
  TimerId after(Duration delay, Task task) override;
  void cancel(TimerId id) override;
  void at_turn_end(Task task) override { turn_end_.push_back(std::move(task)); }
  /// Also true for the test's own code between runs, so that it may set things up.
  bool on_this_thread() const override;

  bool ready() const;
  /// Takes no turn before.
  void sleep_until(int64_t ns) { asleep_until_ns_ = std::max(asleep_until_ns_, ns); }
  /// When there is something to do next that waits for time; INT64_MAX: never.
  int64_t next_due_ns() const;
  void turn(Chance& dice);
  /// Forgets everything; called before the loops go.
  void clear();

  size_t most_posted() const { return most_posted_; }
  size_t most_timers() const { return most_timers_; }

 private:
  void run(Task task);

  SimWorld& world_;
  std::deque<Task> posted_;
  std::vector<Task> turn_end_;
  std::map<std::pair<int64_t, TimerId>, Task> timers_;  // by due time
  std::unordered_map<TimerId, int64_t> due_;
  int64_t asleep_until_ns_ = 0;
  TimerId next_timer_ = 1;
  size_t most_posted_ = 0, most_timers_ = 0;
};

}  // namespace penstock::runtime
