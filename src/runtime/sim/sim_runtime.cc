#include "runtime/sim_runtime.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "base/assert.h"
#include "runtime/sim/chance.h"
#include "runtime/sim/sim_loop.h"

namespace penstock::runtime {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr uint64_t kTurnNsMax = 20'000;  // virtual time a turn takes, so that waiting ends

class SimClock : public Clock {
 public:
  SimClock(const SimWorld& world, int64_t wall_start_us)
      : world_(world), wall_us_(wall_start_us - world.now_ns / 1000) {}
  int64_t wall_us() const override { return wall_us_ + world_.now_ns / 1000; }
  int64_t mono_ns() const override { return world_.now_ns; }
  void jump(int64_t us) { wall_us_ += us; }

 private:
  const SimWorld& world_;
  int64_t wall_us_;
};

class SimRandom : public Random {
 public:
  explicit SimRandom(uint64_t seed) : dice_(seed) {}
  void fill(std::span<uint8_t> out) override {
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(dice_.next());
  }

 private:
  Chance dice_;
};

/// Jobs in no particular order: each runs on its own after a delay, its answer comes after another.
class SimPool : public BlockingPool {
 public:
  SimPool(SimWorld& world, SimDisk& disk, const SimOptions& options, uint64_t seed)
      : world_(world), disk_(disk), options_(options), dice_(seed) {}

  Status submit(Task job, Loop& home, Task done) override {
    if (jobs_.size() >= options_.pool_queue_max) {
      return fail(Code::kBusy, "too much blocking work is waiting");
    }
    schedule(options_.job_delay_max, {std::move(job), &home, std::move(done)});
    most_ = std::max(most_, jobs_.size());
    return {};
  }
  size_t most() const { return most_; }

  int64_t next_due_ns() const { return jobs_.empty() ? kNever : jobs_.begin()->first.first; }

  /// Runs the job that is due first, or hands over its answer if it ran already.
  void step() {
    auto node = jobs_.extract(jobs_.begin());
    Job& job = node.mapped();
    if (!job.work) {
      job.home->post(std::move(job.done));
      return;
    }
    const uint64_t syncs = disk_.sync_count();
    world_.in_job = true;
    std::exchange(job.work, nullptr)();
    world_.in_job = false;
    const auto slow = static_cast<int64_t>(disk_.sync_count() - syncs);
    schedule(options_.sync_delay_max * slow, std::move(job));
  }

  void clear() {
    while (!jobs_.empty()) const auto gone = std::exchange(jobs_, {});
  }

 private:
  struct Job {
    Task work;  // empty: it ran, `done` is to be posted
    Loop* home;
    Task done;
  };

  void schedule(Duration delay_max, Job job) {
    const uint64_t ns = dice_.below(static_cast<uint64_t>(delay_max.count()) * 1000 + 1);
    jobs_.emplace(std::pair{world_.now_ns + static_cast<int64_t>(ns), next_++}, std::move(job));
  }

  SimWorld& world_;
  SimDisk& disk_;
  const SimOptions& options_;
  Chance dice_;
  std::map<std::pair<int64_t, uint64_t>, Job> jobs_;  // by the time of their next step
  uint64_t next_ = 0;
  size_t most_ = 0;
};

}  // namespace

struct SimRuntime::State {
  State(uint64_t seed, std::shared_ptr<SimDisk> given, const SimOptions& wanted)
      : options(wanted),
        dice(seed),
        disk(given != nullptr ? std::move(given) : std::make_shared<SimDisk>(dice.next())),
        clock(world, wanted.wall_start_us),
        random(dice.next()),
        pool(world, *disk, options, dice.next()) {
    world.dead = [this] { return disk->killed(); };
  }

  int64_t next_due_ns() const {
    int64_t due = pool.next_due_ns();
    for (const auto& loop : loops) due = std::min(due, loop->next_due_ns());
    return due;
  }

  /// One turn of one thing that is ready; false: nothing is.
  bool step();

