#include "simulation/world/faults.h"

#include <algorithm>
#include <string>

#include "simulation/simulation.h"

namespace penstock::simulation {
namespace {

struct Kind {
  std::string_view name;
  uint64_t ppm;  // of its opportunities, at intensity 1
};
/// In the order of Fault.
constexpr std::array<Kind, kFaults> kKinds{{
    {"power_loss", 600'000},
    {"killed", 400'000},
    {"pause", 60'000},
    {"pool_full", 60'000},
    {"clock_jump", 60'000},
    {"torn_writes", 500'000},
    {"lost_writes", 500'000},
    {"reordered_writes", 500'000},
    {"sync_error", 10'000},
    {"write_error", 10'000},
    {"read_error", 10'000},
    {"bad_sector", 1'000},
    {"disk_full", 60'000},
    {"slow_disk", 60'000},
    {"state_error", 10'000},
    {"bit_rot", 500'000},
    {"misdirected_write", 500'000},
    {"forgotten_write", 500'000},
    {"request_lost", 50'000},
    {"answer_lost", 50'000},
    {"request_twice", 50'000},
    {"request_late", 50'000},
    {"store_away", 100'000},
    {"store_busy", 100'000},
    {"store_slow", 100'000},
    {"store_silent", 100'000},
    {"store_half", 100'000},
    {"store_refuses", 1'000'000},
    {"log_silent", 10'000},
    {"persons_away", 20'000},
    {"persons_silent", 20'000},
    {"objects_away", 50'000},
    {"objects_silent", 50'000},
    {"app_hangs", 50'000},
}};

}  // namespace

std::string_view fault_name(Fault fault) { return kKinds[static_cast<size_t>(fault)].name; }

const std::vector<std::string_view>& fault_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const Kind& kind : kKinds) out.push_back(kind.name);
    return out;
  }();
  return names;
}

Faults::Faults(uint64_t seed, bool any, const std::vector<std::string>& only) : dice_(seed) {
  // Few kinds at a time find more than all of them always: they do not hide each other.
  const uint64_t share = dice_.pick<uint64_t>({0, 10, 10, 25, 25, 50, 50, 90});
  for (size_t i = 0; i < kFaults; i++) {
    const uint64_t intensity = dice_.pick<uint64_t>({20, 50, 100, 100, 300, 1000});
    const bool drawn = dice_.percent(share);
    const bool wanted =
        only.empty() ? drawn : std::ranges::find(only, kKinds[i].name) != only.end();
    if (any && wanted) ppm_[i] = std::min<uint64_t>(kKinds[i].ppm * intensity / 100, 1'000'000);
  }
}

}  // namespace penstock::simulation
