// The clock that stops scripts: a signal of the process's CPU time, every few milliseconds.
//
// No thread and no system call per event: while the process sleeps no signal comes, and while it
// works the handler only compares counters.
#include <signal.h>
#include <sys/time.h>

#include <atomic>

#include "apps/script/worker.h"

namespace penstock::apps {
namespace {

constexpr int64_t kTickUs = 5000;

std::atomic<std::atomic<bool>*> flag{nullptr};
std::atomic<int64_t> ticks_left{0};

void on_tick(int) {
  std::atomic<bool>* raised = flag.load(std::memory_order_relaxed);
  if (raised == nullptr) return;
  if (ticks_left.fetch_sub(1, std::memory_order_relaxed) <= 0) {
    raised->store(true, std::memory_order_relaxed);
  }
}

}  // namespace

void StopTimer::install() {
  struct sigaction action{};
  action.sa_handler = on_tick;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGPROF, &action, nullptr);
  const itimerval every{{0, kTickUs}, {0, kTickUs}};
  ::setitimer(ITIMER_PROF, &every, nullptr);
}

void StopTimer::begin(std::atomic<bool>& stop, int64_t cpu_ns_max) {
  ticks_left.store(cpu_ns_max / (kTickUs * 1000), std::memory_order_relaxed);
  flag.store(&stop, std::memory_order_relaxed);
}

void StopTimer::end() { flag.store(nullptr, std::memory_order_relaxed); }

}  // namespace penstock::apps
