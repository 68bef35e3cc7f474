// What the machine did meanwhile: CPU of the processes under test, of this one and of strangers,
// memory. All of it from /proc; a process that is gone counts as zero.
#pragma once

#include <cstdint>
#include <vector>

namespace penstock::bench {

struct CpuTimes {
  double server_s = 0;  // user and system time of the named processes, all threads
  double client_s = 0;  // of this process
  double busy_s = 0;    // of everything on the machine, all cores
  double stolen_s = 0;  // what the hypervisor kept
};

[[nodiscard]] CpuTimes cpu_times(const std::vector<int>& pids);

/// Resident and highest resident memory of the processes, summed, in bytes.
struct Memory {
  uint64_t resident_bytes = 0;
  uint64_t peak_bytes = 0;
};
[[nodiscard]] Memory memory_of(const std::vector<int>& pids);

/// Monotonic time in nanoseconds.
[[nodiscard]] uint64_t now_ns();

}  // namespace penstock::bench
