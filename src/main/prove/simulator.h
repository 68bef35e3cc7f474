// Simulator: the product's own lives and deaths on virtual time, for so many seconds of this
// machine.
//
// Where the crash loop kills a real process on a real disk, this one has a disk that tears, loses
// and rots, a network that repeats and delays, and clocks that jump; thousands of lives fit into a
// minute. Thread: the caller's. Failure: what was broken is data, with the seed that shows it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace penstock::cli::prove {

struct SimulatorReport {
  uint64_t first_seed = 0, seeds = 0, lives = 0, kills = 0, acknowledged = 0, rows = 0;
  double seconds = 0, virtual_hours = 0;
  std::map<std::string, uint64_t> faults;
  std::vector<std::string> violations;

  /// Virtual time by real time.
  double pace() const { return seconds > 0 ? virtual_hours * 3600 / seconds : 0; }
};

/// `tell` hears of every seed that has ended.
SimulatorReport run_simulator(uint64_t first_seed, double seconds,
                              const std::function<void(const SimulatorReport&)>& tell);

}  // namespace penstock::cli::prove