  SimOptions options;
  SimWorld world;
  Chance dice;
  Trace trace;
  uint64_t steps = 0;
  std::shared_ptr<SimDisk> disk;
  SimClock clock;
  SimRandom random;
  SimPool pool;
  std::vector<std::unique_ptr<SimLoop>> loops;
  std::vector<SimLoop*> ready;  // scratch of `step`
};

bool SimRuntime::State::step() {
  ready.clear();
  for (const auto& loop : loops) {
    if (loop->ready()) ready.push_back(loop.get());
  }
  const bool job = pool.next_due_ns() <= world.now_ns;
  if (ready.empty() && !job) return false;
  const size_t choice = dice.below(ready.size() + (job ? 1 : 0));
  steps++;
  trace.add(static_cast<uint64_t>(world.now_ns));
  trace.add(choice);
  if (choice < ready.size()) {
    ready[choice]->turn(dice);
  } else {
    pool.step();
  }
  world.now_ns += static_cast<int64_t>(1 + dice.below(kTurnNsMax));
  return true;
}

SimRuntime::SimRuntime(uint64_t seed, std::shared_ptr<SimDisk> disk, SimOptions options)
    : state_(std::make_unique<State>(seed, std::move(disk), options)) {}

SimRuntime::~SimRuntime() {
  state_->pool.clear();
  for (const auto& loop : state_->loops) loop->clear();
  state_->pool.clear();
}

Clock& SimRuntime::clock() { return state_->clock; }
Random& SimRuntime::random() { return state_->random; }
FileSystem& SimRuntime::files() { return *state_->disk; }
BlockingPool& SimRuntime::pool() { return state_->pool; }
SimDisk& SimRuntime::disk() { return *state_->disk; }
const std::shared_ptr<SimDisk>& SimRuntime::shared_disk() const { return state_->disk; }

Loop& SimRuntime::make_loop() {
  state_->loops.push_back(std::make_unique<SimLoop>(state_->world));
  return *state_->loops.back();
}

SimEnd SimRuntime::run_until(const std::function<bool()>& done, Duration limit) {
  State& s = *state_;
  PENSTOCK_ASSERT(s.world.current == nullptr && !s.world.in_job);  // not from inside a run
  const int64_t end = s.world.now_ns + limit.count() * 1000;
  for (;;) {
    if (s.disk->killed()) return SimEnd::kKilled;
    if (done && done()) return SimEnd::kDone;
    if (s.world.now_ns >= end) return SimEnd::kTimeLimit;
    if (s.step()) continue;
    const int64_t due = s.next_due_ns();
    if (due == kNever) return SimEnd::kIdle;
    s.world.now_ns = std::min(due, end);
  }
}

SimEnd SimRuntime::run_for(Duration duration) {
  const int64_t end = state_->world.now_ns + duration.count() * 1000;
  const SimEnd how = run_until({}, duration);
  // Time passes even when there is nothing to do.
  if (how == SimEnd::kIdle) state_->world.now_ns = std::max(state_->world.now_ns, end);
  return how;
}

SimEnd SimRuntime::run(Duration limit) { return run_until({}, limit); }

void SimRuntime::jump_wall(Duration by) { state_->clock.jump(by.count()); }

void SimRuntime::stall(Duration by) { state_->world.now_ns += by.count() * 1000; }

void SimRuntime::stall(Loop& loop, Duration by) {
  for (const auto& own : state_->loops) {
    if (own.get() == &loop) own->sleep_until(state_->world.now_ns + by.count() * 1000);
  }
}

void SimRuntime::set_pace(const SimOptions& options) {
  const int64_t wall_start_us = state_->options.wall_start_us;
  state_->options = options;
  state_->options.wall_start_us = wall_start_us;
}

SimHighWater SimRuntime::high_water() const {
  SimHighWater out{state_->pool.most(), 0, 0};
  for (const auto& loop : state_->loops) {
    out.posted_tasks = std::max(out.posted_tasks, loop->most_posted());
    out.timers = std::max(out.timers, loop->most_timers());
  }
  return out;
}

uint64_t SimRuntime::steps() const { return state_->steps; }

uint64_t SimRuntime::trace() const {
  Trace both = state_->trace;
  both.add(state_->disk->trace());
  return both.value();
}

}  // namespace penstock::runtime
