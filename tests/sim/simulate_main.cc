// Runs seeds of the simulation and prints a line of JSON for each; `tools/sim` drives it.
//
// usage: penstock-sim FIRST COUNT [SECONDS]   seeds FIRST, FIRST+1, …; ends after SECONDS, if given
//        penstock-sim probes                  every probe that is linked in
// Before a seed runs its number goes to stderr, so that whoever watches knows which one took the
// process down. PENSTOCK_SIM_DIAG=1 shows the product's own diagnostics.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/diag.h"
#include "base/probe.h"
#include "simulation/simulation.h"

int main(int argc, char** argv) {
  using namespace penstock;
  if (argc == 2 && std::string_view(argv[1]) == "probes") {
    for (const ProbeCount& p : probe_counts()) std::puts(std::string(p.name).c_str());
    return 0;
  }
  if (argc < 3) {
    std::fputs("usage: penstock-sim FIRST COUNT [SECONDS]\n       penstock-sim probes\n", stderr);
    return 2;
  }
  if (std::getenv("PENSTOCK_SIM_DIAG") == nullptr) {
    diag::set_sink([](diag::Level, std::string_view, diag::Fields) {});
  }
  const uint64_t first = std::strtoull(argv[1], nullptr, 10);
  const uint64_t count = std::strtoull(argv[2], nullptr, 10);
  const double seconds = argc > 3 ? std::atof(argv[3]) : 0;
  const auto begun = std::chrono::steady_clock::now();
  bool good = true;
  for (uint64_t seed = first; seed - first < count; seed++) {
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begun;
    if (seconds > 0 && passed.count() >= seconds) break;
    std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(seed));
    const simulation::Report report = simulation::run(seed);
    std::printf("%s\n", simulation::to_json(report).c_str());
    std::fflush(stdout);
    good = good && report.good();
  }
  return good ? 0 : 1;
}
