#include "bench/loadgen/machine.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>

namespace penstock::bench {
namespace {

const double kTicks = static_cast<double>(sysconf(_SC_CLK_TCK));

double process_cpu_s(int pid) {
  std::ifstream in(fmt::format("/proc/{}/stat", pid));
  std::string line;
  std::getline(in, line);
  const size_t name_end = line.rfind(')');  // the name may hold spaces
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(line.substr(name_end + 2));
  std::string skipped;
  for (int field = 3; field < 14; field++) fields >> skipped;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / kTicks;
}

double timeval_s(const timeval& t) {
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
}

}  // namespace

CpuTimes cpu_times(const std::vector<int>& pids) {
  CpuTimes out;
  for (int pid : pids) out.server_s += process_cpu_s(pid);
  rusage self{};
  getrusage(RUSAGE_SELF, &self);
  out.client_s = timeval_s(self.ru_utime) + timeval_s(self.ru_stime);
  std::ifstream in("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0;
  in >> name >> user >> nice >> system >> idle >> wait >> irq >> soft >> steal;
  out.busy_s = (user + nice + system + irq + soft) / kTicks;
  out.stolen_s = steal / kTicks;
  return out;
}

Memory memory_of(const std::vector<int>& pids) {
  Memory out;
  for (int pid : pids) {
    std::ifstream in(fmt::format("/proc/{}/status", pid));
    std::string key;
    for (std::string line; std::getline(in, line);) {
      std::istringstream words(line);
      uint64_t kib = 0;
      words >> key >> kib;
      if (key == "VmRSS:") out.resident_bytes += kib * 1024;
      if (key == "VmHWM:") out.peak_bytes += kib * 1024;
    }
  }
  return out;
}

uint64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace penstock::bench
