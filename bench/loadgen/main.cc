// bench_loadgen: sends a request set at a capture address and prints one JSON line of what came of
// it. bench/run calls it; by hand it is as useful (--help).
#include <fmt/format.h>

#include <cstdlib>
#include <exception>
#include <iterator>
#include <sstream>
#include <string>

#include "bench/loadgen/client.h"

namespace penstock::bench {
namespace {

constexpr const char* kHelp = R"(usage: bench_loadgen --port N --set FILE [options]

  --connections N  connections, one request under way on each (64)
  --seconds S      measured time (10), after --warm S (2)
  --rate R         open loop: R requests per second; without it the loop is closed
  --pids A,B       processes whose CPU and memory is reported
)";

void print(const LoadResult& r) {
  const auto per_event = [&](double s) {
    return r.events == 0 ? 0.0 : s * 1e9 / static_cast<double>(r.events);
  };
  std::string statuses;
  for (const auto& [status, n] : r.statuses) {
    statuses += fmt::format("{}\"{}\":{}", statuses.empty() ? "" : ",", status, n);
  }
  const double strangers = r.cpu.busy_s - r.cpu.server_s - r.cpu.client_s;
  fmt::print(
      "{{\"seconds\":{:.2f},\"ok\":{},\"bad\":{},\"reconnects\":{},\"statuses\":{{{}}},"
      "\"requests_per_s\":{:.0f},\"events_per_s\":{:.0f},\"body_bytes_per_s\":{:.0f},"
      "\"p50_us\":{:.0f},\"p90_us\":{:.0f},\"p99_us\":{:.0f},\"p999_us\":{:.0f},\"max_us\":{:.0f},"
      "\"server_ns_per_event\":{:.0f},\"server_cores\":{:.3f},\"client_cores\":{:.3f},"
      "\"strangers_cores\":{:.3f},\"stolen_cores\":{:.3f},\"rss_bytes\":{},\"peak_rss_bytes\":{}}}"
      "\n",
      r.seconds, r.ok, r.bad, r.reconnects, statuses, static_cast<double>(r.ok) / r.seconds,
      static_cast<double>(r.events) / r.seconds, static_cast<double>(r.body_bytes) / r.seconds,
      r.latency.percentile_us(.5), r.latency.percentile_us(.9), r.latency.percentile_us(.99),
      r.latency.percentile_us(.999), r.latency.max_us(), per_event(r.cpu.server_s),
      r.cpu.server_s / r.seconds, r.cpu.client_s / r.seconds, strangers / r.seconds,
      r.cpu.stolen_s / r.seconds, r.memory.resident_bytes, r.memory.peak_bytes);
  if (!r.first_bad.empty()) fmt::print(stderr, "first bad answer: {}\n", r.first_bad);
}

int run(int argc, char** argv) {
  LoadOptions options;
  std::string set;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    const char* value = argv[i + 1];
    if (key == "--port") {
      options.port = std::atoi(value);
    } else if (key == "--set") {
      set = value;
    } else if (key == "--connections") {
      options.connections = std::atoi(value);
    } else if (key == "--seconds") {
      options.seconds = std::atof(value);
    } else if (key == "--warm") {
      options.warm_seconds = std::atof(value);
    } else if (key == "--rate") {
      options.rate = std::atof(value);
    } else if (key == "--pids") {
      std::istringstream in(value);
      for (std::string pid; std::getline(in, pid, ',');)
        options.pids.push_back(std::atoi(pid.c_str()));
    } else {
      fmt::print(stderr, "bench_loadgen does not know {}\n{}", key, kHelp);
      return 2;
    }
  }
  if (options.port == 0 || set.empty() || options.connections < 1) {
    fmt::print("{}", kHelp);
    return argc > 1 ? 2 : 0;
  }
  std::string bytes;
  const std::vector<Request> requests = read_set(set, bytes);
  print(Load(options, requests).run());
  return 0;
}

int run_told(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    fmt::print(stderr, "bench_loadgen: {}\n", e.what());
    return 1;
  }
}

}  // namespace
}  // namespace penstock::bench

int main(int argc, char** argv) { return penstock::bench::run_told(argc, argv); }
