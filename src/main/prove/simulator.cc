#include "main/prove/simulator.h"

#include <fmt/format.h>

#include <chrono>

#include "simulation/simulation.h"

namespace penstock::cli::prove {
namespace {

constexpr size_t kNamedMax = 20;
constexpr double kHourUs = 3.6e9;

}  // namespace

SimulatorReport run_simulator(uint64_t first_seed, double seconds,
                              const std::function<void(const SimulatorReport&)>& tell) {
  SimulatorReport out;
  out.first_seed = first_seed;
  const auto begun = std::chrono::steady_clock::now();
  while (out.seconds < seconds) {
    const simulation::Report run = simulation::run(first_seed + out.seeds);
    out.seeds++;
    out.lives += run.lives;
    out.kills += run.kills;
    out.acknowledged += run.acknowledged;
    out.rows += run.rows;
    out.virtual_hours += static_cast<double>(run.virtual_us) / kHourUs;
    for (const auto& [kind, count] : run.faults) out.faults[kind] += count;
    for (const simulation::Violation& v : run.violations) {
      if (out.violations.size() >= kNamedMax) break;
      out.violations.push_back(
          fmt::format("simulated seed {}: {}: {}", run.seed, v.invariant, v.detail));
    }
    const auto taken = std::chrono::steady_clock::now() - begun;
    out.seconds = std::chrono::duration<double>(taken).count();
    tell(out);
  }
  return out;
}

}  // namespace penstock::cli::prove
